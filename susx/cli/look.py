"""What is wrong with a run, as far as it can be told before Snakemake is imported.

That takes three quarters of the time in which a call ends that cannot be planned.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from susx.core.errors import InputError
from susx.core.pipeline import PIPELINE, SNAKEFILE
from susx.core.yaml_files import CONFIG, load_config, load_yaml, merged

SNAKEFILES = ("Snakefile", "snakefile", "workflow/Snakefile", "workflow/snakefile")
"""Where Snakemake looks for the workflow, in this order."""
PROFILE = "profiles/default"
"""The profile that Snakemake reads by itself, of this folder or of the workflow."""
FLAGS = {"-n", "--dry-run", "--dryrun", "-k", "--keep-going", "-p", "--printshellcmds"}
"""Options without a value that say nothing of what is read."""
VALUED = {"-c", "--cores", "-j", "--jobs"}
"""The same of options with a value."""
JOINED = re.compile(r"-[cj](\d+|all)")
CONFIG_FILES = ("--configfile", "--configfiles")
ELSEWHERE = {"config", "configfile", "configfiles", "directory", "snakefile"}
"""Options of a profile that change what is read."""


@dataclass(frozen=True)
class PlainCall:
    """A call of Snakemake that says no more than what is to be made by which configuration."""

    targets: list[str] = field(default_factory=list)
    configs: list[str] = field(default_factory=list)


def plain_call(arguments: Sequence[str]) -> PlainCall | None:
    """A call of the workflow of this installation; None if its words may say anything else."""
    call, rest = PlainCall(), list(arguments)
    while rest:
        word = rest.pop(0)
        name, is_joined, value = word.partition("=")
        if not word.startswith("-"):
            call.targets.append(word)
        elif name in CONFIG_FILES:
            behind = [] if is_joined else [*takewhile(lambda w: not w.startswith("-"), rest)]
            if not (behind or value):
                return None
            call.configs.extend(behind or [value])
            del rest[: len(behind)]
        elif name in VALUED and (is_joined or rest):
            del rest[: not is_joined]
        elif word not in FLAGS and not JOINED.fullmatch(word):
            return None
    return call if _is_of_here() else None


def _is_of_here() -> bool:
    """Whether the workflow of this installation would be read, by no profile of someone's own."""
    snakefile = next(filter(os.path.isfile, SNAKEFILES), SNAKEFILE)
    if Path(snakefile).resolve() != SNAKEFILE or "SNAKEMAKE_PROFILE" in os.environ:
        return False
    places = (Path("default"), Path(PROFILE), PIPELINE / PROFILE)
    profile = next(filter(Path.exists, places), places[-1])
    files = profile.glob("config*.yaml")
    return not any(ELSEWHERE & set(load_yaml(path) or ()) for path in files)


def require_plannable(call: PlainCall) -> None:
    """Look at the configuration, and for the test images of the results that are asked for.

    Raises:
        InputError: if Snakemake would end with any of what it says, a line each.
    """
    from susx.planning.datasets import image_files, require_test
    from susx.planning.evaluation import result_files
    from susx.planning.setup import Setup

    setup = Setup.of(_configuration(call.configs))
    wanted = {*(call.targets or result_files(setup))}
    problems = []
    for dataset in setup.images:
        if f"{setup.results}/{dataset}.json" in wanted:
            try:
                require_test(setup, dataset)
                image_files(setup, dataset, "test")
            except InputError as error:
                problems.append(str(error))
    if problems:
        raise InputError("\n".join(problems))


def _configuration(files: Iterable[str]) -> dict[str, object]:
    """What Snakemake makes of the project's configuration and of files that are given."""
    given = [*files]
    own = next((path for path in (Path(CONFIG), PIPELINE / CONFIG) if path.is_file()), None)
    if own and (own == Path(CONFIG) or not given):
        given.insert(0, str(own))
    found: dict[str, object] = {}
    for file in given:
        found = merged(found, load_config(file))
    return found
