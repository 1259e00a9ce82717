"""The pipeline never reaches for the network when models are local folders."""

import subprocess
import sys

import pytest

from tests.e2e.offline import Offline
from tests.workflow.project import RESULT, Project, clean_environment

pytestmark = pytest.mark.pipeline


@pytest.mark.parametrize(
    "call",
    [
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.socket().connect(('127.0.0.1', 9))",
        "socket.socket().bind(('0.0.0.0', 0))",
        "socket.getaddrinfo('localhost', 80)",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
    ],
)
def test_the_hook_forbids_and_records(call: str, offline: Offline) -> None:
    """In a child of the process that the environment is given to."""
    child = [sys.executable, "-c", f"import socket; {call}"]
    done = subprocess.run(
        [sys.executable, "-c", f"import subprocess; exit(subprocess.call({child}))"],
        env={**clean_environment(), **offline.env},
        capture_output=True,
        text=True,
    )

    assert done.returncode != 0
    assert "PermissionError" in done.stderr
    assert len(offline.attempts) == 1
    assert len(offline.processes) == 2


def test_the_hook_allows_local_sockets(offline: Offline) -> None:
    program = (
        "import socket; server = socket.socket(socket.AF_UNIX); server.bind('s'); "
        "server.listen(); socket.socket(socket.AF_UNIX).connect('s')"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=offline.log,
        env={**clean_environment(), **offline.env},
        check=True,
    )

    assert offline.attempts == []


def test_a_run_from_scratch_is_offline(finished: Project, finished_offline: Offline) -> None:
    watched = " ".join(finished_offline.processes)

    assert finished.path(RESULT).exists()
    assert finished_offline.attempts == []
    for rule in finished.plan("--forceall", RESULT).rules:
        assert f".{rule}.py" in watched
