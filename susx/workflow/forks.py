"""Jobs that begin as forks of one process, which has imported what takes their Pythons seconds.

What a job does and writes is the same. It begins as a Python without a module of this package.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Mapping, Sequence
from multiprocessing import forkserver, get_context
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from snakemake.benchmark import benchmarked
from snakemake.script import PythonScript

from susx.core.compute import wait_asleep

SWITCH = "SUSX_FORKS"
"""Environment variable that is 0 where every job is to start as a Python of its own."""
PROGRAMS = ("snakemake", "susx")
"""What may begin again in a server, as it does nothing when it is imported."""
GPUS = ("/dev/nvidiactl", "/dev/kfd")
"""Drivers that a fork cannot use once the process that it comes from has asked them anything."""
SAFE = (3, 11, 1)
"""Before it, every user of the machine could ask the server for processes (CVE-2022-42919)."""
TEMPORARY = ("TMPDIR", "TMP", "TEMPDIR", "TEMP")
"""What Snakemake sets for the scripts that it runs."""
_OURS = "susx"
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
    # The program is imported once, and not by every fork.
    forkserver.set_forkserver_preload(["__main__", *sorted(set().union(*modules.values()))])
    try:
        forkserver.ensure_running()
    except OSError:  # no room for its socket
        return
    execute = PythonScript.execute_script

    def execute_forked(script: Any, file: str, edit: bool = False) -> None:
        if not (_has_packages_of_this(script, modules) and run_forked(script, file)):
            execute(script, file, edit)

    PythonScript.execute_script = execute_forked


def may_fork() -> bool:
    """Whether forks may use what was imported before: in Linux, without a GPU."""
    program = Path(getattr(sys.modules["__main__"], "__file__", None) or "").stem
    return (
        os.environ.get(SWITCH) != "0"
        and sys.platform == "linux"
        and sys.version_info >= SAFE
        and (program in PROGRAMS or program == "__main__")  # python -m
        and not any(Path(path).exists() for path in GPUS)
    )


def _has_packages_of_this(script: Any, rules: Collection[str]) -> bool:
    deployed = script.conda_env or script.container_img or script.env_modules
    return script.rulename in rules and not deployed


def run_forked(script: Any, file: str) -> bool:
    """Run a script of Snakemake's, and say whether it could be started.

    Args:
        script: Snakemake's object of that name.
        file: with the job that it is for.

    Raises:
        CalledProcessError: if it failed.
    """
    env = dict(os.environ)
    if folder := script.resources.get("tmpdir"):
        env |= dict.fromkeys(TEMPORARY, folder)
    process = get_context("forkserver").Process(target=become, args=(file, str(Path.cwd()), env))
    try:
        with _CHANGES:
            process.start()
    except (OSError, EOFError):  # the server ended: what it imported broke it
        return False
    with benchmarked(process.pid if script.bench_record else False, script.bench_record):
        wait([process.sentinel])
    with _CHANGES:
        process.join()
    if process.exitcode:
        raise subprocess.CalledProcessError(process.exitcode, [sys.executable, file])
    return True


def become(file: str, folder: str, env: Mapping[str, str]) -> None:
    """Be a Python that runs a script, in a fork.

    Args:
        file: the script.
        folder: where it runs.
        env: its environment.
    """
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None  # it was looked up in another environment
    for name in [name for name in sys.modules if name.partition(".")[0] == _OURS]:
        del sys.modules[name]  # a job loads the package that lies beside its script
    sys.argv[:] = [file]
    sys.path[0] = str(Path(file).resolve().parent)
    runpy.run_path(file, run_name="__main__")
