"""A program that imports modules and becomes, as its forks, the Pythons that are asked for.

`python -P fork_server.py SOCKET MODULE...` runs by its path, and imports nothing of this package.
Who asks sends one end of a pipe through the socket, and through the pipe what is to run, as JSON.
The answers are the number of the process, or null if there can be none, and then its exit code.
"""

from __future__ import annotations

import atexit
import builtins
import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn
from warnings import catch_warnings, simplefilter
from weakref import finalize

DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux."""
UNFLUSHED = 120
"""Exit code of a Python that could not write what its streams still held."""
EXIT_CODES = 0xFF
"""Bits of an exit code that the system keeps."""


def serve(asking: socket.socket, interrupted: Any) -> dict[str, Any] | None:
    """Fork for everyone who asks, until nobody can; in a fork, return what it is to run.

    Args:
        asking: where they ask.
        interrupted: what an interrupt does to a fork.
    """
    ended, told = os.pipe()
    os.set_blocking(told, False)
    answers: dict[int, Connection] = {}
    # A terminal tells forks, too; one that has just begun hears it later.
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(told)
    with selectors.DefaultSelector() as ready:
        ready.register(asking, selectors.EVENT_READ)
        ready.register(ended, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj == ended:
                    os.read(ended, 2**10)
                    _tell_ends(answers)
                    continue
                _, handles, _, _ = socket.recv_fds(asking, 1, 1)
                if not handles:
                    return None
                answer = Connection(handles[0])
                with suppress(EOFError, OSError):  # who asked has ended
                    request: dict[str, Any] = json.loads(answer.recv_bytes())
                    pid = _fork()
                    if pid == 0:
                        signal.set_wakeup_fd(-1)
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        signal.signal(signal.SIGINT, interrupted)
                        # A fork that held these would hide that their server has ended.
                        _close(asking.detach(), ended, told, answer, *answers.values())
                        signal.pthread_sigmask(signal.SIG_SETMASK, heard)
                        return request
                    if pid:
                        answers[pid] = answer
                    _send(answer, pid)


def _fork() -> int | None:
    with catch_warnings():
        # Threads that libraries have started wait for work; Python warns of them.
        simplefilter("ignore", DeprecationWarning)
        try:
            return os.fork()
        except OSError:
            return None


def _close(*handles: int | Connection) -> None:
    for handle in handles:
        os.close(handle) if isinstance(handle, int) else handle.close()


def _send(answer: Connection, value: int | None) -> None:
    with suppress(OSError):  # nobody asks any more
        answer.send_bytes(json.dumps(value).encode())


def _tell_ends(answers: dict[int, Connection]) -> None:
    with suppress(ChildProcessError):
        while (end := os.waitpid(-1, os.WNOHANG))[0]:
            if answer := answers.pop(end[0], None):  # imports may have started others
                _send(answer, os.waitstatus_to_exitcode(end[1]))
                answer.close()


def become(file: str, folder: str, env: dict[str, str]) -> None:
    """Be a Python that runs a script.

    Args:
        file: the script.
        folder: where it runs.
        env: its environment.
    """
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None  # it was looked up in another environment
    sys.argv[:] = [file]
    if not env.get("PYTHONSAFEPATH"):
        sys.path.insert(0, str(Path(file).resolve().parent))
    # It stays there: threads that outlive the script may look up what it defines.
    script = sys.modules["__main__"] = ModuleType("__main__")
    vars(script).update(__file__=file, __cached__=None, __builtins__=builtins)
    code = compile(Path(file).read_bytes(), file, "exec", dont_inherit=True)
    exec(code, vars(script))  # noqa: S102  # the script of a job


def die_with(server: int) -> None:
    """End this process when its server ends, or at once if it has: nobody learns how it ends."""
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != server:
        os.kill(os.getpid(), signal.SIGKILL)


def end_with(request: dict[str, Any]) -> NoReturn:
    """Be what was asked for, and end as Python does but for taking modules apart (0.3 s)."""
    code: Any = 0
    try:
        become(**request)
    except SystemExit as error:
        code = 0 if error.code is None else error.code
    except BaseException as error:
        trace = error.__traceback__
        while trace and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next  # a Python that runs the script itself has no such frames
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        code = 1
    if not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    if not all([_flush(sys.stdout), _flush(sys.stderr)]):
        code = UNFLUSHED
    os._exit(code & EXIT_CODES)


def _flush(stream: Any) -> bool:
    """Write what a stream still holds, and say whether that could be done."""
    try:
        if stream is not None and not stream.closed:
            stream.flush()
    except Exception as error:
        with suppress(Exception):
            print(f"{stream}: {error}", file=sys.stderr)
        return False
    return True


def main(place: str, modules: Sequence[str]) -> None:
    """Serve; in a fork, be what was asked for."""
    server = os.getpid()
    interrupted = signal.getsignal(signal.SIGINT)
    if interrupted is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # which ends imports without a word
    for name in modules:
        with suppress(ImportError):  # it is left to those who need it
            import_module(name)
    for one in gc.get_objects():
        if type(one) is finalize:
            one.atexit = False  # what was imported ends with the server: PyTorch's takes 0.1 s
    gc.freeze()  # collections in forks would copy every page
    with socket.socket(fileno=int(place)) as asking:
        request = serve(asking, interrupted)
    if request is not None:
        die_with(server)
        end_with(request)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
