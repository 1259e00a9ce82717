"""What a fork does: it becomes a Python that runs a script.

A server of forks runs this file by its path, and so imports nothing of this package.
"""

import atexit
import ctypes
import os
import runpy
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

GIVEN = "given"
"""Name by which this file gets the arguments of `become`."""
_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux."""


def become(file: str, folder: str, env: Mapping[str, str]) -> None:
    """Be a Python that runs a script.

    Args:
        file: the script.
        folder: where it runs.
        env: its environment.
    """
    # Nobody learns how a fork ends whose server has ended.
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None  # it was looked up in another environment
    sys.argv[:] = [file]
    sys.path.insert(0, str(Path(file).resolve().parent))
    try:
        runpy.run_path(file, run_name="__main__")
    finally:  # as a Python ends, and multiprocessing does not
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()


if GIVEN in globals():
    become(*globals()[GIVEN])
