"""Jobs that start as forks are what jobs are that start by themselves."""

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from snakemake.script import PythonScript
from snakemake.shell import shell

from susx.workflow import forks
from tests import warm
from tests.waiting import is_gone, until

ROOT = Path(__file__).parents[3]
SNAKEFILE = f"""
import sys

sys.path.insert(0, "{ROOT}")
from snakemake.settings.types import ExecMode
from susx.workflow.forks import start_as_forks

if workflow.exec_mode == ExecMode.DEFAULT:
    start_as_forks({{"forked": config["modules"], "lengthy": config["modules"]}})


rule all:
    input: expand("forked/{{n}}.json", n=range(6)), "cold.json"

rule forked:
    output: "forked/{{n}}.json"
    benchmark: "forked/{{n}}.tsv"
    script: "note.py"

rule cold:
    output: "cold.json"
    script: "note.py"

rule lengthy:
    output: "lengthy.json"
    script: "wait.py"
"""
NOTE = """
import atexit, json, os, sys, tempfile

atexit.register(lambda: open(f"ended-{snakemake.rule}-{os.getpid()}", "w").close())
if os.path.exists(f"fail-{snakemake.rule}"):
    sys.exit("this job was told to fail")
facts = {
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "temporary": tempfile.gettempdir(),
    "name": __name__,
    "modules": [name for name in sys.path if "snakemake-runtime-cache" not in name],
    "script": len(sys.argv) == 1 and sys.argv[0].endswith(".note.py"),
    "ours": [name for name in sys.modules if name.startswith("susx")],
    "marked": "marked" in sys.modules,
    "parent": os.getppid(),
    "input": sys.stdin.read(),
}
with open(snakemake.output[0], "w") as file:
    json.dump(facts, file)
"""
WAIT = """
import os, pathlib, time

pathlib.Path("waits").write_text(f"{os.getpid()} {os.getppid()}")
time.sleep(300)
"""
OF_SHELLS = {"PWD", "OLDPWD", "SHLVL", "_"}
OF_THREADS = {f"{name}_NUM_THREADS" for name in ("GOTO", "MKL", "NUMEXPR", "OMP", "OPENBLAS")} | {
    "VECLIB_MAXIMUM_THREADS"
}
"""What a job of this package sets by itself, whatever it starts with."""


class Folder:
    """A folder with a small workflow, two of whose rules have jobs that start as forks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name, text in {"Snakefile": SNAKEFILE, "note.py": NOTE, "wait.py": WAIT}.items():
            (path / name).write_text(text, "utf-8")
        (path / "modules").mkdir()
        self.module("marked", "import os\nopen(f'imported-{os.getpid()}', 'w').close()\n")

    def module(self, name: str, text: str) -> None:
        """Write a module that can be imported."""
        (self.path / "modules" / f"{name}.py").write_text(text, "utf-8")

    def start(self, *arguments: str, module: str = "marked", **env: str) -> subprocess.Popen[str]:
        """Call Snakemake with a module that is imported before jobs are."""
        # What runs tests in the background lets them ignore interrupts.
        command = ["env", "--default-signal=INT", sys.executable, "-m", "snakemake"]
        command += ["--cores", "3", "--keep-going", *arguments]
        env = {**warm.clean_environment(), **env, "PYTHONPATH": str(self.path / "modules")}
        return subprocess.Popen(
            [*command, "--config", f"modules=['{module}']"],
            cwd=self.path,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def call(self, *arguments: str, module: str = "marked", **env: str) -> tuple[int, str]:
        """The same until it ends: the exit status and what is said."""
        process = self.start(*arguments, module=module, **env)
        said = process.communicate(timeout=120)[0]
        return process.returncode, said

    def facts(self, name: str) -> dict[str, Any]:
        """What a job noted."""
        noted: dict[str, Any] = json.loads((self.path / f"{name}.json").read_text("utf-8"))
        return noted

    @property
    def forked(self) -> list[dict[str, Any]]:
        """What the jobs of `forked` noted."""
        return [self.facts(f"forked/{n}") for n in range(6)]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_fork_is_the_python_that_it_stands_for(folder: Folder) -> None:
    status, said = folder.call(SOME_SETTING="kept")
    assert status == 0, said
    cold = folder.facts("cold")
    assert not cold.pop("marked")
    own = cold.pop("parent")
    for facts in folder.forked:
        assert facts.pop("marked")
        assert facts.pop("parent") != own
        begun, expected = facts.pop("environment"), dict(cold["environment"])
        aside = OF_SHELLS | OF_THREADS
        assert {k: v for k, v in begun.items() if k not in aside} == {
            k: v for k, v in expected.items() if k not in aside
        }
        assert begun["SOME_SETTING"] == "kept"
        assert facts == {k: v for k, v in cold.items() if k != "environment"}


def test_what_forks_import_is_imported_once_and_no_process_stays(folder: Folder) -> None:
    folder.call()
    (imported,) = folder.path.glob("imported-*")
    server = int(imported.name.partition("-")[2])
    assert {facts["parent"] for facts in folder.forked} == {server}
    until(lambda: is_gone(server))


def test_forks_end_as_pythons_do(folder: Folder) -> None:
    folder.call()
    assert len([*folder.path.glob("ended-forked-*")]) == 6


def test_modules_of_the_working_folder_are_not_those_of_jobs(folder: Folder) -> None:
    folder.module("marked", "import statistics\n")
    (folder.path / "statistics.py").write_text("raise RuntimeError('not asked for')", "utf-8")
    status, said = folder.call()
    assert status == 0, said
    assert "not asked for" not in said
    assert all(facts["marked"] for facts in folder.forked)


def test_options_of_this_python_are_not_those_of_jobs(folder: Folder) -> None:
    command = [sys.executable, "-O", "-m", "snakemake", "--cores", "3", "--config"]
    env = {**warm.clean_environment(), "PYTHONPATH": str(folder.path / "modules")}
    subprocess.run([*command, "modules=['marked']"], cwd=folder.path, env=env, check=True)
    assert not any(facts["marked"] for facts in folder.forked)


def test_what_a_workflow_puts_before_commands_is_heeded(folder: Folder) -> None:
    prefix = """shell.prefix("export BEFORE=1; ")\n"""
    (folder.path / "Snakefile").write_text(prefix + SNAKEFILE, "utf-8")
    assert folder.call()[0] == 0
    assert {facts["environment"]["BEFORE"] for facts in folder.forked} == {"1"}


def test_benchmarks_are_those_of_forks(folder: Folder) -> None:
    folder.module("marked", "numbers = bytearray(80 * 2**20)\n")
    assert folder.call()[0] == 0
    for n in range(6):
        names, values = (folder.path / f"forked/{n}.tsv").read_text().splitlines()
        row = dict(zip(names.split("\t"), values.split("\t"), strict=True))
        assert float(row["max_rss"]) > 80


def test_a_fork_that_fails_is_a_job_that_fails(folder: Folder) -> None:
    (folder.path / "fail-forked").touch()
    status, said = folder.call()
    assert status == 1
    assert said.count("this job was told to fail") == 6
    assert "CalledProcessError" in said
    assert "exit status 1" in said
    assert (folder.path / "cold.json").exists()
    assert not [*folder.path.glob("forked/*.json")]


@pytest.mark.parametrize("fault", ["raise RuntimeError('broken')", "import os; os._exit(3)"])
def test_jobs_start_by_themselves_where_what_they_import_breaks_a_server(
    folder: Folder, fault: str
) -> None:
    folder.module("broken", fault)
    status, said = folder.call(module="broken")
    assert status == 0, said
    assert said.count("RuntimeError: broken") == ("RuntimeError" in fault)  # it is not tried again
    assert not any(facts["marked"] for facts in folder.forked)


def test_what_cannot_be_imported_is_left_to_jobs(folder: Folder) -> None:
    status, said = folder.call(module="not_installed")
    assert status == 0, said
    assert not any(facts["marked"] for facts in folder.forked)


def test_forks_can_be_switched_off(folder: Folder) -> None:
    assert folder.call(SUSX_FORKS="0")[0] == 0
    assert not any(facts["marked"] for facts in folder.forked)
    assert not [*folder.path.glob("imported-*")]


def test_an_interrupt_ends_forks_and_their_server(folder: Folder) -> None:
    run = folder.start("lengthy.json")
    waits = folder.path / "waits"
    until(lambda: waits.exists() and len(waits.read_text().split()) == 2)
    fork, server = map(int, waits.read_text().split())
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    run.communicate(timeout=60)
    assert run.returncode != 0
    until(lambda: is_gone(fork))
    until(lambda: is_gone(server))
    assert not (folder.path / "lengthy.json").exists()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_no_job_starts_once_a_run_was_told_to_end(folder: Folder, stop: int) -> None:
    """While the server imports, jobs wait for it."""
    folder.module(
        "lengthy", "import os\nopen('imports', 'w').close()\nimport time\ntime.sleep(300)"
    )
    run = folder.start("forked/0.json", module="lengthy")
    until((folder.path / "imports").exists)
    until(lambda: any((folder.path / ".snakemake/scripts").glob("*.py")))
    time.sleep(1)  # until it has asked for a fork
    os.killpg(run.pid, stop)
    assert run.wait(timeout=60) == 1
    run.communicate()
    assert not [*folder.path.glob("forked/*.json")]


def test_a_run_that_ends_leaves_nothing_that_imports(folder: Folder) -> None:
    folder.module("lengthy", "import time\ntime.sleep(300)")
    status, said = folder.call("cold.json", module="lengthy")  # until all have closed its output
    assert status == 0, said


def test_a_server_that_is_killed_ends_its_jobs(folder: Folder) -> None:
    run = folder.start("lengthy.json")
    waits = folder.path / "waits"
    until(lambda: waits.exists() and len(waits.read_text().split()) == 2)
    fork, server = map(int, waits.read_text().split())
    os.kill(server, signal.SIGKILL)
    assert run.wait(timeout=60) == 1
    until(lambda: is_gone(fork))
    assert "exit status 255" in run.communicate()[0]


@pytest.fixture
def safe(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this process were a run in Linux without a GPU."""
    monkeypatch.delenv(forks.SWITCH, raising=False)
    monkeypatch.setattr(forks, "GPU_FILES", ())
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "snakemake"])


@pytest.mark.usefixtures("safe")
def test_no_forks_where_they_are_not_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert forks.may_fork()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        assert not forks.may_fork()
    for options in (["-W", "error", "snakemake"], ["-c", "pass"], []):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "orig_argv", ["python", *options])
            assert not forks.may_fork()
    monkeypatch.setattr(forks, "GPU_FILES", (str(tmp_path),))
    assert not forks.may_fork()


@pytest.mark.usefixtures("safe")
def test_a_run_without_such_jobs_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "ForkServer", lambda _: pytest.fail("it started"))
    before = PythonScript.execute_script
    forks.start_as_forks({})
    assert PythonScript.execute_script is before


@pytest.mark.usefixtures("safe")
def test_another_run_of_a_process_ends_the_server_of_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = PythonScript.execute_script
    monkeypatch.setattr(PythonScript, "execute_script", before)
    forks.start_as_forks({"forked": ["json"]})
    first = forks._last
    assert first is not None
    forks.start_as_forks({"forked": ["json"]})
    assert first._process.returncode == -signal.SIGKILL
    assert forks._last is not first
    forks.start_as_forks({})
    assert forks._last is None
    assert PythonScript.execute_script is before


def test_what_is_touched_of_snakemake_is_there() -> None:
    given = {"rulename", "resources", "conda_env", "container_img", "env_modules", "bench_record"}
    assert given <= inspect.signature(PythonScript.__init__).parameters.keys()
    assert [*inspect.signature(PythonScript.execute_script).parameters] == ["self", "fname", "edit"]
    assert (shell._process_prefix, shell._process_suffix) == (None, "")
