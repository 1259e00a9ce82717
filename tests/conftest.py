"""Offline, deterministic, and one tiny model for everyone."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import warm  # noqa: F401  (notes the environment before libraries change it)

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

settings.register_profile(
    "susx",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("susx")


# Where tests start Snakemake, a browser or a cluster, they wait more than they compute. The longest
# come first, so that no worker is left alone with one at the end.
FIRST = (
    *("e2e/test_demo", "slurm/", "e2e/test_tutorial", "e2e/", "browser/"),
    *("workflow/test_workflow_attacks", "workflow/"),
)
TOGETHER = ("slurm/", "browser/")
"""Share what a worker starts once: a cluster, a browser."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order tests, and keep together what shares fixtures: files, but for tests of FIRST."""
    tests = Path(__file__).parent
    names = {item: item.path.relative_to(tests).as_posix() for item in items}

    def rank(item: pytest.Item) -> int:
        found = (n for n, start in enumerate(FIRST) if names[item].startswith(start))
        return next(found, len(FIRST))

    items.sort(key=rank)
    for item in items:
        folder = next((start for start in TOGETHER if names[item].startswith(start)), None)
        if folder or rank(item) == len(FIRST):
            item.add_marker(pytest.mark.xdist_group(folder or names[item]))


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
