"""What runs are compared with: references, confusions and the seeds of few-shot support sets."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from susx.evaluation.arrays import EncoderData
from susx.evaluation.case import Case
from susx.evaluation.protocol import Evaluation, evaluate, references, tip_adapter_of
from susx.evaluation.schema import SeedSpread
from tests.closeness import stored
from tests.helpers import unit_rows
from tests.made.evaluation import (
    CLASSES,
    D,
    N,
    case_of,
    encoder_data,
    labelled,
    plan,
    predicted,
)

Rows = list[dict[str, Any]]
REFERENCES = ("zero_shot", "best_text", "tip_adapter")


@pytest.fixture(scope="module")
def rows() -> Rows:
    return evaluate(encoder_data(), plan()).runs


def case(method: str, text: str, support: str | None, protocol: str) -> Case:
    return Case(method=method, text=text, support=support, protocol=protocol)


def find(rows: Rows, *case: str | None) -> dict[str, Any]:
    return next(row for row in rows if case_of(row) == case)


def reference_of(row: dict[str, Any], name: str, rows: Rows) -> dict[str, Any]:
    """The row that a difference refers to, by the rules of the table."""
    if name == "zero_shot":
        return rows[0]
    if name == "best_text":
        return rows[1]
    return find(rows, "tip-adapter", row["text"], row["support"], row["protocol"])


def test_differences_are_those_of_the_predictions(rows: Rows) -> None:
    data = encoder_data()
    labels = data.test.labels.numpy()
    right = [predicted(row, data.test, data)[:, 0] == labels for row in rows]
    assert rows[1]["correct"] > rows[0]["correct"]
    compared = 0
    for row, hits in zip(rows, right, strict=True):
        for name in REFERENCES:
            if name == "tip_adapter" and row["support"] is None:
                assert "delta_vs_tip_adapter" not in row
                continue
            reference = reference_of(row, name, rows)
            if reference is row:
                assert f"delta_vs_{name}" not in row
                continue
            made = row[f"delta_vs_{name}"]
            others = right[rows.index(reference)]
            assert (made["reference"], made["protocol"]) == (
                reference["method"], reference["protocol"]
            )  # fmt: skip
            assert made["corrected"] == sum(a and not b for a, b in zip(hits, others, strict=True))
            assert made["broken"] == sum(b and not a for a, b in zip(hits, others, strict=True))
            points = 100 * (row["correct"] - reference["correct"]) / N
            assert made["mean"] == pytest.approx(points, abs=stored(3))
            assert made["ci95"][0] <= made["mean"] <= made["ci95"][1]
            compared += 1
    assert compared == 9 + 9 + 4


def test_equally_good_text_classifiers_refer_to_the_first() -> None:
    data = encoder_data()
    same = replace(data, texts={**data.texts, "ensemble": data.texts["cupl"]})
    for first, second in (("zero-shot", "cupl"), ("cupl", "zero-shot")):
        made = evaluate(same, plan(methods=[first, second, "tip-x"], protocols=["fixed"])).runs
        assert "delta_vs_best_text" not in made[0]
        assert {row["delta_vs_best_text"]["reference"] for row in made[1:]} == {first}


def test_without_text_classifiers_there_is_nothing_to_compare_with() -> None:
    settings = plan(methods=["tip-adapter"], protocols=["fixed"])
    made = evaluate(encoder_data(), settings).runs
    assert not [key for row in made for key in row if key.startswith(("delta", "changed"))]


def test_without_zero_shot_only_the_best_text_is_a_reference() -> None:
    made = evaluate(encoder_data(), plan(methods=["cupl", "visdesc"])).runs
    assert not any("delta_vs_zero_shot" in row or "changed_pairs" in row for row in made)
    assert made[1]["delta_vs_best_text"]["reference"] == "cupl"


def test_methods_that_learn_from_test_images_are_no_text_reference() -> None:
    labels = np.array([0, 1, 2, 3])
    predictions = {
        case("dn", "photo", None, "none"): labels,
        case("zero-shot", "ensemble", None, "none"): np.array([0, 0, 0, 0]),
        case("tip-adapter", "photo", "lc", "fixed"): labels,
        case("cupl", "cupl", None, "none"): np.array([0, 1, 1, 1]),
    }
    assert {name: case.method for name, case in references(predictions, labels).items()} == {
        "zero_shot": "zero-shot", "best_text": "cupl"
    }  # fmt: skip
    (alone, *_) = predictions
    assert references({alone: labels}, labels) == {}


TIPS = [
    case("tip-adapter", text, support, protocol)
    for text in ("photo", "cupl")
    for support in ("lc", "sd")
    for protocol in ("validation", "fixed")
]


@pytest.mark.parametrize("text", ["photo", "cupl"])
@pytest.mark.parametrize("support", ["lc", "sd"])
@pytest.mark.parametrize("protocol", ["validation", "fixed"])
def test_tip_adapter_reference_has_the_same_text_support_and_protocol(
    text: str, support: str, protocol: str
) -> None:
    predictions = dict.fromkeys([*TIPS, case("tip-x", text, support, protocol)], np.zeros(0, int))
    made = tip_adapter_of(case("tip-x", text, support, protocol), predictions)
    assert made == case("tip-adapter", text, support, protocol)


@pytest.mark.parametrize("protocol", ["none", "support"])
def test_tip_adapter_reference_of_another_protocol_is_better_than_none(protocol: str) -> None:
    predictions = dict.fromkeys(TIPS, np.zeros(0, int))
    made = tip_adapter_of(case("gda", "cupl", "sd", protocol), predictions)
    assert made == case("tip-adapter", "cupl", "sd", "validation")


@pytest.mark.parametrize(("text", "support"), [("cupl", None), ("cupl", "few"), ("own", "lc")])
def test_tip_adapter_of_other_text_or_support_is_no_reference(
    text: str, support: str | None
) -> None:
    predictions = dict.fromkeys(TIPS, np.zeros(0, int))
    assert tip_adapter_of(case("tip-x", text, support, "fixed"), predictions) is None


def test_changed_pairs_are_those_of_a_plain_count(rows: Rows) -> None:
    data = encoder_data()
    truth = data.test.labels.tolist()
    before = Counter(zip(truth, predicted(rows[0], data.test, data)[:, 0].tolist(), strict=True))
    assert rows[0]["changed_pairs"] == []
    for row in rows[1:]:
        now = Counter(zip(truth, predicted(row, data.test, data)[:, 0].tolist(), strict=True))
        changes = [
            (-abs(now[i, j] - before[i, j]), i, j)
            for i in range(CLASSES)
            for j in range(CLASSES)
            if i != j and now[i, j] != before[i, j]
        ]
        assert changes
        assert row["changed_pairs"] == [
            {
                "true": data.classes[i],
                "predicted": data.classes[j],
                "zero_shot": before[i, j],
                "now": now[i, j],
            }
            for _, i, j in sorted(changes)[:10]
        ]


# Few-shot seeds

SEEDS = (3, 0, 8)


def few_shot_data() -> EncoderData:
    """Support sets of three seeds beside a retrieved one."""
    data = encoder_data()
    labels = np.repeat(np.arange(CLASSES), 2).astype(np.int32)
    drawn = {}
    for seed in SEEDS:
        noise = 1.2 * unit_rows(np.random.default_rng(seed), len(labels), D)
        features = data.texts["cupl"].weights[labels] + noise
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        drawn[f"few-seed{seed}"] = labelled(features.astype(np.float32), labels)
    return replace(data, supports={"lc": data.supports["lc"], **drawn})


@pytest.fixture(scope="module")
def few_shot() -> Evaluation:
    named = {f"few-seed{seed}": ("few", seed) for seed in SEEDS}
    return evaluate(few_shot_data(), plan(seeds=named))


def test_rows_name_support_set_and_seed(few_shot: Evaluation) -> None:
    methods = [r for r in few_shot.runs if r["method"] == "tip-x" and r["protocol"] == "fixed"]
    assert [(row["support"], row["seed"]) for row in methods] == [
        ("lc", None), ("few", 3), ("few", 0), ("few", 8)
    ]  # fmt: skip
    data = few_shot_data()
    for row in few_shot.runs:
        top = predicted(row, data.test, data)[:, 0]
        assert row["correct"] == int((top == data.test.labels.numpy()).sum())


def test_seeds_are_compared_with_tip_adapter_of_the_same_seed(few_shot: Evaluation) -> None:
    of_seed = {
        (row["seed"], row["protocol"]): row["correct"]
        for row in few_shot.runs
        if row["method"] == "tip-adapter"
    }
    compared = [row for row in few_shot.runs if row["method"] == "tip-x"]
    assert len(compared) == 8
    for row in compared:
        made = row["delta_vs_tip_adapter"]
        assert made["corrected"] - made["broken"] == (
            row["correct"] - of_seed[row["seed"], row["protocol"]]
        )


def test_spread_over_seeds_is_mean_and_sample_deviation(few_shot: Evaluation) -> None:
    assert [(*case_of(spread), spread["tuned_on"]) for spread in few_shot.seeds] == [
        ("tip-adapter", "cupl+e", "few", "validation", "validation"),
        ("tip-adapter", "cupl+e", "few", "fixed", "nothing"),
        ("tip-x", "cupl+e", "few", "validation", "validation"),
        ("tip-x", "cupl+e", "few", "fixed", "nothing"),
    ]
    assert max(spread["top1_std"] for spread in few_shot.seeds) > 0.5
    for spread in few_shot.seeds:
        rows = [row for row in few_shot.runs if case_of(row) == case_of(spread)]
        top1 = [row["top1"] for row in rows]
        assert SeedSpread.model_validate(spread).model_dump() == {**spread, "seed": None}
        assert (spread["n_seeds"], spread["support_size"]) == (3, 2 * CLASSES)
        assert spread["top1_mean"] == pytest.approx(np.mean(top1), abs=stored(3))
        assert spread["top1_std"] == pytest.approx(np.std(top1, ddof=1), abs=stored(3))
