"""Images in tars that nobody vouches for: nothing is ever unpacked, and the end must be one.

Files may lie in any order. A sample is what webdataset takes for one, the files whose names are
equal up to the first dot, unless that would take several images for one.
"""

from __future__ import annotations

import os
import posixpath
import re
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from susx.core.errors import InputError
from susx.images.kinds import HEAD, is_image, kind_of, may_be_image, suffix_of

META = re.compile(r"__[^/]*__($|/)")
"""Names that webdataset keeps for itself."""
FIELD = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*")
"""What `depth` is in `0.depth.png`, and `30` in `10.30.png` is not."""
MOST_TEXT = 2**30
"""Bytes of captions and labels of a tar, which are held in memory; img2dataset writes 10,000 of
some 1 KiB each."""
MOST_ZEROS = 2**30
"""Bytes of zeros behind the last file; `tar -b` pads to at most 2 GB, and by default to 10 KiB."""
STRETCH = 2**20
"""Bytes of them read at a time, to hold few in memory."""
BROKEN = (tarfile.TarError, OSError, ValueError, OverflowError)
"""What a tar raises that is none, or is damaged."""
MOST_STEPS = 40
"""Links that lead to one another, as Linux follows them."""


@dataclass(frozen=True)
class TarImage:
    """An image of a tar.

    Attributes:
        key: its name without the suffix, and without what leads nowhere, such as `./`.
        offset: where its bytes begin in the tar, once that is decompressed.
        size: number of its bytes.
        beside: contents of the files of its sample, by suffix.
    """

    key: str
    offset: int
    size: int
    beside: Mapping[str, bytes]


@contextmanager
def uncompressed_tar(path: Path) -> Iterator[tarfile.TarFile]:
    """Open a tar whose files can be read where they lie.

    Raises:
        InputError: if it is missing, compressed or broken, also where it is read.
    """
    try:
        tar = tarfile.open(path, "r:")  # noqa: SIM115 - what it raises is told otherwise
    except BROKEN as error:
        raise InputError(
            f"{path}: not a readable tar ({error}); compressed ones must be unpacked first"
        ) from None
    with tar:
        try:
            yield tar
        except InputError:
            raise
        except BROKEN as error:
            raise InputError(
                f"{path}: not a readable tar ({error}); fetch or write it again"
            ) from None


def require_whole(path: Path) -> None:
    """Look whether a tar ends as tars do, without reading all of it.

    Raises:
        InputError: if it is missing, compressed, or cut short, as by a download that broke off.
    """
    with uncompressed_tar(path) as tar:
        stream: Any = tar.fileobj
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - tarfile.BLOCKSIZE))
        if any(stream.read(tarfile.BLOCKSIZE)):
            raise tarfile.ReadError(
                f"it ends at byte {size} without the mark of the end: cut short"
            )


def tars_within(tar: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """Find the tars in a tar by name without folder and suffix, in the order of their bytes.

    Raises:
        tarfile.TarError: if the tar is broken, has no end mark, or has more than zeros behind it.
        InputError: if there is anything but tars, or one twice.
    """
    members, found = _Members(None), {}
    for name, member in members.read(tar):
        stem, suffix = posixpath.splitext(posixpath.basename(name))
        if suffix.lower() != ".tar":
            raise InputError(f"{_path(tar)}: {name} is no tar, as others in it are; remove it")
        if stem in found:
            raise InputError(f"{_path(tar)}: {stem}.tar is there twice; remove one")
        found[stem] = member
    if members.links or members.n_lost:
        raise InputError(f"{_path(tar)}: has links or devices beside tars; remove them")
    _require_end(tar)
    return found


def images_within(tar: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[list[TarImage], int]:
    """The same as `tar_images` of a tar in a tar, with places in the outer one.

    Raises:
        tarfile.TarError: if the inner tar is broken or compressed.
        InputError: if a name stands for two files, or a file is sparse.
    """
    try:
        with tarfile.open(fileobj=tar.extractfile(member), mode="r:") as inner:
            found, n_others = tar_images(inner, ())
    except tarfile.TarError as error:
        raise tarfile.ReadError(f"{member.name}: {error}") from None
    return [replace(i, offset=member.offset_data + i.offset) for i in found], n_others


def tar_images(
    tar: tarfile.TarFile, beside: Sequence[str], largest: int | None = None
) -> tuple[list[TarImage], int]:
    """Find the images of a tar, in the order of their bytes, and count the other files.

    An image such as `0.depth.png` beside `0.jpg` is one of the other files, and so is a link to
    what is not in the tar; hidden files are none. Links to files of the tar are what they lead to.
    A file whose name does not tell is an image if it begins as one does and its sample has no
    other.

    Args:
        tar: opened for reading at random, compressed or not.
        beside: suffixes in lower case of the files that belong to an image.
        largest: most bytes of a file, or None.

    Raises:
        tarfile.TarError: if the tar is broken, has no end mark, or has more than zeros behind it.
        InputError: if a name stands for two files, or a file is sparse.
    """
    files, members = _Files(), _Members(largest)
    for name, member in members.read(tar):
        files.add(tar, name, _suffix(name, beside), member)
    _require_end(tar)
    for name, member in members.linked(tar):
        files.add(tar, name, _suffix(name, beside), member)
    files.count += members.n_lost
    found = list(files.found())
    texts = {stem for image in found for stem in (image.key, _sample(image.key))}
    used = len(found) + sum(len(files.texts.get(stem, ())) for stem in texts)
    return sorted(found, key=lambda image: image.offset), files.count - used


class _Files:
    """Images of a tar by name without suffix, and texts by that and suffix."""

    def __init__(self) -> None:
        self.images: dict[str, tuple[str, tarfile.TarInfo]] = {}
        self.unnamed: dict[str, tuple[str, tarfile.TarInfo]] = {}
        self.texts: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.count = self.size = 0

    def add(self, tar: tarfile.TarFile, name: str, suffix: str, member: tarfile.TarInfo) -> None:
        self.count += 1
        if suffix:
            self.size += member.size
            if self.size > MOST_TEXT:
                raise tarfile.ReadError(f"more than {MOST_TEXT} bytes of captions or labels")
            stem = name[: -len(suffix) - 1]
            if suffix in self.texts[stem]:
                raise InputError(f"{_path(tar)}: {name} is there twice; remove one")
            self.texts[stem][suffix] = _bytes(tar, member.offset_data, member.size)
            return
        file = name.rpartition("/")[2]
        stem = name[: len(name) - len(suffix_of(file))]
        if is_image(file):
            if stem in self.images:
                raise InputError(
                    f"{_path(tar)}: {self.images[stem][0]} and {name} are two images of one name; "
                    "rename or remove one"
                )
            self.images[stem] = name, member
        elif may_be_image(file):
            head = _bytes(tar, member.offset_data, min(HEAD, member.size))
            if kind_of(head):
                self.unnamed.setdefault(stem, (name, member))

    def found(self) -> Iterator[TarImage]:
        """The images but those that are parts of the sample of another."""
        unnamed = {
            stem: found
            for stem, found in self.unnamed.items()
            if stem not in self.images and _sample(stem) not in self.images
        }
        for stem, (_, member) in (self.images | unnamed).items():
            sample = _sample(stem)
            is_part = sample in self.images and FIELD.fullmatch(stem[len(sample) + 1 :])
            if not is_part or stem in self.texts:
                beside = {**self.texts.get(sample, {}), **self.texts.get(stem, {})}
                yield TarImage(stem, member.offset_data, member.size, beside)


def read_image(tar: tarfile.TarFile, image: TarImage) -> bytes:
    """Bytes of an image."""
    return _bytes(tar, image.offset, image.size)


class _Members:
    """Visible files of a tar; `n_lost` counts what is neither a file nor leads to one."""

    def __init__(self, largest: int | None) -> None:
        self.largest = largest
        self.files: dict[str, tarfile.TarInfo] = {}
        self.links: dict[str, str] = {}  # targets by name
        self.n_lost = 0

    def read(self, tar: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
        """Files that are stored as such; `./0.jpg` has the name `0.jpg`."""
        while (member := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]
            name = posixpath.normpath(member.name)
            if member.issym() or member.islnk():
                folder = posixpath.dirname(name) if member.issym() else ""
                target = posixpath.normpath(posixpath.join(folder, member.linkname))
                self.n_lost += name in self.links and _is_visible(name)  # the last of a name counts
                self.links[name] = target
            elif member.isreg():
                self.files[name] = member
                if _is_visible(name):
                    yield name, self._checked(tar, name, member)
            elif not member.isdir() and _is_visible(name):
                self.n_lost += 1

    def linked(self, tar: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
        """Files that are stored as links to others, in the order of bytes, to read them once."""
        found = []
        for name, target in self.links.items():
            if not _is_visible(name):
                continue
            for _ in range(MOST_STEPS):
                target = self.links.get(target, target)
            if target in self.files and name not in self.files:
                found.append((name, self._checked(tar, name, self.files[target])))
            else:
                self.n_lost += 1
        yield from sorted(found, key=lambda pair: pair[1].offset_data)

    def _checked(self, tar: tarfile.TarFile, name: str, member: tarfile.TarInfo) -> tarfile.TarInfo:
        if self.largest is not None and member.size > self.largest:
            raise tarfile.ReadError(f"{name} has {member.size} bytes")
        if member.issparse():
            raise InputError(f"{_path(tar)}: {name} is a sparse file; pack it without --sparse")
        return member


def _suffix(name: str, beside: Sequence[str]) -> str:
    return next((s for s in beside if name.lower().endswith(f".{s}")), "")


def _bytes(tar: tarfile.TarFile, offset: int, size: int) -> bytes:
    stream: Any = tar.fileobj
    stream.seek(offset)
    data: bytes = stream.read(size)
    if len(data) < size:
        raise tarfile.ReadError("unexpected end of data")
    return data


def _path(tar: tarfile.TarFile) -> str:
    return os.fsdecode(tar.name or "tar")


def _is_visible(name: str) -> bool:
    """Whether no part of a name says otherwise, such as `._0.jpg` of macOS."""
    hidden = any(part[:1] == "." and part not in (".", "..") for part in name.split("/"))
    return not hidden and not META.match(name)


def _sample(stem: str) -> str:
    """What webdataset takes for the key of a sample: all up to the first dot of the file name."""
    folder, slash, name = stem.rpartition("/")
    return f"{folder}{slash}{name.partition('.')[0]}"


def _require_end(tar: tarfile.TarFile) -> None:
    """`tarfile` takes a damaged header for the end, and reads one of several joined tars."""
    stream: Any = tar.fileobj
    stream.seek(tar.offset)
    block = stream.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or any(block):
        raise tarfile.ReadError("no end-of-archive mark: truncated or damaged")
    place = tar.offset
    while block:
        place += len(block)
        if place - tar.offset > MOST_ZEROS:
            raise tarfile.ReadError(f"more than {MOST_ZEROS} bytes of zeros at its end")
        block = stream.read(STRETCH)
        if block.count(0) < len(block):
            raise tarfile.ReadError(
                f"files behind the end-of-archive mark at byte {tar.offset}: tars that were joined "
                "into one, which must be given one by one, or a header that was overwritten"
            )
