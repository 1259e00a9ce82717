"""The analysis of one encoder: that of the evaluation's own row, and nothing tuned again."""

import copy
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from susx.core.errors import InputError
from susx.core.files import read_checked, write_checked
from susx.embeddings.cache import read_cache
from susx.embeddings.text_classifier import text_classifier
from susx.evaluation import tuning
from susx.evaluation.case import Case
from susx.evaluation.files import CacheFiles
from susx.evaluation.leakage import NearDuplicate
from susx.report.analysis import AnalysisSettings, analyse
from susx.report.changes import changed, class_changes, frequent_confusions
from susx.report.draw_accuracy import describe_sizes
from susx.report.schema import Analysis
from tests.closeness import assert_close, random_walk
from tests.long import long
from tests.made.caches import CLASSES, PROBLEM, write_files
from tests.made.classifier import EXPORTABLE, STRATEGIES, choice_of, evaluated

WANTED = AnalysisSettings(examples=4, voters=2, confusions=5)
TEST_LABELS = PROBLEM.labels[:20]
LC = choice_of("tip-x", "validation")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CacheFiles:
    return write_files(tmp_path_factory.mktemp("caches"), STRATEGIES)


@pytest.fixture(scope="module")
def evaluation(files: CacheFiles) -> dict[str, Any]:
    return evaluated(files)


def analysed(
    files: CacheFiles,
    evaluation: dict[str, Any],
    choice: Case | None = LC,
    wanted: AnalysisSettings = WANTED,
) -> Analysis:
    found = analyse("pets", "clip", files, evaluation, choice, wanted)
    return Analysis.model_validate(json.loads(json.dumps(found)))


def row_of(evaluation: dict[str, Any], choice: Case) -> dict[str, Any]:
    named = choice.model_dump()
    (row,) = [row for row in evaluation["runs"] if {key: row[key] for key in named} == named]
    return row


def exportable_rows() -> Iterator[Any]:
    """Every exportable method as it may be tuned; long but for one way each."""
    for number, method in enumerate(EXPORTABLE):
        tuned = ["support", "validation"] if method.needs_support else ["validation"]
        ways = [*(tuned if method.grid else []), "fixed"]
        for way in ways:
            row = method, way
            yield row if way == ways[number % len(ways)] else long(*row)


@pytest.mark.parametrize(
    ("method", "protocol"), [*exportable_rows()], ids=lambda value: getattr(value, "name", value)
)
def test_the_row_of_the_evaluation_is_shown(
    files: CacheFiles, evaluation: dict[str, Any], method: Any, protocol: str
) -> None:
    choice = choice_of(method.name, protocol)
    found = analysed(files, evaluation, choice)
    row, before = row_of(evaluation, choice), row_of(evaluation, choice_of("zero-shot"))
    assert sum(change.n for change in found.classes) == len(TEST_LABELS)
    assert sum(change.after for change in found.classes) == row["correct"]
    assert sum(change.before for change in found.classes) == before["correct"]
    assert found.n_corrected - found.n_broken == row["correct"] - before["correct"]
    if method.name == "zero-shot":
        assert found.shown is None
        assert found.examples == []
        return
    assert found.shown is not None
    assert found.shown == choice
    difference = row["delta_vs_zero_shot"]
    assert (found.n_corrected, found.n_broken) == (difference["corrected"], difference["broken"])
    whole = [point for point in found.sizes if point.case == found.shown]
    assert bool(whole) == method.needs_support
    if whole:
        assert (whole[-1].top1, list(whole[-1].ci95)) == (row["top1"], row["ci95"])
        assert whole[-1].n_images == row["support_size"]


def test_nothing_is_tuned_again(
    files: CacheFiles, evaluation: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("tuned")

    monkeypatch.setattr(tuning, "tune", forbidden)
    monkeypatch.setattr("susx.classifier.export.tune", forbidden)
    found = analysed(files, evaluation)
    values = row_of(evaluation, LC)["hyperparameters"]
    assert [s.chosen for s in found.surfaces if s.case == found.shown] == [values] * 3


def test_support_images_that_vote_against_their_class_are_named(
    files: CacheFiles, evaluation: dict[str, Any]
) -> None:
    names = analysed(files, evaluation).outliers
    assert [one.support for one in names] == list(files.supports)
    for one in names:
        cache = read_cache(files.supports[one.support])
        labels = dict(zip(cache.keys, cache.labels.tolist(), strict=True))
        assert one.n_judged <= len(labels)
        for image in one.images:
            assert image.by_images != CLASSES.names[labels[image.key]]
            assert image.by_text in CLASSES.names


def test_peers_with_the_same_support_set_stand_beside_it(
    files: CacheFiles, evaluation: dict[str, Any]
) -> None:
    found = analysed(files, evaluation)
    cases = {point.case.method: point.case.protocol for point in found.sizes}
    assert cases == {"tip-x": "validation", "tip-adapter": "validation", "fusion": "none"}
    assert {surface.tuned_on for surface in found.surfaces} == {"validation", "support"}
    assert {surface.case.method for surface in found.surfaces} == {"tip-x"}


def test_a_peer_that_would_take_long_is_left_out_and_named(
    files: CacheFiles, evaluation: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert analysed(files, evaluation).sizes_left_out == []
    monkeypatch.setattr("susx.report.sizes.MOST_LOGITS", 10)
    found = analysed(files, evaluation)
    assert {point.case.method for point in found.sizes} == {"tip-x", "tip-adapter"}
    assert found.sizes_left_out == ["fusion"]
    assert "No curve of fusion: fitting anew for every size" in describe_sizes(found)


def test_examples_are_changed_images_with_their_strongest_voters(
    files: CacheFiles, evaluation: dict[str, Any]
) -> None:
    choice = choice_of("tip-adapter", "fixed")
    found = analysed(files, evaluation, choice, replace(WANTED, examples=100, voters=3))
    caches = {n: read_cache(files.texts[n]) for n in ("ensemble", "cupl+e")}
    texts = {n: text_classifier(cache, CLASSES.names) for n, cache in caches.items()}
    test, support = read_cache(files.images["test"]), read_cache(files.supports["lc"])
    values = row_of(evaluation, choice)["hyperparameters"]
    cosines = test.features @ support.features.T
    votes = values["alpha"] * np.exp(-values["beta"] * (1 - cosines))
    before = (test.features @ texts["ensemble"].weights.T).argmax(axis=1)
    sums = votes @ np.eye(3)[support.labels]
    after = (50 * test.features @ texts["cupl+e"].weights.T + sums).argmax(axis=1)
    expected = {}
    for place in np.flatnonzero((before == test.labels) != (after == test.labels)):
        own = np.where(support.labels == after[place], votes[place], -1)
        strongest = [i for i in np.argsort(-own)[:3] if own[i] > 0]
        names = [CLASSES.names[c] for c in (test.labels[place], before[place], after[place])]
        change = "corrected" if after[place] == test.labels[place] else "broken"
        keys = [support.keys[i] for i in strongest]
        expected[test.keys[place]] = (change, *names, keys, own[strongest])
    assert expected
    assert {e.key for e in found.examples} == set(expected)
    for example in found.examples:
        change, true, old, new, keys, strength = expected[example.key]
        assert (example.change, example.true, example.before) == (change, true, old)
        assert example.after == new
        assert [voter.key for voter in example.voters] == keys
        assert {voter.class_name for voter in example.voters} == {new}
        # A vote is as inexact as its logarithm, up to beta times a cosine.
        votes = np.array([voter.vote for voter in example.voters])
        assert_close(votes[:, None], strength[:, None], values["beta"] * random_walk(8))


def test_examples_are_limited_and_drawn_with_a_seed(
    files: CacheFiles, evaluation: dict[str, Any]
) -> None:
    def keys(limit: int, seed: int = 0) -> list[str]:
        wanted = replace(WANTED, examples=limit, seed=seed)
        return [e.key for e in analysed(files, evaluation, LC, wanted).examples]

    one = keys(1)
    assert keys(0) == []
    assert len(one) == len({e.change for e in analysed(files, evaluation).examples})
    assert set(one) <= set(keys(100))
    assert keys(1) == one
    assert any(keys(1, seed=seed) != one for seed in range(1, 6))


def test_without_a_row_zero_shot_is_analysed_alone(
    files: CacheFiles, evaluation: dict[str, Any]
) -> None:
    absent = LC.model_copy(update={"method": "no-such-method"})
    for choice in (None, absent):
        found = analysed(files, evaluation, choice)
        assert found.shown is None
        assert (found.sizes, found.surfaces, found.examples) == ([], [], [])
        assert (found.n_corrected, found.n_broken) == (0, 0)
        assert {h.pairs for h in found.histograms} == {
            "test image - test image", "test image - text", "text - text"
        }  # fmt: skip


def test_zero_shot_needs_no_row_of_its_own(files: CacheFiles, evaluation: dict[str, Any]) -> None:
    runs = [row for row in evaluation["runs"] if row["method"] != "zero-shot"]
    fewer = replace(files, texts={"cupl+e": files.texts["cupl+e"]})
    found = analysed(fewer, {**evaluation, "runs": runs})
    assert found.before.model_dump() == {
        "method": "zero-shot", "text": "cupl+e", "support": None, "protocol": "none", "seed": None
    }  # fmt: skip


def test_a_few_shot_row_is_found_by_its_seed(files: CacheFiles, evaluation: dict[str, Any]) -> None:
    drawn = copy.deepcopy(evaluation)
    for row in drawn["runs"]:
        if row["support"] == "lc":
            row.update(support="few", seed=7)
    named = replace(files, supports={"few-seed7": files.supports["lc"]}, support_manifests={})
    found = analysed(named, drawn, LC.model_copy(update={"support": "few", "seed": 7}))
    assert found.shown is not None
    assert (found.shown.support, found.shown.seed) == ("few", 7)
    assert {point.case.seed for point in found.sizes} == {7}


def test_leaked_support_images_do_not_vote(
    files: CacheFiles, evaluation: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    leaks = [NearDuplicate(key, "pool", "ant", "000", 3) for key in ("001", "004")]
    monkeypatch.setattr("susx.evaluation.inputs.find_leaks", lambda *_: leaks)
    fixed = choice_of("tip-adapter", "fixed")
    whole = analysed(files, evaluation, fixed, replace(WANTED, examples=50, voters=9))
    assert whole.sizes[-1].n_images == 9
    others = {**evaluation, "runs": [row | {"correct": None} for row in evaluation["runs"]]}
    wanted = replace(WANTED, examples=50, voters=9, leaks="drop")
    found = analysed(files, others, fixed, wanted)
    assert found.sizes[-1].n_images == 7
    keys = {voter.key for example in found.examples for voter in example.voters}
    assert keys
    assert not keys & {"001", "004"}


def test_an_evaluation_of_other_caches_is_refused(
    files: CacheFiles, evaluation: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def shifted(by: int) -> dict[str, Any]:
        changed_rows = copy.deepcopy(evaluation)
        row_of(changed_rows, LC)["correct"] += by
        return changed_rows

    with pytest.raises(InputError, match="made from other caches: delete it and run again"):
        analysed(files, shifted(-2))
    assert analysed(files, shifted(1)).shown is not None  # a tie that rounding decides
    assert "rounds differently" in caplog.text


def test_no_text_at_all_is_an_error(files: CacheFiles, evaluation: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="no texts were evaluated; name `zero-shot`"):
        analysed(replace(files, texts={}), evaluation, None)


def test_an_analysis_is_written_with_its_checksum(
    files: CacheFiles, evaluation: dict[str, Any], tmp_path: Path
) -> None:
    found = analyse("pets", "clip", files, evaluation, LC, WANTED)
    write_checked(tmp_path / "clip.json", found)
    assert read_checked(tmp_path / "clip.json", "") == found
    stored = json.loads((tmp_path / "clip.json").read_text("utf-8"))
    assert Analysis.model_validate(stored).sha256


def test_changes_are_counted_as_by_hand() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2, 2])
    before = np.array([0, 1, 1, 2, 1, 1, 0])
    after = np.array([0, 0, 0, 2, 2, 1, 1])
    names = ["a", "b", "c", "d"]
    places = changed(labels, before, after)
    assert {name: part.tolist() for name, part in places.items()} == {
        "corrected": [1, 4], "broken": [2]
    }  # fmt: skip
    confused = frequent_confusions(labels, before, names, 3)
    assert [(c.true, c.predicted, c.count) for c in confused] == [
        ("c", "b", 2), ("a", "b", 1), ("b", "c", 1)
    ]  # fmt: skip
    assert [(c.n, c.before, c.after) for c in class_changes(labels, before, after, names)] == [
        (2, 1, 2), (2, 1, 0), (3, 0, 1), (0, 0, 0)
    ]  # fmt: skip


def test_confusions_are_those_of_the_predictions(
    files: CacheFiles, evaluation: dict[str, Any]
) -> None:
    found = analysed(files, evaluation)
    text = text_classifier(read_cache(files.texts["ensemble"]), CLASSES.names)
    test = read_cache(files.images["test"])
    predicted = (test.features @ text.weights.T).argmax(axis=1)
    pairs = Counter(zip(test.labels.tolist(), predicted.tolist(), strict=True))
    assert [c.count for c in found.confused_before] == sorted(
        (count for (true, other), count in pairs.items() if true != other), reverse=True
    )[:5]
