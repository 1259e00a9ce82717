"""Offline, deterministic, and one tiny model for everyone."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import warm  # noqa: F401  (notes the environment before libraries change it)
from tests.order import (  # noqa: F401  (hooks)
    pytest_collection_modifyitems,
    pytest_xdist_make_scheduler,
)
from tests.workers import pytest_xdist_setupnodes  # noqa: F401  (a hook)

os.environ["HF_HUB_OFFLINE"] = "1"

settings.register_profile(
    "susx",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("susx")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny tensors are slower on many threads; leaves torch alone where no test uses it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny CLIP; read-only for tests."""
    from tests.helpers import save_tiny_clip

    folder = tmp_path_factory.mktemp("models") / "tiny-clip"
    save_tiny_clip(folder)
    return folder
