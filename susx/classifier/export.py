"""From caches to a classifier file's contents."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from susx.classifier.calibration import fit_temperature, held_out_logits
from susx.classifier.classifier import Classifier
from susx.classifier.meta import FORMAT, Calibration, ClassifierMeta, Tested, entries_of
from susx.config.encoders import Encoder
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
from susx.evaluation.tuning import Labelled, Settings, Tuned, tune
from susx.methods import METHODS, Context, Images, Method

PACKAGES = ("susx", "torch", "transformers", "numpy", "pillow", "safetensors")


def export_classifier(
    dataset: str,
    encoder: tuple[str, Encoder],
    files: CacheFiles,
    choice: Choice,
    tuning: Settings,
    leaks: str = "keep",
    device: str = "cpu",
    evaluation: Mapping[str, Any] | None = None,
) -> Classifier:
    """Make a classifier of one row of the result, evaluated or not.

    Constants are the evaluation's own: taken from the test images where there are any, so that
    their logits are those of the evaluation; else from the support set. The temperature is fitted
    on validation images where they are labelled, else on held-out support images.

    Args:
        dataset: its name.
        encoder: its name and settings.
        files: caches of the text and support set that are used; images of `test` and `validation`,
            as far as they are labelled.
        choice: the row.
        tuning: grids, values and kind of search.
        leaks: whether to `keep` or `drop` support images that nearly equal a test image.
        device: where tensors are kept.
        evaluation: evaluation that the row is in, whose hyper-parameters are then taken.

    Raises:
        InputError: if the method cannot classify single images, or lacks something, or the
            evaluation was made from other caches.
    """
    method = METHODS[choice.method]
    if not method.exportable:
        raise InputError(
            f"{method.name} learns from all images that it classifies together, so that no file "
            "can classify others as it does; choose another method under classifier"
        )
    caches = read_caches(encoder[0], files)
    if evaluation is not None:
        check_evaluation(caches, evaluation)
    support, keys = _support(caches, choice, leaks)
    text = text_classifier(caches.texts[choice.text], caches.classes.names)
    context = context_of(text, caches.logit_scale, support, device)
    shown = {name: tensors(caches.labelled(name), device) for name, c in caches.images.items() if c}
    test, validation = shown.get("test"), shown.get(tuning.validation_split)
    tuned = _evaluated(evaluation, choice) or tune(
        method, context, choice.protocol, tuning, validation
    )
    context, constants_on = _with_constants(method, context, test)
    unseen = shown.get("validation") if tuning.validation_split == "validation" else None
    temperature, calibration = _temperature(method, context, tuned, unseen, constants_on)
    meta = ClassifierMeta(
        format=FORMAT,
        dataset=dataset,
        method=method.name,
        text=choice.text,
        support=choice.support,
        protocol=choice.protocol,
        tuned_on=tuned.split,
        hyperparameters=tuned.hyperparameters,
        logit_scale=caches.logit_scale,
        temperature=temperature,
        calibration=calibration,
        tested=None if test is None else _tested(method, context, tuned, test),
        classes=entries_of(caches.classes),
        classes_sha256=caches.classes.sha256,
        support_keys=keys,
        encoder_name=encoder[0],
        encoder=next(iter(caches.texts.values())).meta["encoder"],
        encoder_settings=encoder[1],
        inputs=caches.input_hashes,
        versions={name: version(name) for name in PACKAGES},
    )
    forms: dict[str, Any] = {"text_means": None, "text_raw": None}
    forms.pop(method.reads, None)
    return Classifier(meta, replace(context, **forms))


def summary(meta: ClassifierMeta) -> str:
    """A classifier in one line, for the log."""
    support = f", {len(meta.support_keys)} images of {meta.support}" if meta.support else ""
    tested = f"; {meta.tested.correct} of {meta.tested.n} test images right" if meta.tested else ""
    return (
        f"{meta.method} on {meta.text}{support}; tuned on {meta.tuned_on}, temperature "
        f"{meta.temperature:.3g} fitted on {meta.calibration.temperature_on}, constants of "
        f"{meta.calibration.constants_on}{tested}"
    )


def _support(
    caches: Caches, choice: Choice, leaks: str
) -> tuple[LabelledFeatures | None, list[str]]:
    """The support images that vote, and their keys."""
    if choice.support is None:
        return None, []
    cache = caches.supports[choice.support]
    if not cache:
        raise InputError(f"support set {choice.support} has no images")
    found = leaks_of(caches, choice.support) if leaks == "drop" else None
    dropped = {leak.key for leak in found or ()}
    return without(cache, found), [key for key in cache.keys if key not in dropped]


def row_of(evaluation: Mapping[str, Any], choice: Choice) -> Mapping[str, Any] | None:
    """The row of an evaluation that a choice names, a few-shot support set with its seed."""
    wanted = (choice.method, choice.text, choice.protocol)
    row: Mapping[str, Any]
    for row in evaluation["runs"]:
        support = row["support"] if row["seed"] is None else f"{row['support']}-seed{row['seed']}"
        if (row["method"], row["text"], row["protocol"]) == wanted and support == choice.support:
            return row
    return None


def _evaluated(evaluation: Mapping[str, Any] | None, choice: Choice) -> Tuned | None:
    """What the evaluation chose for a row, if it has that."""
    row = row_of(evaluation, choice) if evaluation else None
    if row is None:
        return None
    return Tuned(row["hyperparameters"], row["tuned_on"], row["tuning_correct"])


def _with_constants(method: Method, context: Context, test: Labelled | None) -> tuple[Context, str]:
    """A context with the constants of a method, and what they were taken from."""
    if method.calibrate is None:
        return context, "nothing"
    if test is not None:
        return replace(context, constants=method.calibrate(context, test.images)), "test"
    if context.support is None:
        raise InputError(
            f"{method.name} takes the mean of the images that it classifies together; for a file, "
            "name labelled test images to take it from, or choose another method under classifier"
        )
    return replace(context, constants=method.calibrate(context, Images(context.support))), "support"


def _temperature(
    method: Method,
    context: Context,
    tuned: Tuned,
    validation: Labelled | None,
    constants_on: str,
) -> tuple[float, Calibration]:
    """The temperature, and what it was fitted on."""
    on, logits, labels = "nothing", None, None
    if validation is not None:
        on, labels = "validation", validation.labels
        logits = method.fit(context, tuned.hyperparameters).logits(validation.images)
    elif context.support is not None:
        try:
            logits, labels = held_out_logits(method, context, tuned.hyperparameters)
            on = "support"
        except InputError as error:
            logging.warning("temperature 1, as none can be fitted on the support set: %s", error)
    count = 0 if labels is None else len(labels)
    temperature = 1.0 if logits is None or labels is None else fit_temperature(logits, labels)
    given = {"temperature_on": on, "temperature_images": count, "constants_on": constants_on}
    return temperature, Calibration.model_validate(given)


def _tested(method: Method, context: Context, tuned: Tuned, test: Labelled) -> Tested:
    """Right answers among the test images."""
    ranks = method.fit(context, tuned.hyperparameters).logits(test.images)
    best = ranks.argsort(dim=1, descending=True, stable=True)[:, 0]
    return Tested(n=len(test.labels), correct=int((best == test.labels).sum()))
