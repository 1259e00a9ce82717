"""Every test of planning runs in a folder of its own, in which all that is configured lies."""

from pathlib import Path

import pytest

from susx.planning.setup import Setup
from tests.planned_world import setup_of, write_files


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    write_files()
    return tmp_path


@pytest.fixture
def setup(folder: Path) -> Setup:
    """The setup of the configuration as it stands."""
    return setup_of()
