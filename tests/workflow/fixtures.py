"""Projects for tests that run the pipeline; conftest files import these fixtures."""

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from tests.e2e.offline import Offline
from tests.workflow.project import RESULT, Project, write_world


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that all worker processes of this test session share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def world(shared_folder: Path) -> Project:
    """A project that never ran; copy it before changing it."""
    project = Project(shared_folder / "world")
    with FileLock(shared_folder / "world.lock"):
        if not project.root.exists():
            write_world(project.root)
    return project


@pytest.fixture(scope="session")
def finished(shared_folder: Path, world: Project) -> Project:
    """A project whose run from scratch is complete; copy it before changing it."""
    project = Project(shared_folder / "finished")
    with FileLock(shared_folder / "finished.lock"):
        if not project.root.exists():
            shutil.rmtree(shared_folder / "unfinished", ignore_errors=True)
            attempt = world.copy(shared_folder / "unfinished")
            attempt.run(RESULT, env=Offline(shared_folder / "finished-offline").env)
            attempt.root.rename(project.root)
    return project


@pytest.fixture(scope="session")
def finished_offline(shared_folder: Path, finished: Project) -> Offline:
    """Record of the run of `finished`, which had no network."""
    return Offline(shared_folder / "finished-offline")


@pytest.fixture
def fresh_project(world: Project, tmp_path: Path) -> Project:
    """A project that never ran."""
    return world.copy(tmp_path / "project")


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A project whose run is complete."""
    return finished.copy(tmp_path / "project")
