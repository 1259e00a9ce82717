"""Columns of Parquet files of others, as what they mean: texts, numbers, and nothing else.

Texts are read as dictionaries, so that one that millions of rows share is held, and looked at,
once.
"""

from __future__ import annotations

import codecs
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from susx.core.errors import InputError, listing
from susx.core.plain import LONGEST_CAPTION

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BYTES = 4 * (LONGEST_CAPTION + 1)
"""Most bytes of so many characters and one more in UTF-8, which tells that a text was cut."""

CAPTION = "caption"
"""Column of captions, where a configuration names none."""
CAPTIONS = (CAPTION, "text")
"""In any case: of clip-retrieval, CC12M, img2dataset, RedCaps; and of LAION (`TEXT`), DataComp,
COYO."""


@contextmanager
def opened_columns(
    source: str | IO[bytes], path: str, texts: Sequence[str], others: Sequence[str], keys: str
) -> Iterator[tuple[pq.ParquetFile, list[str]]]:
    """Open a Parquet file, and tell which of some columns it has.

    Args:
        source: file, or a stream of it.
        path: its name, for error messages.
        texts: columns that hold texts where they are there.
        others: columns that hold texts, numbers or flags where they are there.
        keys: configuration keys that name `texts`, for error messages.

    Raises:
        InputError: if the file is broken, or a column holds something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(source)
        require_distinct(schema.names, (*texts, *others), path)
        there = [name for name in dict.fromkeys((*texts, *others)) if name in schema.names]
        for name in there:
            kind = schema.field(name).type
            if name in texts and not (is_text(kind) or pa.types.is_null(kind)):
                raise InputError(
                    f'{path}: column "{name}" holds {kind}, not text; set {keys} of the pool'
                )
            if pa.types.is_nested(kind):
                raise InputError(
                    f'{path}: column "{name}" holds {kind}, neither text nor number; rename it, '
                    "or take it out of metadata_columns of the pool"
                )
        encoded = [name for name in there if is_text(schema.field(name).type)]
        with pq.ParquetFile(source, read_dictionary=encoded) as file:
            yield file, there
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable Parquet file ({error})") from None


def require_distinct(there: Sequence[str], names: Collection[str], path: str) -> None:
    """Stop where a file has several columns of one name, as joined tables do.

    Args:
        there: columns of the file.
        names: those that are needed.
        path: its name, for error messages.

    Raises:
        InputError: naming the column.
    """
    if repeated := [name for name in dict.fromkeys(names) if there.count(name) > 1]:
        raise InputError(f"{path}: several columns are called {listing(repeated)}; rename one")


def require_columns(file: pq.ParquetFile, path: str, names: Collection[str], keys: str) -> None:
    """Stop where a file lacks a column.

    Raises:
        InputError: naming the column, those that are there, and the keys to set.
    """
    there = file.schema_arrow.names
    require_distinct(there, names, path)
    for name in names:
        if name not in there:
            raise InputError(
                f'{path}: no column "{name}" (has {listing(there, 12)}); set {keys} of the pool'
            )


def caption_column(configured: str, there: Sequence[str], path: str) -> str:
    """The column of captions that a file has, where the configuration names none.

    Args:
        configured: name of the column in the configuration.
        there: columns of the file.
        path: its name, for error messages.

    Raises:
        InputError: if the column that is configured is missing, or none is, and several may be it.
    """
    if configured in there:
        return configured
    found = [name for name in there if name.casefold() in CAPTIONS]
    if configured != CAPTION or len(found) > 1:
        wanted = (
            f'no column "{configured}"' if configured != CAPTION else "several columns of texts"
        )
        raise InputError(
            f"{path}: {wanted} (has {listing(there, 12)}); set caption_column of the pool"
        )
    return found[0] if found else configured


def only_named(there: Sequence[str], known: Collection[str]) -> str | None:
    """The column of the first known name, as it stands there; else the only one in any case."""
    usual, *_ = known
    if usual in there:
        return usual
    found = [name for name in there if name.casefold() in known]
    return found[0] if len(found) == 1 else None


def records(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Rows of a table, with texts as `values` gives them."""
    columns = [values(column) for column in batch.columns]
    rows = zip(*columns, strict=True) if columns else [()] * batch.num_rows
    for row in rows:
        yield dict(zip(batch.schema.names, row, strict=True))


def values(column: pa.Array) -> list[Any]:
    """Values of a column; texts, also of bytes, are cut after `LONGEST_CAPTION` + 1 characters.

    Raises:
        UnicodeDecodeError: if a text is not UTF-8; what is no text but bytes may be.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not is_text(column.type):
        found: list[Any] = column.to_pylist()
        return found
    if not pa.types.is_dictionary(column.type):
        whole = pa.large_binary() if is_bytes(column.type) else pa.large_string()
        column = column.cast(whole).dictionary_encode()
    used = pc.unique(column.indices).drop_null()
    errors = "replace" if is_bytes(column.type) else "strict"
    pieces = pc.binary_slice(column.dictionary.take(used).cast(pa.large_binary()), 0, BYTES)
    texts = [None if piece is None else _text(piece, errors) for piece in pieces.to_pylist()]
    known = dict(zip(used.to_pylist(), texts, strict=True))
    return [known.get(index) for index in column.indices.to_pylist()]


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds texts, or bytes, which are texts where text is looked for."""
    import pyarrow as pa

    types = pa.types
    plain = kind.value_type if types.is_dictionary(kind) else kind
    tests = types.is_string, types.is_large_string, types.is_string_view
    return any(test(plain) for test in tests) or is_bytes(kind)


def is_bytes(kind: pa.DataType) -> bool:
    """Whether a column holds bytes, which may be no UTF-8."""
    import pyarrow as pa

    types = pa.types
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return any(
        test(kind) for test in (types.is_binary, types.is_large_binary, types.is_binary_view)
    )


def _text(data: bytes, errors: str) -> str:
    if len(data) < BYTES:
        return data.decode("utf-8", errors)
    start = codecs.getincrementaldecoder("utf-8")(errors).decode(data)  # but for half a character
    return start[: LONGEST_CAPTION + 1]
