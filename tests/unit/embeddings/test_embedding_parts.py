"""Embedding that is cut and goes on, and caches joined from parts."""

import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.config.schema import EncoderSettings
from susx.core.errors import InputError
from susx.datasets.manifest import image_manifest
from susx.embeddings import embed as embedding
from susx.embeddings.cache import Embeddings, join_caches, read_cache, write_cache
from susx.embeddings.embed import embed_images, embed_shard
from susx.embeddings.parts import Parts
from susx.embeddings.prepare import Item
from susx.encoders.base import TorchEncoder
from susx.manifests.classes import class_manifest
from susx.manifests.tables import Table
from susx.pools.shards import Shard
from tests.helpers import (
    add_member,
    colour_of,
    image_bytes,
    unit_rows,
    write_class_folders,
)  # fmt: skip

CLASSES = class_manifest(["zebra", "ant", "mouse"])


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "PART", 4)


@pytest.fixture
def settings(tiny_clip: Path) -> EncoderSettings:
    return EncoderSettings(library="transformers", model=str(tiny_clip), batch_size=3, device="cpu")


@pytest.fixture
def table(tmp_path: Path) -> Table:
    write_class_folders(tmp_path / "photos", ["zebra", "ant", "mouse"], 5)
    return image_manifest(tmp_path / "photos", CLASSES)


class Cut(Exception):
    """Stands for whatever ends a job."""


@pytest.fixture
def forward_passes(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Sizes of the batches that are embedded; `cut` ends the job at so many."""
    seen: dict[str, Any] = {"sizes": [], "cut": None}
    whole = TorchEncoder.encode_images

    def counted(self: Any, batch: Any) -> Any:
        if seen["cut"] is not None and len(seen["sizes"]) == seen["cut"]:
            raise Cut
        seen["sizes"].append(len(batch))
        return whole(self, batch)

    monkeypatch.setattr(TorchEncoder, "encode_images", counted)
    # The trial of a loaded model is not counted.
    monkeypatch.setattr("susx.encoders.trial.tried", lambda encoder, is_compiled: encoder)
    yield seen


def same(first: Path, second: Path) -> bool:
    made, other = read_cache(first), read_cache(second)
    assert made.norms is not None
    assert np.array_equal(made.norms, other.norms)
    assert np.array_equal(made.features, other.features)
    assert (made.keys, made.labels.tolist()) == (other.keys, other.labels.tolist())
    assert made.hashes is not None
    assert np.array_equal(made.hashes, other.hashes)
    return made.meta == other.meta


def test_batches_do_not_reach_over_parts(
    settings: EncoderSettings, table: Table, forward_passes: dict[str, Any], tmp_path: Path
) -> None:
    embed_images(settings, table, tmp_path / "c.h5", 1)
    assert forward_passes["sizes"] == [3, 1, 3, 1, 3, 1, 3]
    assert read_cache(tmp_path / "c.h5").keys == [record.key for record in table.records]


@pytest.mark.parametrize("cut", [0, 1, 2, 4, 5, 6])
def test_a_job_that_was_cut_redoes_only_the_part_it_was_in(
    settings: EncoderSettings,
    table: Table,
    forward_passes: dict[str, Any],
    tmp_path: Path,
    cut: int,
) -> None:
    embed_images(settings, table, tmp_path / "whole.h5", 1)
    forward_passes.update(sizes=[], cut=cut)
    with pytest.raises(Cut):
        embed_images(settings, table, tmp_path / "c.h5", 1)
    assert not (tmp_path / "c.h5").exists()
    forward_passes.update(sizes=[], cut=None)
    embed_images(settings, table, tmp_path / "c.h5", 1)
    assert forward_passes["sizes"] == [3, 1, 3, 1, 3, 1, 3][cut - cut % 2 :]
    assert same(tmp_path / "c.h5", tmp_path / "whole.h5")
    assert not (tmp_path / "c.h5.parts").exists()


def cut_at(
    settings: EncoderSettings, table: Table, path: Path, seen: dict[str, Any], cut: int
) -> None:
    seen.update(sizes=[], cut=cut)
    with pytest.raises(Cut):
        embed_images(settings, table, path, 1)
    seen.update(sizes=[], cut=None)


@pytest.mark.parametrize(
    ("change", "redone"),
    [
        ({}, 3),
        ({"batch_size": 2}, 8),
        ({"store": "float16"}, 7),
        ({"jpeg_draft": True}, 7),
        ({"upright": True}, 7),
    ],
    ids=["nothing", "batch size", "precision of the cache", "decoding", "orientation"],
)
def test_parts_made_with_other_settings_are_made_again(
    settings: EncoderSettings,
    table: Table,
    forward_passes: dict[str, Any],
    tmp_path: Path,
    change: dict[str, Any],
    redone: int,
) -> None:
    cut_at(settings, table, tmp_path / "c.h5", forward_passes, 5)
    embed_images(settings.model_copy(update=change), table, tmp_path / "c.h5", 1)
    assert len(forward_passes["sizes"]) == redone


def test_parts_of_other_images_are_made_again(
    settings: EncoderSettings, table: Table, forward_passes: dict[str, Any], tmp_path: Path
) -> None:
    cut_at(settings, table, tmp_path / "c.h5", forward_passes, 5)
    Path(table.records[5].path).write_bytes(image_bytes((9, 9, 9)))
    changed = image_manifest(tmp_path / "photos", CLASSES)
    embed_images(settings, changed, tmp_path / "c.h5", 1)
    assert len(forward_passes["sizes"]) == 5  # all but the first part
    embed_images(settings, changed, tmp_path / "whole.h5", 1)
    assert same(tmp_path / "c.h5", tmp_path / "whole.h5")


def test_damaged_part_is_made_again(
    settings: EncoderSettings, table: Table, forward_passes: dict[str, Any], tmp_path: Path
) -> None:
    cut_at(settings, table, tmp_path / "c.h5", forward_passes, 6)
    part = tmp_path / "c.h5.parts/000001.h5"
    with h5py.File(part, "r+") as file:
        file["labels"][0] = 2
    embed_images(settings, table, tmp_path / "c.h5", 1)
    assert forward_passes["sizes"] == [3, 1, 3]


def test_failed_images_of_parts_that_were_done_are_still_counted(
    settings: EncoderSettings, forward_passes: dict[str, Any], tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for i in range(12):
            broken = i in (1, 4, 5, 6, 7)
            data = b"broken" if broken else image_bytes(colour_of(i, 12), seed=i)
            add_member(tar, f"{i:02d}.png", data)
    shard = Shard("webdataset", str(tmp_path / "0.tar"))
    forward_passes.update(cut=2)
    with pytest.raises(Cut):
        embed_shard(settings, shard, tmp_path / "c.h5", 1)
    finished = sorted((tmp_path / "c.h5.parts").iterdir())
    assert [len(read_cache(path)) for path in finished] == [3, 0]
    forward_passes.update(sizes=[], cut=None)
    embed_shard(settings, shard, tmp_path / "c.h5", 1)
    assert forward_passes["sizes"] == [3, 1]
    made = read_cache(tmp_path / "c.h5")
    assert made.keys == ["00", "02", "03", "08", "09", "10", "11"]
    assert list(made.meta["failed"]) == ["01", "04", "05", "06", "07"]
    assert made.meta["n_failed"] == 5
    embed_shard(settings, shard, tmp_path / "whole.h5", 1)
    assert same(tmp_path / "c.h5", tmp_path / "whole.h5")


def test_two_images_of_one_key_are_found_across_parts(
    settings: EncoderSettings, tmp_path: Path
) -> None:
    path, images = tmp_path / "0.parquet", [image_bytes((i, 2, 3)) for i in range(7)]
    pq.write_table(pa.table({"image": images, "key": [*"abcdef", "a"]}), path)
    with pytest.raises(InputError, match=r"0\.parquet: two images share a key"):
        embed_shard(settings, Shard("parquet", str(path)), tmp_path / "c.h5", 1)


def blocks(sizes: list[int], shape: tuple[int, ...] = (6,)) -> list[Embeddings]:
    random, made = np.random.default_rng(0), []
    for number, size in enumerate(sizes):
        features = unit_rows(random, size * int(np.prod(shape[:-1])), shape[-1])
        made.append(
            Embeddings(
                features.reshape(size, *shape).astype(np.float32),
                np.arange(size, dtype=np.int32),
                [f"{number}/{i}" for i in range(size)],
                {"part": number},
                np.ones(size, np.float32) if len(shape) == 1 else None,
                random.integers(0, 256, (size, 32), dtype=np.uint8),
            )
        )
    return made


@pytest.mark.parametrize("shape", [(6,), (5, 6)], ids=["images", "patches"])
@pytest.mark.parametrize("sizes", [[3], [3, 0, 4, 1], [0, 5], [0, 0]])
def test_joined_caches_equal_one_written_at_once(
    sizes: list[int], shape: tuple[int, ...], tmp_path: Path
) -> None:
    parts = blocks(sizes, shape)
    paths = [tmp_path / f"{number}.h5" for number in range(len(sizes))]
    for path, part in zip(paths, parts, strict=True):
        write_cache(path, part)
    join_caches(tmp_path / "joined.h5", paths, {"a": 1})
    norms = None if len(shape) > 1 else np.concatenate([p.norms for p in parts])  # type: ignore[misc]
    whole = Embeddings(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.labels for part in parts]),
        [key for part in parts for key in part.keys],
        {"a": 1},
        norms,
        np.concatenate([part.hashes for part in parts if part.hashes is not None]),
    )
    write_cache(tmp_path / "whole.h5", whole)
    made = read_cache(tmp_path / "joined.h5")
    assert np.array_equal(made.features, whole.features)
    assert np.array_equal(made.hashes, whole.hashes)
    assert (made.keys, made.meta) == (whole.keys, whole.meta)
    with h5py.File(tmp_path / "joined.h5") as joined, h5py.File(tmp_path / "whole.h5") as at_once:
        assert joined.attrs["sha256"] == at_once.attrs["sha256"]


def test_part_that_is_damaged_or_gone_leaves_no_cache(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "c.h5")
    for index, block in enumerate(blocks([3, 4])):
        parts.write(index, "stamp", replace(block, meta={}))
    assert parts.has(1, "stamp")
    assert not parts.has(1, "other")
    second = tmp_path / "c.h5.parts/000001.h5"
    second.write_bytes(second.read_bytes()[:-100])
    assert not parts.has(1, "stamp")
    with pytest.raises(InputError, match=r"000001\.h5"):
        parts.join(2, {})
    second.unlink()
    with pytest.raises(InputError, match=r"000001\.h5"):
        parts.join(2, {})
    assert not (tmp_path / "c.h5").exists()
    parts.write(1, "stamp", blocks([3])[0])
    parts.join(2, {})
    assert len(read_cache(tmp_path / "c.h5")) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.h5"]


@pytest.mark.parametrize(("most", "sizes"), [(10**9, [4, 2]), (25, [2, 2, 2]), (1, [1] * 6)])
@pytest.mark.parametrize("views", [1, 3])
def test_a_part_ends_where_its_files_would_fill_the_memory(
    most: int, sizes: list[int], views: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "PART_BYTES", most)
    items = [Item(f"{i}", 0, "", bytes(10)) for i in range(6) for _ in range(views)]

    parts = list(embedding._parts(items, views))

    assert [len(part) for part in parts] == [views * size for size in sizes]
    assert [item for part in parts for item in part] == items
    assert list(embedding._parts([], views)) == [[]]
