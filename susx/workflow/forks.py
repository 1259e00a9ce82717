"""Jobs that begin as forks of one process, which has imported what takes their Pythons seconds.

What a job does and writes is the same. It begins as a Python without a module of this package.
"""

from __future__ import annotations

import atexit
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, get_context, spawn
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from snakemake.benchmark import benchmarked
from snakemake.script import PythonScript
from snakemake.shell import shell

from susx.core.compute import wait_asleep
from susx.workflow import fork

SWITCH = "SUSX_FORKS"
"""Environment variable that is 0 where every job is to start as a Python of its own."""
PROGRAMS = ("snakemake", "susx")
"""What has no other use for a server of forks."""
GPUS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Drivers that a fork cannot use once the process that it comes from has asked them anything."""
SAFE = (3, 11, 1)
"""Before it, every user of the machine could ask the server for processes (CVE-2022-42919)."""
TEMPORARY = ("TMPDIR", "TMP", "TEMPDIR", "TEMP")
"""What Snakemake sets for the scripts that it runs."""
STOPS = (signal.SIGINT, signal.SIGTERM)
"""How a run is told to end: no job is to begin then."""
_SAFE_PATH = "PYTHONSAFEPATH"
"""Environment variable of a Python that imports nothing from the working folder."""
_CHANGES = threading.Lock()
"""Of two threads that ask for the end of a fork at once, multiprocessing tells one a wrong code."""


def start_as_forks(modules: Mapping[str, Sequence[str]]) -> None:
    """Let jobs of some rules start as forks of a process that begins to import at once.

    Where that is not safe or not possible, every job starts as ever.

    Args:
        modules: by rule, what its jobs import; one that cannot be imported is left to them.
    """
    if not modules or not may_fork():
        return
    wait_asleep()  # which jobs would say too late
    forkserver.set_forkserver_preload(sorted(set().union(*modules.values())))
    try:
        with _apart_from_folder(), _apart_from_program():
            forkserver.ensure_running()
    except OSError:  # no room for its socket
        return
    server: int = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    # It may still import, and keeps open what this process writes to.
    atexit.register(os.kill, server, signal.SIGKILL)
    execute = PythonScript.execute_script

    def execute_forked(script: Any, file: str, edit: bool = False) -> None:
        if not (_is_plain(script, modules) and run_forked(script, file, server)):
            execute(script, file, edit)

    PythonScript.execute_script = execute_forked


def may_fork() -> bool:
    """Whether forks may use what was imported before: in Linux, without a GPU.

    Options of this Python would be theirs, and are not those of jobs.
    """
    program = Path(getattr(sys.modules["__main__"], "__file__", None) or "").stem
    return (
        os.environ.get(SWITCH) != "0"
        and sys.platform == "linux"
        and sys.version_info >= SAFE
        and (program in PROGRAMS or program == "__main__")  # python -m
        and (sys.orig_argv[1] == "-m" or not sys.orig_argv[1].startswith("-"))
        and not any(Path(path).exists() for path in GPUS)
    )


def _is_plain(script: Any, rules: Collection[str]) -> bool:
    """Whether the Python of this run is all that a script is called with."""
    deployed = script.conda_env or script.container_img or script.env_modules
    around = shell._process_prefix or shell._process_suffix or script.resources.get("shell_exec")
    return script.rulename in rules and not deployed and not around


@contextmanager
def _apart_from_folder() -> Iterator[None]:
    given = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        del os.environ[_SAFE_PATH]
        if given is not None:
            os.environ[_SAFE_PATH] = given


@contextmanager
def _apart_from_program() -> Iterator[None]:
    """Let multiprocessing hand on neither the program of this process nor where its modules lie."""
    given = spawn.get_preparation_data
    spawn.get_preparation_data = lambda name: {}
    try:
        yield
    finally:
        spawn.get_preparation_data = given


def run_forked(script: Any, file: str, server: int) -> bool:
    """Run a script of Snakemake's, and say whether it could be started.

    Args:
        script: Snakemake's object of that name.
        file: with the job that it is for.
        server: the process that forks.

    Raises:
        CalledProcessError: if it failed.
    """
    env = dict(os.environ)
    if folder := script.resources.get("tmpdir"):
        env |= dict.fromkeys(TEMPORARY, folder)
    given = {fork.GIVEN: (file, str(Path.cwd()), env)}
    process = get_context("forkserver").Process(target=runpy.run_path, args=(fork.__file__, given))
    with _CHANGES:
        status = _start(process, server)
    if status is None:
        with benchmarked(process.pid if script.bench_record else False, script.bench_record):
            wait([process.sentinel])
        with _CHANGES:
            process.join()
        status = process.exitcode
    elif -status not in STOPS:
        return False
    if status:
        raise subprocess.CalledProcessError(status, f"{sys.executable} {file}")
    return True


def _start(process: Any, server: int) -> int | None:
    """Start a process, or say how the server has ended: as an exit code, 0 if it is at work."""
    try:
        end = _end(server, os.WNOHANG)
        if end is None:
            with _apart_from_program():
                process.start()
        return end
    except OSError:
        return 0
    except EOFError:  # it ended while it imported
        return _end(server)


def _end(process: int, options: int = 0) -> int | None:
    """Exit code of a child of this process, which stays to be waited for."""
    end = os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT | options)
    if end is None:
        return None
    return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
