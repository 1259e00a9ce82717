"""The evaluation protocol: which method, with which text, support and tuning, gets what right.

Works on arrays; `susx.results` reads and writes the files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from susx.compute import peak_mib
from susx.errors import InputError
from susx.methods import METHODS, Axis, Context, Method, Points
from susx.search import SearchResult, search
from susx.statistics import accuracy_interval, paired_difference, per_class_accuracy

Features = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]
TOP = 5


@dataclass(frozen=True)
class LabelledFeatures:
    """(N, d) unit rows and their (N,) classes."""

    features: Features
    labels: Labels


@dataclass(frozen=True)
class EncoderData:
    """Everything embedded by one encoder.

    Attributes:
        name: encoder.
        logit_scale: its factor on cosines.
        texts: prompt strategy -> (C, d) unit rows.
        supports: support set -> features and labels.
        test: test images.
        validation: validation images, if there are any.
    """

    name: str
    logit_scale: float
    texts: Mapping[str, Features]
    supports: Mapping[str, LabelledFeatures]
    test: LabelledFeatures
    validation: LabelledFeatures | None = None


@dataclass(frozen=True)
class Plan:
    """What to run, as in section `evaluation` of config.yaml.

    `grid` and `fixed` replace a method's own values, in published units.
    """

    methods: Sequence[str]
    texts: Sequence[str]
    protocols: Sequence[str]
    grid: Mapping[str, Mapping[str, Axis | Points]] = field(default_factory=dict)
    fixed: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    bootstrap: int = 10000
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True)
class Case:
    """One row of the result before it is run."""

    method: str
    text: str
    support: str | None
    protocol: str


def evaluate(
    data: EncoderData, plan: Plan, notify: Callable[[str], None] = lambda _: None
) -> list[dict[str, Any]]:
    """Run every case of a plan on one encoder's features.

    Returns:
        One dictionary per (method, text, support, protocol): a `run` of the result file.

    Raises:
        InputError: if features, labels and classes do not fit together, or protocol `validation`
            has no validation images.
    """
    check_data(data)
    n_classes = len(next(iter(data.texts.values())))
    rows = []
    outcomes: dict[Case, NDArray[np.bool_]] = {}
    for case in cases(data, plan):
        row, correct = run_case(data, plan, case, n_classes)
        rows.append(row)
        outcomes[case] = correct
        notify(f"{row['method']} {row['text']} {row['support']} {row['protocol']}: {row['top1']}")
    for name, reference in references(outcomes).items():
        for row, correct in zip(rows, outcomes.values(), strict=True):
            difference = paired_difference(correct, outcomes[reference], plan.bootstrap, plan.seed)
            row[f"delta_vs_{name}"] = {"reference": reference.method, **difference}
    return rows


def cases(data: EncoderData, plan: Plan) -> Iterator[Case]:
    """List the cases of a plan in table order."""
    for name in plan.methods:
        method = METHODS[name]
        for text in method.texts or plan.texts:
            protocols = plan.protocols if method.grid else ["none"]
            for support in data.supports if method.needs_support else [None]:
                for protocol in protocols:
                    yield Case(name, text, support, protocol)


def references(outcomes: Mapping[Case, NDArray[np.bool_]]) -> dict[str, Case]:
    """Classifiers that the others are compared with.

    `zero_shot`, and `best_text`: the text-only classifier with most correct test images. Choosing
    the latter by its test result favours it, so differences to it are conservative.
    """
    text_only = [case for case in outcomes if METHODS[case.method].texts]
    zero_shot = [case for case in text_only if case.method == "zero-shot"]
    best = sorted(text_only, key=lambda case: int(outcomes[case].sum()), reverse=True)
    named = {"zero_shot": zero_shot, "best_text": best}
    return {name: candidates[0] for name, candidates in named.items() if candidates}


def run_case(
    data: EncoderData, plan: Plan, case: Case, n_classes: int
) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """Tune and test one case.

    Returns:
        The row without differences, and for every test image whether it was right.
    """
    started = time.perf_counter()
    method = METHODS[case.method]
    context = _context(data, case, plan.device)
    tuned = _tune(method, context, data, plan, case)
    test, labels = _tensors(data.test, plan.device)
    logits = method.fit(context, tuned.hyperparameters).logits(test)
    ranks = logits.argsort(dim=1, descending=True, stable=True)[:, :TOP]
    hits = (ranks == labels[:, None]).cpu().numpy()
    correct = hits[:, 0]
    per_class = per_class_accuracy(correct, labels.cpu().numpy(), n_classes)
    present = [value for value in per_class if value is not None]
    support = data.supports.get(case.support) if case.support else None
    row = {
        "encoder": data.name,
        "method": case.method,
        "text": case.text,
        "support": case.support,
        "protocol": case.protocol,
        "tuned_on": tuned.split,
        "transductive": method.transductive,
        "top1": round(100 * float(correct.mean()), 3),
        "correct": int(correct.sum()),
        "top5": round(100 * float(hits.any(axis=1).mean()), 3),
        "mean_per_class": round(sum(present) / len(present), 3),
        "ci95": accuracy_interval(correct, plan.bootstrap, plan.seed),
        "hyperparameters": tuned.hyperparameters,
        "validation_correct": tuned.validation_correct,
        "support_size": len(support.labels) if support else 0,
        "per_class": per_class,
        "seconds": round(time.perf_counter() - started, 3),
        "peak_mib": round(peak_mib(plan.device), 1),
    }
    return row, correct


def check_data(data: EncoderData) -> None:
    """Check that features, labels and classes fit together.

    Raises:
        InputError: naming the encoder and the part.
    """
    (n_classes, dimension), *others = {text.shape for text in data.texts.values()}
    if others:
        raise InputError(f"{data.name}: text classifiers have different shapes; rebuild the caches")
    parts = {"test": data.test, "validation": data.validation, **data.supports}
    for name, part in parts.items():
        if part is None:
            continue
        if part.features.shape[1:] != (dimension,):
            raise InputError(
                f"{data.name}: {name} features are {part.features.shape[1:]}-dimensional, texts "
                f"{dimension}; both must come from the same encoder"
            )
        if len(part.features) != len(part.labels):
            raise InputError(
                f"{data.name}: {name} has {len(part.features)} features and {len(part.labels)} "
                "labels; rebuild its cache"
            )
        if not len(part.labels):
            raise InputError(f"{data.name}: {name} has no images")
        if part.labels.min() < 0 or part.labels.max() >= n_classes:
            raise InputError(f"{data.name}: {name} has labels outside 0..{n_classes - 1}")
    if data.validation is not None and same_images(data.test, data.validation):
        raise InputError(
            f"{data.name}: validation and test are the same images, so that tuning would see the "
            "labels of the test; give other validation images, or declare it in the dataset's "
            "card (`validation: test`)"
        )
    for name, support in data.supports.items():
        absent = np.setdiff1d(np.arange(n_classes), support.labels)
        if len(absent):
            raise InputError(
                f"{data.name}: support {name} has no image of class {absent[0]}; enlarge the pool"
            )


def same_images(first: LabelledFeatures, second: LabelledFeatures) -> bool:
    """Whether two splits have the same features in the same order."""
    return np.array_equal(first.features, second.features)


@dataclass(frozen=True)
class _Tuned:
    hyperparameters: dict[str, float]
    split: str
    validation_correct: int | None


def _tune(method: Method, context: Context, data: EncoderData, plan: Plan, case: Case) -> _Tuned:
    scale = data.logit_scale
    if case.protocol == "fixed":
        values = {**method.fixed, **plan.fixed.get(method.name, {})}
        chosen = method.scaled(values, scale)
        found = _on_validation(method, context, data, plan, {k: [v] for k, v in chosen.items()})
        return _Tuned(chosen, "nothing", found.correct if found else None)
    if case.protocol == "none":
        found = _on_validation(method, context, data, plan, {})
        return _Tuned({}, "nothing", found.correct if found else None)
    axes = {**method.grid, **plan.grid.get(method.name, {})}
    grid = {
        name: replace(axes[name], scaled=axis.scaled).values(scale)
        for name, axis in method.grid.items()
    }
    found = _on_validation(method, context, data, plan, grid)
    if found is None:
        raise InputError(
            "protocol `validation` needs validation images; set images.validation of the "
            "dataset (published features: theirs are empty), or leave the protocol out of "
            "evaluation.protocols"
        )
    return _Tuned(found.hyperparameters, "validation", found.correct)


def _on_validation(
    method: Method,
    context: Context,
    data: EncoderData,
    plan: Plan,
    grid: Mapping[str, Sequence[float]],
) -> SearchResult | None:
    if data.validation is None:
        return None
    features, labels = _tensors(data.validation, plan.device)
    return search(method.terms(context, features), labels, grid)


def _context(data: EncoderData, case: Case, device: str) -> Context:
    text = torch.from_numpy(data.texts[case.text]).float().to(device)
    if case.support is None:
        return Context(text, data.logit_scale)
    features, labels = _tensors(data.supports[case.support], device)
    return Context(text, data.logit_scale, features, labels)


def _tensors(part: LabelledFeatures, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    features = torch.from_numpy(part.features).float().to(device)
    return features, torch.from_numpy(part.labels.astype(np.int64)).to(device)
