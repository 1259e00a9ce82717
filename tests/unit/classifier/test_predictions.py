"""Predictions of images: by the classifier's own encoder, and from embedded folders."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from susx.classifier.classifier import Classifier
from susx.classifier.file import load_classifier, write_classifier
from susx.classifier.predictions import PredictionRecord, predict_table
from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings
from susx.manifests.tables import Table, read_table, write_table
from tests.closeness import LANES, assert_close, random_walk
from tests.encoder_cases import CLIP_IMAGE_TERMS
from tests.helpers import PROJECTION, save_tiny_clip
from tests.made.photos import CLASSES, NAMES, photos_classifier, unlabelled


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("photos")


@pytest.fixture(scope="module")
def classifier(tiny_clip: Path, folder: Path) -> Classifier:
    return photos_classifier(tiny_clip, folder)


@pytest.fixture(scope="module")
def shown(tiny_clip: Path, folder: Path) -> tuple[Table, Embeddings]:
    return unlabelled(tiny_clip, folder)


def assert_alike(classifier: Classifier, made: np.ndarray, expected: np.ndarray) -> None:
    """Expect probabilities of images that were embedded beside others.

    A probability p moves with its cooled logit by p (1 - p), at most a quarter, and cosines are as
    inexact as features in float32.
    """
    size = classifier.context.logit_scale / classifier.meta.temperature / 4
    roundings = random_walk(CLIP_IMAGE_TERMS + 2 * PROJECTION, LANES)
    assert_close(made.astype(np.float32), expected.astype(np.float32), roundings, size)


def paths(shown: tuple[Table, Embeddings]) -> list[str]:
    return [record.path for record in shown[0].records]


def test_images_are_classified_as_their_cached_embeddings_are(
    classifier: Classifier, shown: tuple[Table, Embeddings]
) -> None:
    found = classifier.predict(paths(shown), threads=2)
    readable = [not reason for reason in found.reasons]
    cached = classifier.predict_features(shown[1].features, shown[1].norms)
    assert_alike(classifier, found.probabilities[readable], cached.probabilities)
    assert [name for name in found.names if name] == cached.names
    assert set(cached.names) > {NAMES[0]}


def test_paths_bytes_and_pictures_are_the_same_images(
    classifier: Classifier, shown: tuple[Table, Embeddings]
) -> None:
    path = next(p for p in paths(shown) if "broken" not in p)
    data = Path(path).read_bytes()
    sources = [path, Path(path), data, Image.open(io.BytesIO(data)), Image.open(path)]
    names, shares = classifier.predict(sources, threads=1)
    assert len(set(names)) == 1
    assert_alike(classifier, shares, np.broadcast_to(shares[0], shares.shape))


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "picture", "array", "tensor"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_one_image_needs_no_list(
    classifier: Classifier, shown: tuple[Table, Embeddings], kind: str, wrapped: bool
) -> None:
    path = next(p for p in paths(shown) if "broken" not in p)
    picture = Image.open(path).convert("RGB")
    levels = np.array(picture)
    forms = {
        "path": Path(path),
        "text": path,
        "bytes": Path(path).read_bytes(),
        "picture": picture,
        "array": levels,
        "tensor": torch.from_numpy(levels).permute(2, 0, 1),
    }
    found = classifier.predict([forms[kind]] if wrapped else forms[kind])
    assert len(found.names) == 1
    assert_alike(classifier, found.probabilities, classifier.predict([path]).probabilities)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_arrays_and_tensors_of_several_images_are_several_images(
    classifier: Classifier, channels: int
) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (2, 40, 30, channels)).astype(np.uint8)
    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    whole = [Image.fromarray(rows.squeeze()) for rows in levels]
    assert {picture.mode for picture in whole} == {modes[channels]}
    _, expected = classifier.predict(whole)
    for images in (levels, list(levels), torch.from_numpy(levels).permute(0, 3, 1, 2)):
        _, shares = classifier.predict(images)
        assert_alike(classifier, shares, expected)


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        (None, "NoneType is no image; give paths"),
        (3, "int is no image"),
        ({"a": 1}, "dict is no image"),
        (["x.jpg", 3], "image 1: int is no image"),
        ([["x.jpg"]], "image 0: list is no image"),
        (np.zeros((4, 4, 3)), "values of type float64 have no known range"),
        (torch.zeros(3, 4, 4), "values of type float32 have no known range"),
        (np.array(["x.jpg"]), "values of type <U5 have no known range"),
        (np.zeros((4, 4, 5), np.uint8), r"an image of shape \(4, 4, 5\)"),
        (np.zeros(4, np.uint8), r"an image of shape \(4,\)"),
        (torch.zeros(40, 30, 3, dtype=torch.uint8), r"an image of shape \(40, 30, 3\)"),
        (np.zeros((0, 4), np.uint8), "has no pixels"),
    ],
)
def test_what_is_no_image_is_a_type_error(
    classifier: Classifier, images: object, problem: str
) -> None:
    with pytest.raises(TypeError, match=problem):
        classifier.predict(images)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "I;16"])
def test_a_picture_of_any_mode_is_read_as_its_file_is(classifier: Classifier, mode: str) -> None:
    random = np.random.default_rng(0)
    grey = Image.fromarray(random.integers(0, 60000, (40, 40)).astype(np.uint16))
    colour = Image.fromarray(random.integers(0, 255, (40, 40, 3)).astype(np.uint8))
    picture = grey if mode == "I;16" else colour.convert(mode)
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    _, shares = classifier.predict([picture, stream.getvalue()])
    assert_alike(classifier, shares[0], shares[1])


def test_unreadable_images_are_reported_and_keep_their_place(
    classifier: Classifier, shown: tuple[Table, Embeddings], tmp_path: Path
) -> None:
    good = next(p for p in paths(shown) if "broken" not in p)
    cut = Image.open(io.BytesIO(Path(good).read_bytes()[:300]))
    found = classifier.predict([b"", good, tmp_path / "gone.png", tmp_path, good, cut])
    assert [name is None for name in found.names] == [True, False, True, True, False, True]
    assert found.reasons[:4] == [
        "empty file",
        "",
        "No such file or directory",
        "not a regular file",
    ]
    assert found.reasons[5]
    assert np.isnan(found.probabilities[0]).all()
    assert found.top(0) == []
    assert found.names[1] == found.names[4]


@pytest.mark.parametrize("sources", [[], [b"x", b"y"]])
def test_nothing_readable_is_no_error(classifier: Classifier, sources: list[bytes]) -> None:
    names, shares = classifier.predict(sources)
    assert names == [None] * len(sources)
    assert shares.shape == (len(sources), len(NAMES))


@pytest.mark.parametrize("method", ["calip", "dn", "gda", "zero-shot"])
def test_methods_get_what_they_need_of_images(
    tiny_clip: Path, shown: tuple[Table, Embeddings], tmp_path: Path, method: str
) -> None:
    if method == "dn":
        with pytest.raises(InputError, match="dn learns from the images"):
            photos_classifier(tiny_clip, tmp_path, method)
        return
    made = photos_classifier(tiny_clip, tmp_path, method)
    names, _ = made.predict(paths(shown))
    assert sum(name is None for name in names) == 1


def test_another_model_is_refused(classifier: Classifier, tmp_path: Path) -> None:
    write_classifier(tmp_path / "c.safetensors", classifier)
    save_tiny_clip(tmp_path / "other", seed=1)
    moved = load_classifier(tmp_path / "c.safetensors", str(tmp_path / "other"), "cpu")
    with pytest.raises(InputError, match="weights_sha256 is not that of"):
        moved.predict([b""])


def test_a_model_that_was_moved_is_found_where_it_is(
    classifier: Classifier, shown: tuple[Table, Embeddings], tiny_clip: Path, tmp_path: Path
) -> None:
    write_classifier(tmp_path / "c.safetensors", classifier)
    shutil.copytree(tiny_clip, tmp_path / "moved")
    moved = load_classifier(tmp_path / "c.safetensors", str(tmp_path / "moved"), "cpu")
    assert moved.predict(paths(shown)).names == classifier.predict(paths(shown)).names


def test_other_preprocessing_is_refused(
    classifier: Classifier, tiny_clip: Path, tmp_path: Path
) -> None:
    write_classifier(tmp_path / "c.safetensors", classifier)
    shutil.copytree(tiny_clip, tmp_path / "model")
    file = tmp_path / "model/preprocessor_config.json"
    file.write_text(file.read_text("utf-8").replace("0.25", "0.5"), "utf-8")
    moved = load_classifier(tmp_path / "c.safetensors", str(tmp_path / "model"), "cpu")
    with pytest.raises(InputError, match="preprocessing is not that of"):
        moved.predict([b""])


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_batches_of_any_size_give_the_same(
    classifier: Classifier, shown: tuple[Table, Embeddings], batch_size: int
) -> None:
    found = classifier.predict(paths(shown), batch_size, threads=2)
    whole = classifier.predict(paths(shown), threads=1)
    assert found.names == whole.names
    assert found.reasons == whole.reasons
    readable = [not reason for reason in found.reasons]
    assert_alike(classifier, found.probabilities[readable], whole.probabilities[readable])


# Folders


def test_predictions_list_every_image_in_order(
    classifier: Classifier, shown: tuple[Table, Embeddings], tmp_path: Path
) -> None:
    table = predict_table(classifier, shown[1], shown[0])
    write_table(tmp_path / "p.parquet", table, PredictionRecord)
    read = read_table(tmp_path / "p.parquet", PredictionRecord, CLASSES.sha256)
    assert read == table
    assert [r.key for r in read.records] == [r.key for r in shown[0].records]
    assert [r.label for r in read.records] == [""] * len(read.records)
    (broken,) = [r for r in read.records if r.reason]
    assert (broken.key, broken.names, broken.support_keys) == ("=broken.png", [], [])
    found = classifier.predict_features(shown[1].features)
    good = [r for r in read.records if not r.reason]
    for row, record in enumerate(good):
        assert list(zip(record.names, record.probabilities, strict=True)) == found.top(row)
        assert len(record.names) == 4
        assert record.support_votes == sorted(record.support_votes, reverse=True)
        slug = CLASSES.classes[NAMES.index(record.names[0])].slug
        assert [key.split("/")[0] for key in record.support_keys] == [slug] * 3


def test_predictions_say_what_they_were_made_by(
    classifier: Classifier, shown: tuple[Table, Embeddings]
) -> None:
    meta = predict_table(classifier, shown[1], shown[0]).meta
    assert (meta["n_images"], meta["n_unreadable"]) == (9, 1)
    assert (meta["method"], meta["tuned_on"]) == ("tip-x", "nothing")
    assert meta["calibration"] == {
        "temperature_on": "nothing", "temperature_images": 0, "constants_on": "support"
    }  # fmt: skip
    assert meta["temperature"] == classifier.meta.temperature


def test_images_that_broke_while_they_were_embedded_have_their_reason(
    classifier: Classifier, shown: tuple[Table, Embeddings]
) -> None:
    table, cache = shown
    late = replace(
        cache,
        features=cache.features[1:],
        labels=cache.labels[1:],
        keys=cache.keys[1:],
        norms=None,
        hashes=None if cache.hashes is None else cache.hashes[1:],
        meta=cache.meta | {"failed": {cache.keys[0]: "truncated"}},
    )
    records = {r.key: r for r in predict_table(classifier, late, table).records}
    assert records[cache.keys[0]].reason == "truncated"
    assert sum(bool(r.reason) for r in records.values()) == 2


def test_embeddings_of_other_images_classes_or_encoders_are_refused(
    classifier: Classifier, shown: tuple[Table, Embeddings]
) -> None:
    table, cache = shown
    other = cache.meta | {"encoder": cache.meta["encoder"] | {"weights_sha256": "0"}}
    place = next(i for i, record in enumerate(table.records) if record.key == cache.keys[2])
    records = list(table.records)
    records[place] = replace(records[place], sha256="0" * 64)
    cases = {
        "different class lists": (cache, replace(table, classes_sha256="0")),
        "different weights_sha256": (replace(cache, meta=other), table),
        "different images": (cache, replace(table, records=table.records[1:-1])),
        rf'different images \("{cache.keys[2]}"\)': (cache, replace(table, records=records)),
        "manifest list different images": (replace(cache, hashes=None), table),
    }
    for problem, (images, manifest) in cases.items():
        with pytest.raises(InputError, match=problem):
            predict_table(classifier, images, manifest)


def test_patches_of_other_images_or_encoders_are_refused(
    classifier: Classifier, shown: tuple[Table, Embeddings]
) -> None:
    table, cache = shown
    other = cache.meta | {"encoder": cache.meta["encoder"] | {"precision": "float16"}}
    assert cache.hashes is not None
    halves = cache.features[:, None].astype(np.float16)
    stored = cache.meta | {"encoder": cache.meta["encoder"] | {"store": "float16"}}
    whole = replace(cache, features=halves, norms=None, meta=stored)
    assert predict_table(classifier, cache, table, whole)
    mixed = replace(cache, keys=cache.keys[::-1], hashes=cache.hashes[::-1])
    cases = {
        "different precision": replace(cache, meta=other),
        "different images": replace(cache, hashes=cache.hashes[::-1]),
        "another order": mixed,
    }
    for problem, patches in cases.items():
        with pytest.raises(InputError, match=problem):
            predict_table(classifier, cache, table, patches)


def test_votes_of_no_support_are_no_voters(
    tiny_clip: Path, shown: tuple[Table, Embeddings], tmp_path: Path
) -> None:
    made = photos_classifier(tiny_clip, tmp_path, "zero-shot")
    table = predict_table(made, shown[1], shown[0])
    assert all(record.support_keys == [] for record in table.records)
