"""Processes of tests that start warm behave like those that start as usual."""

import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import warm

REPORT = """\
import json, os, sys
print(json.dumps([sys.argv[1:], sys.orig_argv, sys.path, os.getcwd(), __name__, __file__]))
print(sys.stdin.read().upper())
print(sorted(sys.modules)[:0], file=sys.stderr)
"""
WAITING = "import time; time.sleep(600)"
ENV = {**warm.clean_environment(), "HF_HUB_OFFLINE": "1", **warm.ONE_THREAD}


def script(folder: Path, code: str) -> Path:
    path = folder / ".snakemake" / "scripts" / "tmp.some_rule.py"
    path.parent.mkdir(parents=True)
    path.write_text(code)
    return path


def call(path: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(path)]
    return subprocess.run(
        command, cwd=path.parents[2], env=env, input="said", capture_output=True, text=True
    )


@pytest.mark.parametrize("path", [None, "some/folder"])
def test_a_script_sees_what_it_always_sees(tmp_path: Path, path: str | None) -> None:
    env = ENV if path is None else {**ENV, "PYTHONPATH": path}
    program = script(tmp_path, REPORT)
    cold, started = call(program, env), call(program, warm.environment(env))
    assert (started.returncode, started.stdout, started.stderr) == (0, cold.stdout, cold.stderr)


def test_what_others_wrote_and_the_whole_package_are_there_at_once(tmp_path: Path) -> None:
    names = ["torch", "susx.artifacts.making", "susx.planning.setup", "susx.evaluation.results"]
    code = f"import sys; print([name in sys.modules for name in {[*names, 'susx_job']}])"
    started = call(script(tmp_path, code), warm.environment(ENV)).stdout
    assert started == f"{[*[True] * len(names), False]}\n"


def test_where_the_path_has_more_plugins_of_snakemake_processes_start_as_usual(
    tmp_path: Path,
) -> None:
    (tmp_path / "more/snakemake_executor_plugin_other").mkdir(parents=True)
    env = warm.environment({**ENV, "PYTHONPATH": str(tmp_path / "more")})
    code = "import sys; print('torch' in sys.modules)"
    assert call(script(tmp_path, code), env).stdout == "False\n"


@pytest.mark.long
def test_what_libraries_read_early_is_as_it_is_given(tmp_path: Path) -> None:
    """Each setting of the hub has a server; other settings start as usual."""
    code = "import sys; print('torch' in sys.modules); from huggingface_hub import constants as c"
    code += "; print(c.HF_HUB_OFFLINE)"
    online = {name: value for name, value in ENV.items() if name != "HF_HUB_OFFLINE"}
    for name, env, torch, offline in (
        ("offline", ENV, True, True),
        ("online", online, True, False),
        ("locale", ENV | {"LC_ALL": "C"}, False, True),
    ):
        done = call(script(tmp_path / name, code), warm.environment(env))
        assert done.stdout == f"{torch}\n{offline}\n", name


def test_a_job_has_the_threads_that_it_is_given(tmp_path: Path) -> None:
    code = """\
from susx.core.compute import THREAD_VARIABLES, limit_threads
limit_threads(2)
import os, numpy, scipy.linalg, torch
from threadpoolctl import threadpool_info
pools = {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}
print([os.environ[name] for name in THREAD_VARIABLES], torch.get_num_threads(), {*pools.values()})
"""
    env = {**ENV, **dict.fromkeys(warm.ONE_THREAD, "2"), "PYTHONPATH": str(warm.REPO)}
    program = script(tmp_path, "import sys; print('torch' in sys.modules)\n" + code)
    cold, started = call(program, env), call(program, warm.environment(env))
    assert cold.stdout == f"False\n{['2'] * 6} 2 {{2}}\n"
    assert started.stdout == cold.stdout.replace("False", "True")


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('too bad')", 1, "too bad\n"),
        ("raise ValueError('no')", 1, "ValueError: no\n"),
        ("import atexit; atexit.register(print, 'end')", 0, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 128 + 9, ""),
    ],
)
def test_how_a_process_ended_is_told(tmp_path: Path, code: str, status: int, words: str) -> None:
    done = call(script(tmp_path, code), warm.environment(ENV))
    assert done.returncode == status
    assert done.stderr.endswith(words)
    assert ("end" in done.stdout) == ("atexit" in code)


def test_other_folders_of_the_path_prepare_a_process_too(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('prepared')")
    env = warm.environment({**ENV, "PYTHONPATH": str(tmp_path)})
    for place, code in (("script", "print(1)"), ("other", "print(2)")):
        assert call(script(tmp_path / place, code), env).stdout.startswith("prepared\n")
    done = subprocess.run([sys.executable, "-c", "1"], env=env, capture_output=True, text=True)
    assert done.stdout == "prepared\n"


def test_the_command_starts_warm(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; print('torch' in sys.modules)")
    command = [str(Path(sys.executable).with_name("susx")), "show", "typo.json"]
    env = {**ENV, "PYTHONPATH": str(tmp_path)}
    cold, started = (
        subprocess.run(command, cwd=tmp_path, env=each, capture_output=True, text=True)
        for each in (env, warm.environment(env))
    )
    assert (cold.stdout, started.stdout) == ("False\n", "True\n")
    assert "typo.json: file not found" in cold.stderr
    assert (started.returncode, started.stderr) == (cold.returncode, cold.stderr)


def test_what_a_process_is_given_may_hold_any_character(tmp_path: Path) -> None:
    code = "import os; print(ascii(os.environ['ODD']))"
    odd = {"ODD": "é\"'\\\n\t\udcff{}"}
    program = script(tmp_path, code)
    cold, started = call(program, ENV | odd), call(program, warm.environment(ENV | odd))
    assert started.stdout == cold.stdout == f"{odd['ODD']!a}\n"


def test_a_process_ends_with_the_one_that_asked_for_it(tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    code = f"""\
import time, pathlib
while True:
    pathlib.Path({str(sign)!r}).touch()
    time.sleep(0.05)
"""
    command = [sys.executable, str(script(tmp_path, code))]
    process = subprocess.Popen(command, env=warm.environment(ENV))
    deadline = time.monotonic() + 60
    while not sign.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    while True:
        before = sign.stat().st_mtime_ns
        time.sleep(0.5)
        if sign.stat().st_mtime_ns == before:
            break
        assert time.monotonic() < deadline, "the process goes on alone"


def test_processes_end_with_a_server_that_is_killed(tmp_path: Path) -> None:
    program = f"""\
import subprocess, sys
from pathlib import Path
from tests import warm
env = {{**warm.clean_environment(), "HF_HUB_OFFLINE": "1", **warm.ONE_THREAD}}
command = [sys.executable, {str(script(tmp_path, WAITING))!r}]
warm_env = warm.environment(env, modules=[])
for _ in range(2):
    subprocess.Popen(command, env=warm_env)
print(Path(warm_env["WARM_SERVER"]).parent, flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env=warm.clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    place = process.stdout.readline().strip()
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    ours = re.compile(f"{re.escape(place)}|{re.escape(str(tmp_path))}")
    while running := [p for p in Path("/proc").glob("[0-9]*/cmdline") if ours.search(_text(p))]:
        assert time.monotonic() < deadline, running
        time.sleep(0.1)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def test_a_worker_starts_warm_and_what_it_starts_does_not(tmp_path: Path) -> None:
    code = "import os, sys; print('torch' in sys.modules, sys.path[0], 'PYTHONPATH' in os.environ)"
    code += "; print([name for name in os.environ if name.startswith('WARM_')])"
    for argv, warm_ones, said in (
        (["-u", "-c", code], {"WARM_WORKERS": "1"}, "True  False\n['WARM_OWNER']\n"),
        (["-u", "-c", code], {}, None),
        (["-c", code], {"WARM_WORKERS": "1"}, None),
    ):
        own = {name: value for name, value in ENV.items() if name != "PYTHONPATH"}
        env = {**warm.environment({**own, "WARM_OWNER": warm.OWNER}), **warm_ones}
        command = [sys.executable, *argv]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.stdout.startswith(said or "False  True\n"), (argv, done.stderr)


def test_who_connects_and_asks_nothing_disturbs_nobody(tmp_path: Path) -> None:
    env = warm.environment(ENV)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.connect(env["WARM_SERVER"])
    code = "import sys; print('torch' in sys.modules)"
    assert call(script(tmp_path, code), env).stdout == "True\n"


def test_libraries_that_change_the_environment_do_not_keep_processes_cold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/elsewhere")  # as cv2 does
    assert warm.clean_environment().get("LD_LIBRARY_PATH") == warm.BEGAN.get("LD_LIBRARY_PATH")


def test_what_a_server_imported_is_there_at_once(tmp_path: Path) -> None:
    code = "import sys; print('wsgiref.util' in sys.modules)"
    env = warm.environment(ENV, modules=["wsgiref.util"])
    assert call(script(tmp_path, code), env).stdout == "True\n"
    assert call(script(tmp_path / "other", code), warm.environment(ENV)).stdout == "False\n"
