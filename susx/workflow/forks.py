"""Jobs that begin as forks of one process, which has imported what takes their Pythons seconds.

What a job does and writes is the same. It begins as a Python without a module of this package.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from snakemake.benchmark import benchmarked
from snakemake.script import PythonScript
from snakemake.shell import shell

from susx.core.compute import wait_asleep
from susx.planning.machine import GPU_FILES
from susx.workflow import fork_server

SWITCH = "SUSX_FORKS"
"""Environment variable that is 0 where every job is to start as a Python of its own."""
TEMPORARY = ("TMPDIR", "TMP", "TEMPDIR", "TEMP")
"""What Snakemake sets for the scripts that it runs."""
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""How a run is told to end: no job is to begin then."""
KILLED = 255
"""Exit code of a fork whose server was killed, and it with it."""

_BY_THEMSELVES = PythonScript.execute_script


class ForkServer:
    """A process that imports modules, of which jobs can be forks."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._asking, theirs = socket.socketpair()
        handle = theirs.fileno()
        # It imports nothing from the working folder.
        command = [sys.executable, "-P", fork_server.__file__, str(handle), *modules]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # ourselves
                command, stdin=subprocess.DEVNULL, pass_fds=[handle]
            )
        # It may still import, and keeps open what this process writes to.
        atexit.register(self.end)

    def run(self, script: Any, file: str) -> bool:
        """Run a script of Snakemake's, and say whether it could be started.

        Args:
            script: Snakemake's object of that name.
            file: with the job that it is for.

        Raises:
            CalledProcessError: if it failed, or the run was told to end before it began.
        """
        env = dict(os.environ)
        if folder := script.resources.get("tmpdir"):
            env |= dict.fromkeys(TEMPORARY, folder)
        request = {"file": file, "folder": str(Path.cwd()), "env": env}
        try:
            answer, theirs = Pipe()
        except OSError:  # too many open files
            return False
        with answer:
            try:
                with theirs:
                    socket.send_fds(self._asking, [b"."], [theirs.fileno()])
                answer.send_bytes(json.dumps(request).encode())
                pid = json.loads(answer.recv_bytes())
            except (EOFError, ConnectionError):  # it ended, as it may while it imports
                status = self._process.wait()
                if -status not in STOPS:
                    return False
            else:
                if pid is None:
                    return False
                with benchmarked(pid if script.bench_record else False, script.bench_record):
                    status = _end(answer)
        if status:
            raise subprocess.CalledProcessError(status, f"{sys.executable} {file}")
        return True

    def end(self) -> None:
        """End the process, and all forks with it."""
        self._asking.close()
        atexit.unregister(self.end)
        self._process.kill()
        self._process.wait()


def _end(answer: Connection[bytes, bytes]) -> int:
    """Wait for the exit code of a fork."""
    try:
        return int(json.loads(answer.recv_bytes()))
    except (EOFError, ConnectionError):
        return KILLED


_last: ForkServer | None = None
"""That of the last workflow, which has ended when another one begins."""


def start_as_forks(modules: Mapping[str, Sequence[str]]) -> None:
    """Let jobs of some rules start as forks of a process that begins to import at once.

    Where that is not safe or not possible, every job starts as ever. What the last workflow of this
    process has left ends.

    Args:
        modules: by rule, what its jobs import; one that cannot be imported is left to them.
    """
    global _last  # Snakemake runs one workflow of a process after the other
    if _last is not None:
        PythonScript.execute_script = _BY_THEMSELVES
        _last.end()
        _last = None
    if not modules or not may_fork():
        return
    wait_asleep()  # which jobs would say too late
    try:
        server = ForkServer(sorted(set().union(*modules.values())))
    except OSError:  # there is no room for another process
        return
    _last = server

    def execute_forked(script: Any, file: str, edit: bool = False) -> None:
        if not (_is_plain(script, modules) and server.run(script, file)):
            _BY_THEMSELVES(script, file, edit)

    PythonScript.execute_script = execute_forked


def may_fork() -> bool:
    """Whether forks may use what was imported before: in Linux, without a GPU.

    Options of this Python would be theirs, and are not those of jobs.
    """
    option = next(iter(sys.orig_argv[1:]), "-")
    return (
        os.environ.get(SWITCH) != "0"
        and sys.platform == "linux"
        and (option == "-m" or not option.startswith("-"))
        # A fork cannot use a driver that the process which it comes from has asked anything.
        and not any(Path(path).exists() for path in GPU_FILES)
    )


def _is_plain(script: Any, rules: Collection[str]) -> bool:
    """Whether the Python of this run is all that a script is called with."""
    deployed = script.conda_env or script.container_img or script.env_modules
    around = shell._process_prefix or shell._process_suffix or script.resources.get("shell_exec")
    return script.rulename in rules and not deployed and not around
