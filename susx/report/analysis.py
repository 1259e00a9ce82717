"""From one encoder's caches and its evaluation to what a report shows beyond the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from susx.core.errors import InputError
from susx.embeddings.text_classifier import text_classifier
from susx.evaluation.arrays import LabelledFeatures, context_of, tensors
from susx.evaluation.case import Choice
from susx.evaluation.inputs import (
    CacheFiles,
    Caches,
    check_evaluation,
    leaks_of,
    read_caches,
    without,
)
from susx.evaluation.tuning import Labelled, Settings
from susx.methods import METHODS, Context
from susx.methods.tip_x import TIP_X, calibrate
from susx.report.changes import Names, changed, class_changes, confusions, examples
from susx.report.gap import modality_gap
from susx.report.rows import Predicted, Row, find_row, peers, zero_shot_of
from susx.report.schema import SCHEMA, Analysis, SizePoint, Surface
from susx.report.sizes import sizes
from susx.report.surfaces import surfaces

ZERO_SHOT = METHODS["zero-shot"]
SIZED = ("tip-adapter", "fusion")
"""Methods whose accuracy against support size stands beside that of the shown one."""


@dataclass(frozen=True)
class Wanted:
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
class Shown:
    """The row that is looked at.

    Attributes:
        row: the row.
        choice: what names it, the support set by its drawn name.
        context: what its method may know, without constants of the test images.
        rescaling: TIP-X's map from divergences to affinities, if there is a support set.
        keys: of the support images.
    """

    row: Row
    choice: Choice
    context: Context
    rescaling: Mapping[str, Tensor]
    keys: Sequence[str]

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
    choice: Choice | None,
    tuning: Settings,
    wanted: Wanted,
) -> dict[str, Any]:
    """Look closely at one row of an evaluation; nothing is tuned again.

    Args:
        dataset: its name.
        encoder: its name.
        files: caches of the texts, support set and images that are used.
        evaluation: work/{dataset}/evaluation/{encoder}.json.
        choice: the row; None if there is none.
        tuning: grids and splits that it was tuned with.
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
    test = tensors(caches.labelled("test"), wanted.device)
    own = next(iter(METHODS["zero-shot"].texts))
    before = zero_shot_of(evaluation, own if own in caches.texts else next(iter(caches.texts)))
    plain = _context(caches, before.key.text, None, wanted.device)
    then = before.predict(plain, test)
    shown = _shown(caches, evaluation, choice, test, wanted)
    now = then if shown is None else shown.row.predict(shown.known, test)
    context, rescaling = (plain, {}) if shown is None else (shown.context, shown.rescaling)
    labels, names = test.labels.cpu().numpy(), caches.classes.names
    places = changed(labels, then, now)
    found = Analysis(
        schema=SCHEMA,
        dataset=dataset,
        encoder=encoder,
        classes_sha256=caches.classes.sha256,
        inputs=caches.input_hashes,
        before=before.key,
        shown=shown and shown.row.key,
        histograms=modality_gap(context, test, rescaling, wanted.seed),
        sizes=list(_sizes(evaluation, shown, test, now, wanted)) if shown else [],
        surfaces=list(_surfaces(evaluation, shown, caches, tuning, wanted)) if shown else [],
        n_corrected=len(places["corrected"]),
        n_broken=len(places["broken"]),
        examples=[]
        if shown is None
        else examples(
            places,
            (then, now),
            test,
            shown.row.method.fit(shown.known, shown.row.hyperparameters),
            Names(names, caches.images["test"].keys, shown.keys),
            (wanted.examples, wanted.voters),
            wanted.seed,
        ),
        confused_before=confusions(labels, then, names, wanted.confusions),
        confused_after=confusions(labels, now, names, wanted.confusions),
        classes=class_changes(labels, then, now, names),
    )
    return found.model_dump(mode="json", by_alias=True, exclude={"sha256"})


def _context(caches: Caches, text: str, support: LabelledFeatures | None, device: str) -> Context:
    classifier = text_classifier(caches.texts[text], caches.classes.names)
    return context_of(classifier, caches.logit_scale, support, device)


def _shown(
    caches: Caches,
    evaluation: Mapping[str, Any],
    choice: Choice | None,
    test: Labelled,
    wanted: Wanted,
) -> Shown | None:
    """What is looked at; None without the row, or if it is zero-shot itself."""
    row = find_row(evaluation, choice) if choice else None
    if choice is None or row is None or row.key.method == "zero-shot":
        return None
    support, keys = None, list[str]()
    if choice.support is not None:
        cache = caches.supports[choice.support]
        leaks = leaks_of(caches, choice.support) if wanted.leaks == "drop" else None
        dropped = {leak.key for leak in leaks or ()}
        support = without(cache, leaks)
        keys = [key for key in cache.keys if key not in dropped]
    context = _context(caches, choice.text, support, wanted.device)
    rescaling = calibrate(context, test.images) if support else {}
    return Shown(row, choice, context, rescaling, keys)


def _sizes(
    evaluation: Mapping[str, Any], shown: Shown, test: Labelled, now: Predicted, wanted: Wanted
) -> Iterator[SizePoint]:
    if shown.choice.support is None:
        return
    yield from sizes(shown.row, shown.context, test, now)
    for method in SIZED:
        rows = [] if method == shown.choice.method else peers(evaluation, shown.choice, method)
        for row in rows[:1]:
            yield from sizes(row, shown.context, test)


def _surfaces(
    evaluation: Mapping[str, Any],
    shown: Shown,
    caches: Caches,
    tuning: Settings,
    wanted: Wanted,
) -> Iterator[Surface]:
    cache = caches.images.get(tuning.validation_split)
    labelled = caches.labelled(tuning.validation_split) if cache else None
    images = tensors(labelled, wanted.device) if labelled else None
    for row in peers(evaluation, shown.choice, shown.choice.method):
        yield from surfaces(row, shown.context, tuning, images)
