"""A cluster for the tests of a session, and the projects of the workflow tests."""

from collections.abc import Iterator

import pytest

from tests.slurm.cluster import Cluster, lacking_programs
from tests.workflow.fixtures import (  # noqa: F401
    finished,
    fresh_project,
    project,
    shared_folder,
    world,
)


@pytest.fixture(scope="session")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes that run until the session ends."""
    if lacking := lacking_programs():
        pytest.skip(f"not installed: {', '.join(lacking)} (Debian: slurm-wlm, munge)")
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(running_cluster: Cluster) -> Cluster:
    """The cluster, with both nodes up and no memory of earlier jobs in the way."""
    running_cluster.forget_jobs()
    return running_cluster
