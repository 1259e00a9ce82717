"""In which order tests are run, and which of them by one worker."""

from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).parent
# Where tests start Snakemake, a browser or a cluster, they wait more than they compute. The longest
# come first, so that no worker is left alone with one at the end.
FIRST = (
    *("e2e/test_demo", "slurm/", "e2e/test_imagenet", "e2e/test_tutorial", "e2e/", "browser/"),
    *("workflow/test_workflow_attacks", "workflow/"),
)
TOGETHER = ("slurm/", "browser/", "e2e/test_imagenet", "workflow/test_workflow_packages")
"""Share what a worker makes once: a cluster, a browser, a run."""


def rank(file: str) -> int:
    """Place of a test file, by its path below `tests`, in the order of `FIRST`."""
    found = (place for place, start in enumerate(FIRST) if file.startswith(start))
    return next(found, len(FIRST))


def scope(nodeid: str) -> str:
    """Tests of one scope are run by one worker: files, folders, or single tests of `FIRST`."""
    file = nodeid.split("::")[0].removeprefix("tests/")
    shared = next((start for start in TOGETHER if file.startswith(start)), None)
    return shared or (file if rank(file) == len(FIRST) else nodeid)


class Scheduling(LoadScopeScheduling):
    """Hands out tests by `scope`.

    The marks that xdist has for this do nothing under the pinned pytest, without a word.
    """

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order tests; those of a file stay together."""
    items.sort(key=lambda item: rank(item.nodeid.split("::")[0].removeprefix("tests/")))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Take the scheduler of `--dist loadscope`."""
    return Scheduling(config, log) if config.getvalue("dist") == "loadscope" else None
