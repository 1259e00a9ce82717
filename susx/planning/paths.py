"""Files and folders that the configuration names, looked at while a run is planned."""

from __future__ import annotations

import re
from pathlib import Path

from susx.core.errors import InputError
from susx.planning.setup import Setup

DEMO_DATA = Path("demo/data")
DEMO_FILES = re.compile(r"demo/data/(test|validation|pool/\d{5}\.tar)")
"""Files and folders that rules of the demo make."""
OptionalFile = str | list[str]
"""A file, or an empty list where there is none; inputs of rules have no other word for that."""


def existing(path: str | Path, key: str) -> str:
    """Return a path that is there; demo data is exempt, because rules make it.

    Args:
        path: file or folder.
        key: of the configuration, which names it.

    Raises:
        InputError: if it is not there, or has braces.
    """
    if set("{}") & set(str(path)):
        raise InputError(
            f"config.yaml: {key}: {path}: has braces, which stand for wildcards; rename it"
        )
    try:
        there = Path(path).exists() or DEMO_FILES.fullmatch(str(path))
    except OSError as error:
        raise InputError(f"config.yaml: {key}: {path}: {error.strerror}") from None
    if not there:
        raise InputError(f"config.yaml: {key}: not found: {path}")
    return str(path)


def apart(setup: Setup, path: str | Path, key: str) -> str:
    """Return `existing(path, key)` if it has nothing to do with the folders of the pipeline.

    Raises:
        InputError: if it lies in one of them, or holds one: what a job reads would change by what
            jobs write.
    """
    found = existing(path, key)
    folder = Path(path).resolve()
    for root in (*setup.folders, ".snakemake"):
        if Path(root).resolve().is_relative_to(folder) and folder.is_dir():
            raise InputError(
                f"config.yaml: {key}: {path} holds {root}, which the pipeline writes; change "
                "`roots`, or name a folder without it"
            )
        if folder.is_relative_to(Path(root).resolve()):
            raise InputError(
                f"config.yaml: {key}: {path} lies in {root}, which the pipeline writes; change "
                "`roots`, or move the images"
            )
    return found
