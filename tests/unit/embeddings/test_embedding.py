"""Embedding prompts, images, support sets and pool shards."""

import hashlib
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from susx.config.schema import EncoderSettings
from susx.core.errors import InputError
from susx.datasets.manifest import image_manifest
from susx.embeddings import embed as embedding
from susx.embeddings.cache import Embeddings, read_cache, write_cache
from susx.embeddings.embed import embed_prompts
from susx.embeddings.views import random_view
from susx.encoders import load_encoder
from susx.images.decode import decode
from susx.manifests.classes import class_manifest
from susx.manifests.tables import SupportRecord, Table
from susx.pools.shards import Shard, read_shard
from susx.prompts.strategies import build_prompts
from susx.support.retrieval import Candidate
from susx.support.selection import collect_support
from susx.support.strategies import Selection
from tests.closeness import LANES, assert_close, random_walk
from tests.encoder_cases import CLIP_IMAGE_TERMS
from tests.helpers import (
    PROJECTION,
    add_member,
    colour_of,
    image_bytes,
    write_class_folders,
    write_pool_tar,
)

CLASSES = class_manifest(["zebra", "ant", "mouse"])
# Features, whose images take more terms than texts, and their lengths.
ROUNDINGS = random_walk(CLIP_IMAGE_TERMS + PROJECTION, LANES)


@pytest.fixture
def settings(tiny_clip: Path) -> EncoderSettings:
    return EncoderSettings(library="transformers", model=str(tiny_clip), batch_size=3, device="cpu")


def made_by(write: Callable[[Path], None]) -> Embeddings:
    """What a function leaves in the cache that it is to write, and nothing beside it."""
    with TemporaryDirectory() as folder:
        write(Path(folder, "made.h5"))
        assert [path.name for path in Path(folder).iterdir()] == ["made.h5"]
        return read_cache(Path(folder, "made.h5"))


def embed_images(
    settings: EncoderSettings, table: Table, threads: int, **options: Any
) -> Embeddings:
    return made_by(lambda path: embedding.embed_images(settings, table, path, threads, **options))


def embed_support(
    settings: EncoderSettings, table: Table, images: Path, threads: int, **options: Any
) -> Embeddings:
    return made_by(
        lambda path: embedding.embed_support(settings, table, images, path, threads, **options)
    )


def embed_shard(settings: EncoderSettings, shard: Shard, threads: int) -> Embeddings:
    return made_by(lambda path: embedding.embed_shard(settings, shard, path, threads))


def directly(settings: EncoderSettings, images: list[bytes]) -> np.ndarray:
    """Raw features of single images, one forward pass each."""
    encoder = load_encoder(settings)
    rows = [encoder.encode_images(encoder.preprocess(decode(data))[None]) for data in images]
    return torch.cat(rows).numpy()


def hashes(made: Embeddings) -> list[str]:
    return [made.sha256(row) for row in range(len(made))]


def sha256(*data: bytes) -> list[str]:
    return [hashlib.sha256(part).hexdigest() for part in data]


def has_rows(made: Embeddings, raw: np.ndarray) -> bool:
    """Whether features are the directions of raw rows, and norms their lengths."""
    lengths = np.sqrt((raw.astype(np.float64) ** 2).sum(axis=1))
    assert lengths.min() > 0
    assert made.norms is not None
    assert (made.norms.dtype, made.norms.shape) == (np.float32, (len(raw),))
    assert_close(made.norms[:, None], lengths[:, None], ROUNDINGS)
    assert_close(made.features, raw / lengths[:, None], ROUNDINGS)
    return True


# Prompts


def test_prompt_rows_are_texts_labelled_with_their_class(settings: EncoderSettings) -> None:
    texts = {"template": "x", "ensemble": ["a {}.", "the {}!"], "descriptions": None}
    prompts = build_prompts("ensemble", {"ensemble": "ensemble"}, CLASSES, texts)
    (made,) = embed_prompts(settings, [prompts])
    assert made.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert made.keys == ["0/0", "0/1", "1/0", "1/1", "2/0", "2/1"]
    expected = load_encoder(settings).encode_texts(
        ["a zebra.", "the zebra!", "a ant.", "the ant!", "a mouse.", "the mouse!"]
    )
    assert has_rows(made, expected.numpy())
    assert hashes(made)[3] == sha256(b"the ant!")[0]
    assert np.ptp(expected.norm(dim=1).numpy()) > 0.01
    assert made.meta["classes_sha256"] == CLASSES.sha256
    assert made.meta["strategy"] == "ensemble"
    assert made.meta["n_truncated"] == 0


def test_truncated_prompts_are_counted(settings: EncoderSettings) -> None:
    texts = {"template": "{}" + "z" * 100, "ensemble": ["{}"], "descriptions": None}
    sources = {"photo": "template", "ensemble": "ensemble"}
    (made,) = embed_prompts(settings, [build_prompts("both", sources, CLASSES, texts)])
    assert made.meta["n_truncated"] == 3


def test_input_hash_follows_the_texts(settings: EncoderSettings) -> None:
    prompts = [
        build_prompts("photo", {"photo": "template"}, CLASSES, {"template": template})
        for template in ("a {}.", "a {}.", "the {}.")
    ]
    made = embed_prompts(settings, prompts)
    assert len({texts.meta["input_sha256"] for texts in made}) == 2


@pytest.mark.parametrize("store", ["float32", "float16"])
def test_features_are_stored_as_configured(
    settings: EncoderSettings, store: str, tmp_path: Path
) -> None:
    prompts = build_prompts("photo", {"photo": "template"}, CLASSES, {"template": "a {}."})
    (exact,) = embed_prompts(settings, [prompts])
    (made,) = embed_prompts(settings.model_copy(update={"store": store}), [prompts])
    assert str(made.features.dtype) == store
    assert np.array_equal(made.features, exact.features.astype(store))
    assert np.array_equal(made.norms, exact.norms)
    write_cache(tmp_path / "c.h5", made)
    meta = read_cache(tmp_path / "c.h5", CLASSES.sha256, 3).meta
    assert meta == json.loads(json.dumps(made.meta))


# Labelled images


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_class_folders(tmp_path / "photos", ["zebra", "ant", "mouse"], 3)
    return tmp_path / "photos"


def test_image_rows_are_those_of_the_manifest(settings: EncoderSettings, photos: Path) -> None:
    table = image_manifest(photos, CLASSES)
    made = embed_images(settings, table, threads=2)
    assert made.keys == [record.key for record in table.records]
    assert made.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    images = [Path(record.path).read_bytes() for record in table.records]
    assert has_rows(made, directly(settings, images))
    assert hashes(made) == sha256(*images) == [record.sha256 for record in table.records]
    assert made.meta["classes_sha256"] == CLASSES.sha256
    assert made.meta["encoder"]["model"] == settings.model
    assert made.meta["n_failed"] == 0


def test_an_unreadable_image_shifts_no_label(settings: EncoderSettings, photos: Path) -> None:
    whole = embed_images(settings, image_manifest(photos, CLASSES), 1)
    (photos / "ant/000.png").write_bytes(b"broken")
    made = embed_images(settings, image_manifest(photos, CLASSES), 1)
    left = [i for i, key in enumerate(whole.keys) if key != "ant/000.png"]
    assert made.keys == [whole.keys[i] for i in left]
    assert made.labels.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert_close(made.features, whole.features[left], ROUNDINGS)
    assert_close(made.norms[:, None], whole.norms[left][:, None], ROUNDINGS)


@pytest.mark.parametrize("batch_size", [1, 2, 9, 100])
def test_batch_size_changes_nothing(
    settings: EncoderSettings, photos: Path, batch_size: int
) -> None:
    table = image_manifest(photos, CLASSES)
    other = settings.model_copy(update={"batch_size": batch_size})
    made, again = embed_images(settings, table, 1), embed_images(other, table, 3)
    assert_close(made.features, again.features, ROUNDINGS)
    assert (made.keys, made.labels.tolist()) == (again.keys, again.labels.tolist())


def test_embedding_twice_gives_the_same_bytes(settings: EncoderSettings, photos: Path) -> None:
    table = image_manifest(photos, CLASSES)
    first, second = (embed_images(settings, table, threads) for threads in (1, 2))
    assert np.array_equal(first.features, second.features)
    assert np.array_equal(first.norms, second.norms)
    assert first.meta == second.meta


# To store float32 as float16 is one rounding, of up to half a spacing, of what is as inexact as
# float32 is.
@pytest.mark.parametrize(
    ("store", "roundings"), [("float32", ROUNDINGS), ("float16", 0.5 + ROUNDINGS / 2**13)]
)
def test_patch_rows_are_those_of_the_encoder(
    settings: EncoderSettings, photos: Path, store: str, roundings: float
) -> None:
    (photos / "ant/000.png").write_bytes(b"broken")
    table = image_manifest(photos, CLASSES)
    stored = settings.model_copy(update={"store": store})
    made = embed_images(stored, table, threads=2, patches=True)
    encoder = load_encoder(settings)
    for row, key in zip(made.features, made.keys, strict=True):
        pixels = encoder.preprocess(decode((photos / key).read_bytes()))
        raw = encoder.encode_patches(pixels[None])[0].numpy().astype(np.float64)
        expected = raw / np.sqrt((raw**2).sum(axis=1, keepdims=True))
        assert_close(row, expected, roundings)
    assert (made.features.shape, str(made.features.dtype)) == ((8, 16, 16), store)
    assert made.norms is None
    whole = embed_images(stored, table, threads=1)
    assert hashes(made) == hashes(whole)
    assert (made.keys, made.labels.tolist()) == (whole.keys, whole.labels.tolist())
    assert made.meta == whole.meta


@pytest.mark.parametrize("change", ["edited", "gone"])
def test_image_changed_since_the_manifest_is_named(
    settings: EncoderSettings, photos: Path, change: str
) -> None:
    table = image_manifest(photos, CLASSES)
    path = photos / "ant/001.png"
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(image_bytes((1, 2, 3)))
    match = r"ant/001\.png: changed or gone since the image manifest was written; run again"
    with pytest.raises(InputError, match=match):
        embed_images(settings, table, 1)


# Pool shards


def test_shard_rows_have_keys_and_no_labels(settings: EncoderSettings, tmp_path: Path) -> None:
    write_pool_tar(tmp_path / "0.tar", 5)
    made = embed_shard(settings, Shard("webdataset", str(tmp_path / "0.tar")), 2)
    assert made.keys == [f"000{i:05d}" for i in range(5)]
    assert made.labels.tolist() == [-1] * 5
    images = [image_bytes(colour_of(i, 5), seed=i) for i in range(5)]
    assert has_rows(made, directly(settings, images))


def test_unreadable_images_of_a_shard_are_left_out_and_counted(
    settings: EncoderSettings, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        add_member(tar, "a.png", image_bytes((200, 0, 0)))
        add_member(tar, "b.png", b"broken")
        add_member(tar, "c.png", b"")
        add_member(tar, "d.png", image_bytes((0, 0, 200)))
    made = embed_shard(settings, Shard("webdataset", str(tmp_path / "0.tar")), 1)
    assert made.keys == ["a", "d"]
    assert made.meta["n_failed"] == 2
    assert made.meta["failed"] == {"b": "not an image of a known format", "c": "empty file"}
    images = [image_bytes((200, 0, 0)), image_bytes((0, 0, 200))]
    assert has_rows(made, directly(settings, images))
    assert hashes(made) == sha256(*images)


@pytest.mark.parametrize("readable", [True, False], ids=["no images", "only broken images"])
def test_shard_without_usable_images_is_an_empty_cache(
    settings: EncoderSettings, tmp_path: Path, readable: bool
) -> None:
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        if not readable:
            add_member(tar, "a.png", b"broken")
    read = embed_shard(settings, Shard("webdataset", str(tmp_path / "0.tar")), 1)
    assert read.features.shape == (0, 16)
    assert read.norms is not None and read.norms.shape == (0,)
    assert read.hashes is not None and read.hashes.shape == (0, 32)


def test_two_images_of_one_key_are_refused(settings: EncoderSettings, tmp_path: Path) -> None:
    image = image_bytes((1, 2, 3), size=(4, 4))
    pq.write_table(pa.table({"image": [image, image], "key": ["k", "k"]}), tmp_path / "0.parquet")
    match = r"0\.parquet: two images share a key; give them different names"
    with pytest.raises(InputError, match=match):
        embed_shard(settings, Shard("parquet", str(tmp_path / "0.parquet")), 1)


def test_input_hash_of_a_shard_follows_its_images(
    settings: EncoderSettings, tmp_path: Path
) -> None:
    inputs = []
    for seed in (0, 0, 1):
        write_pool_tar(tmp_path / "0.tar", 2, seed=seed)
        made = embed_shard(settings, Shard("webdataset", str(tmp_path / "0.tar")), 1)
        inputs.append(made.meta["input_sha256"])
    assert inputs[0] == inputs[1] != inputs[2]


# Support sets


@pytest.fixture
def support(tmp_path: Path) -> tuple[Table, Path]:
    """Two images of every class, in an order that is not that of the pool."""
    write_pool_tar(tmp_path / "pool.tar", 6)
    shards = {"pool": Shard("webdataset", str(tmp_path / "pool.tar"))}
    pool = [(sample.key, *sha256(sample.image)) for sample in read_shard(shards["pool"])]
    found = [Candidate(0, 0, 0.5, "pool", key, sha256=digest) for key, digest in pool]
    ranking = [[found[5 - c], found[c]] for c in range(3)]
    table = collect_support(ranking, shards, CLASSES, Selection(2), "test", tmp_path / "images.tar")
    return table, tmp_path / "images.tar"


def test_support_rows_are_the_kept_images(
    settings: EncoderSettings, support: tuple[Table, Path]
) -> None:
    made = embed_support(settings, *support, threads=1)
    assert made.labels.tolist() == [0, 0, 1, 1, 2, 2]
    images = [image_bytes(colour_of(i, 6), seed=i) for i in (5, 0, 4, 1, 3, 2)]
    assert has_rows(made, directly(settings, images))
    assert hashes(made) == sha256(*images)
    assert made.meta["classes_sha256"] == CLASSES.sha256


def test_views_of_a_support_image_are_averaged_before_normalisation(
    settings: EncoderSettings, support: tuple[Table, Path]
) -> None:
    table, path = support
    made = embed_support(settings, table, path, 2, views=3, seed=5)

    assert made.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert (made.meta["views"], made.meta["seed"]) == (3, 5)
    assert hashes(made) == [record.sha256 for record in table.records if record.kept]
    encoder = load_encoder(settings)
    for row, key, length in zip(made.features, made.keys, made.norms, strict=True):  # type: ignore[arg-type]
        (record,) = [r for r in table.records if r.key == key]
        image = decode(
            image_bytes(colour_of(int(record.location[-1]), 6), seed=int(record.location[-1]))
        )
        own = int(record.sha256[:16], 16)
        views = [
            encoder.preprocess(
                random_view(image, encoder.image_size, np.random.default_rng((5, own, view)))
            )
            for view in range(3)
        ]
        mean = encoder.encode_images(torch.stack(views)).numpy().mean(axis=0)
        assert_close(length, np.linalg.norm(mean), ROUNDINGS)
        assert_close(row, mean / np.linalg.norm(mean), ROUNDINGS)


def test_views_depend_on_the_seed_and_tell_caches_apart(
    settings: EncoderSettings, support: tuple[Table, Path]
) -> None:
    first, again, other, plain = (
        embed_support(settings, *support, threads=1, views=views, seed=seed)
        for views, seed in ((2, 0), (2, 0), (2, 1), (0, 0))
    )
    assert np.array_equal(first.features, again.features)
    assert not np.allclose(first.features, other.features)
    assert len({c.meta["input_sha256"] for c in (first, again, other, plain)}) == 3


def rewritten(path: Path, order: list[int]) -> Path:
    """The tar with its members in another order."""
    with tarfile.open(path) as tar:
        members = [(m.name, tar.extractfile(m).read()) for m in tar]  # type: ignore[union-attr]
    with tarfile.open(path, "w") as tar:
        for i in order:
            add_member(tar, *members[i])
    return path


def test_support_labels_come_from_the_manifest_not_from_the_order_of_the_tar(
    settings: EncoderSettings, support: tuple[Table, Path]
) -> None:
    table, path = support
    before = embed_support(settings, table, path, 1)
    after = embed_support(settings, table, rewritten(path, [3, 5, 0, 4, 2, 1]), 1)
    assert after.labels.tolist() == [1, 2, 0, 2, 1, 0]
    rows = {key: row for key, row in zip(before.keys, before.features, strict=True)}
    for key, row in zip(after.keys, after.features, strict=True):
        assert_close(row, rows[key], ROUNDINGS)


def test_support_image_missing_from_the_tar_is_counted(
    settings: EncoderSettings, support: tuple[Table, Path]
) -> None:
    table, path = support
    with pytest.raises(InputError, match=r"images\.tar: 2 images of the support manifest are miss"):
        embed_support(settings, table, rewritten(path, [0, 1, 2, 3]), 1)


def changed(table: Table, position: int, **changes: object) -> Table:
    records: list[SupportRecord] = list(table.records)
    records[position] = replace(records[position], **changes)  # type: ignore[arg-type]
    return replace(table, records=records)


@pytest.mark.parametrize(
    "changes",
    [{"key": "other"}, {"kept": False, "reason": "surplus"}, {"sha256": "0" * 64}],
    ids=["other key", "not kept", "other content"],
)
def test_tar_that_does_not_fit_the_manifest_is_refused(
    settings: EncoderSettings, support: tuple[Table, Path], changes: dict[str, object]
) -> None:
    table, path = support
    match = r'images\.tar: "00001-00000" does not fit the support manifest; delete both'
    with pytest.raises(InputError, match=match):
        embed_support(settings, changed(table, 2, **changes), path, 1)
