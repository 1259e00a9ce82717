"""A Python that has imported large libraries, and forks: `python server.py SOCKET`."""

import atexit
import contextlib
import gc
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
import traceback
import weakref
from importlib import import_module
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
PLUGINS = "snakemake_*_plugin_*"
"""Packages that Snakemake looks for on the path: those of a server are there for all its forks."""
# The libraries read these as they are imported. Numbers of threads are those of one thread in a
# server, and whatever a job says in its script, which sets them in what is imported, too.
READ_EARLY = ("HF_", "TRANSFORMERS_", "OMP_", "MKL_", "OPENBLAS_", "TORCH_", "CUDA_", "LD_", "LC_")
READ_EARLY_TOO = ("HOME", "LANG", "XDG_CACHE_HOME", "PYTHONHASHSEED", "PYTHONUTF8")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def early(env: dict[str, str]) -> dict[str, str]:
    """What imports may have read of an environment."""
    read = {k: v for k, v in env.items() if k.startswith(READ_EARLY) or k in READ_EARLY_TOO}
    read.pop("HF_TOKEN", None)  # is read whenever it is needed
    return dict.fromkeys(THREADS, "1") | read


def fits(request: dict[str, Any]) -> bool:
    """Whether a fork would be the process that was asked for."""
    paths = [Path(request["cwd"], path) for path in _paths(request)]
    plugins = any(True for path in paths for _ in path.glob(PLUGINS))
    asked = early(request["env"])
    if "/.snakemake/scripts/" in request["argv"][0]:
        asked |= dict.fromkeys(THREADS, "1")
    return asked == OWN and request["python"] == sys.executable and not plugins


def _paths(request: dict[str, Any]) -> list[str]:
    """Folders that a process adds to the path, but for the one of the hook."""
    hook = Path(__file__).parent / "hook"
    paths = request["env"].get("PYTHONPATH", "").split(os.pathsep)
    return [path for path in paths if path and Path(path) != hook]


def become(request: dict[str, Any], streams: list[int]) -> None:
    """Be the process that was asked for, until it ends."""
    os.setsid()  # what it starts can be killed with it
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    paths = [str(Path(request["cwd"], path)) for path in _paths(request)]
    argv = request["argv"]
    tempfile.tempdir = None
    sys.orig_argv[:] = [request["python"], *argv]
    sys.path[:] = [*paths, *BASE]
    os.environ["PYTHONPATH"] = request["env"]["PYTHONPATH"]
    with contextlib.suppress(ModuleNotFoundError):
        import_module("sitecustomize")
    if argv[:2] == ["-u", "-c"]:
        # What it starts is cold if a test says nothing.
        del os.environ["WARM_WORKERS"], os.environ["WARM_SERVER"], os.environ["PYTHONPATH"]
        if paths:
            os.environ["PYTHONPATH"] = os.pathsep.join(paths)
        sys.path.insert(0, "")
        sys.argv[:] = ["-c", *argv[3:]]
        exec(argv[2], {"__name__": "__main__"})  # noqa: S102  (as Python does)
    elif argv[0] == "-m":
        sys.path.insert(0, request["cwd"])
        sys.argv[:] = argv[1:]
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(argv[0]).parent))
        sys.argv[:] = argv
        runpy.run_path(argv[0], run_name="__main__")


def finish(asked: tuple[dict[str, Any], list[int]]) -> None:
    """Be the process, and end as Python does but for taking the server's modules apart (2 s)."""
    code: Any = 0
    try:
        become(*asked)
    except SystemExit as error:
        code = error.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # as in Py_FinalizeEx
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code or 0)


def serve(place: str) -> tuple[dict[str, Any], list[int]] | None:
    """Fork for everyone who asks, until the owner ends; returns in the forks."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(place)
    listener.listen()
    print("ready", flush=True)
    select = selectors.DefaultSelector()
    select.register(listener, selectors.EVENT_READ)
    owner = os.pidfd_open(OWNER)
    select.register(owner, selectors.EVENT_READ)
    while True:
        for key, _ in select.select():
            if key.fileobj == owner:
                for key in [*select.get_map().values()]:
                    if isinstance(key.fileobj, socket.socket) and key.data:
                        pid, link = key.data
                        _end(select, pid, link, None)
                shutil.rmtree(Path(place).parent, ignore_errors=True)
                return None
            if key not in select.get_map().values():  # ended in this round
                continue
            if key.fileobj is not listener:  # a fork ended, or who asked for it did
                pid, link = key.data
                handle = key.fileobj if isinstance(key.fileobj, int) else None
                _end(select, pid, link, handle)
                continue
            link, _address = listener.accept()
            _, streams, _, _ = socket.recv_fds(link, 3, 3)
            line = link.makefile().readline()
            if not line.endswith("\n"):  # only looked whether a server is there, or was killed
                for stream in streams:
                    os.close(stream)
                link.close()
                continue
            request = json.loads(line)
            if not fits(request):
                link.sendall(b"no\n")
                link.close()
            elif not (pid := os.fork()):
                _close_all(select, link)
                return request, streams
            else:
                handle = os.pidfd_open(pid)
                select.register(handle, selectors.EVENT_READ, (pid, link))
                select.register(link, selectors.EVENT_READ, (pid, link))
            for stream in streams:
                os.close(stream)


def _close_all(select: selectors.BaseSelector, own: socket.socket) -> None:
    """In a fork: leave links to the server, or nobody could tell that it is gone."""
    for key in select.get_map().values():
        if isinstance(key.fileobj, int):
            os.close(key.fileobj)
        else:
            key.fileobj.close()  # type: ignore[attr-defined]
    own.close()


def _end(select: selectors.BaseSelector, pid: int, link: socket.socket, handle: int | None) -> None:
    if handle is None:
        select.unregister(link)
        with contextlib.suppress(ProcessLookupError):  # not its own session yet
            os.killpg(pid, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        return
    select.unregister(handle)
    os.close(handle)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if link in select.get_map():
        select.unregister(link)
        with contextlib.suppress(BrokenPipeError):
            link.sendall(f"{code if code >= 0 else 128 - code}\n".encode())  # as shells say it
    link.close()


if __name__ == "__main__":
    OWNER = int(os.environ.pop("WARM_OWNER"))
    modules = os.environ.pop("WARM_MODULES").split()
    OWN = early(dict(os.environ))  # which cv2 changes
    BASE = sys.path[1:]
    sys.path[:0] = [str(REPO), str(REPO / "workflow_scripts")]
    for module in modules:
        import_module(module)
    # Torch would take its operators apart, one by one, at the end of every fork (0.1 s).
    for found in gc.get_objects():
        if type(found) is weakref.finalize:
            found.atexit = False
    gc.freeze()  # collections in forks would copy every page
    asked = serve(sys.argv[1])
    if asked is not None:
        finish(asked)
