"""The commands `susx init` and `susx snakefile`: a folder to work in, and the workflow there."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from susx.cli.errors import reported_errors
from susx.cli.printing import Quiet, say, silent
from susx.core.errors import InputError, listing
from susx.core.files import atomic
from susx.core.pipeline import PIPELINE, SNAKEFILE
from susx.core.yaml_files import CONFIG

COPIED = (CONFIG, "profiles/slurm/config.yaml")
"""Files of the installation that each project has its own of."""


def init(
    folder: Annotated[Path, typer.Argument(help="New folder, or one without a configuration.")],
    quiet: Quiet = False,
) -> None:
    """Make a folder to work in: a commented configuration, and settings for a Slurm cluster."""
    tell = silent if quiet else say
    with reported_errors():
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: a file; name a folder")
        there = [path for name in COPIED if os.path.lexists(path := folder / name)]
        if there:
            raise InputError(f"exists already: {listing(there)}; name another folder")
        for name in COPIED:
            with atomic(folder / name) as temporary:
                temporary.write_bytes((PIPELINE / name).read_bytes())
            tell(f"wrote {folder / name}")
    tell("next, to classify your own images:")
    if folder.resolve() != Path.cwd():
        tell(f"  cd {shlex.quote(str(folder))}")
    tell("  susx new")


def snakefile() -> None:
    """Print the path of the Snakefile, for `snakemake --snakefile "$(susx snakefile)"`."""
    typer.echo(SNAKEFILE)
