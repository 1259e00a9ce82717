"""The schema of results/{dataset}.json."""

from pathlib import Path
from typing import Any

import pytest

from susx.core.errors import InputError
from susx.core.files import write_json
from susx.evaluation.schema import Result, read_result
from tests.made.result import full_result, result, run


def at(data: Any, place: str) -> tuple[Any, str | int]:
    """The container and key of a dotted place."""
    *parents, last = [int(p) if p.isdigit() else p for p in place.split(".")]
    for part in parents:
        data = data[part]
    return data, last


def edited(place: str, *value: Any) -> dict[str, Any]:
    """The full result with the value at a dotted place replaced, or gone without one."""
    made = full_result()
    container, key = at(made, place)
    if value:
        container[key] = value[0]
    else:
        del container[key]
    return made


def message(folder: Path, made: Any) -> str:
    write_json(folder / "pets.json", made)
    with pytest.raises(InputError) as caught:
        read_result(folder / "pets.json")
    return str(caught.value)


def test_result_file_round_trip(tmp_path: Path) -> None:
    write_json(tmp_path / "pets.json", full_result())
    read = read_result(tmp_path / "pets.json")
    assert read.model_dump(by_alias=True, exclude_unset=True) == full_result()


def test_what_does_not_apply_can_be_left_out() -> None:
    read = Result.model_validate(result())
    assert (read.skipped, read.seeds, read.runs[0].changed_pairs) == ([], [], [])
    names = ("zero_shot", "best_text", "tip_adapter")
    assert [getattr(read.runs[0], f"delta_vs_{name}") for name in names] == [None] * 3


@pytest.mark.parametrize("protocol", ["none", "fixed", "validation", "support"])
@pytest.mark.parametrize("tuned_on", ["nothing", "validation", "support", "test"])
def test_protocols_and_splits_are_known(protocol: str, tuned_on: str) -> None:
    made = run(protocol=protocol, tuned_on=tuned_on)
    assert Result.model_validate(result(made)).runs[0].protocol == protocol


@pytest.mark.parametrize(
    "place",
    [
        "schema",
        "dataset",
        "classes",
        "n_test",
        "runs",
        "provenance",
        "runs.0.top1",
        "runs.0.support",
        "runs.0.tuning_correct",
        "runs.1.tuned_on",
        "runs.1.delta_vs_zero_shot.mean",
        "runs.1.delta_vs_best_text.protocol",
        "runs.1.delta_vs_tip_adapter.mcnemar_p",
        "runs.1.changed_pairs.0.zero_shot",
        "images.test.n_unreadable",
        "images.test.n_per_class",
        "texts.ensemble.n",
        "encoders.clip.logit_scale",
        "methods.tip-x.units",
        "supports.few-seed1.source",
        "supports.few-seed1.short_classes",
        "skipped.0.reason",
        "skipped.0.method",
        "seeds.0.top1_std",
        "seeds.0.n_seeds",
    ],
)
def test_result_without_a_key_is_refused(tmp_path: Path, place: str) -> None:
    text = message(tmp_path, edited(place))
    assert text.endswith(f"pets.json: not a susx-result-6 file: {place}: Field required")


@pytest.mark.parametrize(
    "place",
    [
        "extra",
        "runs.0.extra",
        "runs.0.validation_correct",
        "images.test.extra",
        "runs.1.delta_vs_best_text.extra",
        "runs.1.changed_pairs.0.extra",
        "skipped.0.top1",
        "methods.tip-x.extra",
    ],
)
def test_result_with_an_unknown_key_is_refused(tmp_path: Path, place: str) -> None:
    assert f"pets.json: not a susx-result-6 file: {place}: Extra" in message(
        tmp_path, edited(place, 1)
    )


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("schema", "susx-results"),
        ("methods.tip-x.units.alpha", "metres"),
        ("classes", []),
        ("seeds.0.seed", 1),
        ("runs.0.top1", 100.1),
        ("runs.0.top1", -0.1),
        ("runs.0.ci95", [1.0]),
        ("runs.0.tuned_on", "training"),
        ("runs.0.protocol", "oracle"),
        ("runs.0.per_class.0", 101),
        ("runs.0.correct", "many"),
        ("runs.1.seed", 1.5),
        ("runs.1.changed_pairs.0.true", 3),
        ("runs.1.delta_vs_zero_shot.corrected", 0.5),
        ("skipped.0.protocol", "oracle"),
        ("seeds.0.top1_mean", 101.0),
        ("n_test", None),
    ],
)
def test_result_with_an_impossible_value_is_refused(tmp_path: Path, place: str, value: Any) -> None:
    assert f"pets.json: not a susx-result-6 file: {place}: " in message(
        tmp_path, edited(place, value)
    )


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("n_classes", 36, "`n_classes` does not fit the 37 `classes`"),
        ("runs.1.per_class", [60.0], "`runs.1.per_class` does not fit the 37 `classes`"),
        ("images.test.n_per_class", [1], "`images.test.n_per_class` does not fit the 37"),
        ("images.test.n_read", 5, "`images.test.n_per_class` does not add up to `n_read`"),
    ],
)
def test_numbers_that_do_not_fit_the_classes_are_refused(
    tmp_path: Path, place: str, value: Any, problem: str
) -> None:
    assert problem in message(tmp_path, edited(place, value))


def test_a_setting_stands_once(tmp_path: Path) -> None:
    made = result(run(), run(top1=50.0))
    assert "`runs.1` has the setting of a run before it" in message(tmp_path, made)


@pytest.mark.parametrize("version", [1, 5, 7, 12])
def test_a_result_of_another_version_says_what_to_do(tmp_path: Path, version: int) -> None:
    text = message(tmp_path, {"schema": f"susx-result-{version}", "dataset": "pets"})
    assert f"susx-result-{version}, a result of another version of susx" in text
    assert text.endswith("pets.json` in its project")


def test_missing_result_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pets\.json: file not found"):
        read_result(tmp_path / "pets.json")


@pytest.mark.parametrize("made", [[1, 2], {}, "text", None])
def test_foreign_json_is_refused(tmp_path: Path, made: Any) -> None:
    assert "pets.json: not a susx-result-6 file: " in message(tmp_path, made)
