"""The file of a run's events, one line of JSON each: written by the run, read by others meanwhile.

The run holds a lock on its file, which goes with its process, however that ends.
"""

from __future__ import annotations

import fcntl
import platform
from contextlib import suppress
from datetime import datetime
from io import FileIO
from pathlib import Path

from pydantic import ValidationError

from susx.core.errors import InputError
from susx.progress.events import EVENT
from susx.progress.run import RunState

FOLDER = Path(".snakemake/log")
SUFFIX = ".susx.jsonl"


def new_file(root: Path) -> FileIO:
    """Make the file of a run that is called in `root`, and lock it until it is closed.

    Raises:
        OSError: if that cannot be done.
    """
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    began = datetime.now().isoformat().replace(":", "")  # as Snakemake names its own
    stream = FileIO(folder / f"{began}{SUFFIX}", "x")
    with suppress(OSError):  # some network file systems know no locks
        fcntl.flock(stream, fcntl.LOCK_EX)
    return stream


def last_file(root: Path) -> Path:
    """File of the last run that was called in `root`, one at work before others.

    Raises:
        InputError: if there is none.
    """
    files = sorted((root / FOLDER).glob(f"*{SUFFIX}"))
    if not files:
        raise InputError(f"{root}: no run yet; name the folder that snakemake was called in")
    return next(filter(is_locked, reversed(files)), files[-1])


def is_locked(file: Path) -> bool:
    """Whether the run that writes a file is at work; also where that cannot be told."""
    with file.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def read_run(file: Path) -> RunState:
    """Read how far a run is. A last line that is half written does not count yet.

    Locks may not reach from one machine to another: that a run broke off is told on its own.

    Raises:
        InputError: if a line is no event.
    """
    at_work = is_locked(file)  # first: a run that ends after this has ended in the file, too
    run = RunState()
    for number, line in enumerate(file.read_bytes().split(b"\n")[:-1], start=1):
        try:
            run.take(EVENT.validate_json(line))
        except (ValidationError, KeyError):
            raise InputError(f"{file}: line {number} is no event of a run; delete it") from None
    if run.state == "at work" and not at_work and run.host == platform.node():
        run.stop("broken off")
    return run
