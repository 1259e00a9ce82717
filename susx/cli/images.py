"""The images that words of a command line stand for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from glob import glob, has_magic
from pathlib import Path

from susx.core.errors import InputError, listing

STDIN = "-"
"""Stands for standard input, as is usual."""


def image_paths(words: Iterable[Path]) -> list[Path]:
    """Files, and the images below folders, in the order of the words.

    Args:
        words: paths, patterns as shells have them, and `-` for paths from standard input, one a
            line. What exists under its name is no pattern.

    Raises:
        InputError: if a path does not exist, a pattern matches nothing, a folder has no images, or
            standard input has no paths.
    """
    from susx.images.listing import list_images

    paths = [path for word in words for path in _named(word)]
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise InputError(f"not found: {listing(missing)}")
    found: list[Path] = []
    for path in paths:
        below = list(list_images(path)) if path.is_dir() else [path]
        if not below:
            raise InputError(f"{path}: no images below this folder")
        found += below
    return found


def _named(word: Path) -> Iterator[Path]:
    """The paths that a word names; those of a pattern are sorted."""
    if str(word) == STDIN:
        lines = [line for line in sys.stdin.buffer.read().split(b"\n") if line]
        if not lines:
            raise InputError("standard input has no paths; write one a line")
        yield from (Path(os.fsdecode(line)) for line in lines)
    elif has_magic(str(word)) and not word.exists():
        matches = glob(str(word), recursive=True)  # noqa: PTH207 (Path.glob finds hidden files)
        yield from map(Path, sorted(matches) or [str(word)])
    else:
        yield word
