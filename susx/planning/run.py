"""A run that is about to begin: its jobs, and how it was asked for, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from susx.artifacts.ground import Job


@dataclass(frozen=True)
class PlannedJob:
    """One job of a run.

    Attributes:
        job: what it reads, makes and depends on.
        names: what of the configuration it is about: dataset, encoder, support set and the like.
    """

    job: Job
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def rule(self) -> str:
        """Name of its rule."""
        return self.job.stage

    @property
    def outputs(self) -> list[str]:
        """What it makes."""
        return list(self.job.outputs.values())

    @property
    def hub(self) -> Sequence[tuple[str, str | None]]:
        """Models of the hub that it loads: identifier and revision."""
        return self.job.params.get("hub") or ()


@dataclass(frozen=True)
class RunJobs:
    """All jobs that could be needed, and what was asked for.

    Attributes:
        jobs: each behind those whose outputs it reads.
        read: all files that jobs read or the call names.
        wanted: files that are asked for, by name or as inputs of a target.
        is_dry: whether nothing is to be made.
        is_locked: whether Snakemake will refuse the run, as another one may be at work.
        is_partial: whether the call allows only some rules.
        is_cut: whether the call says where to end, or what to leave out with all that follows.
        touches: whether times of files are to be set, in place of making them.
        reports: whether a report of Snakemake's is asked for, in place of a run.
        deploys: whether jobs run with packages that are installed for them.
        is_remote: whether jobs run on other machines.
        is_quiet: whether less is to be said than usual.
    """

    jobs: Sequence[PlannedJob]
    read: Set[str]
    wanted: Set[str]
    is_dry: bool = False
    is_locked: bool = False
    is_partial: bool = False
    is_cut: bool = False
    touches: bool = False
    reports: bool = False
    deploys: bool = False
    is_remote: bool = False
    is_quiet: bool = False


@dataclass(frozen=True)
class Decision:
    """What a run has to make.

    Attributes:
        stale: outputs that have to be made, with the reason; none where an input is made again.
        unlinked: outputs whose objects are gone, so that their links were removed.
        told: lines for people, before the first job.
        together: groups of jobs, by their first outputs, of which the first reads for all.
        imports: modules by rule that one process may import for all jobs of a machine.
    """

    stale: Mapping[str, str]
    unlinked: Sequence[str] = ()
    told: Sequence[str] = ()
    together: Sequence[Sequence[str]] = ()
    imports: Mapping[str, Sequence[str]] = field(default_factory=dict)
