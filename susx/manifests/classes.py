"""Class, image and support manifests: what every later stage takes labels from."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from slugify import slugify

from susx.core.errors import InputError, listing, suggestion
from susx.core.files import sha256_json, write_json
from susx.core.plain import INVISIBLE
from susx.manifests.tables import ImageRecord, SupportRecord, Table

FORMAT = "susx-classes-1"
MAX_NAME = 500
MAX_SLUG = 80
OF_JSON = re.compile(r"""\[\s*(["'].*["']|[\[{].*[\]}])\s*,?\s*\]|\{\s*["'0-9].*\}""", re.DOTALL)
OF_HTML = re.compile(r"<.*>", re.DOTALL)
BULLETS = tuple(f"{bullet} " for bullet in "-*•–")
QUOTED = re.compile(r"""(["']).*\1,?""")
WNID = re.compile(r"n[0-9]{8}\b.*|.*\bn[0-9]{8}")
"""Of ImageNet: a part of speech and an offset of eight digits."""
NUMBERED = (
    re.compile(r"([0-9]{1,6})(?:[,;:\t]|[.)]\s).*"),
    re.compile(r".*[,;:=\t]\s*([0-9]{1,6})"),
)
"""Columns with the number of a class, up to a million of them, before or behind its name."""
COUNTED = re.compile(r"([0-9]{1,6})\s+\S.*")
"""Lines such as `1 001.Black_footed_Albatross` of CUB: one by one they may be names (`7 Up`)."""
COLUMNS = re.compile(r".*[^\s0-9],\S.*")
"""A comma without space, as CSV has it and `tench, Tinca tinca` and `1,000 yen` have not."""
HEADINGS = frozenset(
    f"{noun}{end}"
    for nouns in ("class classes", "label labels", "name names", "category categories")
    for noun in nouns.split()
    for end in ("", ":", "name", " name", "_name")
)
"""First lines that name a column, or a key of YAML."""


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
        InputError: if the file is missing, is not UTF-8, is plainly of another format, or a line
            begins with `#`.
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
    if form := _other_form(text.strip(), [line.strip() for line in lines]):
        raise InputError(
            f"{path}: {form}; write one class name per line and nothing else, or list the names "
            "under `classes` in the configuration if they are so"
        )
    return lines


def _other_form(text: str, lines: Sequence[str]) -> str:
    """What a class list is instead; empty if names may well be written so."""
    if OF_JSON.fullmatch(text):
        return "a list or mapping as of JSON"
    if OF_HTML.fullmatch(text):
        return "HTML"
    if len(lines) > 1 and lines[0].casefold() in HEADINGS:
        return f'its first line, "{lines[0]}", is the heading of a column'
    for what, is_so in (
        ("begins with a bullet", lambda line: line.startswith(BULLETS)),
        ("is in quotes", QUOTED.fullmatch),
        ("has an identifier of WordNet", WNID.fullmatch),
        ("has columns of CSV", COLUMNS.fullmatch),
    ):
        if lines and all(map(is_so, lines)):
            return f"every line {what}"
    if len(lines) > 2 and all(line.endswith(",") for line in lines[:-1]):
        return "lines end in commas"
    n_rows = len(lines) - 1  # a first line may name columns
    for pattern, least in (*((pattern, n_rows) for pattern in NUMBERED), (COUNTED, len(lines))):
        found = [pattern.fullmatch(line) for line in lines]
        numbers = [int(match[1]) for match in found if match]
        if len(numbers) >= max(2, least) and numbers in (
            list(range(len(numbers))),
            list(range(1, len(numbers) + 1)),
        ):
            return "lines number the classes, as in a table"
    return ""


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
