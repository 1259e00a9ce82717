"""Fixtures of the end-to-end tests."""

from pathlib import Path

import pytest

from tests.e2e.offline import Offline
from tests.workflow.fixtures import (  # noqa: F401
    finished,
    finished_offline,
    fresh_project,
    shared_folder,
    world,
)


@pytest.fixture
def offline(tmp_path: Path) -> Offline:
    """Watch processes in an environment without network."""
    return Offline(tmp_path / "no-network")
