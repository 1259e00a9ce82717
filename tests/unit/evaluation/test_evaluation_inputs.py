"""Cases that lack something, and features that do not fit together."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from susx.core.errors import InputError
from susx.embeddings.text_classifier import TextClassifier
from susx.evaluation.arrays import EncoderData, LabelledImages
from susx.evaluation.protocol import Evaluation, evaluate
from susx.evaluation.schema import SkippedCase
from susx.methods import NEEDS
from tests.helpers import unit_rows
from tests.made.evaluation import (
    CLASSES,
    N,
    case_of,
    encoder_data,
    plan,
    with_images,
    without_times,
)

METHODS = ["zero-shot", "cupl", "visdesc", "dn", "calip", "tip-adapter"]
PROTOCOLS = ("validation", "fixed")
TIP_CASES = [("tip-adapter", "cupl+e", name, p) for name in ("lc", "sd") for p in PROTOCOLS]
CALIP_CASES = [("calip", "cupl+e", None, p) for p in PROTOCOLS]


def only(data: EncoderData, **parts: Any) -> EncoderData:
    """The data with test and validation images changed alike."""
    changed = {name: with_parts(part, **parts) for name, part in data.images.items()}
    return replace(data, images=changed)


def with_parts(part: LabelledImages, labels: Any = None, **parts: Any) -> LabelledImages:
    """Images with other labels, or other parts as methods see them."""
    made = part.labels if labels is None else torch.from_numpy(labels)
    arrays = {name: p if p is None else torch.from_numpy(p) for name, p in parts.items()}
    return LabelledImages(replace(part.images, **arrays), made)


def evaluated(data: EncoderData, **changes: Any) -> Evaluation:
    return evaluate(data, plan(methods=METHODS, **changes))


@pytest.fixture(scope="module")
def whole() -> Evaluation:
    made = evaluated(encoder_data())
    assert made.skipped == []
    assert len(made.runs) == 4 + len(CALIP_CASES) + len(TIP_CASES)
    return made


def without(name: str) -> tuple[EncoderData, dict[str, Any]]:
    """Data that lack something, and what the plan says about it."""
    data = encoder_data()
    texts = {text: made for text, made in data.texts.items() if text != "visdesc"}
    supports = {"lc": data.supports["lc"]}
    return {
        "text": (
            replace(data, texts=texts),
            {"unavailable_texts": {"visdesc": "datasets.pets.descriptors is not set"}},
        ),
        "support": (
            replace(data, supports=supports),
            {"unavailable_supports": {"sd": "datasets.pets.images.train is not set"}},
        ),
        "all supports": (replace(data, supports={}), {}),
        "norms": (only(data, norms=None), {}),
        "patches": (only(data, patches=None), {}),
        "validation": (with_images(data, validation=None), {}),
    }[name]


@pytest.mark.parametrize(
    ("lacking", "cases", "reasons"),
    [
        (
            "text",
            [("visdesc", "visdesc", None, "none")],
            ['prompt strategy "visdesc"', "datasets.pets.descriptors is not set"],
        ),
        ("support", TIP_CASES[2:], ['support set "sd"', "datasets.pets.images.train is not set"]),
        (
            "all supports",
            [("tip-adapter", "cupl+e", None, p) for p in PROTOCOLS],
            [NEEDS["support"]],
        ),
        ("norms", [("dn", "photo", None, "none")], [NEEDS["norms"]]),
        ("patches", CALIP_CASES, [NEEDS["patches"]]),
        (
            "validation",
            [c for c in (*CALIP_CASES, *TIP_CASES) if c[3] == "validation"],
            ["protocol validation", "validation images"],
        ),
    ],
)
def test_a_case_that_lacks_something_is_skipped_and_the_others_are_as_ever(
    whole: Evaluation, lacking: str, cases: list[tuple[Any, ...]], reasons: list[str]
) -> None:
    data, changes = without(lacking)
    made = evaluated(data, **changes)
    assert [case_of(row) for row in made.skipped] == cases
    for row in made.skipped:
        assert SkippedCase.model_validate(row).model_dump() == row
        assert (row["encoder"], row["seed"]) == ("clip", None)
        assert all(reason in row["reason"] for reason in reasons)
    gone = TIP_CASES if lacking == "all supports" else cases
    expected = [row for row in whole.runs if case_of(row) not in gone]
    if lacking == "validation":
        assert [row["tuning_correct"] for row in made.runs] == [None] * len(expected)
        assert {row["calibration"]["temperature"] for row in made.runs} == {1.0}
        seen = {"tuning_correct": None, "calibration": None}
        expected = [row | seen for row in expected]
        made = replace(made, runs=[row | seen for row in made.runs])
    assert without_times(made.runs) == without_times(expected)


def test_protocol_support_tunes_where_there_are_two_images_of_every_class(
    whole: Evaluation,
) -> None:
    made = evaluated(encoder_data(), protocols=["support", "fixed"])
    assert [(case_of(row)[0], row["support"], row["protocol"]) for row in made.skipped] == [
        ("calip", None, "support"), ("tip-adapter", "lc", "support")
    ]  # fmt: skip
    assert "support" in made.skipped[0]["reason"]
    assert "two support images of every class" in made.skipped[1]["reason"]
    tuned = [row for row in made.runs if row["protocol"] == "support"]
    assert [case_of(row) for row in tuned] == [("tip-adapter", "cupl+e", "sd", "support")]
    assert [(row["tuned_on"], row["support_size"]) for row in tuned] == [("support", 16)]
    assert 0 < tuned[0]["tuning_correct"] <= 16
    others = [row for row in made.runs if row["protocol"] != "support"]
    assert without_times(others) == without_times(
        [row for row in whole.runs if row["protocol"] != "validation"]
    )


def test_several_things_may_be_missing_at_once() -> None:
    data, changes = without("text")
    bare = only(with_images(replace(data, supports={}), validation=None), norms=None, patches=None)
    made = evaluated(bare, protocols=["validation"], **changes)
    assert [row["method"] for row in made.runs] == ["zero-shot", "cupl"]
    assert [row["method"] for row in made.skipped] == ["visdesc", "dn", "calip", "tip-adapter"]


# Features that do not fit together


def changed(part: str, **changes: Any) -> EncoderData:
    data = encoder_data()
    if part in data.supports:
        made = with_parts(data.supports[part], **changes)
        return replace(data, supports={**data.supports, part: made})
    return with_images(data, **{part: with_parts(data.images[part], **changes)})


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
    labels = {**data.supports, **data.images}[part].labels.numpy().copy()
    labels[3] = label
    with pytest.raises(InputError, match=rf"clip: {part} has labels outside 0\.\.5"):
        evaluate(changed(part, labels=labels), plan())


@pytest.mark.parametrize("part", ["test", "validation", "lc"])
def test_features_and_labels_that_differ_in_number_are_refused(part: str) -> None:
    data = encoder_data()
    whole = {**data.supports, **data.images}[part]
    n = len(whole)
    match = rf"clip: {part} has {n - 1} features and {n} labels; rebuild its cache"
    with pytest.raises(InputError, match=match):
        evaluate(changed(part, features=whole.images.features[1:].numpy()), plan())


def test_test_split_without_images_is_refused() -> None:
    empty = {"features": np.zeros((0, 8), np.float32), "labels": np.zeros(0, np.int64)}
    with pytest.raises(InputError, match="clip: test has no images"):
        evaluate(changed("test", **empty), plan())


@pytest.mark.parametrize("names", [["cupl"], ["ensemble", "cupl", "cupl+e", "visdesc", "photo"]])
def test_text_classifiers_of_other_shapes_are_refused(names: list[str]) -> None:
    data = encoder_data()
    cut = {
        name: TextClassifier(data.texts[name].weights[:5], data.texts[name].means[:5])
        for name in names
    }
    match = r"clip: text classifiers have shapes .*\(5, 8\).* for 6 classes; rebuild the caches"
    with pytest.raises(InputError, match=match):
        evaluate(replace(data, texts={**data.texts, **cut}), plan())


@pytest.mark.parametrize("label", [1, 5])
def test_a_class_without_support_images_is_evaluated_all_the_same(label: int) -> None:
    labels = encoder_data().supports["lc"].labels.numpy().copy()
    labels[labels == label] = 0
    made = evaluate(changed("lc", labels=labels), plan(protocols=["fixed", "support"]))
    rows = {case_of(run) for run in made.runs if run["support"] == "lc"}
    assert rows == {(m, "cupl+e", "lc", "fixed") for m in ("tip-adapter", "tip-x")}
    reasons = {case["reason"] for case in made.skipped if case["protocol"] == "support"}
    assert "under protocol support needs two support images of every class" in reasons


def test_without_any_text_everything_is_left_out() -> None:
    data = replace(encoder_data(), texts={})
    unavailable = {"ensemble": "no texts", "cupl": "no texts", "cupl+e": "no texts"}
    made = evaluate(data, plan(unavailable_texts=unavailable))
    assert made.runs == []
    assert {case["reason"].rsplit(": ")[-1] for case in made.skipped} == {"no texts"}
