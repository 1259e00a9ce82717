"""Forks of a server end as Pythons do, and with their server."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from susx.workflow import fork_server, forks
from tests.waiting import is_gone, until

SCRIPT = SimpleNamespace(resources={}, bench_record=None)
"""What `ForkServer.run` reads of Snakemake's object."""


def job(folder: Path, text: str) -> str:
    (folder / "job.py").write_text(text, "utf-8")
    return str(folder / "job.py")


def test_a_server_that_was_told_to_end_ends_what_asks_later(tmp_path: Path) -> None:
    server = forks.ForkServer([])
    assert server.run(SCRIPT, job(tmp_path, ""))
    server._process.terminate()
    with pytest.raises(subprocess.CalledProcessError) as told:
        server.run(SCRIPT, job(tmp_path, "raise RuntimeError('it began')"))
    assert told.value.returncode == -signal.SIGTERM


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a fork notes its number, half a second before it goes on."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    text = """
import os, pathlib, time
def slowly():
    pathlib.Path(__file__).with_name("begins").write_text(f"{os.getpid()}.")
    time.sleep(0.5)
os.register_at_fork(after_in_child=slowly)
"""
    (tmp_path / "slow.py").write_text(text, "utf-8")
    return tmp_path / "begins"


def begun(note: Path) -> int:
    """Number of the fork that notes it."""
    until(lambda: note.exists() and note.read_text().endswith("."))
    return int(note.read_text().removesuffix("."))


def test_an_interrupt_ends_a_fork_that_just_began(tmp_path: Path, slow: Path) -> None:
    server = forks.ForkServer(["slow"])
    file = job(tmp_path, "import time; time.sleep(10)")
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(server.run, SCRIPT, file)
        os.kill(begun(slow), signal.SIGINT)
        with pytest.raises(subprocess.CalledProcessError):
            asked.result(timeout=60)


def test_a_fork_whose_server_ends_as_it_begins_does_nothing(tmp_path: Path, slow: Path) -> None:
    server = forks.ForkServer(["slow"])
    file = job(tmp_path, "open(__file__ + '.ran', 'w').close()")
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(server.run, SCRIPT, file)
        fork = begun(slow)
        server._process.kill()
        with pytest.raises(subprocess.CalledProcessError):
            asked.result(timeout=60)
    until(lambda: is_gone(fork))
    assert not Path(file + ".ran").exists()


def test_a_server_that_was_killed_leaves_jobs_to_themselves(tmp_path: Path) -> None:
    server = forks.ForkServer([])
    server._process.kill()
    for _ in range(2):
        assert not server.run(SCRIPT, job(tmp_path, "raise RuntimeError('it began')"))


def test_a_server_without_room_for_a_fork_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"""
import os, runpy
fork, tries = os.fork, iter([False, True])
def some():
    if next(tries):
        return fork()
    raise OSError("no room")
os.fork = some
runpy.run_path({fork_server.__file__!r}, run_name="__main__")
"""
    (tmp_path / "server.py").write_text(text, "utf-8")
    monkeypatch.setattr(fork_server, "__file__", str(tmp_path / "server.py"))
    server = forks.ForkServer([])
    assert not server.run(SCRIPT, job(tmp_path, ""))
    assert server.run(SCRIPT, job(tmp_path, ""))


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("import sys; sys.exit(3)", 3),
        ("import os; os._exit(4)", 4),
        ("import os; os.abort()", -signal.SIGABRT),
        ("raise ValueError", 1),
        ("import sys; sys.exit('')", 1),
        ("import sys; sys.exit(0.0)", 1),
        ("import sys; sys.stdout = open('/dev/full', 'w'); print('lost')", 120),
    ],
)
def test_a_fork_ends_with_the_exit_code_of_its_script(
    tmp_path: Path, text: str, status: int
) -> None:
    server = forks.ForkServer([])
    with pytest.raises(subprocess.CalledProcessError) as told:
        server.run(SCRIPT, job(tmp_path, text))
    assert told.value.returncode == status


@pytest.mark.parametrize(
    "text",
    [
        "import sys; sys.exit(None)",
        "import sys; sys.exit(2**40)",  # whose last eight bits are 0
        "import sys; sys.stdout = sys.stderr = None",
        "import sys; sys.stdout.close(); sys.stderr.close()",
    ],
)
def test_a_fork_succeeds_where_a_python_does(tmp_path: Path, text: str) -> None:
    assert forks.ForkServer([]).run(SCRIPT, job(tmp_path, text))


def test_an_error_is_told_without_the_frames_of_a_server(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = job(tmp_path, "raise ValueError('told')")
    with pytest.raises(subprocess.CalledProcessError):
        forks.ForkServer([]).run(SCRIPT, file)
    apart = subprocess.run([sys.executable, file], capture_output=True, text=True, check=False)
    assert capfd.readouterr().err == apart.stderr


@pytest.mark.parametrize(
    ("late", "ending", "said"),
    [
        ("print(pickle.loads(pickle.dumps(late)) is late)", "", "True\n"),
        (
            "print('said late', end='')",
            "class Thing: pass\nthing = Thing()\nweakref.finalize(thing, print, 'thrown away')",
            "said latethrown away\n",
        ),
    ],
    ids=["looks up what the script defines", "says what is not flushed, then finalizers speak"],
)
def test_a_fork_waits_for_its_threads(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], late: str, ending: str, said: str
) -> None:
    text = f"""
import pickle, threading, time, weakref
def late():
    time.sleep(0.3)
    {late}
threading.Thread(target=late).start()
{ending}
"""
    assert forks.ForkServer([]).run(SCRIPT, job(tmp_path, text))
    assert capfd.readouterr().out == said
