"""Compare a result with what lies in a project, by the receipts that it keeps."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susx.artifacts.ground import Storage
from susx.artifacts.memory import Memory
from susx.artifacts.project import Project, read_config
from susx.artifacts.recipe import Receipt
from susx.config.entries import dataset_names
from susx.config.schema import Roots
from susx.core.errors import InputError
from susx.core.files import read_json, sha256_file, verified
from susx.core.yaml_files import CONFIG
from susx.verify.configuration import config_changes
from susx.verify.derivation import Derivation
from susx.verify.sources import Sources

RESULT = "susx-result-"
"""What begins the schema of results, whatever their version."""


@dataclass(frozen=True)
class Verdict:
    """Whether a result follows from what lies there.

    Attributes:
        changes: what does not fit, one line each.
        notes: what could not be looked at.
        sources: number of files, folders and models that it was made from.
        stages: number of stages that led to it.
    """

    changes: list[str]
    notes: list[str]
    sources: int
    stages: int


def verify_result(
    file: Path, name: str | None = None, more: Sequence[str] = (), full: bool = False
) -> Verdict:
    """Compare a result with the project in the working folder.

    Args:
        file: the result, or any other file that the pipeline makes and keeps a receipt of.
        name: how messages call it, if not by its path.
        more: files that `--configfile` merged over config.yaml.
        full: whether to read all files, whatever is remembered of them.

    Raises:
        InputError: if the file tells nothing of what it was made from, or config.yaml is broken.
    """
    shown = name or str(file)
    if not file.is_file():
        raise InputError(f"{shown}: file not found")
    config = read_config(".", *more) if more or Path(CONFIG).exists() else None
    project = Project(Path(), config.roots if config else Roots())
    inside = _result(file)
    kept, stated = _kept_inside(inside, shown), _kept_beside(file, project)
    receipt = kept or stated
    if receipt is None:
        raise InputError(
            f"{shown}: tells nothing of what it was made from, and has no receipt in "
            f"{project.work / 'receipts'}; run again"
        )
    changes, notes = list(_of_file(file, shown, inside, kept, stated)), []
    with ExitStack() as stack:
        memory = project.work / "memory"
        if not project.work.is_dir():  # not to leave anything in a folder that is no project
            memory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sources = Sources(Memory(memory, trusted=not full), project.stores)
        trace = Derivation(receipt, sources).trace(receipt)
    changes += sorted(trace.changes)
    configured = inside and inside["provenance"].get("config")
    dataset, skipped = str(inside and inside.get("dataset")), ""
    if not (configured and isinstance(configured, dict)):
        skipped = f"{shown} keeps none"
    elif config is None:
        skipped = f"there is no {CONFIG} here"
    elif dataset not in dataset_names(config):
        skipped = f"{CONFIG} has no dataset {dataset}; --configfile names the file that has"
    else:
        changes += config_changes(configured, dataset, config)
    if skipped:
        notes.append(f"the configuration is not compared: {skipped}")
    return Verdict(changes, notes, len(trace.sources), len(trace.stages))


def _result(file: Path) -> dict[str, Any] | None:
    """Contents of a result; None if it is another file."""
    if file.suffix != ".json":
        return None
    data = read_json(file)
    is_result = isinstance(data, dict) and str(data.get("schema")).startswith(RESULT)
    return data if is_result and isinstance(data.get("provenance"), dict) else None


def _kept_inside(inside: Mapping[str, Any] | None, shown: str) -> Receipt | None:
    """What a result says of its making.

    Raises:
        InputError: if that is not what the pipeline writes.
    """
    if inside is None or "identity" not in inside["provenance"]:
        return None
    try:
        return Receipt.of_identity(inside["provenance"]["identity"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{shown}: provenance.identity: not of this version ({error!r})") from None


def _kept_beside(file: Path, project: Project) -> Receipt | None:
    """Receipt of a file of the project; None if there is none, or it is damaged."""
    kept = Storage(str(project.work))
    here, places = Path.cwd(), (file, file.resolve())
    names = [place.relative_to(here) for place in places if place.is_relative_to(here)]
    for path in (kept.receipt_file(str(name)) for name in (*names, *places)):
        try:
            return Receipt.read(path)
        except InputError:
            continue
    return None


def _of_file(
    file: Path,
    shown: str,
    inside: Mapping[str, Any] | None,
    kept: Receipt | None,
    stated: Receipt | None,
) -> Iterator[str]:
    """What is wrong with the file itself."""
    if inside is not None:
        try:
            verified(shown, {"sha256": None, **inside}, "")
        except InputError:
            yield f"{shown} was edited or damaged: its checksum does not fit"
    if kept and stated and kept.recipe.key != stated.recipe.key:
        yield f"{shown} is of another run than its receipt"
    elif stated and sha256_file(file) not in {one.sha256 for one in stated.outputs.values()}:
        yield f"{shown} is not the file that was made: edited or replaced"
