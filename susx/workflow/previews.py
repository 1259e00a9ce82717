"""Looking ahead at a run: Snakemake makes its graph of jobs, and ends before any is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

from susx.planning.forecast import Forecast
from susx.planning.gaps import Gaps
from susx.planning.run import Decision, RunJobs
from susx.planning.setup import Setup
from susx.planning.staleness import decide, preview

_GAPS: ContextVar[Gaps | None] = ContextVar("gaps", default=None)


class Previewed(SystemExit):
    """The end of a call that looks ahead.

    Attributes:
        forecast: what it found.
    """

    def __init__(self, forecast: Forecast) -> None:
        super().__init__(0)
        self.forecast = forecast


@contextmanager
def previews() -> Iterator[None]:
    """Let a call of Snakemake within this process look ahead, and end with `Previewed`."""
    token = _GAPS.set(Gaps())
    try:
        yield
    finally:
        _GAPS.reset(token)


def asked_gaps() -> Gaps | None:
    """Where the Snakefile notes problems, if this call looks ahead."""
    return _GAPS.get()


def decision(setup: Setup) -> Callable[[RunJobs], Decision]:
    """What is asked once the jobs of a run are known."""
    return partial(decide, setup) if setup.gaps is None else partial(_end, setup)


def _end(setup: Setup, run: RunJobs) -> Decision:
    raise Previewed(preview(setup, run))
