"""Python processes that start warm: forks of one that has imported the large libraries.

A whole run of the tiny world starts two dozen Pythons, and nearly all it costs is their imports.
With `environment` they become forks of a server that has imported what others wrote and the whole
package, which does nothing but define things as it is imported; what a job runs and writes is what
it always is. Whatever no server was started for (another interpreter, other settings of the
libraries, more plugins of Snakemake) starts as usual. All processes of a test session share its
servers.
"""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

from filelock import FileLock

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""What Snakemake sets for jobs of one thread, as a server has it."""
BEGAN = dict(os.environ)
"""Environment that this process began with: libraries and tests change it (cv2 where libraries are
looked for), which would keep all that is started afterwards from starting warm."""
REPO = Path(__file__).resolve().parents[2]
LIBRARIES = "tests.libraries"
"""Imports what runs of the pipeline import."""
HUGE_PAGES = {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Puts a server's memory in huge pages: a fork then costs 0.02 s, not 0.08 s."""
OWNER = os.environ.setdefault("WARM_OWNER", str(os.getpid()))
"""The process that the servers end with: the first of the session, which starts the others."""


def environment(
    env: Mapping[str, str],
    settings: Sequence[str] = ("HF_HUB_OFFLINE",),
    checkout: Path = REPO,
    modules: Sequence[str] = (LIBRARIES,),
) -> dict[str, str]:
    """The same environment, for processes that may start warm.

    Args:
        env: environment of the processes.
        settings: variables of the hub that imports read, for whose values there is a server.
        checkout: of the code that they run; it holds these tests, too.
        modules: what they find imported.
    """
    hub = tuple((name, env[name]) for name in settings if name in env)
    socket = _server(hub, checkout, tuple(modules))
    paths = [str(_here(checkout) / "hook"), *filter(None, [env.get("PYTHONPATH")])]
    warm = {"PYTHONPATH": os.pathsep.join(paths), "WARM_SERVER": str(socket)}
    forks = {"SUSX_FORKS": "0"}  # those of a run would import all once more
    return {**forks, **env, **warm}


def _here(checkout: Path) -> Path:
    return checkout / Path(__file__).parent.relative_to(REPO)


def clean_environment() -> dict[str, str]:
    """Environment without settings that would change a run, or make it compile all code again."""
    prefixes = ("HF_", "TRANSFORMERS_", "SNAKEMAKE_", "PYTEST_", "OMP_", "MKL_", "WARM_")
    prefixes = (*prefixes, "PYTHONDONTWRITEBYTECODE", "SUSX_FORKS")
    return {name: value for name, value in BEGAN.items() if not name.startswith(prefixes)}


@cache
def _server(hub: tuple[tuple[str, str], ...], checkout: Path, modules: tuple[str, ...]) -> Path:
    """Socket of the session's server for settings of the hub, which imports read."""
    folder = Path(tempfile.gettempdir()) / f"warm-{OWNER}"
    folder.mkdir(mode=0o700, exist_ok=True)
    place = folder / sha256(repr((hub, checkout, modules)).encode()).hexdigest()[:16]
    with FileLock(folder / "lock"):
        if not _listens(place):
            _start(place, {**dict(hub), "WARM_MODULES": " ".join(modules)}, checkout)
    return place


def _listens(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        return link.connect_ex(str(place)) == 0


def _start(place: Path, settings: Mapping[str, str], checkout: Path) -> None:
    place.unlink(missing_ok=True)
    # Every receipt asks git, which reads all files of a fresh clone anew until it has noted them.
    subprocess.run(["git", "update-index", "-q", "--refresh"], cwd=checkout, check=False)
    env = clean_environment()
    env.pop("PYTHONPATH", None)
    log = place.with_name(f"{place.name}.log")
    with log.open("wb") as stderr:
        server = subprocess.Popen(
            [sys.executable, str(_here(checkout) / "server.py"), str(place)],
            env={**env, **settings, "WARM_OWNER": OWNER, **ONE_THREAD, **HUGE_PAGES},
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,  # what interrupts the tests ends it through its owner
        )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n", log.read_text("utf-8")
