"""The evaluation: which method, with which text, support and tuning, gets what right.

Works on arrays; `susx.evaluation.results` reads and writes the files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from susx.core.compute import peak_mib
from susx.core.errors import InputError
from susx.core.rounding import decimal
from susx.evaluation.arrays import EncoderData
from susx.evaluation.batch_accuracy import batch_accuracy, check_known_support
from susx.evaluation.batches import batch_draws, batch_facts
from susx.evaluation.calibration import (
    brier_score,
    calibration_error,
    choose_temperature,
    probabilities,
)
from susx.evaluation.case import Case, Protocol
from susx.evaluation.intervals import accuracy_interval, percent
from susx.evaluation.statistics import (
    changed_pairs,
    mean_per_class,
    paired_difference,
    per_class_accuracy,
    seed_spread,
)
from susx.evaluation.tuning import TuningSettings, tune
from susx.methods import METHODS, NEEDS, Context

TOP = 5
"""Best classes among which the true one counts for `top5`, as is usual."""
MAX_CHANGED = 10
"""Changed class pairs of a row, so that it can be read."""

Classes = NDArray[np.int64]


@dataclass(frozen=True)
class EvaluationPlan:
    """What to run, as in section `evaluation` of config.yaml.

    Attributes:
        methods: names of methods, in table order.
        texts: prompt strategies under the methods that do not name their own.
        protocols: tuning protocols of methods with hyper-parameters.
        tuning: grids, values and kind of search.
        unavailable_texts: prompt strategies that the dataset cannot have, and why.
        unavailable_supports: support sets that it cannot have, and why.
        seeds: few-shot support set -> its name without the seed, and the seed.
        leaks: whether to `keep` or `drop` support images that nearly equal a test image.
        batches: protocols of batches by name, as plain values.
    """

    methods: Sequence[str]
    texts: Sequence[str]
    protocols: Sequence[Protocol]
    tuning: TuningSettings = field(default_factory=TuningSettings)
    unavailable_texts: Mapping[str, str] = field(default_factory=dict)
    unavailable_supports: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    leaks: str = "keep"
    batches: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """Rows of the result file: what was run, what could not be, spread over seeds, batches.

    `planes`, for figures, are those of the tuned rows.
    """

    runs: list[dict[str, Any]]
    skipped: list[dict[str, Any]]
    seeds: list[dict[str, Any]]
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    batch_runs: list[dict[str, Any]] = field(default_factory=list)
    planes: list[dict[str, Any]] = field(default_factory=list)


def evaluate(
    data: EncoderData, plan: EvaluationPlan, notify: Callable[[str], None] = lambda _: None
) -> Evaluation:
    """Run every case of a plan on one encoder's features.

    A case that lacks what it needs is skipped and listed with the reason.

    Raises:
        InputError: if features, labels and classes do not fit together, or a protocol of batches
            does not fit the test images, or leaves no support image of a known class.
    """
    check_data(data, plan)
    draws = batch_draws(data.test.labels.cpu().numpy(), plan.batches)
    for name, draw in draws.items():
        for case in cases(data, plan) if len(draw.unknown) else ():
            support = data.support(case)
            if support is not None and not lacking(data, plan, case):
                where = f"evaluation.batches.{name}: support set {case.drawn}"
                check_known_support(support, draw.unknown, where)
    rows, skipped, batch_runs, planes = [], [], [], []
    predictions: dict[Case, Classes] = {}
    for case in cases(data, plan):
        named = {"encoder": data.name, **case.model_dump()}
        reason = lacking(data, plan, case)
        if reason:
            skipped.append({**named, "reason": reason})
            notify(f"{case} left out: {reason}")
            continue
        row, predictions[case], seen = run_case(data, plan, case)
        rows.append(named | row)
        planes += [named | plane for plane in seen]
        notify(f"{case}: {decimal(row['top1'], 2)}")
        for name, draw in draws.items():
            values, method = row["hyperparameters"], METHODS[case.method]
            found = batch_accuracy(method, data.context(case), values, data.test, draw)
            told = {"batches": name, "tuned_on": row["tuned_on"]}
            batch_runs.append(named | told | found)
            notify(f"{case}, {name}: {found['top1_mean']:.2f}")
    _compare(rows, predictions, data, plan)
    facts = {name: batch_facts(draw, data.classes) for name, draw in draws.items()}
    return Evaluation(rows, skipped, seed_spread(rows), facts, batch_runs, planes)


def cases(data: EncoderData, plan: EvaluationPlan) -> Iterator[Case]:
    """List the cases of a plan in table order."""
    supports: list[str | None] = [*data.supports, *plan.unavailable_supports]
    untuned: list[Protocol] = ["none"]
    for name in plan.methods:
        method = METHODS[name]
        for text in method.texts or plan.texts:
            for support in (supports or [None]) if method.needs_support else [None]:
                entry, seed = plan.seeds.get(support or "", (support, None))
                for protocol in plan.protocols if method.grid else untuned:
                    yield Case(method=name, text=text, support=entry, protocol=protocol, seed=seed)


def lacking(data: EncoderData, plan: EvaluationPlan, case: Case) -> str:
    """What a case needs and does not have, in one line; empty if it can be run."""
    method = METHODS[case.method]
    shown = [part.images for part in data.images.values()]
    present = {
        "support": case.support is not None,
        "norms": all(images.norms is not None for images in shown),
        "patches": all(images.patches is not None for images in shown),
    }
    if case.text in plan.unavailable_texts:
        return f'needs prompt strategy "{case.text}": {plan.unavailable_texts[case.text]}'
    if case.drawn and case.drawn in plan.unavailable_supports:
        return f'needs support set "{case.drawn}": {plan.unavailable_supports[case.drawn]}'
    for need in method.needs:
        if not present[need]:
            return f"needs {NEEDS[need]}"
    support = data.support(case)
    too_many = "" if support is None else method.too_many(len(support), case.drawn or "")
    if too_many:
        return f"{too_many}; choose fewer of every class under supports"
    if case.protocol == "validation" and plan.tuning.validation_split not in data.images:
        return "under protocol validation needs validation images; name them under the dataset"
    if case.protocol == "support":
        if support is None:
            return "under protocol support needs a support set, which it does not use"
        if support.labels.bincount(minlength=len(data.classes)).min() < 2:
            return "under protocol support needs two support images of every class"
    return ""


def references(predictions: Mapping[Case, Classes], labels: Classes) -> dict[str, Case]:
    """Text-only classifiers that the others are compared with.

    `zero_shot`, and `best_text`: the one with most correct test images. Choosing the latter by
    its test result favours it, so differences to it are conservative.
    """
    text_only = [
        case
        for case in predictions
        if METHODS[case.method].texts and not METHODS[case.method].transductive
    ]
    zero_shot = [case for case in text_only if case.method == "zero-shot"]
    best = sorted(text_only, key=lambda c: int((predictions[c] == labels).sum()), reverse=True)
    named = {"zero_shot": zero_shot, "best_text": best}
    return {name: candidates[0] for name, candidates in named.items() if candidates}


def tip_adapter_of(case: Case, predictions: Mapping[Case, Classes]) -> Case | None:
    """The Tip-Adapter run on the same text and support, under the same protocol if there is one."""
    peers = [
        other
        for other in predictions
        if other.method == "tip-adapter" and (other.text, other.drawn) == (case.text, case.drawn)
    ]
    same = [other for other in peers if other.protocol == case.protocol]
    return next(iter(same or peers), None)


def run_case(
    data: EncoderData, plan: EvaluationPlan, case: Case
) -> tuple[dict[str, Any], Classes, list[dict[str, Any]]]:
    """Tune and test one case.

    Returns:
        The row without names and differences, the (N,) predicted classes of the test images, and
        the planes of the grid that was searched, with what they count.
    """
    started = time.perf_counter()
    method = METHODS[case.method]
    context, test = data.context(case), data.test
    validation = data.images.get(plan.tuning.validation_split)
    tuned = tune(method, context, case.protocol, plan.tuning, validation)
    values = tuned.hyperparameters
    seen = context
    if method.calibrate is not None:  # of the test images; validation images are classified alike
        seen = replace(context, constants=method.calibrate(context, test.images))
    fit = method.fit(seen, values)
    terms = method.finite_terms(seen, test.images)
    logits = fit.logits_of(terms)
    unseen = None if plan.tuning.validation_split == "test" else validation
    temperature = choose_temperature(method, seen, values, unseen, case.seed is not None)
    shares = probabilities(logits, temperature.value)
    ranks = logits.argsort(dim=1, descending=True, stable=True)[:, :TOP].cpu().numpy()
    labels = test.labels.cpu().numpy()
    hits = ranks == labels[:, None]
    correct = hits[:, 0]
    clean = _without_leaks(data, case, context)
    if clean is not None:
        predicted = method.fit(clean, values).logits(test.images).argmax(dim=1)
        clean_top1 = percent(int((predicted == test.labels).sum()), len(predicted))
    per_class = per_class_accuracy(correct, labels, len(data.classes))
    row = {
        "tuned_on": tuned.split,
        "transductive": method.transductive,
        "assumes": list(method.assumes),
        "top1": percent(correct.sum(), len(correct)),
        "correct": int(correct.sum()),
        "top5": percent(hits.any(axis=1).sum(), len(hits)),
        "mean_per_class": mean_per_class(per_class),
        "expected_top1": {source: 100 * share for source, share in terms.expected.items()},
        "ci95": accuracy_interval(int(correct.sum()), len(correct)),
        "calibration": {
            "temperature": temperature.value,
            "on": temperature.on,
            "ece": calibration_error(shares, test.labels.cpu()),
            "brier": brier_score(shares, test.labels.cpu()),
        },
        "hyperparameters": values,
        "tuning_correct": tuned.correct,
        "support_size": 0 if context.support is None else len(context.support),
        "top1_without_leaks": None if clean is None else clean_top1,
        "per_class": per_class,
        "seconds": round(time.perf_counter() - started, 3),
        "peak_mib": round(peak_mib(data.device), 1),
    }
    counted = context.support if tuned.split == "support" else validation
    n = 0 if counted is None else len(counted)
    told = {"tuned_on": tuned.split, "n_images": n, "chosen": values}
    return row, ranks[:, 0], [told | asdict(plane) for plane in tuned.planes]


def check_data(data: EncoderData, plan: EvaluationPlan) -> None:
    """Check that features, labels and classes fit together.

    Raises:
        InputError: naming the encoder and the part.
    """
    if not data.texts:
        return  # and every case is skipped
    shapes = {text.weights.shape for text in data.texts.values()}
    if len(shapes) != 1 or next(iter(shapes))[0] != len(data.classes):
        raise InputError(
            f"{data.name}: text classifiers have shapes {sorted(shapes)} for {len(data.classes)} "
            "classes; rebuild the caches"
        )
    ((n_classes, dimension),) = shapes
    if "test" not in data.images:
        raise InputError(f"{data.name}: test has no images")
    for name, part in {**data.images, **data.supports}.items():
        shape = tuple(part.images.features.shape)
        if shape[1:] != (dimension,):
            raise InputError(
                f"{data.name}: {name} features are {shape[1:]}-dimensional, texts "
                f"{dimension}; both must come from the same encoder"
            )
        if shape[0] != len(part):
            raise InputError(
                f"{data.name}: {name} has {shape[0]} features and {len(part)} labels; rebuild its "
                "cache"
            )
        if not len(part):
            raise InputError(f"{data.name}: {name} has no images")
        if part.labels.min() < 0 or part.labels.max() >= n_classes:
            raise InputError(f"{data.name}: {name} has labels outside 0..{n_classes - 1}")
    validation = data.images.get(plan.tuning.validation_split)
    if validation is None or plan.tuning.validation_split == "test":
        return
    if torch.equal(validation.images.features, data.test.images.features):
        raise InputError(
            f"{data.name}: validation and test images are the same, so that tuning on the one is "
            "tuning on the other; where that is meant, the dataset card says `validation: test`"
        )


def _compare(
    rows: Sequence[dict[str, Any]],
    predictions: Mapping[Case, Classes],
    data: EncoderData,
    plan: EvaluationPlan,
) -> None:
    """Add to every row its differences to the references, and the class pairs that changed."""
    labels = data.test.labels.cpu().numpy()
    shared = references(predictions, labels)
    for row, (case, predicted) in zip(rows, predictions.items(), strict=True):
        peers = shared | {"tip_adapter": tip_adapter_of(case, predictions)}
        for name, reference in peers.items():
            if reference is not None and reference != case:
                correct, other = predicted == labels, predictions[reference] == labels
                difference = paired_difference(correct, other)
                named = {"reference": reference.method, "protocol": reference.protocol}
                row[f"delta_vs_{name}"] = named | difference
        if "zero_shot" in shared:
            pairs = changed_pairs(labels, predicted, predictions[shared["zero_shot"]], MAX_CHANGED)
            row["changed_pairs"] = [
                {
                    "true": data.classes[pair.true],
                    "predicted": data.classes[pair.predicted],
                    "zero_shot": pair.before,
                    "now": pair.now,
                }
                for pair in pairs
            ]


def _without_leaks(data: EncoderData, case: Case, context: Context) -> Context | None:
    """The context without leaked support images, if there are any, and others."""
    leaked = data.leaked.get(case.drawn or "")
    if leaked is None or not leaked.any() or leaked.all():
        return None
    return replace(
        context,
        support=context.required_support[~leaked],
        support_labels=context.required_labels[~leaked],
    )
