"""The evaluation protocol."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from susx.errors import InputError
from susx.evaluation import EncoderData, LabelledFeatures, Plan, evaluate
from susx.methods import METHODS, Axis, Context
from susx.results import Run
from tests.helpers import make_problem, unit_rows

N, VALIDATION, CLASSES = 60, 40, 6
SUPPORT = (4, 1, 3, 2, 6, 2)
PROBLEM = make_problem(0, n=N + VALIDATION, support=SUPPORT)
GRID = {"alpha": Axis(0.0, 8.0, 4), "beta": Axis(1.0, 9.0, 3), "gamma": Axis(0.0, 2.0, 3)}
TIMES = ("seconds", "peak_mib")


def encoder_data(scale: float = 100.0) -> EncoderData:
    random = np.random.default_rng(1)
    noisy = PROBLEM.text + 0.9 * unit_rows(random, CLASSES, 8)
    ensemble = (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)
    support = LabelledFeatures(PROBLEM.support, PROBLEM.support_labels.astype(np.int32))
    return EncoderData(
        name="clip",
        logit_scale=scale,
        texts={"ensemble": ensemble, "cupl": PROBLEM.text, "cupl+e": PROBLEM.text},
        supports={"lc": support, "sd": LabelledFeatures(-support.features, support.labels)},
        test=LabelledFeatures(PROBLEM.images[:N], PROBLEM.labels[:N].astype(np.int32)),
        validation=LabelledFeatures(PROBLEM.images[N:], PROBLEM.labels[N:].astype(np.int32)),
    )


def plan(**changes: Any) -> Plan:
    settings: dict[str, Any] = {
        "methods": ["zero-shot", "cupl", "tip-adapter", "tip-x"],
        "texts": ["cupl+e"],
        "protocols": ["validation", "fixed"],
        "grid": {"tip-adapter": dict(list(GRID.items())[:2]), "tip-x": GRID},
        "bootstrap": 200,
    }
    return Plan(**{**settings, **changes})


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return evaluate(encoder_data(), plan())


def logits_of(row: dict[str, Any], part: LabelledFeatures) -> np.ndarray:
    """Logits of a row's method with the row's hyper-parameters."""
    data = encoder_data()
    text = torch.from_numpy(data.texts[row["text"]])
    context = Context(text, data.logit_scale)
    if row["support"]:
        support = data.supports[row["support"]]
        labels = torch.from_numpy(support.labels.astype(np.int64))
        context = Context(text, data.logit_scale, torch.from_numpy(support.features), labels)
    fitted = METHODS[row["method"]].fit(context, row["hyperparameters"])
    return fitted.logits(torch.from_numpy(part.features)).numpy()


def test_rows_are_the_cases_in_table_order(rows: list[dict[str, Any]]) -> None:
    cases = [(r["method"], r["text"], r["support"], r["protocol"], r["tuned_on"]) for r in rows]
    assert cases == [
        ("zero-shot", "ensemble", None, "none", "nothing"),
        ("cupl", "cupl", None, "none", "nothing"),
        ("tip-adapter", "cupl+e", "lc", "validation", "validation"),
        ("tip-adapter", "cupl+e", "lc", "fixed", "nothing"),
        ("tip-adapter", "cupl+e", "sd", "validation", "validation"),
        ("tip-adapter", "cupl+e", "sd", "fixed", "nothing"),
        ("tip-x", "cupl+e", "lc", "validation", "validation"),
        ("tip-x", "cupl+e", "lc", "fixed", "nothing"),
        ("tip-x", "cupl+e", "sd", "validation", "validation"),
        ("tip-x", "cupl+e", "sd", "fixed", "nothing"),
    ]


def test_rows_follow_the_result_schema(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert Run.model_validate(row).model_dump() == row
    assert {row["encoder"] for row in rows} == {"clip"}


def test_accuracies_are_those_of_the_logits(rows: list[dict[str, Any]]) -> None:
    test = encoder_data().test
    for row in rows:
        logits = logits_of(row, test)
        ranks = np.argsort(-logits, axis=1, kind="stable")
        right = [rank[0] == y for rank, y in zip(ranks, test.labels, strict=True)]
        among = [y in rank[:5] for rank, y in zip(ranks, test.labels, strict=True)]
        assert row["correct"] == sum(right)
        assert row["top1"] == pytest.approx(100 * sum(right) / N, abs=5e-4)
        assert row["top5"] == pytest.approx(100 * sum(among) / N, abs=5e-4)
        for c, value in enumerate(row["per_class"]):
            of_class = [r for r, y in zip(right, test.labels, strict=True) if y == c]
            assert value == pytest.approx(100 * sum(of_class) / len(of_class), abs=5e-4)
        assert row["mean_per_class"] == pytest.approx(np.mean(row["per_class"]), abs=1e-3)
        assert row["ci95"][0] <= row["top1"] <= row["ci95"][1]


def test_validation_counts_are_those_of_the_logits(rows: list[dict[str, Any]]) -> None:
    validation = encoder_data().validation
    assert validation is not None
    for row in rows:
        predicted = logits_of(row, validation).argmax(axis=1)
        assert row["validation_correct"] == int((predicted == validation.labels).sum())


def test_tuned_values_lie_on_the_grid_and_no_grid_point_is_better(
    rows: list[dict[str, Any]],
) -> None:
    validation = encoder_data().validation
    assert validation is not None
    row = next(r for r in rows if r["method"] == "tip-x" and r["protocol"] == "validation")
    best = -1
    for alpha in GRID["alpha"].values(1):
        for beta in GRID["beta"].values(1):
            for gamma in GRID["gamma"].values(1):
                point = {"alpha": alpha, "beta": beta, "gamma": gamma}
                predicted = logits_of({**row, "hyperparameters": point}, validation).argmax(axis=1)
                hits = int((predicted == validation.labels).sum())
                if hits > best:
                    best, chosen = hits, point
    assert row["hyperparameters"] == pytest.approx(chosen)
    assert row["validation_correct"] == best


def test_fixed_values_are_those_of_the_method(rows: list[dict[str, Any]]) -> None:
    fixed = [row for row in rows if row["protocol"] == "fixed"]
    assert all(row["hyperparameters"] == METHODS[row["method"]].fixed for row in fixed)


def test_support_size_is_given_where_a_support_set_is_used(rows: list[dict[str, Any]]) -> None:
    assert {(row["support"], row["support_size"]) for row in rows} == {
        (None, 0), ("lc", sum(SUPPORT)), ("sd", sum(SUPPORT))
    }  # fmt: skip


def test_differences_refer_to_zero_shot_and_the_best_text_classifier(
    rows: list[dict[str, Any]],
) -> None:
    zero_shot, cupl = rows[:2]
    assert cupl["correct"] > zero_shot["correct"]
    for row in rows:
        for name, reference in (("zero_shot", zero_shot), ("best_text", cupl)):
            difference = row[f"delta_vs_{name}"]
            assert difference["reference"] == reference["method"]
            expected = 100 * (row["correct"] - reference["correct"]) / N
            assert difference["mean"] == pytest.approx(expected, abs=5e-4)
            assert difference["ci95"][0] <= difference["mean"] <= difference["ci95"][1]
    assert zero_shot["delta_vs_zero_shot"]["ci95"] == [0.0, 0.0]


def test_equally_good_text_classifiers_refer_to_the_first() -> None:
    data = encoder_data()
    same = replace(data, texts={**data.texts, "ensemble": data.texts["cupl"]})
    for order in (["zero-shot", "cupl"], ["cupl", "zero-shot"]):
        rows = evaluate(same, plan(methods=order))
        assert {row["delta_vs_best_text"]["reference"] for row in rows} == {order[0]}


def test_without_text_classifiers_there_are_no_differences() -> None:
    rows = evaluate(encoder_data(), plan(methods=["tip-adapter"], protocols=["fixed"]))
    assert not [key for row in rows for key in row if key.startswith("delta")]


def test_without_zero_shot_only_the_best_text_is_a_reference() -> None:
    (row,) = evaluate(encoder_data(), plan(methods=["cupl"]))
    assert "delta_vs_zero_shot" not in row
    assert row["delta_vs_best_text"]["reference"] == "cupl"


def test_support_methods_run_once_per_text() -> None:
    rows = evaluate(
        encoder_data(), plan(methods=["tip-x"], texts=["cupl", "ensemble"], protocols=["fixed"])
    )
    assert [(row["text"], row["support"]) for row in rows] == [
        ("cupl", "lc"), ("cupl", "sd"), ("ensemble", "lc"), ("ensemble", "sd")
    ]  # fmt: skip


def test_evaluation_is_deterministic_but_for_times(rows: list[dict[str, Any]]) -> None:
    assert without_times(evaluate(encoder_data(), plan())) == without_times(rows)


def test_seed_changes_intervals_only(rows: list[dict[str, Any]]) -> None:
    other = evaluate(encoder_data(), plan(seed=1))
    assert [row["correct"] for row in other] == [row["correct"] for row in rows]
    assert [row["ci95"] for row in other] != [row["ci95"] for row in rows]


def test_logit_scale_scales_alpha_and_gamma_and_changes_no_result(
    rows: list[dict[str, Any]],
) -> None:
    for row, other in zip(rows, evaluate(encoder_data(20.0), plan()), strict=True):
        assert other["correct"] == row["correct"]
        factors = {"alpha": 0.2, "beta": 1.0, "gamma": 0.2}
        expected = {name: factors[name] * v for name, v in row["hyperparameters"].items()}
        assert other["hyperparameters"] == pytest.approx(expected)


def test_configured_values_replace_only_those_named() -> None:
    settings = plan(methods=["tip-x"], protocols=["fixed"], fixed={"tip-x": {"gamma": 7.0}})
    row = evaluate(encoder_data(), settings)[0]
    assert row["hyperparameters"] == {**METHODS["tip-x"].fixed, "gamma": 7.0}


def test_configured_grids_replace_only_those_named() -> None:
    one = {"alpha": Axis(2.0, 3.0, 1), "beta": Axis(4.0, 5.0, 1)}
    settings = plan(methods=["tip-x"], protocols=["validation"], grid={"tip-x": one})
    row = evaluate(encoder_data(), settings)[0]
    assert (row["hyperparameters"]["alpha"], row["hyperparameters"]["beta"]) == (2.0, 4.0)
    gammas = METHODS["tip-x"].grid["gamma"].values(100.0)
    assert any(row["hyperparameters"]["gamma"] == pytest.approx(gamma) for gamma in gammas)


def test_progress_is_told_once_per_case() -> None:
    told: list[str] = []
    rows = evaluate(encoder_data(), plan(protocols=["fixed"]), told.append)
    assert len(told) == len(rows)
    assert told[2] == f"tip-adapter cupl+e lc fixed: {rows[2]['top1']}"


def test_without_validation_images_untuned_cases_run() -> None:
    data = replace(encoder_data(), validation=None)
    rows = evaluate(data, plan(protocols=["fixed"]))
    assert [row["validation_correct"] for row in rows] == [None] * len(rows)


def test_without_validation_images_tuning_is_refused() -> None:
    data = replace(encoder_data(), validation=None)
    match = "protocol `validation` needs validation images; set images.validation of the dataset"
    with pytest.raises(InputError, match=match):
        evaluate(data, plan())


def test_classes_without_test_images_do_not_count() -> None:
    data = encoder_data()
    left = data.test.labels != 2
    test = LabelledFeatures(data.test.features[left], data.test.labels[left])
    (row,) = evaluate(replace(data, test=test), plan(methods=["cupl"]))
    assert row["per_class"][2] is None
    present = [value for value in row["per_class"] if value is not None]
    assert row["mean_per_class"] == pytest.approx(sum(present) / 5, abs=1e-3)


def test_few_classes_make_top5_certain() -> None:
    data = encoder_data()
    keep = data.test.labels < 3
    few = replace(
        data,
        texts={name: text[:3] for name, text in data.texts.items()},
        supports={},
        test=LabelledFeatures(data.test.features[keep], data.test.labels[keep]),
        validation=None,
    )
    assert evaluate(few, plan(methods=["zero-shot"]))[0]["top5"] == 100.0


@pytest.mark.parametrize("method", ["cupl", "tip-adapter", "tip-x"])
def test_testing_breaks_ties_as_tuning_does(method: str) -> None:
    data = encoder_data()
    double = np.concatenate([data.texts["cupl"]] * 2)
    support = data.supports["lc"]
    both = LabelledFeatures(
        np.concatenate([support.features] * 2),
        np.concatenate([support.labels, support.labels + CLASSES]),
    )
    labels = data.test.labels + CLASSES * (np.arange(N) % 2)
    test = LabelledFeatures(data.test.features, labels.astype(np.int32))
    tied = replace(
        data,
        texts=dict.fromkeys(data.texts, double),
        supports={"lc": both},
        test=test,
        validation=test,
    )
    for row in evaluate(tied, plan(methods=[method])):
        assert row["correct"] == row["validation_correct"]


def changed(part: str, **changes: Any) -> EncoderData:
    data = encoder_data()
    if part in data.supports:
        made = replace(data.supports[part], **changes)
        return replace(data, supports={**data.supports, part: made})
    return replace(data, **{part: replace(getattr(data, part), **changes)})


@pytest.mark.parametrize("part", ["test", "validation", "lc"])
def test_features_of_another_dimension_are_refused(part: str) -> None:
    features = unit_rows(np.random.default_rng(0), N, 5)
    match = rf"clip: {part} features are \(5,\)-dimensional, texts 8; both must come from the same"
    with pytest.raises(InputError, match=match):
        evaluate(changed(part, features=features), plan())


@pytest.mark.parametrize("part", ["test", "validation", "lc"])
@pytest.mark.parametrize("label", [-1, CLASSES])
def test_labels_of_no_class_are_refused(part: str, label: int) -> None:
    data = encoder_data()
    labels = (data.supports[part] if part == "lc" else getattr(data, part)).labels.copy()
    labels[3] = label
    with pytest.raises(InputError, match=rf"clip: {part} has labels outside 0\.\.5"):
        evaluate(changed(part, labels=labels), plan())


@pytest.mark.parametrize("part", ["test", "validation", "lc"])
def test_features_and_labels_that_differ_in_number_are_refused(part: str) -> None:
    data = encoder_data()
    whole = data.supports[part] if part == "lc" else getattr(data, part)
    with pytest.raises(InputError, match=rf"clip: .*{part}|differ in number"):
        evaluate(changed(part, features=whole.features[1:]), plan())


def test_test_split_without_images_is_refused() -> None:
    empty = {"features": np.zeros((0, 8), np.float32), "labels": np.zeros(0, np.int32)}
    with pytest.raises(InputError, match="clip: test has no images"):
        evaluate(changed("test", **empty), plan())


def test_text_classifiers_of_different_shapes_are_refused() -> None:
    data = encoder_data()
    with pytest.raises(InputError, match="clip: text classifiers have different shapes; rebuild"):
        evaluate(replace(data, texts={**data.texts, "cupl": data.texts["cupl"][:5]}), plan())


def test_class_without_support_image_is_refused() -> None:
    labels = PROBLEM.support_labels.copy()
    labels[labels == 1] = 0
    with pytest.raises(InputError, match="clip: support lc has no image of class 1; enlarge the p"):
        evaluate(changed("lc", labels=labels), plan())
