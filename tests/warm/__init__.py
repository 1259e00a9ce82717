"""Python processes that start warm: forks of one that has imported the large libraries.

A whole run of the tiny world starts a dozen Pythons, and nearly all it costs is their imports. With
`environment` they become forks of a server that has imported what others wrote and nothing of ours.
What a job imports from susx, runs and writes is what it always is. Whatever the server was not
started for (another interpreter, other settings of the libraries) starts as usual.
"""

import atexit
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""What Snakemake sets for jobs of one thread, as a server has it."""
SEARCHED = os.environ.get("LD_LIBRARY_PATH")
"""Where libraries were looked for when this process began: cv2 changes it as it is imported, which
would keep all that is started afterwards from starting warm."""
HOOK = Path(__file__).parent / "hook"


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """The same environment, for processes that may start warm."""
    paths = [str(HOOK), *filter(None, [env.get("PYTHONPATH")])]
    return {**env, "PYTHONPATH": os.pathsep.join(paths), "WARM_SERVER": str(_server())}


def clean_environment() -> dict[str, str]:
    """Environment without settings that would change a run."""
    prefixes = ("HF_", "TRANSFORMERS_", "SNAKEMAKE_", "PYTEST_", "OMP_", "MKL_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    env.pop("LD_LIBRARY_PATH", None)
    return env if SEARCHED is None else {**env, "LD_LIBRARY_PATH": SEARCHED}


@cache
def _server() -> Path:
    """Socket of this process's server, which ends with this process."""
    folder = tempfile.TemporaryDirectory(prefix="warm-")
    socket = Path(folder.name) / "socket"
    ours = {"HF_HUB_OFFLINE": "1", "WARM_PARENT": str(os.getpid())} | ONE_THREAD
    env = clean_environment()
    env.pop("PYTHONPATH", None)
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "server.py"), str(socket)],
        env=env | ours,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n", "the server of warm processes did not start"
    atexit.register(lambda: (server.kill(), server.wait(), folder.cleanup()))
    return socket
