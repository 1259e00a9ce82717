"""What changed against zero-shot: examples with pictures, classes, confusions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from susx.evaluation.case import Case
from susx.evaluation.tuning_words import TUNED_ON
from susx.report.gallery import ImageSet, Picture
from susx.report.schema import Analysis, ClassChange, Confusion, Example

MOST_CLASSES = 200


@dataclass(frozen=True)
class VoterCard:
    """A support image that voted; its picture, if there is one."""

    key: str
    vote: float
    picture: Picture | None


@dataclass(frozen=True)
class ExampleCard:
    """A test image whose answer changed; its picture, if there is one."""

    true: str
    before: str
    after: str
    picture: Picture | None
    voters: Sequence[VoterCard]


@dataclass(frozen=True)
class Change:
    """What changed with one encoder; `classes` are at most `MOST_CLASSES`, best gain first."""

    encoder: str
    before: str
    shown: str | None
    n_corrected: int
    n_broken: int
    corrected: Sequence[ExampleCard]
    broken: Sequence[ExampleCard]
    confused_before: Sequence[Confusion]
    confused_after: Sequence[Confusion]
    classes: Sequence[ClassChange]
    n_classes: int


def changes(analysis: Analysis, test: ImageSet | None, support: ImageSet | None) -> Change:
    """Put pictures to an analysis.

    Args:
        analysis: of one encoder.
        test: pictures of test images.
        support: pictures of the support set of the shown case.
    """

    def shown(example: Example) -> ExampleCard:
        voters = [
            VoterCard(v.key, v.vote, support.pictures.get(v.key) if support else None)
            for v in example.voters
        ]
        picture = test.pictures.get(example.key) if test else None
        return ExampleCard(example.true, example.before, example.after, picture, voters)

    by_change = {
        change: [shown(example) for example in analysis.examples if example.change == change]
        for change in ("corrected", "broken")
    }
    return Change(
        analysis.encoder,
        case_name(analysis.before),
        case_name(analysis.shown) if analysis.shown else None,
        analysis.n_corrected,
        analysis.n_broken,
        **by_change,
        confused_before=analysis.confused_before,
        confused_after=analysis.confused_after,
        classes=_most_changed(analysis.classes),
        n_classes=len(analysis.classes),
    )


def case_name(case: Case) -> str:
    """A case in words."""
    names = {"none": "", "fixed": TUNED_ON["fixed"]}
    tuning = names.get(case.protocol, f"protocol {case.protocol}")
    seed = None if case.seed is None else f"seed {case.seed}"
    details = [part for part in (case.text, case.support, seed, tuning) if part]
    return f"{case.method} ({', '.join(details)})"


def _most_changed(classes: Sequence[ClassChange]) -> list[ClassChange]:
    def gain(entry: ClassChange) -> int:
        return entry.after - entry.before

    most = sorted(classes, key=lambda entry: -abs(gain(entry)))[:MOST_CLASSES]
    return sorted(most, key=lambda entry: -gain(entry))
