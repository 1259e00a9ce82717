"""The row that a page tells of, and what it gains with each source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from susx.core.rounding import decimal
from susx.evaluation.schema import Result, Run, SeedSpread
from susx.evaluation.table import case_key, deviation
from susx.evaluation.tuning_words import tuning_sentence
from susx.report.examples import case_name
from susx.report.schema import Analysis

DESCRIBED = ("cupl", "cupl+e", "visdesc")
"""Texts that hold descriptions; others are only named."""


@dataclass(frozen=True)
class Share:
    """Points of top-1 accuracy that a source adds to those before it."""

    source: str
    gain: float


@dataclass(frozen=True)
class Story:
    """The row that tiles, figures and changes speak of.

    Attributes:
        run: the row.
        name: its case in words.
        before: zero-shot of its encoder, None if that was not evaluated.
        shares: of the sources that are measured apart; they add up to the gain over `before`.
        chosen: whether it is looked at closely; else it is the highest, known after the fact.
        draws: all draws of its few-shot support set together, of which it is one; None of others.
    """

    run: Run
    name: str
    before: Run | None
    shares: Sequence[Share]
    chosen: bool
    draws: SeedSpread | None = None

    @property
    def compared(self) -> Run | None:
        """Zero-shot where it is another row."""
        return None if self.before is self.run else self.before

    @property
    def draw(self) -> str:
        """Which few-shot draw it is, and what all of them reach; empty of other rows."""
        if self.draws is None:
            return ""
        mean = f"mean {decimal(self.draws.top1_mean)} %, {deviation(self.draws)}"
        return (
            f"It is the draw of seed {self.run.seed} from {self.run.support}, and so is all that "
            f"looks closely at it below; all draws: {mean}."
        )


def story(result: Result, analyses: Sequence[Analysis]) -> Story | None:
    """The first row that is looked at closely, else the highest that is not tuned on the test.

    Args:
        result: the result.
        analyses: one per encoder.

    Returns:
        The story; None if no row can be told of.
    """
    rows = {(run.encoder, run.case): run for run in result.runs}
    shown = [rows.get((found.encoder, found.shown)) for found in analyses if found.shown]
    chosen = next((run for run in shown if run), None)
    fair = [run for run in result.runs if run.tuned_on != "test" and run.seed is None]
    run = chosen or max(fair, key=lambda run: run.top1, default=None)
    if run is None:
        return None
    own = [other for other in result.runs if other.encoder == run.encoder]
    before = next((other for other in own if other.method == "zero-shot"), None)
    shares = list(_shares(run, before, own)) if before else []
    drawn = [each for each in result.seeds if case_key(each) == case_key(run)]
    draws = drawn[0] if drawn and run.seed is not None else None
    return Story(run, case_name(run.case), before, shares, chosen is not None, draws)


def _shares(run: Run, before: Run, own: Sequence[Run]) -> Iterator[Share]:
    """From zero-shot to the row, over those between that were evaluated."""
    texts = [r for r in own if (r.text, r.support, r.protocol) == (run.text, None, "none")]
    plain = [r for r in texts if not r.transductive and r.method in ("zero-shot", run.text)]
    alone = [
        r
        for r in own
        if (r.method, r.text, r.support, r.seed)
        == (f"{run.method}-inductive", run.text, run.support, run.seed)
    ]
    texts_of = "descriptions" if run.text in DESCRIBED else f"texts {run.text}"
    tuned = run.tuned_on != "nothing"
    labels = f", {tuning_sentence(run.protocol, run.tuned_on)}" if tuned else ""
    level, waiting = before.top1, []
    steps = [
        (texts_of, plain[0] if plain else None, run.text != before.text),
        (f"support images{labels}", alone[0] if alone else None, run.support is not None),
        ("unlabelled test images", None, run.transductive),
    ]
    used = [(source, reached) for source, reached, has in steps if has]
    for number, (source, reached) in enumerate(used, 1):
        waiting.append(source)
        last = number == len(used)
        if last or reached is not None:
            top1 = run.top1 if last or reached is None else reached.top1
            yield Share(" and ".join(waiting), top1 - level)
            level, waiting = top1, []
