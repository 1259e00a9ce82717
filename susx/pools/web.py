"""Pools without images: which shards they have, without opening any.

Parsing the workflow asks for this on every call, so that a remote listing is remembered in a file;
delete that to list again. Braces need no listing at all.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from braceexpand import braceexpand
from slugify import slugify

from susx.config.pools import CaptionPool, EmbeddingPool, ServicePool
from susx.core.errors import InputError
from susx.core.files import read_checked, write_checked
from susx.core.patterns import matching

WebPool = EmbeddingPool | CaptionPool | ServicePool
NUMBER = re.compile(r"\d+$")
FOLDERS = {
    "path": ("img_emb/*.npy", "images/*.npy"),
    "metadata": ("metadata/*.parquet", "*-metadata/*.parquet"),
}
"""Files of published embeddings: of clip-retrieval and LAION; in LAION-400M the arrays are in
`images`, in LAION-5B the tables in `laion2B-en-metadata` and the like."""


class NothingMatches(InputError):
    """No file matches a pattern."""


@dataclass(frozen=True)
class WebShard:
    """One shard of a pool without images.

    Attributes:
        path: file of embeddings or captions, or address of a service.
        metadata: Parquet file whose rows belong to those of the embeddings.
        array: array of an .npz file.
        storage: options of the fsspec file system.
        images: folder of the images, where the metadata have paths in place of addresses.
    """

    path: str
    metadata: str = ""
    array: str = ""
    url_column: str = "url"
    caption_column: str = "caption"
    metadata_columns: Sequence[str] = ()
    storage: Mapping[str, Any] = field(default_factory=dict)
    images: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """All fields; of pools on the web, without the folder that they do not have."""
        return {k: v for k, v in vars(self).items() if v or k != "images"}

    @property
    def local_files(self) -> list[str]:
        """The files that are on this machine."""
        return [path for path in (self.path, self.metadata) if path and not is_remote(path)]


def stem(path: str) -> str:
    """Name of a file without its folder and suffix."""
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def number(path: str) -> str:
    """The number at the end of a file's name, or else its name."""
    found = NUMBER.search(stem(path))
    return str(int(found[0])) if found else stem(path)


NAMINGS = (stem, number)
"""What files that belong together share, surest first."""


def is_remote(path: str) -> bool:
    """Whether a path is a URL."""
    return "://" in path


def web_shards(pool: WebPool, origin: str, remembered: str | Path) -> dict[str, WebShard]:
    """Enumerate the shards of a pool by name.

    Args:
        pool: section of the configuration.
        origin: its key, for error messages.
        remembered: JSON file that keeps what a remote file system listed.

    Raises:
        InputError: if a pattern matches nothing, files do not pair, or two shards share a name.
    """
    if isinstance(pool, ServicePool):
        return {"service": WebShard(pool.url)}
    files, metadata = _files(pool, origin, Path(remembered))
    shards: dict[str, WebShard] = {}
    for path, partner in zip(files, metadata, strict=True):
        name = slugify(stem(path)) or "shard"
        if name in shards:
            raise InputError(
                f'{origin}.path: {shards[name].path} and {path} would both be shard "{name}"; '
                "give the files different names"
            )
        shards[name] = WebShard(
            path,
            partner,
            array=getattr(pool, "array", None) or "",
            images=getattr(pool, "images", None) or "",
            **pool.of_shards,
        )
    return shards


def _files(
    pool: EmbeddingPool | CaptionPool, origin: str, remembered: Path
) -> tuple[list[str], list[str]]:
    if isinstance(pool, CaptionPool):
        files = expanded(pool.path, pool.storage, f"{origin}.path", remembered)
        return files, [""] * len(files)
    files, partners = (
        first_matching(found, pool.storage, f"{origin}.{key}", remembered)
        for key, found in file_patterns(pool, origin).items()
    )
    return files, paired(files, partners, origin)


def file_patterns(pool: EmbeddingPool, origin: str) -> dict[str, list[str]]:
    """Where the files of embeddings (`path`) and of `metadata` may lie, best first.

    Raises:
        InputError: if settings are missing or contradict each other.
    """
    path, metadata = pool.path, pool.metadata
    is_folder = not path.endswith((".npy", ".npz"))
    if is_folder == (metadata is not None):
        raise InputError(
            f"{origin}.metadata: "
            + ("is for .npy or .npz files; `path` is a folder" if is_folder else "missing")
        )
    if path.endswith(".npz") and pool.array is None:
        raise InputError(f"{origin}.array: missing; .npz files hold several arrays")
    if not is_folder:
        return {"path": [path], "metadata": [str(metadata)]}
    folder = path.rstrip("/")
    return {key: [f"{folder}/{name}" for name in names] for key, names in FOLDERS.items()}


def first_matching(
    patterns: Sequence[str], storage: Mapping[str, Any], origin: str, remembered: Path
) -> list[str]:
    """Files of the first pattern that matches any.

    Raises:
        InputError: if none does; of the first one.
    """
    problems = []
    for pattern in patterns:
        try:
            return expanded(pattern, storage, origin, remembered)
        except NothingMatches as error:
            problems.append(error)
    raise problems[0]


def paired(files: list[str], partners: list[str], origin: str) -> list[str]:
    """The metadata file of every embedding file: of the same name, or else the same number.

    Raises:
        InputError: if one has no partner.
    """
    for name in NAMINGS:
        by_name = {name(path): path for path in partners}
        if len(by_name) == len(partners) and {name(path) for path in files} == set(by_name):
            return [by_name[name(path)] for path in files]
    lacking = [path for path in files if number(path) not in {number(p) for p in partners}]
    raise InputError(
        f"{origin}: {len(files)} files of embeddings and {len(partners)} of metadata do not pair "
        f"by name or number; {lacking[0] if lacking else files[0]} has no partner"
    )


def expanded(pattern: str, storage: Mapping[str, Any], origin: str, remembered: Path) -> list[str]:
    """Files that a pattern with braces and wildcards stands for, in its order; else by name.

    Raises:
        InputError: if none matches, or a remote file system cannot be listed.
    """
    paths: list[str] = []
    for part in braceexpand(pattern):
        if not glob.has_magic(part):
            paths.append(part)
        elif is_remote(part):
            paths += _listed(part, storage, origin, remembered)
        else:
            paths += matching(part)
    if not paths:
        raise NothingMatches(f"{origin}: no file matches {pattern}")
    return paths


def _listed(pattern: str, storage: Mapping[str, Any], origin: str, remembered: Path) -> list[str]:
    """List a remote pattern once."""
    import fsspec

    known = read_checked(remembered, "delete it") if remembered.exists() else {}
    if pattern not in known:
        try:
            system, path = fsspec.core.url_to_fs(pattern, **storage)
            found = [system.unstrip_protocol(name) for name in sorted(system.glob(path))]
        except Exception as error:  # file systems raise many kinds
            raise InputError(f"{origin}: cannot list {pattern} ({error})") from None
        if not found:
            raise NothingMatches(f"{origin}: no file matches {pattern}")
        known[pattern] = found
        write_checked(remembered, known)
    listed: list[str] = known[pattern]
    return listed
