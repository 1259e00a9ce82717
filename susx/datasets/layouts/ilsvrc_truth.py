"""Which class the validation images of ILSVRC 2012 show, as it was published."""

from __future__ import annotations

import csv
import gzip
import io
import re
import struct
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from susx.config.types import repeats
from susx.core.errors import InputError, listing
from susx.core.files import read_regular

TRUTH = "ILSVRC2012_validation_ground_truth.txt"
SYNSETS = "meta.mat"
NUMBER = re.compile(r"[0-9]{1,6}")
"""There are 1,860 synsets."""
IMAGE = re.compile(r"\w{1,100}")
"""Name of an image without its suffix: `ILSVRC2012_val_00000001`."""
IN_BOX = 5
"""Words of a box in Kaggle's solution: its wnid and four coordinates."""
MOST = 2**28
"""Bytes of an unpacked file; the whole kit has some 10 MB."""
HEAD, TAG, COMPRESSED = 128, 8, 15
"""Bytes of the heads of a MAT-file and of its elements, and the type of those that are packed."""


def truth_files(path: Path) -> list[Path]:
    """Files of a development kit in a folder, or the one file of another truth.

    Empty if there is none.
    """
    if path.is_dir():
        return [path / "data" / name for name in (TRUTH, SYNSETS)]
    return [path] if path.is_file() else []


def wnids_by_image(files: Sequence[Path]) -> dict[str, str]:
    """Read the wnids of images by their names without suffixes.

    Args:
        files: of `truth_files`: the two of a development kit, the kit as `tar.gz`, or Kaggle's
            `LOC_val_solution.csv`.

    Raises:
        InputError: if a file is missing or broken, or says of an image no class, or several.
    """
    if len(files) == 2:
        truth, synsets = files
        return _numbered(_read(truth), str(truth), _synsets(_read(synsets), str(synsets)))
    (path,) = files
    if path.suffix.lower() == ".csv":
        return dict(_solution(path))
    kit = _kit(path)
    return _numbered(kit[TRUTH], f"{path}: {TRUTH}", _synsets(kit[SYNSETS], f"{path}: {SYNSETS}"))


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, MOST)
    except FileNotFoundError:
        raise InputError(f"{path}: file not found") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _kit(path: Path) -> dict[str, bytes]:
    """The two files of a kit that is packed."""
    found: dict[str, bytes] = {}
    try:
        with gzip.open(path) as stream:
            data = stream.read(MOST + 1)
        if len(data) > MOST:
            raise InputError(f"{path}: more than {MOST} bytes once it is unpacked; not the kit")
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for member in tar:
                folder, _, name = member.name.rpartition("/")
                if folder.endswith("data") and name in (TRUTH, SYNSETS) and member.isreg():
                    found[name] = data[member.offset_data : member.offset_data + member.size]
    except InputError:
        raise
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError) as error:
        raise InputError(f"{path}: not a readable development kit ({error})") from None
    if missing := [name for name in (TRUTH, SYNSETS) if name not in found]:
        raise InputError(f"{path}: has no {listing(missing)} in its folder data")
    return found


def _numbered(text: bytes, origin: str, wnids: dict[int, str]) -> dict[str, str]:
    """Line 1 is the class of image 1, as an ILSVRC2012_ID."""
    found = {}
    for number, line in enumerate(text.decode("ascii", "replace").splitlines(), start=1):
        word = line.strip()
        wnid = wnids.get(int(word)) if NUMBER.fullmatch(word) else None
        if wnid is None:
            raise InputError(
                f"{origin}: line {number}: {word[:20]!r} is the ILSVRC2012_ID of no class"
            )
        found[f"ILSVRC2012_val_{number:08d}"] = wnid
    return found


def _synsets(data: bytes, origin: str) -> dict[int, str]:
    """Wnids by ILSVRC2012_ID of synsets without children, which are the classes."""
    import numpy as np  # which planning does without
    from scipy.io import loadmat

    try:
        _require_bounded(data)
        mat = loadmat(io.BytesIO(data), squeeze_me=True, variable_names=["synsets"])
        rows = [
            (int(row["ILSVRC2012_ID"]), str(row["WNID"]))
            for row in np.atleast_1d(mat["synsets"])
            if int(row["num_children"]) == 0
        ]
    except Exception as error:  # broken files raise nearly anything
        raise InputError(
            f"{origin}: not the kit's table of synsets ({type(error).__name__}: {error})"
        ) from None
    found = dict(rows)
    if len(found) < len(rows):
        raise InputError(f"{origin}: an ILSVRC2012_ID stands for two synsets")
    return found


def _require_bounded(data: bytes) -> None:
    """See that no element of a MAT-file unpacks to more than `MOST` bytes.

    Raises:
        ValueError: if one does.
    """
    order = ">" if data[HEAD - 2 : HEAD] == b"MI" else "<"
    place = HEAD
    while place + TAG <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, place)
        place += TAG
        if kind == COMPRESSED:
            unpacking = zlib.decompressobj()
            unpacking.decompress(data[place : place + size], MOST)
            if unpacking.unconsumed_tail:
                raise ValueError(f"more than {MOST} bytes once it is unpacked")
        place += size


def _solution(path: Path) -> Iterator[tuple[str, str]]:
    """Image and wnid of every row; all boxes of an image show one class."""
    for number, row in _rows(path):
        image, words = row["ImageId"] or "", (row["PredictionString"] or "").split()
        wnids = set(words[::IN_BOX])
        if not IMAGE.fullmatch(image):
            raise InputError(f"{path}: line {number}: {image[:100]!r} is no name of an image")
        if len(wnids) != 1:
            has = f"names {listing(sorted(wnids))}" if wnids else "names no class"
            raise InputError(f"{path}: line {number}: {image} {has}; one is expected")
        yield image, wnids.pop()


def _rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    try:
        text = _read(path).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = [(reader.line_num, row) for row in reader]
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    except csv.Error as error:
        raise InputError(f"{path}: {error}") from None
    if missing := {"ImageId", "PredictionString"} - set(reader.fieldnames or ()):
        raise InputError(f"{path}: the first line names no column {listing(sorted(missing))}")
    if repeated := repeats(row["ImageId"] for _, row in rows):
        raise InputError(f"{path}: {listing(repeated)} is listed twice; remove one")
    return rows
