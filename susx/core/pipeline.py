"""Where the workflow of this installation lies."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
IN_WHEEL = PACKAGE / "pipeline"
"""Of an installed wheel; in a checkout there is no such folder."""
PIPELINE = IN_WHEEL if IN_WHEEL.is_dir() else PACKAGE.parent
"""Folder of the Snakefile, its rules, scripts, environments and profiles, and of `config.yaml`."""
SNAKEFILE = PIPELINE / "Snakefile"
