"""Files that match a pattern, and that no folder where they are looked for keeps them hidden."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from susx.core.errors import InputError

UNLISTABLE = "the folder cannot be listed ({}); allow it to be read, or remove it"


def matching(pattern: str) -> list[str]:
    """Paths that match a pattern with wildcards, sorted.

    Raises:
        InputError: if a folder that the pattern looks into cannot be listed; `glob` passes over it.
    """
    require_listable(pattern)
    return sorted(glob.glob(pattern))  # noqa: PTH207


def require_listable(pattern: str) -> None:
    """Try to list every folder that a pattern looks into; `**` is taken for one level.

    Raises:
        InputError: if one cannot be listed.
    """
    parts = Path(pattern).parts
    for place, part in enumerate(parts):
        if not glob.has_magic(part):
            continue
        for folder in glob.glob(str(Path(*parts[:place]))):  # noqa: PTH207
            try:
                os.scandir(folder).close()
            except NotADirectoryError:
                continue
            except OSError as error:
                raise InputError(f"{folder}: {UNLISTABLE.format(error.strerror)}") from None
