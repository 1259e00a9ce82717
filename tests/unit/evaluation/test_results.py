"""From caches to results/{dataset}.json."""

import io
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from rich.console import Console

from susx.core.errors import InputError
from susx.core.files import write_json
from susx.core.provenance import PACKAGES
from susx.embeddings.cache import read_cache, write_cache
from susx.embeddings.text_classifier import text_classifier
from susx.evaluation import results
from susx.evaluation.arrays import EncoderData
from susx.evaluation.collation import adjust, collate
from susx.evaluation.files import CacheFiles
from susx.evaluation.protocol import Evaluation, EvaluationPlan
from susx.evaluation.results import evaluate_caches
from susx.evaluation.schema import SCHEMA, read_result
from susx.evaluation.table import print_table
from susx.evaluation.tuning import TuningSettings
from susx.manifests.classes import ClassManifest, class_manifest
from susx.manifests.tables import ImageRecord, SupportRecord, Table, write_table
from susx.prompts.strategies import PromptSet
from tests.made.caches import (
    CLASSES,
    PROBLEM,
    SUPPORT_META,
    embeddings,
    image_table,
    support_table,
    write_files,
)

PLAN = EvaluationPlan(["zero-shot", "cupl", "tip-x"], ["cupl+e"], ["fixed"])
KINDS = ["texts", "images", "patches", "supports"]


@pytest.fixture
def files(tmp_path: Path) -> CacheFiles:
    """Everything that one encoder's evaluation reads."""
    return write_files(tmp_path)


def evaluated(files: CacheFiles, name: str = "clip", plan: EvaluationPlan = PLAN) -> dict[str, Any]:
    return evaluate_caches(name, files, plan, lambda _: None)


@pytest.fixture
def result(files: CacheFiles) -> dict[str, Any]:
    return collate("pets", CLASSES, [], [evaluated(files)], {"config_sha256": "c"})


def test_evaluation_of_caches_gives_runs_and_counts(files: CacheFiles) -> None:
    part = evaluated(files)
    assert [run["method"] for run in part["runs"]] == ["zero-shot", "cupl", "tip-x"]
    assert {run["encoder"] for run in part["runs"]} == {"clip"}
    told = {"entry": "lc", "seed": None, "source": "web"}
    assert part["supports"] == {"lc": {**SUPPORT_META, **told, "leaks": [], "leaks_dropped": False}}
    assert part["texts"] == {"ensemble": 6, "cupl": 6, "cupl+e": 6}
    assert part["runs"][2]["hyperparameters"] == {"alpha": 1.5, "beta": 5.5, "gamma": 0.25}
    assert (part["skipped"], part["seeds"]) == ([], [])
    assert json.loads(json.dumps(part)) == part


@pytest.fixture
def leaky(files: CacheFiles) -> CacheFiles:
    """Two support images nearly equal a test image."""
    test, support, look = image_table("test"), support_table(), "f" * 64
    for table, places in ((test, (7,)), (support, (1, 4))):
        for place in places:
            table.records[place] = replace(table.records[place], fingerprint=look)
    write_table(files.image_manifests["test"], test, ImageRecord)
    write_table(files.support_manifests["lc"], support, SupportRecord)
    return files


def test_leaks_are_listed_and_their_worth_is_told(leaky: CacheFiles) -> None:
    part = evaluated(leaky)
    support = part["supports"]["lc"]
    assert [(leak["key"], leak["image"]) for leak in support["leaks"]] == [
        ("001", "007"), ("004", "007")
    ]  # fmt: skip
    assert not support["leaks_dropped"]
    assert [run["support_size"] for run in part["runs"]] == [0, 0, 9]
    assert part["runs"][0]["top1_without_leaks"] is None
    assert part["runs"][2]["top1_without_leaks"] is not None


def test_leaks_can_be_dropped(leaky: CacheFiles) -> None:
    part = evaluated(leaky, plan=replace(PLAN, leaks="drop"))
    assert part["supports"]["lc"]["leaks_dropped"]
    assert [run["support_size"] for run in part["runs"]] == [0, 0, 7]
    assert part["runs"][2]["top1_without_leaks"] is None


def test_dropped_leaks_leave_the_other_rows(leaky: CacheFiles, seen: list[EncoderData]) -> None:
    evaluated(leaky, plan=replace(PLAN, leaks="drop"))
    support = seen[0].supports["lc"]
    keep = np.delete(np.arange(9), [1, 4])
    assert np.array_equal(support.images.features, PROBLEM.support[keep])
    assert np.array_equal(support.labels, PROBLEM.support_labels[keep])


def test_images_unreadable_early_or_late_are_counted_with_their_reasons(files: CacheFiles) -> None:
    counts = evaluated(files)["images"]
    assert counts["test"] == {
        "n_read": 20,
        "n_per_class": np.bincount(PROBLEM.labels[:20], minlength=3).tolist(),
        "n_unreadable": 2,
        "unreadable": {"early.png": "truncated", "late.png": "empty file"},
        "classes_without_images": [],
    }
    assert counts["validation"]["n_unreadable"] == 0


BATCHES = {
    "few": {"draw": "few-classes", "size": 6, "classes": [1, 2], "tasks": 3},
    "stream": {"draw": "separate", "size": 8, "tasks": 2},
}


def test_a_result_tells_the_batches_of_all_encoders(files: CacheFiles, tmp_path: Path) -> None:
    plan = replace(PLAN, batches=BATCHES)
    parts = [evaluated(files, name, plan) for name in ("clip", "siglip")]
    made = collate("pets", CLASSES, [], parts, {"config_sha256": "c"})
    assert list(made["batches"]) == ["few", "stream"]
    assert len(made["batch_runs"]) == 2 * len(made["runs"]) == 12
    write_json(tmp_path / "pets.json", made)
    read = read_result(tmp_path / "pets.json")
    assert read.batches["stream"].n_images == 40
    stream = io.StringIO()
    print_table(tmp_path / "pets.json", Console(file=stream, width=200))
    text = stream.getvalue()
    assert "pets: batches of test images" in text
    assert "few: 3 batches of up to 6 images of 1 to 2 classes, seed 1" in text
    assert "stream: 2 separate streams in batches of 8, seed 1" in text
    row = read.batch_runs[0]
    assert f"{row.top1_mean:.2f} ± {row.top1_std:.1f}" in text
    assert "tip-x: ran on every batch anew" in text


def test_encoders_with_different_batches_are_not_joined(files: CacheFiles) -> None:
    plan = replace(PLAN, batches=BATCHES)
    one, other = evaluated(files, "clip", plan), evaluated(files, "siglip", plan)
    other["batches"]["few"]["sha256"] = "0" * 64
    with pytest.raises(InputError, match="clip and siglip: evaluated with different batches few"):
        collate("pets", CLASSES, [], [one, other], {})


def test_provenance_says_what_was_embedded_with_what(files: CacheFiles) -> None:
    provenance = evaluated(files)["provenance"]
    assert provenance["weights_sha256"] == "w" * 64
    assert provenance["logit_scale"] == 50.0
    assert provenance["device"] == "cpu"
    assert set(provenance["inputs"]) == {
        "text-ensemble", "text-cupl", "text-cupl+e",
        "images-test", "images-validation", "patches-test", "patches-validation", "support-lc",
    }  # fmt: skip
    listed = ("images-test", "images-validation", "support-lc")
    assert provenance["manifests"] == {name: provenance["inputs"][name] for name in listed}
    assert provenance["texts_truncated"] == {"ensemble": 1, "cupl": 1, "cupl+e": 1}


def test_provenance_names_the_source_of_the_images(files: CacheFiles) -> None:
    table = replace(image_table("test"), meta={"source": "coop"})
    write_table(files.image_manifests["test"], table, ImageRecord)
    assert evaluated(files)["provenance"]["sources"] == {"test": "coop", "validation": None}


def test_evaluation_without_validation_or_support_runs(files: CacheFiles) -> None:
    images = {"test": files.images["test"]}
    bare = replace(files, images=images, supports={}, support_manifests={}, patches={})
    part = evaluated(bare, plan=replace(PLAN, methods=["zero-shot", "calip", "tip-x"]))
    assert list(part["images"]) == ["test"]
    assert [run["method"] for run in part["runs"]] == ["zero-shot"]
    assert part["runs"][0]["tuning_correct"] is None
    assert [case["method"] for case in part["skipped"]] == ["calip", "tip-x"]
    assert collate("pets", CLASSES, [], [part], {})["n_validation"] == 0


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[EncoderData]:
    """What is passed on to the evaluation, which is not run."""
    passed: list[EncoderData] = []

    def evaluate(data: EncoderData, *_: Any) -> Evaluation:
        passed.append(data)
        return Evaluation([], [], [])

    monkeypatch.setattr(results, "evaluate", evaluate)
    return passed


def test_evaluation_gets_what_the_caches_hold(files: CacheFiles, seen: list[EncoderData]) -> None:
    evaluated(files)
    (data,) = seen
    assert (data.name, data.classes, data.logit_scale) == ("clip", CLASSES.names, 50.0)
    assert list(data.images) == ["test", "validation"]
    for split, part in data.images.items():
        images, patches = read_cache(files.images[split]), read_cache(files.patches[split])
        assert np.array_equal(part.images.features, images.features)
        assert np.array_equal(part.labels, images.labels)
        assert images.norms is not None
        assert np.array_equal(part.images.norms, images.norms)
        assert np.array_equal(part.images.patches, patches.features)
        assert part.keys == images.keys
    assert list(data.texts) == list(files.texts)
    for name, text in data.texts.items():
        expected = text_classifier(read_cache(files.texts[name]), CLASSES.names)
        assert np.array_equal(text.weights, expected.weights)
    assert np.array_equal(data.supports["lc"].images.features, PROBLEM.support)
    assert np.array_equal(data.supports["lc"].labels, PROBLEM.support_labels)


def test_norms_and_patches_may_be_unknown(files: CacheFiles, seen: list[EncoderData]) -> None:
    for path in (*files.images.values(), *files.texts.values()):
        write_cache(path, replace(read_cache(path), norms=None))
    evaluated(replace(files, patches={}))
    (data,) = seen
    assert (data.test.images.norms, data.test.images.patches) == (None, None)
    assert {text.raw for text in data.texts.values()} == {None}


@pytest.mark.parametrize("split", ["test", "validation"])
def test_patches_of_other_images_are_refused(files: CacheFiles, split: str) -> None:
    patches = read_cache(files.patches[split])
    write_cache(files.patches[split], replace(patches, keys=[f"x{key}" for key in patches.keys]))
    with pytest.raises(InputError, match="patches were embedded from different images; delete"):
        evaluated(files)


def test_dataset_without_validation_images_can_be_tuned_on_its_test_images(
    files: CacheFiles,
) -> None:
    bare = replace(files, images={"test": files.images["test"]}, patches={})
    tuning = TuningSettings(validation_split="test")
    part = evaluated(bare, plan=replace(PLAN, protocols=["validation"], tuning=tuning))
    assert [run["tuned_on"] for run in part["runs"]] == ["nothing", "nothing", "test"]
    assert all(run["tuning_correct"] == run["correct"] for run in part["runs"])
    assert collate("pets", CLASSES, [], [part], {})["n_validation"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_caches_of_different_weights_are_refused(files: CacheFiles, kind: str) -> None:
    path = next(iter(getattr(files, kind).values()))
    with h5py.File(path) as file:
        features, labels = file["features"][:], file["labels"][:]
    encoder = {"weights_sha256": "x" * 64}
    write_cache(path, embeddings(features, labels, encoder=encoder, n_truncated=0, failed={}))
    match = "clip: the caches of .* were embedded with different weights; delete them"
    with pytest.raises(InputError, match=match):
        evaluated(files)


@pytest.mark.parametrize("kind", KINDS)
def test_caches_of_another_class_list_are_refused(files: CacheFiles, kind: str) -> None:
    path = next(iter(getattr(files, kind).values()))
    with h5py.File(path) as file:
        features, labels = file["features"][:], file["labels"][:]
    write_cache(path, embeddings(features, labels, classes_sha256="f" * 64))
    with pytest.raises(InputError, match=f"{Path(path).name}: belongs to another class list"):
        evaluated(files)


@pytest.mark.parametrize("kind", ["image_manifests", "support_manifests"])
def test_manifests_of_another_class_list_are_refused(files: CacheFiles, kind: str) -> None:
    path = next(iter(getattr(files, kind).values()))
    record = ImageRecord if kind == "image_manifests" else SupportRecord
    write_table(path, Table([], "f" * 64, SUPPORT_META), record)
    with pytest.raises(InputError, match=f"{Path(path).name}: belongs to another class list"):
        evaluated(files)


def test_collated_result_describes_the_dataset(result: dict[str, Any]) -> None:
    assert result["schema"] == SCHEMA == "susx-result-6"
    assert (result["dataset"], result["n_classes"]) == ("pets", 3)
    assert (result["n_test"], result["n_validation"]) == (20, 10)
    provenance = result["provenance"]
    assert provenance["classes_sha256"] == CLASSES.sha256
    assert provenance["config_sha256"] == "c"
    assert set(PACKAGES) == set(provenance["versions"])
    assert provenance["versions"]["torch"].startswith("2.13.0")
    assert set(result["encoders"]) == {"clip"}


def row_with(p: float, kind: str = "delta_vs_best_text", on: str = "nothing") -> dict[str, Any]:
    return {"tuned_on": on, kind: {"mcnemar_p": p}}


def test_p_values_hold_for_all_rows_of_one_kind_of_reference() -> None:
    first, second = row_with(0.01), row_with(0.04)
    other = row_with(0.03, "delta_vs_zero_shot")
    tuned, reference = row_with(1e-9, on="test"), {"tuned_on": "nothing"}
    adjust([first, tuned, second, other, reference])
    assert first["delta_vs_best_text"] == {"mcnemar_p": 0.01, "holm_p": 0.02}
    assert second["delta_vs_best_text"] == {"mcnemar_p": 0.04, "holm_p": 0.04}
    assert other["delta_vs_zero_shot"] == {"mcnemar_p": 0.03, "holm_p": 0.03}
    assert tuned["delta_vs_best_text"] == {"mcnemar_p": 1e-9, "holm_p": None}
    assert reference == {"tuned_on": "nothing"}


def test_rows_of_a_result_are_adjusted(result: dict[str, Any]) -> None:
    found = [run["delta_vs_best_text"] for run in result["runs"] if "delta_vs_best_text" in run]
    assert found
    for difference in found:
        assert difference["mcnemar_p"] <= difference["holm_p"] <= 1


def test_a_result_tells_its_reader_what_the_numbers_are_of(files: CacheFiles) -> None:
    classes = class_manifest(["red_fox", "St. Bernard", "ant"])
    part = evaluated(files)
    part["provenance"]["classes_sha256"] = classes.sha256
    made = {"template": "a photo of a {}."}
    prompts = [PromptSet("cupl", [["a"], ["b"], ["c"]], classes.sha256, made)]
    told = collate("pets", classes, prompts, [part], {})
    assert told["classes"] == ["red_fox", "St. Bernard", "ant"]
    assert told["prompt_names"] == {"red_fox": "red fox"}
    assert sum(told["images"]["validation"]["n_per_class"]) == told["n_validation"] == 10
    assert told["texts"]["cupl"] == {"n": 6, "sources": made}
    assert told["texts"]["ensemble"] == {"n": 6, "sources": {}}
    assert told["methods"]["tip-x"]["units"] == {"alpha": "logits", "beta": "1", "gamma": "logits"}
    assert told["methods"]["cupl"]["units"] == {}
    assert told["encoders"]["clip"]["logit_scale"] == 50.0


def test_a_support_set_tells_its_entry_and_seed(files: CacheFiles) -> None:
    few = "few-seed3"
    named = replace(files, supports={few: files.supports["lc"]}, support_manifests={})
    counts = evaluated(named, plan=replace(PLAN, seeds={few: ("few", 3)}))["supports"][few]
    assert (counts["entry"], counts["seed"], counts["source"]) == ("few", 3, "published features")


def test_rows_of_all_encoders_are_joined_in_order(files: CacheFiles, tmp_path: Path) -> None:
    plan = replace(
        PLAN,
        unavailable_supports={"few": "no training images"},
        seeds={"drawn-seed4": ("drawn", 4)},
    )
    drawn = {
        kind: {"drawn-seed4": getattr(files, kind)["lc"]}
        for kind in ("supports", "support_manifests")
    }
    parts = [evaluated(replace(files, **drawn), name, plan) for name in ("b", "a")]
    joined = collate("pets", CLASSES, [], parts, {})
    assert [run["encoder"] for run in joined["runs"]] == ["b"] * 3 + ["a"] * 3
    assert [(row["encoder"], row["support"]) for row in joined["skipped"]] == [
        ("b", "few"), ("a", "few")
    ]  # fmt: skip
    assert [(row["encoder"], row["support"]) for row in joined["seeds"]] == [
        ("b", "drawn"), ("a", "drawn")
    ]  # fmt: skip
    write_json(tmp_path / "pets.json", joined)
    read = read_result(tmp_path / "pets.json")
    assert read.model_dump(by_alias=True, exclude_unset=True) == joined
    assert list(joined["encoders"]) == ["b", "a"]


def test_what_made_each_part_is_kept_and_joined(files: CacheFiles) -> None:
    parts = [evaluated(files, name) for name in "abc"]
    own = parts[0]["provenance"]
    whole = collate("pets", CLASSES, [], parts, {})
    joined = whole["provenance"]
    for key in ("git_commit", "versions", "python", "machine"):
        assert joined[key] == own[key] == whole["encoders"]["b"][key]
    for part, commit in zip(parts, ("1", None, "2+"), strict=True):
        part["provenance"]["git_commit"] = commit
    parts[1]["provenance"]["python"] = "3.99.0"
    parts[2]["provenance"]["versions"] = own["versions"] | {"torch": "99.1"}
    whole = collate("pets", CLASSES, [], parts, {})
    joined = whole["provenance"]
    assert joined["git_commit"] is None
    assert joined["python"] == f"{own['python']} / 3.99.0"
    assert joined["versions"] == own["versions"] | {"torch": f"{own['versions']['torch']} / 99.1"}
    assert joined["machine"] == own["machine"]
    assert whole["encoders"]["c"]["git_commit"] == "2+"


def test_packages_of_others_stand_beside_those_of_the_parts(files: CacheFiles) -> None:
    part, others = evaluated(files), {"versions": {"my-encoders": "1.0 / 1.1"}}
    versions = collate("pets", CLASSES, [], [part], others)["provenance"]["versions"]
    assert versions == part["provenance"]["versions"] | {"my-encoders": "1.0 / 1.1"}


@pytest.mark.parametrize(
    ("place", "what"),
    [
        (("provenance", "classes_sha256"), "class lists"),
        (("provenance", "inputs", "images-test"), "images-test"),
        (("provenance", "inputs", "support-lc"), "support-lc"),
        (("provenance", "inputs", "text-cupl"), "text-cupl"),
        (("provenance", "inputs", "support-only-there"), "support-only-there"),
        (("images", "test", "n_read"), "counts of images-test"),
        (("supports", "lc", "n_kept"), "counts of support-lc"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parts_that_were_made_from_different_things_are_refused(
    files: CacheFiles, place: tuple[str, ...], what: str
) -> None:
    parts = [evaluated(files, name) for name in ("siglip", "clip")]
    *way, key = place
    entry = parts[1]
    for step in way:
        entry = entry[step]
    entry[key] = 7
    match = f"^siglip and clip: evaluated with different {what}; delete both evaluations and run"
    with pytest.raises(InputError, match=match):
        collate("pets", CLASSES, [], parts, {})


def test_parts_of_another_class_list_than_that_at_hand_are_refused(files: CacheFiles) -> None:
    other = ClassManifest(CLASSES.classes[::-1])
    with pytest.raises(InputError, match="clip: evaluated with another class list; delete its"):
        collate("pets", other, [], [evaluated(files)], {})


def test_results_are_the_same_every_time_but_for_times(files: CacheFiles) -> None:
    def timeless(part: dict[str, Any]) -> dict[str, Any]:
        for run in part["runs"]:
            del run["seconds"], run["peak_mib"]
        return part

    assert timeless(evaluated(files)) == timeless(evaluated(files))


def test_an_invalid_result_is_not_collated(files: CacheFiles) -> None:
    part = evaluated(files)
    part["runs"][0]["top1"] = 120.0
    with pytest.raises(ValueError, match="top1"):
        collate("pets", CLASSES, [], [part], {})


def test_edited_class_manifest_is_refused(files: CacheFiles) -> None:
    other = [replace(entry, name=f"{entry.name}!") for entry in CLASSES]
    data = {"sha256": CLASSES.sha256, "classes": [asdict(entry) for entry in other]}
    Path(files.classes).write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"classes\.json: contents do not fit the stored hash"):
        evaluated(files)
    assert ClassManifest(tuple(other)).sha256 != CLASSES.sha256
