"""The evaluation: its rows, their accuracies and what they were tuned on."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from susx.core.errors import InputError
from susx.core.rounding import decimal
from susx.embeddings.text_classifier import TextClassifier
from susx.evaluation.arrays import LabelledImages
from susx.evaluation.collation import adjust
from susx.evaluation.protocol import evaluate
from susx.evaluation.schema import Run
from susx.methods import METHODS, Axis, Images
from tests.closeness import stored
from tests.made.evaluation import (
    CLASSES,
    GRID,
    SIZES,
    N,
    case_of,
    encoder_data,
    plan,
    predicted,
    with_images,
    without_times,
)

EVERYTHING = ["zero-shot", "cupl", "visdesc", "dn", "calip", "tip-adapter", "tip-x", "gda"]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    made = evaluate(encoder_data(), plan())
    assert (made.skipped, made.seeds) == ([], [])
    return made.runs


@pytest.fixture(scope="module")
def many() -> list[dict[str, Any]]:
    """Rows of methods that differ in what they need."""
    return evaluate(encoder_data(), plan(methods=EVERYTHING, protocols=["fixed"])).runs


def test_rows_are_the_cases_in_table_order(rows: list[dict[str, Any]]) -> None:
    assert [(*case_of(row), row["tuned_on"]) for row in rows] == [
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


def test_a_tuned_row_has_the_planes_of_its_grid() -> None:
    protocols = ["validation", "support", "fixed"]
    made = evaluate(encoder_data(), plan(methods=["zero-shot", "tip-x"], protocols=protocols))
    data, searched = encoder_data(), [row for row in made.runs if row["tuned_on"] != "nothing"]
    assert {row["tuned_on"] for row in searched} == {"validation", "support"}
    planes = [(*case_of(plane), plane["x"], plane["y"]) for plane in made.planes]
    pairs = [("alpha", "beta"), ("alpha", "gamma"), ("beta", "gamma")]
    assert planes == [(*case_of(row), *pair) for row in searched for pair in pairs]
    chosen = {case_of(row): row for row in searched}
    for plane in made.planes:
        row = chosen[case_of(plane)]
        shown = data.supports if row["tuned_on"] == "support" else data.images
        n = len(shown[row["support"] if row["tuned_on"] == "support" else "validation"])
        assert (plane["tuned_on"], plane["n_images"]) == (row["tuned_on"], n)
        assert plane["chosen"] == row["hyperparameters"]
        x, y = (plane[f"{axis}_values"].index(plane["chosen"][plane[axis]]) for axis in "xy")
        assert plane["correct"][y][x] == row["tuning_correct"]


def test_rows_follow_the_result_schema(
    rows: list[dict[str, Any]], many: list[dict[str, Any]]
) -> None:
    for row in (*rows, *many):
        (adjusted,) = made = [copy.deepcopy(row)]
        adjust(made)
        assert Run.model_validate(adjusted).model_dump(exclude_unset=True) == adjusted
        assert (row["encoder"], row["seed"]) == ("clip", None)
        assert row["transductive"] == METHODS[row["method"]].transductive


def test_accuracies_are_those_of_the_logits(
    rows: list[dict[str, Any]], many: list[dict[str, Any]]
) -> None:
    data = encoder_data()
    labels = data.test.labels.numpy()
    assert {row["method"] for row in many} == set(EVERYTHING)
    for row in (*rows, *many):
        ranks = predicted(row, data.test, data)
        right = [rank[0] == y for rank, y in zip(ranks, labels, strict=True)]
        among = [y in rank[:5] for rank, y in zip(ranks, labels, strict=True)]
        assert row["correct"] == sum(right)
        assert row["top1"] == pytest.approx(100 * sum(right) / N, abs=stored(3))
        assert row["top5"] == pytest.approx(100 * sum(among) / N, abs=stored(3))
        for c, value in enumerate(row["per_class"]):
            of_class = [r for r, y in zip(right, labels, strict=True) if y == c]
            assert value == pytest.approx(100 * sum(of_class) / len(of_class), abs=stored(3))
        assert row["mean_per_class"] == pytest.approx(np.mean(row["per_class"]), abs=stored(3))
        assert row["ci95"][0] <= row["top1"] <= row["ci95"][1]


def test_tuning_counts_are_those_of_the_logits_on_validation_images(
    rows: list[dict[str, Any]], many: list[dict[str, Any]]
) -> None:
    data = encoder_data()
    validation = data.images["validation"]
    for row in (*rows, *many):
        right = predicted(row, validation, data)[:, 0] == validation.labels.numpy()
        assert row["tuning_correct"] == int(right.sum())


def test_tuned_values_lie_on_the_grid_and_no_grid_point_is_better(
    rows: list[dict[str, Any]],
) -> None:
    data = encoder_data()
    validation = data.images["validation"]
    row = next(r for r in rows if case_of(r) == ("tip-x", "cupl+e", "lc", "validation"))
    best = -1
    for alpha in GRID["alpha"].values(1):
        for beta in GRID["beta"].values(1):
            for gamma in GRID["gamma"].values(1):
                point = {"alpha": alpha, "beta": beta, "gamma": gamma}
                top = predicted({**row, "hyperparameters": point}, validation, data)[:, 0]
                hits = int((top == validation.labels.numpy()).sum())
                if hits > best:
                    best, chosen = hits, point
    assert row["hyperparameters"] == pytest.approx(chosen)
    assert row["tuning_correct"] == best


def test_fixed_values_are_those_of_the_method(rows: list[dict[str, Any]]) -> None:
    fixed = [row for row in rows if row["protocol"] == "fixed"]
    assert all(row["hyperparameters"] == METHODS[row["method"]].fixed for row in fixed)


def test_support_size_is_given_where_a_support_set_is_used(rows: list[dict[str, Any]]) -> None:
    assert {(row["support"], row["support_size"]) for row in rows} == {
        (None, 0), *((name, sum(sizes)) for name, sizes in SIZES.items())
    }  # fmt: skip


def test_support_methods_run_once_per_text() -> None:
    settings = plan(methods=["tip-x"], texts=["cupl", "ensemble"], protocols=["fixed"])
    assert [(row["text"], row["support"]) for row in evaluate(encoder_data(), settings).runs] == [
        ("cupl", "lc"), ("cupl", "sd"), ("ensemble", "lc"), ("ensemble", "sd")
    ]  # fmt: skip


def test_evaluation_is_deterministic_but_for_times(rows: list[dict[str, Any]]) -> None:
    assert without_times(evaluate(encoder_data(), plan()).runs) == without_times(rows)


def test_logit_scale_scales_alpha_and_gamma_and_changes_no_result(
    rows: list[dict[str, Any]],
) -> None:
    others = evaluate(encoder_data(20.0), plan()).runs
    for row, other in zip(rows, others, strict=True):
        assert other["correct"] == row["correct"]
        factors = {"alpha": 0.2, "beta": 1.0, "gamma": 0.2}
        expected = {name: factors[name] * v for name, v in row["hyperparameters"].items()}
        assert other["hyperparameters"] == pytest.approx(expected)


def test_configured_values_replace_only_those_named() -> None:
    tuning = {"fixed": {"tip-x": {"gamma": 7.0}}}
    made = evaluate(encoder_data(), plan(methods=["tip-x"], protocols=["fixed"], tuning=tuning))
    assert made.runs[0]["hyperparameters"] == {**METHODS["tip-x"].fixed, "gamma": 7.0}


def test_configured_grids_replace_only_those_named() -> None:
    one = {"alpha": Axis(2.0, 3.0, 1), "beta": Axis(4.0, 5.0, 1)}
    tuning = {"grid": {"tip-x": one}}
    made = evaluate(encoder_data(), plan(methods=["tip-x"], tuning=tuning))
    chosen = made.runs[0]["hyperparameters"]
    assert (chosen["alpha"], chosen["beta"]) == (2.0, 4.0)
    gammas = METHODS["tip-x"].grid["gamma"].values(100.0)
    assert any(chosen["gamma"] == pytest.approx(gamma) for gamma in gammas)


def test_progress_is_told_once_per_case() -> None:
    told: list[str] = []
    made = evaluate(encoder_data(), plan(unavailable_texts={"cupl": "no such file"}), told.append)
    assert len(told) == len(made.runs) + len(made.skipped) == 10
    assert "cupl" in told[1]
    assert "no such file" in told[1]
    assert all(word in told[2] for word in ("tip-adapter", "lc", decimal(made.runs[1]["top1"], 2)))


def test_a_class_without_test_images_leaves_the_mean_per_class_unknown() -> None:
    data = encoder_data()
    left = data.test.labels != 2
    test = LabelledImages(Images(data.test.images.features[left]), data.test.labels[left])
    (row,) = evaluate(with_images(data, test=test), plan(methods=["cupl"])).runs
    assert row["per_class"][2] is None
    assert row["per_class"].count(None) == 1
    assert row["mean_per_class"] is None


def test_few_classes_make_top5_certain() -> None:
    data = encoder_data()
    keep = data.test.labels < 3
    few = replace(
        data,
        classes=data.classes[:3],
        texts={k: TextClassifier(t.weights[:3], t.means[:3]) for k, t in data.texts.items()},
        supports={},
        images={
            "test": LabelledImages(Images(data.test.images.features[keep]), data.test.labels[keep])
        },
    )
    assert evaluate(few, plan(methods=["zero-shot"])).runs[0]["top5"] == 100.0


# Tuning on the test images


@pytest.mark.parametrize("split", ["validation", "anything"])
def test_validation_images_that_are_the_test_images_are_refused(split: str) -> None:
    data = encoder_data()
    match = "clip: validation and test images are the same, .* `validation: test`"
    with pytest.raises(InputError, match=match):
        evaluate(with_images(data, **{split: data.test}), plan(tuning={"validation_split": split}))


def test_tuning_on_the_test_images_is_said_where_it_is_meant() -> None:
    data = encoder_data()
    settings = plan(tuning={"validation_split": "test"})
    made = evaluate(with_images(data, validation=None), settings).runs
    assert [row["tuned_on"] for row in made] == ["nothing"] * 2 + ["test", "nothing"] * 4
    assert all(row["tuning_correct"] == row["correct"] for row in made)


@pytest.mark.parametrize("method", ["cupl", "tip-adapter", "tip-x"])
def test_testing_breaks_ties_as_tuning_does(method: str) -> None:
    data = encoder_data()
    text, support = data.texts["cupl"], data.supports["lc"]
    twice = TextClassifier(*(np.concatenate([part] * 2) for part in (text.weights, text.means)))
    both = LabelledImages(
        Images(torch.cat([support.images.features] * 2)),
        torch.cat([support.labels, support.labels + CLASSES]),
    )
    labels = data.test.labels + CLASSES * (torch.arange(N) % 2)
    test = LabelledImages(Images(data.test.images.features), labels)
    tied = replace(
        data,
        classes=[*data.classes, *map(str.upper, data.classes)],
        texts=dict.fromkeys(data.texts, twice),
        supports={"lc": both},
        images={"test": test},
    )
    settings = plan(methods=[method], tuning={"validation_split": "test"})
    made = evaluate(tied, settings).runs
    assert made
    assert all(row["correct"] == row["tuning_correct"] for row in made)
