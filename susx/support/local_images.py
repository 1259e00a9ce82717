"""Images of published embeddings that lie on this machine, as clip-retrieval indexes them."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from susx.core.files import sha256_file, write_checked

SCHEME: Final = "file:"
"""Of paths relative to the pool's folder of images, so that both can be moved."""
MISSING: Final = "no such file"
Inspect = Callable[[io.BytesIO], tuple[Any, ...]]


def local_address(text: object, folder: str) -> str:
    """Address of an image by its path, or nothing if it does not lie below a folder.

    Args:
        text: path, absolute or relative to the folder.
        folder: of the images of a pool.
    """
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        return ""
    root = os.path.abspath(folder)  # noqa: PTH100 - a million paths: pathlib takes ten times as long
    path = os.path.normpath(os.path.join(root, text.strip()))  # noqa: PTH118
    return f"{SCHEME}{quote(path[len(root) + 1 :])}" if path.startswith(f"{root}{os.sep}") else ""


def read_local(
    urls: Sequence[str], folder: str, most_bytes: int, inspect: Inspect
) -> Iterable[tuple[dict[str, Any], bytes]]:
    """Read images by the addresses that `local_address` gave.

    Args:
        urls: addresses.
        folder: of the images of the pool.
        most_bytes: of a file.
        inspect: what img2dataset calls a resizer, see `susx.support.waves.Inspector`.

    Yields:
        A row of img2dataset's table, and the bytes of the image, none if it is not usable.
    """
    root = Path(folder).resolve()
    for number, url in enumerate(urls):
        data, reason = _read(root / unquote(url.removeprefix(SCHEME)), root, most_bytes)
        width = height = None
        if not reason:
            found, width, height, _, _, reason = inspect(io.BytesIO(data))
            data = found or b""
        yield (
            {
                "address": url,
                "key": f"{number:09d}",
                "status": "failed" if reason else "success",
                "error_message": reason,
                "width": width,
                "height": height,
                "sha256": None if reason else hashlib.sha256(data).hexdigest(),
            },
            b"" if reason else data,
        )


def _read(path: Path, root: Path, most_bytes: int) -> tuple[bytes, str | None]:
    """Bytes of a file, or why they are not read."""
    try:
        if not path.resolve().is_relative_to(root):  # a link may lead elsewhere
            return b"", "lies outside the folder of images"
        if not path.is_file():  # nor is a pipe, which would never end
            return b"", MISSING
        with path.open("rb") as stream:
            data = stream.read(most_bytes + 1)
    except OSError as error:
        return b"", error.strerror or type(error).__name__
    return (b"", f"larger than {most_bytes} bytes") if len(data) > most_bytes else (data, None)


def write_wave(rows: Iterable[tuple[dict[str, Any], bytes]], folder: Path) -> None:
    """Write images and their table as img2dataset does: `0.tar` and `0.parquet` in a new folder."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from webdataset import TarWriter

    folder.mkdir()
    records = []
    with (folder / "0.tar").open("wb") as stream, TarWriter(stream, mtime=0, encoder=False) as tar:
        for record, data in rows:
            records.append(record)
            if data:
                tar.write({"__key__": record["key"], "jpg": data})
    pq.write_table(pa.Table.from_pylist(records), folder / "0.parquet")


def note_wave(folder: Path, fingerprints: dict[str, str]) -> None:
    """Write what vouches for a wave: fingerprints by hash, and the hash of its table."""
    notes = {"parquet": sha256_file(folder / "0.parquet"), "fingerprints": fingerprints}
    write_checked(folder / "fingerprints.json", notes)
