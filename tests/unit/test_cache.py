"""The HDF5 embedding cache."""

import fcntl
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx import cache
from susx.cache import Embeddings, concatenate, normalised, read_cache, write_cache
from susx.errors import InputError
from tests.helpers import unit_rows

META = {"classes_sha256": "f" * 64, "encoder": {"weights_sha256": "0"}, "n_failed": 0}


def embeddings(n: int = 6, d: int = 8, dtype: str = "float32", seed: int = 0) -> Embeddings:
    features = unit_rows(np.random.default_rng(seed), n, d).astype(dtype)
    labels = (np.arange(n) % 3).astype(np.int32)
    return Embeddings(features, labels, [f"Åland/{i:03d}.png" for i in range(n)], dict(META))


def with_norms(n: int = 6) -> Embeddings:
    return replace(embeddings(n), norms=np.linspace(8, 12, n, dtype=np.float32))


def of_patches(n: int = 6, patches: int = 5, dtype: str = "float32") -> Embeddings:
    rows = unit_rows(np.random.default_rng(1), n * patches, 8).reshape(n, patches, 8)
    return replace(embeddings(n), features=rows.astype(dtype))


def same(a: Embeddings, b: Embeddings) -> bool:
    def equal(first: np.ndarray | None, second: np.ndarray | None) -> bool:
        if first is None or second is None:
            return first is second
        return first.dtype == second.dtype and np.array_equal(first, second)

    arrays = ((a.features, b.features), (a.labels, b.labels), (a.norms, b.norms))
    return all(equal(*pair) for pair in arrays) and (a.keys, a.meta) == (b.keys, b.meta)


def with_row(row: np.ndarray | float) -> Embeddings:
    """Embeddings whose row 4 is replaced."""
    made = embeddings()
    made.features[4] = row
    return made


@given(
    n=st.integers(0, 12),
    d=st.integers(1, 9),
    dtype=st.sampled_from(["float32", "float16"]),
    keys=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=12),
    norms=st.booleans(),
)
def test_round_trip_keeps_everything(
    tmp_path: Path, n: int, d: int, dtype: str, keys: list[str], norms: bool
) -> None:
    made = embeddings(n, d, dtype)
    lengths = np.linspace(0.5, 20, n, dtype=np.float32) if norms else None
    made = replace(made, keys=(keys + made.keys)[:n], norms=lengths)
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
        assert file.attrs["version"] == 3
    write_cache(tmp_path / "c.h5", with_norms())
    with h5py.File(tmp_path / "c.h5") as file:
        assert set(file) == {"features", "labels", "keys", "norms"}
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


def test_only_the_cache_lies_in_the_folder(tmp_path: Path) -> None:
    write_cache(tmp_path / "a/c.h5", embeddings())
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["c.h5"]


def with_patch(row: int, patch: int, value: float) -> Embeddings:
    """Embeddings of patches one of which is replaced."""
    made = of_patches()
    made.features[row, patch] = value
    return made


UNUSABLE = [
    (with_row(np.nan), r'row 4 \("Åland/004\.png"\) is not finite'),
    (with_row(np.inf), r'row 4 \("Åland/004\.png"\) is not finite'),
    (with_row(0.0), r'row 4 \("Åland/004\.png"\) is not of unit length'),
    (with_row(0.5), r'row 4 \("Åland/004\.png"\) is not of unit length'),
    (replace(embeddings(), labels=np.zeros(5, np.int32)), "do not fit together"),
    (replace(embeddings(), keys=["a"]), "do not fit together"),
    (replace(with_norms(), norms=np.ones(5, np.float32)), "do not fit together"),
    (replace(embeddings(), features=np.ones(6, np.float32)), "do not fit together"),
    (replace(embeddings(), features=np.ones((6, 2, 2, 2), np.float32)), "do not fit together"),
    (replace(embeddings(), features=embeddings().features.astype(np.float64)), "are float64"),
    (with_patch(3, 4, np.nan), r'row 3 \("Åland/003\.png"\) is not finite'),
    (with_patch(5, 0, 0.7), r'row 5 \("Åland/005\.png"\) is not of unit length'),
]
IDS = [
    "nan", "inf", "zero", "long", "labels", "keys", "norms", "1-D", "4-D", "dtype", "patch nan",
    "patch long",
]  # fmt: skip


@pytest.mark.parametrize(("made", "problem"), UNUSABLE, ids=IDS)
def test_unusable_features_are_not_written(tmp_path: Path, made: Embeddings, problem: str) -> None:
    with pytest.raises(InputError, match=rf"c\.h5: .*{problem}"):
        write_cache(tmp_path / "c.h5", made)
    assert list(tmp_path.iterdir()) == []


def craft(path: Path, made: Embeddings, **attributes: Any) -> None:
    """Write a cache by hand, with a correct checksum and whatever content."""
    meta = json.dumps(made.meta, sort_keys=True)
    with h5py.File(path, "w", userblock_size=cache.SEAL) as file:
        file["features"] = made.features
        file["labels"] = made.labels
        if made.norms is not None:
            file["norms"] = made.norms
        file.create_dataset(
            "keys", data=np.array(made.keys, object), dtype=h5py.string_dtype("utf-8")
        )
        defaults = {"format": cache.FORMAT, "version": cache.VERSION, "meta": meta}
        checksum = {"sha256": cache._digest(made, meta)}
        for name, value in {**defaults, **checksum, **attributes}.items():
            if value is not None:
                file.attrs[name] = value
    cache.seal(path)


@pytest.mark.parametrize("made", [embeddings(), with_norms(), of_patches()])
def test_crafted_files_are_read_when_correct(tmp_path: Path, made: Embeddings) -> None:
    craft(tmp_path / "c.h5", made)
    assert same(read_cache(tmp_path / "c.h5"), made)


@pytest.mark.parametrize(("made", "problem"), UNUSABLE, ids=IDS)
def test_unusable_features_are_refused_on_reading(
    tmp_path: Path, made: Embeddings, problem: str
) -> None:
    craft(tmp_path / "c.h5", made)
    with pytest.raises(InputError, match=rf"c\.h5: .*{problem}.*; delete it and run again"):
        read_cache(tmp_path / "c.h5")


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


def test_missing_cache_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"c\.h5: file not found; run the pipeline to build it"):
        read_cache(tmp_path / "c.h5")


@pytest.mark.parametrize(
    "attributes", [{"format": None}, {"format": "other"}], ids=["no format", "other format"]
)
def test_foreign_hdf5_is_refused(tmp_path: Path, attributes: dict[str, Any]) -> None:
    craft(tmp_path / "c.h5", embeddings(), **attributes)
    with pytest.raises(InputError, match=r"c\.h5: not an embedding cache; delete it"):
        read_cache(tmp_path / "c.h5")


@pytest.mark.parametrize("version", [2, 4])
def test_other_version_is_refused(tmp_path: Path, version: int) -> None:
    craft(tmp_path / "c.h5", embeddings(), version=version)
    match = rf"c\.h5: cache version {version}, expected 3; delete it and run again"
    with pytest.raises(InputError, match=match):
        read_cache(tmp_path / "c.h5")


@pytest.mark.parametrize("name", ["version", "meta", "sha256"])
def test_missing_attribute_is_refused(tmp_path: Path, name: str) -> None:
    craft(tmp_path / "c.h5", embeddings(), **{name: None})
    with pytest.raises(InputError, match=r"c\.h5: truncated or damaged .*delete it"):
        read_cache(tmp_path / "c.h5")


@pytest.mark.parametrize("content", [b"", b"text", b"\x89HDF\r\n\x1a\n", b"\0" * 5000])
def test_files_that_are_no_hdf5_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.h5").write_bytes(content)
    with pytest.raises(InputError, match=r"c\.h5: truncated or damaged .*delete it"):
        read_cache(tmp_path / "c.h5")


def test_truncated_cache_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "c.h5"
    write_cache(path, embeddings(300))
    data = path.read_bytes()
    for share in (0.01, 0.3, 0.6, 0.9, 0.99):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(InputError, match=r"c\.h5: "):
            read_cache(path)


def test_a_flipped_bit_is_noticed_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "c.h5"
    made = with_norms(100)
    write_cache(path, made)
    data = path.read_bytes()
    source = random.Random(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(data)
        damaged[source.randrange(len(data))] ^= 1 << source.randrange(8)
        path.write_bytes(damaged)
        try:
            assert same(read_cache(path), made)
        except InputError:
            refused += 1
    assert refused >= 20


@pytest.mark.parametrize("part", ["features", "labels", "norms", "no norms", "keys", "meta"])
def test_altered_contents_do_not_fit_the_checksum(tmp_path: Path, part: str) -> None:
    path = tmp_path / "c.h5"
    write_cache(path, with_norms())
    with h5py.File(path, "r+") as file:
        if part == "features":
            file["features"][:2] = file["features"][:2][::-1]
        elif part == "labels":
            file["labels"][0] = 2
        elif part == "norms":
            file["norms"][5] += 1
        elif part == "no norms":
            del file["norms"]
        elif part == "keys":
            file["keys"][0] = "other"
        else:
            file.attrs["meta"] = json.dumps({**META, "n_failed": 1}, sort_keys=True)
    with pytest.raises(InputError, match=r"c\.h5: .*contents do not fit the stored checksum"):
        read_cache(path)


def test_more_values_than_a_file_holds_are_not_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "c.h5", "w", userblock_size=cache.SEAL) as file:
        file.create_dataset("features", (2**40, 512), "f4", chunks=(1, 512))
        file.attrs.update({"format": cache.FORMAT, "version": cache.VERSION, "meta": "{}"})
    cache.seal(tmp_path / "c.h5")
    with pytest.raises(InputError, match=r"c\.h5: states more values than it holds; delete it"):
        read_cache(tmp_path / "c.h5")


def test_a_damaged_part_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    write_cache(tmp_path / "c.h5", embeddings())
    data = bytearray((tmp_path / "c.h5").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "c.h5").write_bytes(data)
    with pytest.raises(InputError, match=r"c\.h5: .*do not fit the stored checksum"):
        cache.read_meta(tmp_path / "c.h5")


def test_a_cache_without_checksum_is_refused(tmp_path: Path) -> None:
    write_cache(tmp_path / "c.h5", embeddings())
    (tmp_path / "c.h5").write_bytes((tmp_path / "c.h5").read_bytes()[cache.SEAL :])
    with pytest.raises(InputError, match=r"c\.h5: .*stored checksum.*; delete it and run again"):
        read_cache(tmp_path / "c.h5")


def test_cache_of_another_class_list_is_refused(tmp_path: Path) -> None:
    write_cache(tmp_path / "c.h5", embeddings())
    assert len(read_cache(tmp_path / "c.h5", "f" * 64)) == 6
    match = r"c\.h5: belongs to another class list \(ffffffffffff, expected eeeeeeeeeeee\); delete"
    with pytest.raises(InputError, match=match):
        read_cache(tmp_path / "c.h5", "e" * 64)


def test_label_beyond_the_classes_is_refused(tmp_path: Path) -> None:
    write_cache(tmp_path / "c.h5", embeddings())
    assert len(read_cache(tmp_path / "c.h5", n_classes=3)) == 6
    with pytest.raises(InputError, match=r"c\.h5: label 2 with only 2 classes; delete it"):
        read_cache(tmp_path / "c.h5", n_classes=2)


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
        assert norms[place] == pytest.approx(length, rel=1e-6)
        assert directions[place] == pytest.approx(raw[place] / length, abs=1e-6)


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
