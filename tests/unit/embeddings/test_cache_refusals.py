"""Caches that are refused: unusable, foreign, damaged, altered, of other classes."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from susx.core.errors import InputError
from susx.embeddings import cache
from susx.embeddings.cache import Embeddings, read_cache, write_cache
from tests.made.embeddings import (
    META,
    craft,
    embeddings,
    of_patches,
    same,
    with_hashes,
    with_norms,
    with_row,
)


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
    (replace(embeddings(), hashes=np.zeros((5, 32), np.uint8)), "do not fit together"),
    (replace(embeddings(), hashes=np.zeros((6, 31), np.uint8)), "not SHA-256"),
    (replace(embeddings(), hashes=np.zeros((6, 32), np.int8)), "not SHA-256"),
    (replace(embeddings(), features=np.ones(6, np.float32)), "do not fit together"),
    (replace(embeddings(), features=np.ones((6, 2, 2, 2), np.float32)), "do not fit together"),
    (replace(embeddings(), features=embeddings().features.astype(np.float64)), "are float64"),
    (with_patch(3, 4, np.nan), r'row 3 \("Åland/003\.png"\) is not finite'),
    (with_patch(5, 0, 0.7), r'row 5 \("Åland/005\.png"\) is not of unit length'),
]
IDS = [
    "nan", "inf", "zero", "long", "labels", "keys", "norms", "hashes", "hash size", "hash type",
    "1-D", "4-D", "dtype", "patch nan", "patch long",
]  # fmt: skip


@pytest.mark.parametrize(("made", "problem"), UNUSABLE, ids=IDS)
def test_unusable_features_are_not_written(tmp_path: Path, made: Embeddings, problem: str) -> None:
    with pytest.raises(InputError, match=rf"c\.h5: .*{problem}"):
        write_cache(tmp_path / "c.h5", made)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("made", "problem"), UNUSABLE, ids=IDS)
def test_unusable_features_are_refused_on_reading(
    tmp_path: Path, made: Embeddings, problem: str
) -> None:
    craft(tmp_path / "c.h5", made)
    with pytest.raises(InputError, match=rf"c\.h5: .*{problem}.*; delete it and run again"):
        read_cache(tmp_path / "c.h5")


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


@pytest.mark.parametrize("version", [3, 5])
def test_other_version_is_refused(tmp_path: Path, version: int) -> None:
    craft(tmp_path / "c.h5", embeddings(), version=version)
    match = rf"c\.h5: cache version {version}, expected 4; delete it and run again"
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
    made = with_hashes(100)
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


PARTS = ["features", "labels", "norms", "no norms", "sha256", "no sha256", "keys", "meta"]


@pytest.mark.parametrize("part", PARTS)
def test_altered_contents_do_not_fit_the_checksum(tmp_path: Path, part: str) -> None:
    path = tmp_path / "c.h5"
    write_cache(path, with_hashes())
    with h5py.File(path, "r+") as file:
        if part == "features":
            file["features"][:2] = file["features"][:2][::-1]
        elif part == "labels":
            file["labels"][0] = 2
        elif part == "norms":
            file["norms"][5] += 1
        elif part == "sha256":
            file["sha256"][5, 31] ^= 1
        elif part in ("no norms", "no sha256"):
            del file[part.removeprefix("no ")]
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
