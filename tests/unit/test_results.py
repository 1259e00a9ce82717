"""From caches to results/{dataset}.json."""

import copy
import json
import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from susx import results
from susx.cache import Embeddings, write_cache
from susx.errors import InputError
from susx.evaluation import Plan
from susx.manifests import (
    ClassManifest,
    ImageRecord,
    SupportRecord,
    Table,
    class_manifest,
    write_table,
)
from susx.results import CacheFiles, collate, evaluate_caches, read_result, write_result
from tests.helpers import make_problem, unit_rows

CLASSES = class_manifest(["zebra", "St. Bernard", "ant"])
PROBLEM = make_problem(0, n=30, support=(3, 2, 4))
PLAN = Plan(["zero-shot", "cupl", "tip-x"], ["cupl+e"], ["fixed"], bootstrap=50)
SUPPORT_META = {
    "size": 4, "n_kept": 9, "n_duplicates": 1, "n_unreadable": 0, "short_classes": {"ant": 2}
}  # fmt: skip


def embeddings(features: np.ndarray, labels: np.ndarray, **meta: Any) -> Embeddings:
    defaults = {
        "encoder": {"library": "transformers", "weights_sha256": "w" * 64, "precision": "float32"},
        "classes_sha256": CLASSES.sha256,
        "input_sha256": "i" * 64,
        "logit_scale": 50.0,
    }
    keys = [f"{i:03d}" for i in range(len(labels))]
    return Embeddings(features, labels.astype(np.int32), keys, defaults | meta)


def text_embeddings(strategy: str) -> Embeddings:
    """Two noisy texts per class."""
    noise = unit_rows(np.random.default_rng(len(strategy)), 6, 8)
    rows = np.repeat(PROBLEM.text, 2, axis=0) + 0.3 * noise
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return embeddings(rows, np.repeat(np.arange(3), 2), strategy=strategy, n_truncated=1)


def image_record(key: str, reason: str = "") -> ImageRecord:
    return ImageRecord(key, f"photos/{key}", 0, "zebra", "0" * 64, 4, 3, reason)


@pytest.fixture
def files(tmp_path: Path) -> CacheFiles:
    """Everything that one encoder's evaluation reads."""
    CLASSES.write(tmp_path / "classes.json")
    for name in ("ensemble", "cupl", "cupl+e"):
        write_cache(tmp_path / f"text-{name}.h5", text_embeddings(name))
    parts = {"test": slice(0, 20), "validation": slice(20, 30)}
    for split, rows in parts.items():
        failed = {"late.png": "empty file"} if split == "test" else {}
        made = embeddings(PROBLEM.images[rows], PROBLEM.labels[rows], failed=failed)
        write_cache(tmp_path / f"images-{split}.h5", made)
        records = [image_record("ok.png"), image_record("early.png", "truncated")]
        table = Table(records[: 2 if split == "test" else 1], CLASSES.sha256)
        write_table(tmp_path / f"{split}.parquet", table, ImageRecord)
    write_cache(tmp_path / "support-lc.h5", embeddings(PROBLEM.support, PROBLEM.support_labels))
    write_table(tmp_path / "lc.parquet", Table([], CLASSES.sha256, SUPPORT_META), SupportRecord)
    return CacheFiles(
        classes=str(tmp_path / "classes.json"),
        texts={n: str(tmp_path / f"text-{n}.h5") for n in ("ensemble", "cupl", "cupl+e")},
        images={n: str(tmp_path / f"images-{n}.h5") for n in parts},
        image_manifests={n: str(tmp_path / f"{n}.parquet") for n in parts},
        supports={"lc": str(tmp_path / "support-lc.h5")},
        support_manifests={"lc": str(tmp_path / "lc.parquet")},
    )


def evaluated(files: CacheFiles, name: str = "clip") -> dict[str, Any]:
    return evaluate_caches(name, files, PLAN, lambda _: None)


@pytest.fixture
def result(files: CacheFiles) -> dict[str, Any]:
    return collate("pets", CLASSES, [evaluated(files)], {"config_sha256": "c"})


def test_evaluation_of_caches_gives_runs_and_counts(files: CacheFiles) -> None:
    part = evaluated(files)
    assert [run["method"] for run in part["runs"]] == ["zero-shot", "cupl", "tip-x"]
    assert {run["encoder"] for run in part["runs"]} == {"clip"}
    assert part["supports"] == {"lc": SUPPORT_META}
    assert part["runs"][2]["hyperparameters"] == {"alpha": 1.5, "beta": 5.5, "gamma": 0.25}
    assert json.loads(json.dumps(part)) == part


def test_images_unreadable_early_or_late_are_counted_with_their_reasons(files: CacheFiles) -> None:
    counts = evaluated(files)["images"]
    assert counts["test"] == {
        "n_read": 20,
        "n_unreadable": 2,
        "unreadable": {"early.png": "truncated", "late.png": "empty file"},
    }
    assert counts["validation"] == {"n_read": 10, "n_unreadable": 0, "unreadable": {}}


def test_provenance_says_what_was_embedded_with_what(files: CacheFiles) -> None:
    provenance = evaluated(files)["provenance"]
    assert provenance["weights_sha256"] == "w" * 64
    assert provenance["logit_scale"] == 50.0
    assert provenance["device"] == "cpu"
    assert set(provenance["inputs"]) == {
        "text-ensemble", "text-cupl", "text-cupl+e",
        "images-test", "images-validation", "support-lc",
    }  # fmt: skip
    assert provenance["texts_truncated"] == {"ensemble": 1, "cupl": 1, "cupl+e": 1}


def test_evaluation_without_validation_or_support_runs(files: CacheFiles) -> None:
    bare = replace(files, images={"test": files.images["test"]}, supports={}, support_manifests={})
    plan = replace(PLAN, methods=["zero-shot"])
    part = evaluate_caches("clip", bare, plan, lambda _: None)
    assert list(part["images"]) == ["test"]
    assert part["runs"][0]["validation_correct"] is None
    assert collate("pets", CLASSES, [part], {})["n_validation"] == 0


@pytest.mark.parametrize("kind", ["texts", "images", "supports"])
def test_caches_of_different_weights_are_refused(files: CacheFiles, kind: str) -> None:
    path = next(iter(getattr(files, kind).values()))
    with h5py.File(path) as file:
        features, labels = file["features"][:], file["labels"][:]
    encoder = {"weights_sha256": "x" * 64}
    write_cache(path, embeddings(features, labels, encoder=encoder, n_truncated=0, failed={}))
    match = "clip: the caches of .* were embedded with different weights; delete them"
    with pytest.raises(InputError, match=match):
        evaluated(files)


@pytest.mark.parametrize("kind", ["texts", "images", "supports"])
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
    assert result["schema"] == results.SCHEMA
    assert (result["dataset"], result["n_classes"]) == ("pets", 3)
    assert (result["n_test"], result["n_validation"]) == (20, 10)
    provenance = result["provenance"]
    assert provenance["classes_sha256"] == CLASSES.sha256
    assert provenance["config_sha256"] == "c"
    assert set(results.PACKAGES) == set(provenance["versions"])
    assert provenance["versions"]["torch"].startswith("2.13.0")
    assert set(provenance["encoders"]) == {"clip"}


def test_runs_of_all_encoders_are_joined_in_order(files: CacheFiles) -> None:
    parts = [evaluated(files, name) for name in ("b", "a")]
    joined = collate("pets", CLASSES, parts, {})
    assert [run["encoder"] for run in joined["runs"]] == ["b"] * 3 + ["a"] * 3
    assert list(joined["provenance"]["encoders"]) == ["b", "a"]


def test_result_file_round_trip(result: dict[str, Any], tmp_path: Path) -> None:
    write_result(tmp_path / "pets.json", result)
    read = read_result(tmp_path / "pets.json")
    assert read.model_dump(by_alias=True) == result
    assert [path.name for path in tmp_path.glob("*pets*")] == ["pets.json"]


def test_results_are_the_same_every_time_but_for_times(files: CacheFiles) -> None:
    def timeless(part: dict[str, Any]) -> dict[str, Any]:
        for run in part["runs"]:
            del run["seconds"], run["peak_mib"]
        return part

    assert timeless(evaluated(files)) == timeless(evaluated(files))


def at(data: Any, place: str) -> tuple[Any, str | int]:
    """The container and key of a dotted place."""
    *parents, last = [int(p) if p.isdigit() else p for p in place.split(".")]
    for part in parents:
        data = data[part]
    return data, last


KEYS = [
    "schema",
    "dataset",
    "n_test",
    "runs",
    "provenance",
    "runs.0.top1",
    "runs.1.tuned_on",
    "runs.0.support",
    "runs.0.delta_vs_zero_shot.mean",
    "images.test.n_unreadable",
    "supports.lc.short_classes",
]


@pytest.mark.parametrize("place", KEYS)
def test_result_without_a_key_is_refused(
    result: dict[str, Any], tmp_path: Path, place: str
) -> None:
    broken = copy.deepcopy(result)
    container, key = at(broken, place)
    del container[key]
    write_result(tmp_path / "pets.json", broken)
    match = rf"pets\.json: not a susx-result-1 file: {place.replace('.', '[.]')}: Field required"
    with pytest.raises(InputError, match=match):
        read_result(tmp_path / "pets.json")


@pytest.mark.parametrize(
    "place", ["extra", "runs.0.extra", "images.test.extra", "runs.0.delta_vs_best_text.extra"]
)
def test_result_with_an_unknown_key_is_refused(
    result: dict[str, Any], tmp_path: Path, place: str
) -> None:
    container, key = at(result, place)
    container[key] = 1
    write_result(tmp_path / "pets.json", result)
    with pytest.raises(InputError, match=rf"pets\.json: .*{place.replace('.', '[.]')}: Extra"):
        read_result(tmp_path / "pets.json")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("schema", "susx-result-2"),
        ("runs.0.top1", 100.1),
        ("runs.0.top1", -0.1),
        ("runs.0.ci95", [1.0]),
        ("runs.0.tuned_on", "training"),
        ("runs.0.protocol", "oracle"),
        ("runs.0.per_class.0", 101),
        ("runs.0.correct", "many"),
        ("n_test", None),
    ],
)
def test_result_with_an_impossible_value_is_refused(
    result: dict[str, Any], tmp_path: Path, place: str, value: Any
) -> None:
    container, key = at(result, place)
    container[key] = value
    write_result(tmp_path / "pets.json", result)
    with pytest.raises(InputError, match=rf"pets\.json: .*{place.replace('.', '[.]')}: "):
        read_result(tmp_path / "pets.json")


def test_an_invalid_result_is_not_collated(files: CacheFiles) -> None:
    part = evaluated(files)
    part["runs"][0]["top1"] = 120.0
    with pytest.raises(ValueError, match="top1"):
        collate("pets", CLASSES, [part], {})


def test_missing_result_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pets\.json: file not found"):
        read_result(tmp_path / "pets.json")


def test_foreign_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pets.json").write_text("[1, 2]")
    with pytest.raises(InputError, match=r"pets\.json: not a susx-result-1 file"):
        read_result(tmp_path / "pets.json")


def test_edited_class_manifest_is_refused(files: CacheFiles) -> None:
    other = [replace(entry, name=f"{entry.name}!") for entry in CLASSES]
    data = {"sha256": CLASSES.sha256, "classes": [asdict(entry) for entry in other]}
    Path(files.classes).write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"classes\.json: contents do not fit the stored hash"):
        evaluated(files)
    assert ClassManifest(tuple(other)).sha256 != CLASSES.sha256


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_commit_of_the_code_is_marked_when_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "susx/results.py"
    module.parent.mkdir()
    module.write_text("x = 1\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    monkeypatch.setattr(results, "__file__", str(module))
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert results.git_commit() == commit
    module.write_text("x = 2\n")
    assert results.git_commit() == f"{commit}+"


@pytest.mark.parametrize("repository", [False, True], ids=["no repository", "no commit"])
def test_code_outside_a_repository_has_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: bool
) -> None:
    if repository:
        git(tmp_path, "init", "--quiet")
    monkeypatch.setattr(results, "__file__", str(tmp_path / "results.py"))
    assert results.git_commit() is None
