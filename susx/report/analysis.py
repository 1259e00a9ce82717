"""From one encoder's caches and its evaluation to what a report shows beyond the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from susx.core.errors import InputError
from susx.evaluation.arrays import EncoderData, LabelledImages
from susx.evaluation.case import Case
from susx.evaluation.files import CacheFiles
from susx.evaluation.inputs import check_evaluation, read_caches
from susx.methods import ZERO_SHOT, Context
from susx.methods.tip_x import TIP_X, calibrate
from susx.report.changes import Names, changed, class_changes, examples, frequent_confusions
from susx.report.gap import modality_gap
from susx.report.outliers import outliers
from susx.report.rows import PredictedLabels, Row, find_row, peers, zero_shot_of
from susx.report.schema import SCHEMA, Analysis, SizePoint
from susx.report.sizes import accuracy_by_size, is_too_long
from susx.report.surfaces import surfaces

SIZED = ("tip-adapter", "fusion")
"""Methods whose accuracy against support size stands beside that of the shown one."""


@dataclass(frozen=True)
class AnalysisSettings:
    """How much is shown, and how.

    Attributes:
        examples: corrected images, and broken ones, at most.
        voters: support images beside each.
        confusions: pairs of classes, at most.
        leaks: whether to `keep` or `drop` support images that nearly equal a test image.
        seed: of samples.
        device: where tensors are kept.
    """

    examples: int
    voters: int
    confusions: int
    leaks: str = "keep"
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True)
class AnalysedRow:
    """The row that is looked at.

    Attributes:
        row: the row.
        context: what its method may know, without constants of the test images.
        rescaling: TIP-X's map from divergences to affinities, if there is a support set.
        keys: of the support images.
        predicted: (N,) classes of the test images.
        sizes: its accuracy with fewer support images, if there is a support set.
    """

    row: Row
    context: Context
    rescaling: Mapping[str, Tensor]
    keys: Sequence[str]
    predicted: PredictedLabels
    sizes: Sequence[SizePoint]

    @property
    def known(self) -> Context:
        """The context with the constants of the test images where they are at hand."""
        tip_x = self.row.method is TIP_X
        return replace(self.context, constants=self.rescaling) if tip_x else self.context


def analyse(
    dataset: str,
    encoder: str,
    files: CacheFiles,
    evaluation: Mapping[str, Any],
    case: Case | None,
    wanted: AnalysisSettings,
) -> dict[str, Any]:
    """Look closely at one row of an evaluation; nothing is tuned again.

    Args:
        dataset: its name.
        encoder: its name.
        files: caches of the texts, support set and images that are used.
        evaluation: work/{dataset}/evaluation/{encoder}.json.
        case: the row; None if there is none.
        wanted: how much is shown.

    Returns:
        An `Analysis` as JSON-ready data.

    Raises:
        InputError: if a file is broken or foreign, there are no texts, or the evaluation does not
            fit the caches.
    """
    caches = read_caches(encoder, files)
    check_evaluation(caches, evaluation)
    if not caches.texts:
        raise InputError(
            f"{dataset}: a report compares with zero-shot, but no texts were evaluated; name "
            "`zero-shot` under evaluation.methods"
        )
    data = caches.opened(encoder, wanted.leaks, wanted.device)
    test, classes, inputs = data.test, caches.classes, caches.input_hashes
    del caches  # their numbers, beside those of `data`
    own = next(iter(ZERO_SHOT.texts))
    before = zero_shot_of(evaluation, own if own in data.texts else next(iter(data.texts)))
    plain = data.context(before.case)
    then = before.predict(plain, test)
    shown = _shown(data, evaluation, case)
    now = then if shown is None else shown.predicted
    context, rescaling = (plain, {}) if shown is None else (shown.context, shown.rescaling)
    compared = _compared(evaluation, shown.row) if shown else []
    too_long = [row for row in compared if is_too_long(row, context, test)]
    beside = [row for row in compared[1:] if row not in too_long]
    labels, names = test.labels.cpu().numpy(), classes.names
    places = changed(labels, then, now)
    found = Analysis(
        schema=SCHEMA,
        dataset=dataset,
        encoder=encoder,
        classes_sha256=classes.sha256,
        inputs=inputs,
        before=before.case,
        shown=shown and shown.row.case,
        histograms=modality_gap(context, test, rescaling, wanted.seed),
        sizes=list(_sizes(shown, beside, test)) if shown else [],
        sizes_left_out=[row.case.method for row in too_long],
        surfaces=list(surfaces(evaluation, shown.row.case)) if shown else [],
        n_corrected=len(places["corrected"]),
        n_broken=len(places["broken"]),
        examples=[]
        if shown is None
        else examples(
            places,
            (then, now),
            test,
            shown.row.method.fit(shown.known, shown.row.hyperparameters),
            Names(names, test.keys, shown.keys),
            (wanted.examples, wanted.voters),
            wanted.seed,
        ),
        confused_before=frequent_confusions(labels, then, names, wanted.confusions),
        confused_after=frequent_confusions(labels, now, names, wanted.confusions),
        classes=class_changes(labels, then, now, names),
        outliers=outliers(data, before.case),
    )
    return found.model_dump(mode="json", by_alias=True, exclude={"sha256"})


def _shown(
    data: EncoderData, evaluation: Mapping[str, Any], case: Case | None
) -> AnalysedRow | None:
    """What is looked at; None without the row, or if it is zero-shot itself."""
    row = find_row(evaluation, case) if case else None
    if row is None or row.case.method == "zero-shot":
        return None
    context, support, test = data.context(row.case), data.support(row.case), data.test
    if support is None:
        return AnalysedRow(row, context, {}, (), row.predict(context, test), ())
    grown = accuracy_by_size(row, context, test)
    scale = grown.constants if row.method is TIP_X else calibrate(context, test.images)
    return AnalysedRow(row, context, scale, support.keys, grown.predicted, grown.points)


def _compared(evaluation: Mapping[str, Any], row: Row) -> list[Row]:
    """A row with a support set, and those whose accuracy against its size stands beside it."""
    others = (peers(evaluation, row.case, method) for method in SIZED if method != row.case.method)
    return [row, *(rows[0] for rows in others if rows)] if row.case.support else []


def _sizes(shown: AnalysedRow, beside: Sequence[Row], test: LabelledImages) -> Iterator[SizePoint]:
    yield from shown.sizes
    for row in beside:
        yield from accuracy_by_size(row, shown.context, test).points
