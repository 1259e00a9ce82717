"""Jobs that read the same: one of them makes what its companions need, and hands it over.

A plan notes the companions of a job in the folder of remembered hashes. What is noted is only a
hint: each job looks itself whether what was handed over was made from what lies there.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from susx.artifacts.ground import Job, Storage
from susx.core.errors import InputError
from susx.core.files import read_json, write_json


def note_companions(kept: Storage, groups: Iterable[Sequence[Job]]) -> None:
    """Note groups of jobs for the first job of each, in the place of what was noted before.

    Args:
        kept: folders of the project.
        groups: jobs of one rule, of which the first makes what the others need.

    Raises:
        InputError: if that cannot be written.
    """
    shutil.rmtree(_folder(kept), ignore_errors=True)
    for first, *others in groups:
        write_json(_file(kept, first.name), [asdict(job) for job in others])


def companions_of(job: Job) -> list[Job]:
    """Jobs whose outputs a job makes along with its own."""
    if job.kept is None:
        return []
    try:
        return [Job.from_json(data) for data in read_json(_file(job.kept, job.name))]
    except (InputError, KeyError, OSError, TypeError):
        return []


def _folder(kept: Storage) -> Path:
    return Path(kept.memory, "companions")


def _file(kept: Storage, name: str) -> Path:
    return _folder(kept) / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"
