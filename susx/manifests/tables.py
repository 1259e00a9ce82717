"""Tables of images and support images, as Parquet files with a checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from susx.core.errors import InputError
from susx.core.files import atomic

TABLE_VERSION = 4
AT_ONCE = 4096
"""Values of a column that are in memory twice: a MB where they are captions."""


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image of a manifest; `reason` says why it cannot be used, or is empty.

    `fingerprint` is its perceptual hash, see `susx.support.duplicates`.
    """

    key: str
    path: str
    label: int
    class_name: str
    sha256: str
    width: int
    height: int
    reason: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class SupportRecord:
    """One candidate of a support set; `label` is its class, wherever its file lies.

    Images of the web have a `url`, and `metadata`, a JSON object of columns of their pool. `query`
    is the number of the text that found it, among those of all classes; -1 where none did, or
    where the table was written before that was noted.
    """

    key: str
    label: int
    class_name: str
    rank: int
    score: float
    source: str
    location: str
    caption: str
    sha256: str
    width: int
    height: int
    kept: bool
    reason: str = ""
    url: str = ""
    metadata: str = ""
    fingerprint: str = ""
    query: int = -1


@dataclass(frozen=True)
class Table:
    """Records of one type with the hash of the classes their labels refer to."""

    records: list[Any]
    classes_sha256: str
    meta: dict[str, Any] = field(default_factory=dict)


def write_table(path: str | Path, table: Table, kind: type) -> None:
    """Write records as Parquet; its metadata carry the class hash and one of all contents."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    types |= {f"list[{name}]": pa.list_(kind) for name, kind in types.items()}
    metadata = {
        "format": f"susx-{kind.__name__}-{TABLE_VERSION}",
        "classes_sha256": table.classes_sha256,
        "meta": json.dumps(table.meta, sort_keys=True),
    }
    digest, columns = _begun(metadata), {}
    for column in fields(kind):
        values = [getattr(record, column.name) for record in table.records]
        _add(digest, column.name, values)
        columns[column.name] = pa.array(values, types[str(column.type)])
    made = pa.table(columns).replace_schema_metadata({**metadata, "sha256": digest.hexdigest()})
    with atomic(path) as temporary:
        pq.write_table(made, temporary, write_page_checksum=True)


def read_table(path: str | Path, kind: type, classes_sha256: str | None = None) -> Table:
    """Read records written by `write_table`.

    Raises:
        InputError: if the file is broken, of another kind, or belongs to another class list.
    """
    import pyarrow.parquet as pq

    advice = "delete it and run again"
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            data = file.read()
        metadata = {k.decode(): v.decode() for k, v in (data.schema.metadata or {}).items()}
        columns = {name: _values(data[name]) for name in data.schema.names}
        del data
        stated = metadata.pop("sha256", None)
        digest = _begun(metadata)
        for name, values in columns.items():
            _add(digest, name, values)
        fits = stated == digest.hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: file not found; run the pipeline to build it") from None
    except Exception as error:  # pyarrow raises many kinds for broken files
        raise InputError(f"{path}: unreadable ({error}); {advice}") from None
    if metadata.get("format") != f"susx-{kind.__name__}-{TABLE_VERSION}":
        raise InputError(f"{path}: not a table of {kind.__name__}, or of another version; {advice}")
    if not fits:
        raise InputError(f"{path}: contents do not fit the stored checksum; {advice}")
    stored = metadata["classes_sha256"]
    if classes_sha256 is not None and stored != classes_sha256:
        raise InputError(
            f"{path}: belongs to another class list ({stored[:12]}, expected "
            f"{classes_sha256[:12]}); {advice}"
        )
    rows = zip(*columns.values(), strict=True)
    records = [kind(**dict(zip(columns, row, strict=True))) for row in rows]
    return Table(records, stored, json.loads(metadata["meta"]))


def _values(column: Any) -> list[Any]:
    """Values of a column of Arrow; equal texts are one object, which many rows share."""
    parts = (column.slice(start, AT_ONCE) for start in range(0, len(column), AT_ONCE))
    values = (value for part in parts for value in part.to_pylist())
    if str(column.type) != "string":
        return list(values)
    known: dict[str, str] = {}
    return [known.setdefault(text, text) for text in values]


def _begun(metadata: Mapping[str, str]) -> hashlib._Hash:
    """SHA-256 of a table, whatever its pages and encodings, before its columns."""
    return hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())


def _add(digest: hashlib._Hash, name: str, values: Sequence[Any]) -> None:
    """Add a column as the JSON text `[name, values]`, which may be larger than the values."""
    digest.update(f"[{json.dumps(name, ensure_ascii=False)}, [".encode())
    for start in range(0, len(values), AT_ONCE):
        part = json.dumps(values[start : start + AT_ONCE], ensure_ascii=False)
        digest.update((", " if start else "").encode() + part[1:-1].encode())
    digest.update(b"]]")
