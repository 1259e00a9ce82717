"""Fetching the files of a split: from the Hugging Face hub, or from a folder that fsspec opens."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from textwrap import shorten
from typing import Any

from tqdm import tqdm

from susx.core.errors import InputError, listing
from susx.core.files import atomic, read_checked, write_checked

HUB = ("hf://", "https://huggingface.co/")


@dataclass(frozen=True)
class DatasetDownload:
    """What was fetched.

    Attributes:
        address: where from; that of the hub names the commit.
        folder: where to.
        files: size in bytes, by path relative to the folder.
    """

    address: str
    folder: str
    files: dict[str, int]

    def write(self, path: str | Path) -> None:
        """Write it as JSON."""
        write_checked(path, asdict(self))

    @classmethod
    def read(cls, path: str | Path) -> DatasetDownload:
        """Read it, and see that its files are still there.

        Raises:
            InputError: if some are not, or the record is damaged.
        """
        found = cls(**read_checked(path, "delete it and run again"))
        lost = [
            name
            for name, size in found.files.items()
            if not (file := Path(found.folder, name)).is_file() or file.stat().st_size != size
        ]
        if lost:
            raise InputError(
                f"{path}: {found.folder} no longer holds {listing(lost)} as downloaded; delete "
                f"{path} and run again"
            )
        return found


def download_split(
    address: str,
    folder: str | Path,
    pattern: str,
    names: Sequence[str],
    key: str,
    threads: int = 1,
) -> DatasetDownload:
    """Fetch the files of a split that are not there yet.

    Args:
        address: dataset of the hub, or folder of any file system that fsspec knows.
        folder: where the files go.
        pattern: of the files.
        names: files that are fetched, too, if they exist.
        key: of `images` in config.yaml, for error messages.
        threads: files fetched from the hub at the same time.

    Raises:
        InputError: if the address cannot be reached, has no such files, or the folder holds files
            of the split that the address does not have.
    """
    base = Path(folder)
    try:
        if address.startswith(HUB):
            found = _from_hub(address, [pattern, *names], base, threads)
        else:
            found = _from_folder(address.rstrip("/"), pattern, names, base)
    except Exception as error:  # both libraries raise many kinds for the network's many failures
        raise InputError(f"{key}.download: {address}: {_reason(error)}") from None
    if not fnmatch.filter(found.files, pattern):
        raise InputError(f"{key}.download: {address} has no files {pattern}")
    there = {path.relative_to(base).as_posix() for path in base.glob(pattern)}
    if strays := sorted(there - set(found.files)):
        raise InputError(
            f"{key}.root: {base} also holds {listing(strays)}, which {found.address} does not "
            "have; remove them, or name another folder"
        )
    return found


def _from_hub(address: str, patterns: Sequence[str], base: Path, threads: int) -> DatasetDownload:
    """The library resumes, retries, and compares sizes."""
    from huggingface_hub import (
        HfApi,
        get_cached_repo_tree,
        parse_hf_uri,
        snapshot_download,
    )

    uri = parse_hf_uri(address)
    if uri.type != "dataset" or uri.path_in_repo:
        raise InputError("an address of the hub is hf://datasets/OWNER/NAME@REVISION")
    wanted: dict[str, Any] = {"repo_id": uri.id, "repo_type": "dataset"}
    wanted["revision"] = HfApi().dataset_info(uri.id, revision=uri.revision).sha
    wanted["local_dir"] = base
    snapshot_download(**wanted, allow_patterns=list(patterns), max_workers=threads)
    files = {
        file.path: file.size
        for file in get_cached_repo_tree(**wanted)
        if any(fnmatch.fnmatch(file.path, pattern) for pattern in patterns)
    }
    return DatasetDownload(f"hf://datasets/{uri.id}@{wanted['revision']}", str(base), files)


def _from_folder(address: str, pattern: str, names: Sequence[str], base: Path) -> DatasetDownload:
    """Files that are there in full are not fetched again."""
    import fsspec

    system, root = fsspec.core.url_to_fs(address)
    files = {}
    for name in names:
        if (text := _text(system, f"{root}/{name}")) is not None:
            with atomic(base / name) as temporary:
                temporary.write_bytes(text)
            files[name] = len(text)
    for name in tqdm(list(_matching(system, root, pattern)), unit=" files", mininterval=1):
        size, target = system.info(f"{root}/{name}")["size"], base / name
        if not target.is_file() or target.stat().st_size != size:
            with atomic(target) as temporary:
                system.get_file(f"{root}/{name}", str(temporary))
                if size is not None and (came := temporary.stat().st_size) != size:
                    raise OSError(f"{name}: {came} of {size} bytes came")
        files[name] = target.stat().st_size
    return DatasetDownload(address, str(base), files)


def _matching(system: Any, root: str, pattern: str) -> Iterator[str]:
    """Files of a pattern; CLIP benchmark writes their number beside, as HTTP lists no folders."""
    if not glob.has_magic(pattern):
        yield pattern
        return
    parent = PurePosixPath(pattern).parent
    count = _text(system, f"{root}/{parent}/nshards.txt") if pattern.endswith("/*.tar") else None
    if count is not None:
        yield from (f"{parent}/{number}.tar" for number in range(int(count)))
        return
    for path in system.glob(f"{root}/{pattern}"):
        name = path.removeprefix(f"{root}/")
        if is_within(name, pattern):
            yield name


def is_within(name: str, pattern: str) -> bool:
    """Whether a listed name is that of a file of the pattern, and leads nowhere else."""
    parts, wanted = PurePosixPath(name).parts, PurePosixPath(pattern).parts
    return len(parts) == len(wanted) and ".." not in parts and fnmatch.fnmatch(name, pattern)


def _text(system: Any, path: str) -> bytes | None:
    try:
        content: bytes = system.cat_file(path)
    except FileNotFoundError:
        return None
    return content


def _reason(error: Exception) -> str:
    """Say on one line what to do about a failure."""
    from huggingface_hub import errors

    match error:
        case InputError():
            return str(error)
        case errors.GatedRepoError():
            return (
                "it is gated: accept its terms on its page, and set HF_TOKEN to a token of that "
                "account"
            )
        case errors.RepositoryNotFoundError():
            return (
                "there is no such dataset on the hub, or it is private: check the spelling, or set "
                "HF_TOKEN"
            )
        case errors.RevisionNotFoundError():
            return "it has no such revision; correct what follows `@`"
        case errors.OfflineModeIsEnabled():
            return (
                "HF_HUB_OFFLINE is set; unset it, or put the files into `root` and remove "
                "`download`"
            )
        case ImportError():
            return f"{error}; or install what is missing with `pip install 'susx[web]'`"
    cause = error.__cause__ if isinstance(error, FileNotFoundError) else None
    words = f"{type(cause or error).__name__}: {cause or error}"
    return (
        f"cannot be fetched ({shorten(words, 300)}); run again when it can, finished files are kept"
    )
