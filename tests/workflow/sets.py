"""Four support sets that search one pool."""

from itertools import product
from typing import Any

from tests.workflow.project import NAMES, SHARDS, Project

DATASETS, SUPPORTS = ("small", "tiny"), ("lc", "wide")
HANDED_OVER = "made by a job that read the same"
"""What the log of a job says whose output another one made."""


def add_sets(project: Project) -> None:
    """Add a dataset, of the classes in another order, and a support set of other texts."""

    def change(config: dict[str, Any]) -> None:
        config["datasets"]["small"] = config["datasets"]["tiny"] | {"classes": "small.txt"}
        config["supports"]["wide"] = config["supports"]["lc"] | {"size": 2, "query": "ensemble"}

    project.path("small.txt").write_text("\n".join(sorted(NAMES)), "utf-8")
    project.change_config(change)


def candidates(dataset: str, support: str, shard: str) -> str:
    return f"work/{dataset}/support/{support}/candidates/{shard}.parquet"


ALL = [candidates(*names) for names in product(DATASETS, SUPPORTS, SHARDS)]


def logs(project: Project, rule: str, shard: str) -> dict[tuple[str, str], str]:
    """What the jobs of a shard wrote, by dataset and support set."""
    paths = project.path(f"logs/{rule}").glob(f"*/*/{shard}.log")
    return {(p.parts[-3], p.parts[-2]): p.read_text("utf-8") for p in paths if p.is_file()}


def assert_one_reads(project: Project, rule: str, shard: str) -> None:
    told = logs(project, rule, shard)
    assert set(told) == set(product(DATASETS, SUPPORTS))
    assert sum(HANDED_OVER not in text for text in told.values()) == 1, told
