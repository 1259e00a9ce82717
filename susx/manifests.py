"""Class, image and support manifests: what every later stage takes labels from."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from slugify import slugify

from susx.errors import InputError, listing, suggestion
from susx.files import atomic, sha256_json, write_json
from susx.plain import INVISIBLE

FORMAT = "susx-classes-1"
TABLE_VERSION = 4
MAX_NAME = 500
MAX_SLUG = 80


@dataclass(frozen=True)
class ClassName:
    """One class: `index` is its label everywhere, `slug` its name in paths."""

    index: int
    name: str
    slug: str
    aliases: tuple[str, ...] = ()
    wnid: str | None = None

    @property
    def prompt_name(self) -> str:
        """The name as it is put into a prompt."""
        return self.name.replace("_", " ")


@dataclass(frozen=True)
class ClassManifest:
    """The ordered classes of a dataset."""

    classes: tuple[ClassName, ...]

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Any:
        return iter(self.classes)

    @cached_property
    def names(self) -> list[str]:
        """Class names in label order."""
        return [entry.name for entry in self.classes]

    @cached_property
    def sha256(self) -> str:
        """Hash of the canonical form; every file with labels carries it."""
        return sha256_json([asdict(entry) for entry in self.classes])

    @cached_property
    def _lookups(self) -> tuple[dict[str, int | None], dict[str, int | None]]:
        """Index by exact and by folded spelling, None where two classes share one."""
        exact: dict[str, int | None] = {}
        folded: dict[str, int | None] = {}
        for keys in (
            lambda c: [c.name],
            lambda c: [c.slug, *([c.wnid] if c.wnid else [])],
            lambda c: c.aliases,
        ):
            for lookup, spell in ((exact, str), (folded, _folded)):
                owners: dict[str, set[int]] = defaultdict(set)
                for entry in self.classes:
                    for key in keys(entry):
                        owners[spell(key)].add(entry.index)
                for key, indices in owners.items():
                    lookup.setdefault(key, indices.pop() if len(indices) == 1 else None)
        return exact, folded

    def find(self, label: str) -> int | None:
        """Return the index of a class by name, slug, wnid or alias, or None.

        Exact spellings win; case, underscores and surrounding space are then ignored.
        """
        exact, folded = self._lookups
        return exact[label] if label in exact else folded.get(_folded(label))

    def write(self, path: str | Path) -> None:
        """Write the manifest as JSON."""
        data = {
            "format": FORMAT,
            "sha256": self.sha256,
            "classes": [asdict(entry) for entry in self.classes],
        }
        write_json(path, data)

    @classmethod
    def read(cls, path: str | Path) -> ClassManifest:
        """Read a manifest.

        Raises:
            InputError: if the file is not a class manifest or its hash does not fit.
        """
        try:
            data = json.loads(Path(path).read_text("utf-8-sig"))
            classes = [
                ClassName(**{**entry, "aliases": tuple(entry["aliases"])})
                for entry in data["classes"]
            ]
            stored = data["sha256"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"{path}: not a class manifest ({error}); delete it, rule class_manifest "
                "rebuilds it"
            ) from None
        manifest = cls(tuple(classes))
        if manifest.sha256 != stored:
            raise InputError(
                f"{path}: contents do not fit the stored hash; delete it, rule class_manifest "
                "rebuilds it"
            )
        return manifest


def class_manifest(
    entries: Sequence[str | Mapping[str, Any]], origin: str = "classes"
) -> ClassManifest:
    """Build the manifest of class names in label order.

    Args:
        entries: names, or mappings with `name` and optionally `aliases` and `wnid`.
        origin: file or key that the names come from, for error messages.

    Raises:
        InputError: for empty, over-long or duplicate names, naming both places.
    """
    rows = [{"name": entry} if isinstance(entry, str) else dict(entry) for entry in entries]
    if not rows:
        raise InputError(f"{origin}: no class names; give at least one")
    first: dict[str, int] = {}
    for position, row in enumerate(rows, start=1):
        name = row["name"] = row["name"].strip()
        if not name:
            raise InputError(f"{origin}: entry {position} is empty; remove it or name the class")
        for text in (name, *(row.get("aliases") or ()), row.get("wnid") or ""):
            _check_readable(text, f"{origin}: entry {position}")
        if name in first:
            raise InputError(
                f'{origin}: class "{name}" stands at entries {first[name]} and {position}; '
                "names must be unique"
            )
        first[name] = position
    slugs = _slugs([row["name"] for row in rows])
    return ClassManifest(
        tuple(
            ClassName(
                index=index,
                name=row["name"],
                slug=slug,
                aliases=tuple(row.get("aliases") or ()),
                wnid=row.get("wnid"),
            )
            for index, (row, slug) in enumerate(zip(rows, slugs, strict=True))
        )
    )


def _check_readable(text: str, place: str) -> None:
    if len(text) > MAX_NAME:
        raise InputError(
            f"{place} ({text[:40]!r}...) has {len(text)} characters; a name has at most {MAX_NAME}"
        )
    if not text.isprintable() or INVISIBLE.search(text):
        raise InputError(f"{place} ({text!a}) contains a control or invisible character; remove it")


def read_class_list(path: str | Path) -> list[str]:
    """Read a text file with one class name per line; trailing blank lines are ignored.

    There are no comments: a line that begins with `#` is an error rather than a class of that name.

    Raises:
        InputError: if the file is missing, is not UTF-8, or a line begins with `#`.
    """
    try:
        text = Path(path).read_text("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: file not found") from None
    except IsADirectoryError:
        raise InputError(f"{path}: a folder; name a text file with one class per line") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; save the class list as UTF-8") from None
    lines = text.rstrip().split("\n") if text.strip() else []
    for number, line in enumerate(lines, start=1):
        if line.lstrip().startswith("#"):
            raise InputError(
                f"{path}: line {number} begins with #, but a class list has no comments; remove "
                "it, or list the names under `classes` in the configuration if it is one"
            )
    return lines


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class SupportRecord:
    """One candidate of a support set; `label` is its class, wherever its file lies.

    Images of the web have a `url`, and `metadata`, a JSON object of columns of their pool.
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


@dataclass(frozen=True)
class Table:
    """Records of one type with the hash of the classes their labels refer to."""

    records: list[Any]
    classes_sha256: str
    meta: dict[str, Any] = field(default_factory=dict)


def embedded_records(table: Table) -> list[Any]:
    """The records whose images are embedded: readable ones, and kept ones of a support set."""
    return [r for r in table.records if (r.kept if isinstance(r, SupportRecord) else not r.reason)]


def records_sha256(
    records: Iterable[ImageRecord | SupportRecord], views: int = 0, seed: int = 0
) -> str:
    """Hash of what is embedded: keys, labels and images, and their random views if there are any.

    A cache has it as `input_sha256`.
    """
    digest = sha256_json([[record.key, record.label, record.sha256] for record in records])
    return sha256_json([digest, views, seed]) if views else digest


def write_table(path: str | Path, table: Table, kind: type) -> None:
    """Write records as Parquet; its metadata carry the class hash and one of all contents."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns_of = {column.name: str(column.type) for column in fields(kind)}
    columns = {name: [getattr(record, name) for record in table.records] for name in columns_of}
    types = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    types |= {f"list[{name}]": pa.list_(kind) for name, kind in types.items()}
    metadata = {
        "format": f"susx-{kind.__name__}-{TABLE_VERSION}",
        "classes_sha256": table.classes_sha256,
        "meta": json.dumps(table.meta, sort_keys=True),
    }
    schema = pa.schema(
        [(name, types[type_name]) for name, type_name in columns_of.items()],
        metadata={**metadata, "sha256": _contents_sha256(columns, metadata)},
    )
    with atomic(path) as temporary:
        pq.write_table(pa.table(columns, schema=schema), temporary, write_page_checksum=True)


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
        columns = {name: data[name].to_pylist() for name in data.schema.names}
        stated = metadata.pop("sha256", None)
        fits = stated == _contents_sha256(columns, metadata)
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


def _contents_sha256(columns: Mapping[str, list[Any]], metadata: Mapping[str, str]) -> str:
    """SHA-256 of a table, whatever its pages and encodings."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, values in columns.items():
        digest.update(json.dumps([name, values], ensure_ascii=False).encode())
    return digest.hexdigest()


def find_all(manifest: ClassManifest, labels: Iterable[str], origin: str) -> dict[str, int]:
    """Map labels of outside data to class indices.

    Raises:
        InputError: if a label names no class, or two labels name the same one.
    """
    found: dict[str, int] = {}
    owner: dict[int, str] = {}
    for label in labels:
        index = manifest.find(label)
        if index is None:
            hint = suggestion(label, manifest.names) or (
                f"; the classes are {listing(manifest.names)}"
            )
            raise InputError(f'{origin}: "{label}" names no class{hint}')
        if index in owner:
            raise InputError(
                f'{origin}: "{owner[index]}" and "{label}" both name class '
                f'"{manifest.names[index]}"; keep one'
            )
        found[label] = index
        owner[index] = label
    return found


def _folded(label: str) -> str:
    text = unicodedata.normalize("NFC", label.replace("_", " ").casefold())
    return " ".join(text.split())


def _slugs(names: Sequence[str]) -> list[str]:
    """Slugs of all names; those that are empty, cut or shared get a hash of the name."""
    plain = [slugify(name, max_length=MAX_SLUG) for name in names]
    hashed = [
        f"{slug or 'class'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        for slug, name in zip(plain, names, strict=True)
    ]
    uses = Counter(plain)
    unclear = [not slug or uses[slug] > 1 or len(slug) >= MAX_SLUG for slug in plain]
    taken = {slug for slug, unfit in zip(hashed, unclear, strict=True) if unfit}
    return [
        long if unfit or slug in taken else slug
        for slug, long, unfit in zip(plain, hashed, unclear, strict=True)
    ]
