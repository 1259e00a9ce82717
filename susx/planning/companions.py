"""Jobs that one process makes: they search the same shard, or are small and load the same model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from susx.core.errors import InputError
from susx.core.files import sha256_json
from susx.planning.loads import LOADS
from susx.planning.run import PlannedJob
from susx.planning.setup import Setup

OF_A_SET = frozenset({"classes", "queries", "limit"})
SEARCHES: Mapping[str, frozenset[str]] = dict.fromkeys(
    ("search_shard", "search_embeddings", "search_index", "match_captions"), OF_A_SET
)
"""Per rule whose shards are searched for many support sets, the inputs and settings of one set."""
SMALL: Mapping[str, tuple[frozenset[str], int]] = {
    "embed_text": (frozenset({"classes", "prompts"}), 10_000),
    "embed_images": (frozenset({"manifest"}), 1_000),
    "embed_patches": (frozenset({"manifest"}), 1_000),
}
"""Per rule that loads a model, its other inputs, and the texts or images of one process: about a
minute of a processor with ViT-B/32 (docs/encoders.md), ten times what its start takes."""

Group = list[PlannedJob]


def companions(setup: Setup, jobs: Sequence[PlannedJob], is_remote: bool = False) -> list[Group]:
    """Groups of two jobs and more that one process makes, each in the order of their outputs.

    Searches of a shard are one group whatever they wait for: reading it again would cost more.
    Small jobs are together only if they wait for the same kinds of jobs.

    Args:
        setup: of the run.
        jobs: those that have to run, each behind those whose outputs it reads.
        is_remote: whether they run on other machines, where small jobs share one by other means.
    """
    small = {} if is_remote else SMALL
    awaited = _awaited(jobs)

    def beside(job: PlannedJob) -> object:
        return sorted(awaited[job.job.name]) if job.rule in small else None

    found = _alike(jobs, {**SEARCHES, **{rule: own for rule, (own, _) in small.items()}}, beside)
    groups = [part for group in found for part in _portions(setup, group)]
    return [group for group in groups if len(group) > 1]


def _alike(
    jobs: Iterable[PlannedJob],
    own: Mapping[str, frozenset[str]],
    beside: Callable[[PlannedJob], object],
) -> list[Group]:
    """Jobs that differ only in their own inputs and settings, by rule."""
    groups: dict[str, Group] = defaultdict(list)
    for planned in sorted(jobs, key=lambda one: one.job.name):
        if planned.rule in own:
            job = planned.job
            shared = [
                {name: value for name, value in part.items() if name not in own[planned.rule]}
                for part in (job.inputs, job.settings)
            ]
            groups[sha256_json([planned.rule, *shared, beside(planned)])].append(planned)
    return list(groups.values())


def _portions(setup: Setup, group: Group) -> Iterator[Group]:
    """Parts of a group that are small enough for one process; all of it if that does not matter."""
    if group[0].rule not in SMALL:
        yield group
        return
    limit = SMALL[group[0].rule][1]
    portion: Group = []
    total = 0
    for job in group:
        count = _count(setup, job)
        if count is None or count > limit:
            continue
        if total + count > limit:
            yield portion
            portion, total = [], 0
        portion.append(job)
        total += count
    yield portion


def _count(setup: Setup, job: PlannedJob) -> int | None:
    """Texts or images of a job; None if that is not known yet."""
    try:
        return LOADS[job.rule](setup, job).n
    except InputError:
        return None


def _awaited(jobs: Iterable[PlannedJob]) -> dict[str, frozenset[str]]:
    """Rules of the jobs that each job waits for, by its first output."""
    found: dict[str, frozenset[str]] = {}
    makers: dict[str, PlannedJob] = {}
    for planned in jobs:
        read = {path for paths in planned.job.inputs.values() for path in paths}
        before = [makers[path] for path in read & makers.keys()]
        rules = frozenset(job.rule for job in before)
        found[planned.job.name] = rules.union(*(found[job.job.name] for job in before))
        makers |= dict.fromkeys(planned.outputs, planned)
    return found
