"""From caches to a classifier file's contents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from susx.classifier.classifier import Classifier
from susx.classifier.meta import FORMAT, Calibration, ClassifierMeta, TestScore, entries_of
from susx.config.encoders import EncoderSettings
from susx.core.errors import InputError
from susx.core.provenance import versions
from susx.evaluation.arrays import LabelledImages
from susx.evaluation.calibration import choose_temperature
from susx.evaluation.case import Case, row_of
from susx.evaluation.files import CacheFiles
from susx.evaluation.inputs import check_evaluation, read_caches
from susx.evaluation.tuning import TuningResult, TuningSettings, tune
from susx.evaluation.tuning_words import tuning_sentence
from susx.methods import METHODS, TEXT_FORMS, Context, Images, Method

PACKAGES = ("susx", "torch", "transformers", "numpy", "pillow", "safetensors")


def export_classifier(
    dataset: str,
    encoder: tuple[str, EncoderSettings],
    files: CacheFiles,
    case: Case,
    tuning: TuningSettings,
    leaks: str = "keep",
    device: str = "cpu",
    evaluation: Mapping[str, Any] | None = None,
) -> Classifier:
    """Make a classifier of one row of the result, evaluated or not.

    Constants are the evaluation's own: taken from the test images where there are any, so that
    their logits are those of the evaluation; else from the support set. The temperature is that of
    the evaluation, too, where it saw the same images.

    Args:
        dataset: its name.
        encoder: its name and settings.
        files: caches of the text and support set that are used; images of `test` and `validation`,
            as far as they are labelled.
        case: the row.
        tuning: grids, values and kind of search.
        leaks: whether to `keep` or `drop` support images that nearly equal a test image.
        device: where tensors are kept.
        evaluation: evaluation that the row is in, whose hyper-parameters are then taken.

    Raises:
        InputError: if the method cannot classify single images, or lacks something, or the
            evaluation was made from other caches.
    """
    method = METHODS[case.method]
    if not method.exportable:
        raise InputError(
            f"{method.name} learns from all images that it classifies together, so that no file "
            "can classify others as it does; choose another method under classifier"
        )
    caches = read_caches(encoder[0], files)
    if evaluation is not None:
        check_evaluation(caches, evaluation)
    data = caches.opened(encoder[0], leaks, device)
    context, support = data.context(case), data.support(case)
    if support is not None and not len(support):
        raise InputError(f"support set {case.drawn} has no images")
    test, validation = data.images.get("test"), data.images.get(tuning.validation_split)
    tuned = _evaluated(evaluation, case) or tune(method, context, case.protocol, tuning, validation)
    context, constants_on = _with_constants(method, context, test)
    unseen = data.images.get("validation") if tuning.validation_split == "validation" else None
    values, few_shot = tuned.hyperparameters, case.seed is not None
    temperature = choose_temperature(method, context, values, unseen, few_shot)
    calibration = Calibration(
        temperature_on=temperature.on,
        temperature_images=temperature.n_images,
        constants_on=constants_on,
    )
    meta = ClassifierMeta(
        format=FORMAT,
        dataset=dataset,
        method=method.name,
        text=case.text,
        support=case.drawn,
        protocol=case.protocol,
        tuned_on=tuned.split,
        hyperparameters=tuned.hyperparameters,
        logit_scale=caches.logit_scale,
        temperature=temperature.value,
        calibration=calibration,
        tested=None if test is None else _tested(method, context, tuned, test),
        classes=entries_of(caches.classes),
        classes_sha256=caches.classes.sha256,
        support_keys=list(support.keys) if support else [],
        encoder_name=encoder[0],
        encoder=next(iter(caches.texts.values())).meta["encoder"],
        encoder_settings=encoder[1],
        inputs=caches.input_hashes,
        versions=versions(PACKAGES),
    )
    unread: dict[str, Any] = dict.fromkeys(set(TEXT_FORMS).difference(method.text_forms))
    return Classifier(meta, replace(context, **unread))


def classifier_line(meta: ClassifierMeta) -> str:
    """A classifier in one line, for the log."""
    support = f", {len(meta.support_keys)} images of {meta.support}" if meta.support else ""
    tested = f"; {meta.tested.correct} of {meta.tested.n} test images right" if meta.tested else ""
    tuning = tuning_sentence(meta.protocol, meta.tuned_on)
    return (
        f"{meta.method} on {meta.text}{support}; {tuning}, temperature {meta.temperature:.3g} "
        f"fitted on {meta.calibration.temperature_on}, constants of "
        f"{meta.calibration.constants_on}{tested}"
    )


def _evaluated(evaluation: Mapping[str, Any] | None, case: Case) -> TuningResult | None:
    """What the evaluation chose for a row, if it has that."""
    row = row_of(evaluation, case) if evaluation else None
    if row is None:
        return None
    return TuningResult(row["hyperparameters"], row["tuned_on"], row["tuning_correct"])


def _with_constants(
    method: Method, context: Context, test: LabelledImages | None
) -> tuple[Context, Literal["test", "support", "nothing"]]:
    """A context with the constants of a method, and what they were taken from."""
    if method.calibrate is None:
        return context, "nothing"
    if test is not None:
        return replace(context, constants=method.calibrate(context, test.images)), "test"
    if context.support is None:
        raise InputError(
            f"{method.name} learns from the images that it classifies together; for a file, "
            "name labelled test images to take it from, or choose another method under classifier"
        )
    return replace(context, constants=method.calibrate(context, Images(context.support))), "support"


def _tested(
    method: Method, context: Context, tuned: TuningResult, test: LabelledImages
) -> TestScore:
    """Right answers among the test images."""
    ranks = method.fit(context, tuned.hyperparameters).logits(test.images)
    best = ranks.argsort(dim=1, descending=True, stable=True)[:, 0]
    return TestScore(n=len(test.labels), correct=int((best == test.labels).sum()))
