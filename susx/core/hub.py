"""Which commit of a hub model lies in the local cache of the hub."""

from __future__ import annotations

import re
from pathlib import Path

COMMIT = re.compile(r"[0-9a-f]{40}")
"""How git names a commit."""


def snapshot_commit(model: str, revision: str | None) -> str | None:
    """Commit of a hub model that would be loaded without asking the hub; None if none is there.

    Args:
        model: hub identifier, such as `openai/clip-vit-base-patch32`.
        revision: branch, tag or commit; None for the main branch.
    """
    folder = snapshot_folder(model, revision)
    return folder.name if folder else None


def snapshot_folder(model: str, revision: str | None) -> Path | None:
    """Folder of the cache of the hub that holds such a model; None if none is there.

    Args:
        model: hub identifier, such as `openai/clip-vit-base-patch32`.
        revision: branch, tag or commit; None for the main branch.
    """
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.file_download import repo_folder_name

    try:
        folder = Path(HF_HUB_CACHE) / repo_folder_name(repo_id=model, repo_type="model")
    except ValueError:  # no identifier, such as a mistyped path
        return None
    name = revision or "main"
    try:
        commit = (folder / "refs" / name).read_text("utf-8").strip()
    except (OSError, ValueError):
        commit = name
    known = COMMIT.fullmatch(commit) and (folder / "snapshots" / commit).is_dir()
    return folder / "snapshots" / commit if known else None
