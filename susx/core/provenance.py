"""The code, packages and machine that make numbers."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import susx

PACKAGES = ("susx", "torch", "transformers", "numpy", "h5py", "pillow", "snakemake")


def made_with() -> dict[str, Any]:
    """Commit, versions of packages and of Python, and kind of machine of this process."""
    return {
        "git_commit": git_commit(),
        "versions": versions(PACKAGES),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of installed packages, and of this one, which environments of jobs lack."""
    return {name: susx.__version__ if name == "susx" else version(name) for name in packages}


def git_commit() -> str | None:
    """Commit of the repository that holds this package, `+` if it was edited, else None.

    A repository that the package merely lies in, as in an environment within it, is another's.
    """
    own = Path(__file__).resolve()
    if _git(own.parent, "ls-files", "--error-unmatch", "--", own.name) is None:
        return None
    state = _git(own.parent, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    lines = (state or "").splitlines()
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), None)
    if commit is None or commit == "(initial)":
        return None
    return commit + ("" if all(line.startswith("#") for line in lines) else "+")


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints in a folder, else None; every job asks, and GitPython asks six times."""
    program = shutil.which("git")
    if program is None:
        return None
    command = [program, "-C", str(folder), "--no-optional-locks", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
    return done.stdout if done.returncode == 0 else None
