"""Jobs that read the same large files, of which one reads them for all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from susx.core.files import sha256_json
from susx.planning.run import PlannedJob

OF_A_SET = frozenset({"classes", "queries", "limit"})
READ_TOGETHER: Mapping[str, frozenset[str]] = {
    "search_shard": OF_A_SET,
    "search_embeddings": OF_A_SET,
    "search_index": OF_A_SET,
    "match_captions": OF_A_SET,
}
"""Per rule whose shards are searched for many support sets, the inputs and settings of one set."""


def read_together(jobs: Iterable[PlannedJob]) -> list[list[PlannedJob]]:
    """Jobs that read the same: groups of two and more, each in the order of their outputs.

    Args:
        jobs: those that have to run.
    """
    groups: dict[str, list[PlannedJob]] = defaultdict(list)
    for planned in sorted(jobs, key=lambda one: one.job.name):
        if own := READ_TOGETHER.get(planned.rule):
            job = planned.job
            shared = [
                {name: value for name, value in part.items() if name not in own}
                for part in (job.inputs, job.settings)
            ]
            groups[sha256_json([planned.rule, *shared])].append(planned)
    return [group for group in groups.values() if len(group) > 1]
