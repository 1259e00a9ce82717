"""The commands `susx init` and `susx snakefile`: a folder to work in, and the workflow there."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from susx.cli.editors import MODELINE, SCHEMA_FILE, modeline, schema_text
from susx.cli.errors import reported_errors
from susx.cli.printing import Quiet, say, silent
from susx.config.schema import Config
from susx.core.errors import InputError, listing
from susx.core.files import atomic
from susx.core.pipeline import PIPELINE, SNAKEFILE
from susx.core.yaml_files import CONFIG

PROFILE = "profiles/slurm/config.yaml"
"""Settings for a Slurm cluster, in the installation and in each project."""


def init(
    folder: Annotated[Path, typer.Argument(help="New folder, or one without a configuration.")],
    schema: Annotated[
        bool,
        typer.Option("--schema", help="Only write the schema for editors anew, after an upgrade."),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Make a folder to work in: a commented configuration, and settings for a Slurm cluster.

    Editors that know the YAML language server complete and check keys by the schema beside it.
    """
    tell = silent if quiet else say
    with reported_errors():
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: a file; name a folder")
        files = _files()
        if schema:
            files = _renewed(folder, files)
        elif there := [path for name in files if os.path.lexists(path := folder / name)]:
            raise InputError(f"exists already: {listing(there)}; name another folder")
        for name, text in files.items():
            with atomic(folder / name) as temporary:
                temporary.write_text(text, "utf-8")
            tell(f"wrote {folder / name}")
    if schema:
        if not _names_schema(folder):
            tell(f"editors find it by the first line of {folder / CONFIG}: {modeline(SCHEMA_FILE)}")
        return
    tell("next, to classify your own images:")
    if folder.resolve() != Path.cwd():
        tell(f"  cd {shlex.quote(str(folder))}")
    tell("  susx new")


def _files() -> dict[str, str]:
    """Text of the files of a project, by path."""
    config, profile = ((PIPELINE / name).read_text("utf-8") for name in (CONFIG, PROFILE))
    config = MODELINE.sub(lambda _: modeline(SCHEMA_FILE), config)
    return {CONFIG: config, SCHEMA_FILE: schema_text(Config), PROFILE: profile}


def _renewed(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """The schema alone.

    Raises:
        InputError: if the folder has no configuration that it belongs to.
    """
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder}: no {CONFIG}; without --schema, `susx init` makes one")
    return {SCHEMA_FILE: files[SCHEMA_FILE]}


def _names_schema(folder: Path) -> bool:
    """Whether editors find the schema beside a configuration by a line in it."""
    found = MODELINE.search((folder / CONFIG).read_text("utf-8", errors="replace"))
    return found is not None and Path(found[1]) == Path(SCHEMA_FILE)


def snakefile() -> None:
    """Print the path of the Snakefile, for `snakemake --snakefile "$(susx snakefile)"`."""
    typer.echo(SNAKEFILE)
