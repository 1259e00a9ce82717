"""A fresh clone of this checkout: all that git tracks, as it lies here."""

import shutil
import subprocess
from pathlib import Path

from tests.made.cards import REPO


def copy_checkout(root: Path) -> None:
    """Copy the files that git tracks, or would if they were added, into a folder."""
    command = ["git", "-C", str(REPO), "ls-files", "-z", "--cached", "--others"]
    listed = subprocess.run([*command, "--exclude-standard"], capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (REPO / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / name, root / name)
