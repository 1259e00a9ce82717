"""Runs first in a Python with this folder on PYTHONPATH: hands the process over, if it may.

Every process of a run pays for what is imported here, and waits for it: `socket`, `json` and
`pathlib` took longer than all else.
"""

import os
import sys

FOLDER = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120


def _hand_over() -> None:
    # A cluster counts and kills the processes that it started; what a job does is a step of it.
    if "SLURM_STEP_ID" in os.environ and "WARM_STEPS" not in os.environ:
        return
    argv = sys.orig_argv[1:]
    script = len(argv) == 1 and "/.snakemake/scripts/" in argv[0]
    own = os.path.dirname(sys.executable)  # noqa: PTH120
    program = argv[:1] in ([f"{own}/susx"], [f"{own}/snakemake"])
    module = argv[:2] in (["-m", "snakemake"], ["-m", "pytest"])
    worker = argv[:2] == ["-u", "-c"] and "WARM_WORKERS" in os.environ  # as execnet starts them
    if not (script or program or module or worker):
        return
    import _socket
    from _json import encode_basestring_ascii as text

    env = ", ".join(f"{text(name)}: {text(value)}" for name, value in os.environ.items())
    about = f'"env": {{{env}}}, "cwd": {text(os.getcwd())}, "python": {text(sys.executable)}'  # noqa: PTH109
    request = f'{{"argv": [{", ".join(map(text, argv))}], {about}}}\n'
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
    link = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        link.connect(os.environ["WARM_SERVER"])
    except OSError:  # the owner ended, and everything ends with it
        os._exit(1)
    link.sendmsg([b"fds"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
    link.sendall(request.encode())
    answer = link.recv(16).strip()
    if answer == b"no":
        return
    os._exit(int(answer) if answer else 1)


def _next() -> None:
    """What another sitecustomize on the path would have done."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    sys.path[:] = [path for path in sys.path if os.path.realpath(path) != FOLDER]
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


_hand_over()
_next()
