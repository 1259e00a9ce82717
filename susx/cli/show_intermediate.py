"""What the files between the stages are, as named facts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from susx.core.errors import InputError, listing
from susx.core.files import read_json, verified
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import TABLE_VERSION, ImageRecord, SupportRecord, read_table

Fact = tuple[str, Any]
Facts = tuple[str, list[Fact]]

JSON_KINDS = {
    "susx-analysis": "analysis of one row, for the report",
    "susx-descriptions": "texts that a language model wrote",
    "susx-prompts": "texts of a prompt strategy",
    "susx-receipt": "receipt: what an artifact was made from",
    "susx-replies": "replies of a language model",
}
"""Files by their format, without its version."""
JSON_KEYS = {
    "evaluation of one encoder": {"encoder", "runs", "skipped"},
    "listing of downloaded files": {"address", "files"},
    "answers of a service": {"hits"},
    "check of a dataset": {"source", "problems", "splits"},
}
"""Files that name no format, by keys that they have."""
SHOWN_VALUE = 60
"""Characters of a text that is shown as it is; what is longer would break the table's lines."""
OTHERS = {
    ".csv": "a table of susx or of others, as text",
    ".html": "a page; open it with a browser",
    ".log": "the log of a job, as text",
    ".png": "a figure or another image; open it with a viewer of images",
    ".svg": "a figure; open it with a browser",
    ".tar": "images; the manifest of the same folder lists them",
    ".tsv": "what a job took, measured by Snakemake, as text",
}
"""Files that other programs show, by suffix."""

POOL_TAR = "a tar that no manifest lies beside, such as one of a pool; `tar -tf` lists it"
OWN_FOLDERS = {
    "meanings": "hash of an artifact's content, by which what follows from it is looked up",
    "memory": "what is remembered of inputs, to read none twice; it is made again if it is deleted",
}
"""What the pipeline keeps for itself in the folder `work`, by folder."""


def other_kind(path: Path) -> str:
    """What a file is that is no table, result or artifact to be read; empty if it may be one."""
    for folder in path.absolute().parents:
        if folder.name in OWN_FOLDERS and (folder.parent / "memory").is_dir():
            return OWN_FOLDERS[folder.name]
    is_ours = path.name == "images.tar" or (path.parent / "manifest.parquet").exists()
    if path.suffix == ".tar" and not is_ours:
        return POOL_TAR
    return OTHERS.get(path.suffix, "")


def json_facts(path: Path, data: Any) -> Facts:
    """Title and facts of a JSON file of the pipeline that is no result.

    Raises:
        InputError: if it is none, or its checksum does not fit.
    """
    if not isinstance(data, Mapping):
        raise InputError(f"{path}: JSON, but no file of susx")
    said = str(data.get("format") or data.get("schema") or "")
    kind = re.sub(r"-\d+$", "", said)
    if kind == "susx-classes":
        return _classes(path)
    names = [title for title, keys in JSON_KEYS.items() if keys <= data.keys()]
    other = "notes of susx" if len(str(data.get("sha256"))) == 64 else ""  # in hex
    title = JSON_KINDS.get(kind) or next(iter(names), other)
    if not title:
        raise InputError(
            f"{path}: JSON, but no file of susx; its keys are {listing(data) or 'none'}"
        )
    if "sha256" in data:
        data = verified(path, data, "the rule that writes it makes it again")
    return title, [("format", said), *_values(data)]


def table_facts(path: Path, form: str) -> Facts:
    """Title and facts of a manifest or candidates, by the format that its metadata state.

    Raises:
        InputError: if it is no table of this version of susx, or damaged.
    """
    from susx.support.retrieval import Candidate

    kinds: dict[str, tuple[type, str]] = {
        "ImageRecord": (ImageRecord, "image manifest"),
        "SupportRecord": (SupportRecord, "support manifest"),
        "Candidate": (Candidate, "candidates of a support set"),
    }
    name = form.removeprefix("susx-").rpartition("-")[0]
    if name not in kinds:
        raise InputError(f"{path}: Parquet, but no table of susx")
    if form != f"susx-{name}-{TABLE_VERSION}":
        raise InputError(f"{path}: a table {form} of another version of susx")
    kind, title = kinds[name]
    table = read_table(path, kind)
    kept = [r for r in table.records if getattr(r, "kept", True) and not getattr(r, "reason", "")]
    pairs = [
        ("rows", len(table.records)),
        ("kept and readable", len(kept) if kind is not Candidate else None),
        ("classes", len({record.label for record in table.records})),
        ("class list", table.classes_sha256[:12]),
    ]
    return title, [*pairs, *_values(table.meta)]


def _classes(path: Path) -> Facts:
    manifest = ClassManifest.read(path)
    with_aliases = sum(bool(entry.aliases) for entry in manifest)
    return "class manifest", [
        ("classes", f"{len(manifest)}: {listing(manifest.names, 6)}"),
        ("with other names", with_aliases),
        ("class list", manifest.sha256[:12]),
    ]


def _values(data: Mapping[str, Any]) -> Iterator[Fact]:
    """Entries of a file: short ones as they are, of others how many there are."""
    for name, value in data.items():
        if isinstance(value, Mapping | list):
            yield name, f"{len(value)} entries"
        elif name not in ("format", "schema", "sha256"):
            yield name, str(value)[:SHOWN_VALUE]


def read_kind(path: Path) -> tuple[Any, bool]:
    """A JSON file, and whether it says that it is a result."""
    data = read_json(path)
    said = data.get("schema") if isinstance(data, Mapping) else None
    return data, str(said).startswith("susx-result")


def parquet_format(path: Path) -> str:
    """What the metadata of a Parquet file state as its format; empty if nothing.

    Raises:
        InputError: if it is no Parquet.
    """
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
        return str(metadata.get(b"format", b"").decode())
    except Exception as error:  # pyarrow raises many kinds for broken files
        raise InputError(f"{path}: no Parquet, or damaged ({error})") from None


def is_predictions(form: str) -> bool:
    """Whether a Parquet file of that format says that it holds predictions."""
    return form.startswith("susx-PredictionRecord-")
