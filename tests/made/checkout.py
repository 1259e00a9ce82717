"""A fresh clone of this checkout: all that git tracks, as it lies here."""

import shutil
import subprocess
from pathlib import Path

from tests.made.cards import REPO


def checkout_files() -> list[str]:
    """Names of the files that git tracks, or would if they were added."""
    command = ["git", "-C", str(REPO), "ls-files", "-z", "--cached", "--others"]
    listed = subprocess.run([*command, "--exclude-standard"], capture_output=True, check=True)
    names = filter(None, listed.stdout.decode().split("\0"))
    return [name for name in names if (REPO / name).is_file()]


def copy_checkout(root: Path) -> None:
    """Copy these files into a folder."""
    for name in checkout_files():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / name, root / name)
