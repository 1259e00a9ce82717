"""Workers of a test session start warm: each would import for half a minute what all import."""

import os

import pytest

from tests import warm


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Before workers are started: let them be forks of a server, if their environment allows it."""
    os.environ |= {**warm.environment(os.environ), "WARM_WORKERS": "1"}
