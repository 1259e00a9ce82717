"""The HDF5 embedding cache."""

import fcntl
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.core.errors import InputError
from susx.core.files import Patient
from susx.embeddings import cache
from susx.embeddings.cache import (
    Embeddings,
    concatenate,
    hash_rows,
    normalised,
    read_cache,
    write_cache,
)
from tests.closeness import assert_close, random_walk
from tests.full_disk import at_most
from tests.made.embeddings import (
    META,
    craft,
    embeddings,
    of_patches,
    same,
    with_hashes,
    with_norms,
)


@given(
    n=st.integers(0, 12),
    d=st.integers(1, 9),
    dtype=st.sampled_from(["float32", "float16"]),
    keys=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=12),
    norms=st.booleans(),
    hashed=st.booleans(),
)
def test_round_trip_keeps_everything(
    tmp_path: Path, n: int, d: int, dtype: str, keys: list[str], norms: bool, hashed: bool
) -> None:
    made = embeddings(n, d, dtype)
    lengths = np.linspace(0.5, 20, n, dtype=np.float32) if norms else None
    hashes = with_hashes(n).hashes if hashed else None
    made = replace(made, keys=(keys + made.keys)[:n], norms=lengths, hashes=hashes)
    write_cache(tmp_path / "c.h5", made)
    read = read_cache(tmp_path / "c.h5")
    assert same(read, made)
    assert len(read) == n


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("n", [0, 1, 7])
def test_patches_make_the_round_trip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int, dtype: str
) -> None:
    made = of_patches(n, 5, dtype)
    for rows in (4096, 11, 3):  # images per block: all, two, one
        monkeypatch.setattr(cache, "ROWS_PER_CHUNK", rows)
        write_cache(tmp_path / "c.h5", made)
        read = read_cache(tmp_path / "c.h5")
        assert same(read, made)
        assert read.features.shape == (n, 5, 8)
        with h5py.File(tmp_path / "c.h5") as file:
            chunks = (min(n, max(1, rows // 5)), 5, 8) if n else None
            assert file["features"].chunks == chunks


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_file_has_the_documented_layout(tmp_path: Path, dtype: str) -> None:
    write_cache(tmp_path / "c.h5", embeddings(6, 8, dtype))
    with h5py.File(tmp_path / "c.h5") as file:
        assert set(file) == {"features", "labels", "keys"}
        assert set(file.attrs) == {"format", "version", "meta", "sha256"}
        features = file["features"]
        assert (features.shape, str(features.dtype)) == ((6, 8), dtype)
        assert features.chunks == (6, 8)
        assert features.fletcher32
        assert str(file["labels"].dtype) == "int32"
        assert file["keys"].asstr()[2] == "Åland/002.png"
        assert json.loads(file.attrs["meta"]) == META
        assert file.attrs["version"] == 4
    write_cache(tmp_path / "c.h5", with_hashes())
    with h5py.File(tmp_path / "c.h5") as file:
        assert set(file) == {"features", "labels", "keys", "norms", "sha256"}
        assert (file["sha256"].shape, str(file["sha256"].dtype)) == ((6, 32), "uint8")
        assert (file["norms"].shape, str(file["norms"].dtype)) == ((6,), "float32")


def test_rows_beyond_one_chunk_are_kept_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "ROWS_PER_CHUNK", 4)
    write_cache(tmp_path / "c.h5", embeddings(11))
    assert same(read_cache(tmp_path / "c.h5"), embeddings(11))
    broken = embeddings(11)
    broken.features[9] = 0
    with pytest.raises(InputError, match="row 9 "):
        write_cache(tmp_path / "d.h5", broken)


def test_unknown_labels_are_kept(tmp_path: Path) -> None:
    made = replace(embeddings(), labels=np.full(6, -1, np.int32))
    write_cache(tmp_path / "c.h5", made)
    assert read_cache(tmp_path / "c.h5", n_classes=3).labels.tolist() == [-1] * 6


def test_what_a_row_embeds_is_told_by_its_hash() -> None:
    texts = [hashlib.sha256(text.encode()).hexdigest() for text in ("é", "b")]
    made = replace(embeddings(2), hashes=hash_rows(texts))
    assert [made.sha256(row) for row in range(2)] == texts
    assert embeddings(2).sha256(1) == ""
    assert hash_rows([]).shape == (0, 32)


def test_only_the_cache_lies_in_the_folder(tmp_path: Path) -> None:
    write_cache(tmp_path / "a/c.h5", embeddings())
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["c.h5"]


@pytest.mark.parametrize("made", [embeddings(), with_norms(), with_hashes(), of_patches()])
def test_crafted_files_are_read_when_correct(tmp_path: Path, made: Embeddings) -> None:
    craft(tmp_path / "c.h5", made)
    assert same(read_cache(tmp_path / "c.h5"), made)


def test_interrupted_writing_leaves_the_old_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cache(tmp_path / "c.h5", embeddings())

    def fail(*_: Any) -> str:
        raise OSError("disk full")

    monkeypatch.setattr(cache, "_finished", fail)
    with pytest.raises(OSError, match="disk full"):
        write_cache(tmp_path / "c.h5", embeddings(seed=1))
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["c.h5"]
    assert same(read_cache(tmp_path / "c.h5"), embeddings())


def test_a_cache_that_does_not_fit_is_refused_however_much_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 never gets less than it asks for, which it would not notice."""
    asked, made = [], embeddings(300)

    class Watched(Patient):
        def readinto(self, buffer: Any) -> int:
            n = super().readinto(buffer)
            asked.append((self.error is not None, len(memoryview(buffer).cast("B")) - n))
            return n

    monkeypatch.setattr(cache, "Patient", Watched)
    write_cache(tmp_path / "whole.h5", made)
    whole = (tmp_path / "whole.h5").stat().st_size
    for limit in range(cache.SEAL, whole, 997):
        with at_most(limit), pytest.raises(InputError, match="File too large"):
            write_cache(tmp_path / "cut.h5", made)
    assert [path.name for path in tmp_path.iterdir()] == ["whole.h5"]
    assert {lacking for _, lacking in asked} == {0}
    assert any(failed for failed, _ in asked)


def test_a_cache_that_another_has_locked_is_read(tmp_path: Path) -> None:
    """Where locks are not to be had, asking for one fails as this does."""
    write_cache(tmp_path / "c.h5", embeddings())
    with (tmp_path / "c.h5").open("r+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="unable to lock file"):
            h5py.File(tmp_path / "c.h5", "r", locking=True)
        assert same(read_cache(tmp_path / "c.h5"), embeddings())
        assert cache.read_meta(tmp_path / "c.h5") == (META, 6)
        cache.join_caches(tmp_path / "d.h5", [tmp_path / "c.h5"], META)


def test_concatenate_joins_blocks_and_makes_an_empty_array_of_none() -> None:
    blocks = [np.ones((2, 3)), np.zeros((1, 3))]
    joined = concatenate(blocks, 3, "float16")
    assert (joined.shape, joined.dtype) == ((3, 3), np.float16)
    empty = concatenate([], 3, "float32")
    assert (empty.shape, empty.dtype) == ((0, 3), np.float32)


@pytest.mark.parametrize("shape", [(7, 5), (3, 4, 5)])
def test_normalised_splits_directions_and_lengths(shape: tuple[int, ...]) -> None:
    raw = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    directions, norms = normalised(raw)
    assert (directions.dtype, norms.dtype) == (np.float32, np.float32)
    assert norms.shape == shape[:-1]
    for place in np.ndindex(*shape[:-1]):
        length = sum(float(x) ** 2 for x in raw[place]) ** 0.5
        assert_close(norms[place], length, random_walk(shape[-1]))
        assert_close(directions[place], raw[place] / length, random_walk(shape[-1]))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_row_without_direction_becomes_one_that_no_cache_takes(
    tmp_path: Path, value: float
) -> None:
    raw = 3 * embeddings().features
    raw[4] = value
    features, norms = normalised(raw)
    with pytest.raises(InputError, match=r'row 4 \("Åland/004\.png"\) is not finite'):
        write_cache(tmp_path / "c.h5", replace(embeddings(), features=features, norms=norms))
