"""The code, packages and machine that make numbers."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("susx", "torch", "transformers", "numpy", "h5py", "pillow", "snakemake")


def made_with() -> dict[str, Any]:
    """Commit, versions of packages and of Python, and kind of machine of this process."""
    return {
        "git_commit": git_commit(),
        "versions": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def git_commit() -> str | None:
    """Commit of the repository that holds this package, `+` if it was edited, else None.

    A repository that the package merely lies in, as in an environment within it, is another's.
    """
    try:
        import git
    except ImportError:  # raised where the git program is missing
        return None
    own = Path(__file__).resolve()
    try:
        repository = git.Repo(own.parent, search_parent_directories=True)
        repository.git.ls_files("--error-unmatch", "--", str(own))
        return repository.head.commit.hexsha + ("+" if repository.is_dirty() else "")
    except (git.exc.GitError, ValueError, OSError):
        return None
