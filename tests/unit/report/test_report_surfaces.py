"""Accuracy over support size and over hyper-parameters, against evaluating point by point."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch

from susx.core.errors import InputError
from susx.evaluation.arrays import LabelledImages
from susx.evaluation.case import Case
from susx.evaluation.intervals import accuracy_interval
from susx.evaluation.tuning import TuningSettings, fold_of, tune
from susx.methods import METHODS, Axis, Context, Images, Method
from susx.report import sizes
from susx.report.rows import Row
from susx.report.schema import Surface
from susx.report.sizes import MOST_LOGITS, accuracy_by_size, is_too_long, sizes_of
from susx.report.surfaces import plateau, surfaces
from tests.closeness import stored
from tests.helpers import context_of, images_of, make_problem

PROBLEM = make_problem(3, n=40, support=(4, 2, 3, 2, 6))
CONTEXT = context_of(PROBLEM)
TEST = LabelledImages(images_of(PROBLEM), torch.from_numpy(PROBLEM.labels))
GRID = {
    "alpha": Axis(0.5, 9.0, 4),
    "beta": Axis(1.0, 9.0, 5),
    "gamma": Axis(0.1, 2.0, 3),
}
TUNING = TuningSettings(
    grid={
        name: {axis: GRID[axis] for axis in METHODS[name].grid} for name in ("tip-adapter", "tip-x")
    }
)


def case_of(method: str, protocol: str) -> Case:
    return Case(method=method, text="cupl+e", support="lc", protocol=protocol)


def row(method: str, protocol: str, correct: int | None = None) -> Row:
    tuned = tune(METHODS[method], CONTEXT, protocol, TUNING, TEST)
    case = case_of(method, protocol)
    return Row(case, METHODS[method], tuned.hyperparameters, tuned.split, correct)


def evaluation_of(method: str, *protocols: str, continuous: bool = False) -> dict[str, Any]:
    """What an evaluation says of the grids of some rows."""
    rows = []
    for protocol in protocols:
        settings = replace(TUNING, continuous=continuous)
        tuned = tune(METHODS[method], CONTEXT, protocol, settings, TEST)
        n = len(PROBLEM.support) if protocol == "support" else len(TEST)
        told = {"tuned_on": tuned.split, "n_images": n, "chosen": tuned.hyperparameters}
        case = case_of(method, protocol).model_dump()
        rows += [{"encoder": "clip", **case, **told, **asdict(plane)} for plane in tuned.planes]
    return {"planes": rows}


def right(
    context: Context, shown: Images, labels: torch.Tensor, case: Row, values: Mapping[str, float]
) -> int:
    logits = case.method.terms(context, shown).logits(**values)
    return int((logits.argmax(dim=1) == labels).sum())


def right_on_validation(case: Row, values: Mapping[str, float]) -> int:
    return right(CONTEXT, TEST.images, TEST.labels, case, values)


def right_on_support(case: Row, values: Mapping[str, float]) -> int:
    support, labels = CONTEXT.required_support, CONTEXT.required_labels
    folds = fold_of(labels, CONTEXT.n_classes)
    total = 0
    for fold in range(int(folds.max()) + 1):
        held = folds == fold
        rest = replace(CONTEXT, support=support[~held], support_labels=labels[~held])
        total += right(rest, Images(support[held]), labels[held], case, values)
    return total


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("protocol", ["validation", "support"])
@pytest.mark.parametrize("method", ["tip-adapter", "tip-x"])
def test_a_surface_is_that_of_every_point_by_itself(
    method: str, protocol: str, continuous: bool
) -> None:
    case = row(method, protocol)
    count = right_on_validation if protocol == "validation" else right_on_support
    n = len(TEST) if protocol == "validation" else len(PROBLEM.support)
    evaluation = evaluation_of(method, protocol, continuous=continuous)
    found = list(surfaces(evaluation, case.case))
    names = list(METHODS[method].grid)
    assert [(s.x, s.y) for s in found] == [
        (x, y) for i, x in enumerate(names) for y in names[i + 1 :]
    ]
    for surface in found:
        for value_y, line in zip(surface.y_values, surface.accuracy, strict=True):
            for value_x, accuracy in zip(surface.x_values, line, strict=True):
                values = {**case.hyperparameters, surface.x: value_x, surface.y: value_y}
                assert accuracy == pytest.approx(100 * count(case, values) / n, abs=stored(4))
        assert_consistent(surface, case.hyperparameters, n)


def assert_consistent(surface: Surface, best_point: Mapping[str, float], n: int) -> None:
    accuracy = np.array(surface.accuracy)
    best = accuracy.max() / 100
    at = [
        (surface.x_values, surface.y_values)[i].index(best_point[name])
        for i, name in enumerate((surface.x, surface.y))
    ]
    assert accuracy[at[1], at[0]] == pytest.approx(100 * best, abs=stored(4))
    error = (best * (1 - best) / n) ** 0.5
    assert surface.plateau == pytest.approx(100 * (best - error), abs=2 * stored(4))
    assert surface.plateau_share == pytest.approx((accuracy >= surface.plateau).mean())


def test_the_shown_row_comes_first_then_its_peers() -> None:
    evaluation = evaluation_of("tip-x", "validation", "support", "fixed")
    other = evaluation_of("tip-adapter", "validation")
    evaluation["planes"] += other["planes"]
    found = list(surfaces(evaluation, case_of("tip-x", "support")))
    assert [s.tuned_on for s in found] == 3 * ["support"] + 3 * ["validation"]
    assert {s.case.method for s in found} == {"tip-x"}
    few = case_of("tip-x", "support").model_copy(update={"seed": 1})
    assert list(surfaces(evaluation, few)) == []


def test_what_is_not_tuned_has_no_surface() -> None:
    evaluation = evaluation_of("tip-x", "fixed")
    assert list(surfaces(evaluation, case_of("tip-x", "fixed"))) == []


def test_a_plateau_is_never_below_zero() -> None:
    assert plateau(np.array([[0.0, 0.1]]), 1) == 0


@pytest.mark.parametrize(
    ("largest", "expected"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (16, [1, 2, 4, 8, 16])]
)
def test_sizes_double_up_to_all(largest: int, expected: list[int]) -> None:
    labels = torch.tensor([0] + largest * [1])
    assert sizes_of(labels) == expected


@pytest.mark.parametrize(
    "method", [m for m in METHODS.values() if m.needs_support], ids=lambda m: m.name
)
def test_smaller_supports_are_the_first_images_of_every_class(method: Method) -> None:

    case = row(method.name, "fixed" if method.grid else "none")
    by_size = accuracy_by_size(case, CONTEXT, TEST)
    found = by_size.points
    assert [point.per_class for point in found] == [1, 2, 4, 6]
    for point in found:
        seen: dict[int, int] = {}
        kept = []
        for i, label in enumerate(PROBLEM.support_labels.tolist()):
            seen[label] = seen.get(label, 0) + 1
            if seen[label] <= point.per_class:
                kept.append(i)
        assert point.n_images == len(kept)
        some = replace(
            CONTEXT,
            support=CONTEXT.required_support[kept],
            support_labels=CONTEXT.required_labels[kept],
        )
        logits = case.method.fit(some, case.hyperparameters).logits(TEST.images)
        correct = (logits.argmax(dim=1) == TEST.labels).numpy()
        assert point.top1 == pytest.approx(100 * correct.mean(), abs=stored(3))
        assert list(point.ci95) == accuracy_interval(int(correct.sum()), len(correct))
    whole = case.method.fit(CONTEXT, case.hyperparameters).logits(TEST.images).argmax(dim=1)
    assert by_size.predicted.tolist() == whole.tolist()


@pytest.mark.parametrize("method", ["fusion", "fusion-inductive", "tip-x", "gda"])
def test_what_is_slow_to_fit_has_sizes_only_where_images_are_few(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    costly = method.startswith("fusion")
    n_images = sum(min(count, size) for count in (4, 2, 3, 2, 6) for size in (1, 2, 4, 6))
    if METHODS[method].transductive:
        n_images += 4 * len(TEST)
    n_logits = n_images * CONTEXT.n_classes
    assert n_logits < MOST_LOGITS
    case = row(method, "fixed" if METHODS[method].grid else "none")
    whole = accuracy_by_size(case, CONTEXT, TEST)
    assert len(whole.points) == 4
    monkeypatch.setattr(sizes, "MOST_LOGITS", n_logits - 1)
    assert is_too_long(case, CONTEXT, TEST) == costly
    found = accuracy_by_size(case, CONTEXT, TEST)
    assert found.points == (whole.points[-1:] if costly else whole.points)
    assert found.predicted.tolist() == whole.predicted.tolist()


def test_all_support_images_must_give_what_the_evaluation_says() -> None:
    predicted = accuracy_by_size(row("tip-x", "fixed"), CONTEXT, TEST).predicted
    correct = int((predicted == PROBLEM.labels).sum())
    accuracy_by_size(row("tip-x", "fixed", correct), CONTEXT, TEST)
    with pytest.raises(InputError, match="other caches"):
        accuracy_by_size(row("tip-x", "fixed", correct + 2), CONTEXT, TEST)
