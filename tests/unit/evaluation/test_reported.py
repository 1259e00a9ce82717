"""What others have reported, beside what was measured."""

import csv
from typing import Any

import pytest

from susx.config.cards import built_in_cards
from susx.evaluation.reported import TABLE, reported_accuracies, reported_for
from susx.evaluation.schema import Result, Run
from susx.methods import METHODS
from tests.made.result import result, run, spread

CONFIG = {
    "dataset": {"card": "dtd", "features": None},
    "encoders": {"clip": {"backbone": "RN50"}},
    "supports": {
        "lc": {"source": "retrieval", "size": 16},
        "few": {"source": "few-shot", "size": 16},
    },
}


def found(made: dict[str, Any], **changes: Any) -> float | None:
    provenance = {"config": {**CONFIG, **changes}}
    whole = Result.model_validate(result(made, provenance=provenance))
    reported = reported_for(whole.runs[0], whole)
    return reported.top1 if reported else None


def test_every_row_is_of_a_known_dataset_and_method_and_names_its_source() -> None:
    with TABLE.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(reported_accuracies()) > 150
    assert {row["dataset"] for row in rows} <= set(built_in_cards())
    assert {row["method"] for row in rows} <= set(METHODS)
    assert {row["support"] for row in rows} == {"", "name-only", "few-shot"}
    assert all(bool(row["shots"]) == (row["support"] == "few-shot") for row in rows)
    assert all(0 < float(row["top1"]) < 100 and len(row["source"]) > 10 for row in rows)


@pytest.mark.parametrize(
    ("support", "expected"), [("lc", 50.59), ("few", 63.53), ("unknown", None)]
)
def test_a_support_set_from_names_is_told_from_labelled_images(
    support: str, expected: float | None
) -> None:
    tuned = run(method="tip-x", support=support, protocol="validation", tuned_on="validation")
    assert found(tuned) == expected


def test_the_text_must_be_that_of_the_source_where_it_tells() -> None:
    assert found(run(method="zero-shot", text="ensemble")) is None
    assert found(run(method="zero-shot", text="photo")) == 42.32
    imagenet = {"dataset": {"card": "imagenet", "features": None}}
    assert found(run(method="zero-shot", text="ensemble"), **imagenet) == 60.32


@pytest.mark.parametrize(
    "changes",
    [
        {"encoders": {"clip": {"backbone": None}}},
        {"encoders": {"clip": {"backbone": "ViT-B/32"}}},
        {"dataset": {"card": None, "features": None}},
        {"dataset": {"card": "my/dtd.yaml", "features": None}},
        {"supports": {"lc": {"source": "few-shot", "size": 3}}},
    ],
)
def test_another_setting_is_not_compared(changes: dict[str, Any]) -> None:
    tuned = run(method="tip-x", support="lc", protocol="validation", tuned_on="validation")
    assert found(tuned) == 50.59
    assert found(tuned, **changes) is None


def test_values_that_were_not_tuned_as_in_papers_are_not_compared() -> None:
    assert found(run(method="tip-x", support="lc", protocol="fixed")) is None


def test_published_features_are_compared_by_their_backbone() -> None:
    dataset = {"card": "dtd", "features": {"backbone": "RN50"}}
    tuned = run(method="tip-x", support="sd-cupl", protocol="validation", tuned_on="validation")
    assert found(tuned, dataset=dataset, encoders={}) == 50.59
    other = run(method="tip-x", support="own", protocol="validation", tuned_on="validation")
    assert found(other, dataset=dataset, encoders={}) is None


def test_seeds_are_compared_by_their_mean() -> None:
    mean = spread(protocol="validation", tuned_on="validation")
    seeds = [run(method="tip-x", support="few", protocol="validation", seed=s) for s in (0, 1)]
    provenance = {"config": CONFIG}
    whole = Result.model_validate(result(*seeds, seeds=[mean], provenance=provenance))
    reported = reported_for(whole.seeds[0], whole)
    assert reported is not None
    assert reported.top1 == 63.53


def test_results_without_configuration_have_no_counterpart() -> None:
    whole = Result.model_validate(result())
    assert isinstance(whole.runs[0], Run)
    assert reported_for(whole.runs[0], whole) is None
