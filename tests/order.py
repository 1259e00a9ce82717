"""In which order tests are run, and which of them by one worker."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# Where tests start Snakemake, a browser or a cluster, they wait more than they compute. The longest
# come first, so that no worker is left alone with one at the end.
FIRST = (
    *("e2e/test_demo", "slurm/", "e2e/test_imagenet", "e2e/test_tutorial", "e2e/", "browser/"),
    *("workflow/test_workflow_attacks", "workflow/"),
)
TOGETHER = ("slurm/", "browser/", "e2e/test_imagenet", "workflow/test_workflow_packages")
"""Share what a worker makes once: a cluster, a browser, a run."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order tests, and keep together what shares fixtures: files, but for tests of FIRST."""
    names = {item: item.path.relative_to(TESTS).as_posix() for item in items}

    def rank(item: pytest.Item) -> int:
        found = (n for n, start in enumerate(FIRST) if names[item].startswith(start))
        return next(found, len(FIRST))

    items.sort(key=rank)
    for item in items:
        folder = next((start for start in TOGETHER if names[item].startswith(start)), None)
        if folder or rank(item) == len(FIRST):
            item.add_marker(pytest.mark.xdist_group(folder or names[item]))
