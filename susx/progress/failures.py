"""Why jobs failed, in the last lines of a run: what their logs say, and what the executor says."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from susx.core.plain import plain

if TYPE_CHECKING:
    from susx.progress.run import RunJob, RunState

UNEXPECTED = "unexpected error; please report it with this log"
"""What a log says before the traceback of an exception that is no `InputError`."""

UNKNOWN = "killed, or out of memory or time? `--verbose` shows what Snakemake says"
ENTRY = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR|CRITICAL) ")
CLOCKS_DIFFER = 60  # seconds, between this machine and the file server
END = 1 << 16
SHOWN = 5
LINES = 3
WIDTH = 500


def cause(log: str | Path, since: float = 0.0) -> str:
    """The error that ended a job: the last one of its log; of a traceback only its last line.

    Returns an empty string where there is none: the job was killed, or had not begun and the log is
    older than `since`.
    """
    text = end_of(Path(log), since)
    entries = list(ENTRY.finditer(text))
    starts = [entry.start() for entry in entries] + [len(text)]
    errors = [i for i, entry in enumerate(entries) if entry[1] == "ERROR"]
    if not errors:
        return ""
    message = text[entries[errors[-1]].end() : starts[errors[-1] + 1]].strip()
    if message.startswith(UNEXPECTED):
        return f"unexpected error: {message.splitlines()[-1]}"
    return message


def warnings(log: Path, since: float) -> list[str]:
    """The warnings in a log, each once, a line each; none if the log is older than `since`."""
    text = end_of(log, since)
    entries = list(ENTRY.finditer(text))
    found = (text[e.end() :].split("\n", 1)[0].strip() for e in entries if e[1] == "WARNING")
    return list(dict.fromkeys(map(plain, found)))


def blamed(run: RunState, root: Path) -> list[RunJob]:
    """Jobs that failed, by log; of a group those whose logs tell of an error, if any does.

    Args:
        run: the run.
        root: the folder that it was called in.
    """
    groups: dict[tuple[int, ...], list[RunJob]] = defaultdict(list)
    for job in run.of("failed"):
        groups[job.group or (job.id,)].append(job)
    found = [[job for job in jobs if _logged(job, root)] or jobs for jobs in groups.values()]
    return sorted((job for jobs in found for job in jobs), key=lambda job: job.log)


def failure_reason(job: RunJob, root: Path) -> str:
    """Why a job failed, as its log says, or else the executor."""
    if logged := _logged(job, root):
        return plain(logged)
    return f"no error in its log; {job.said or UNKNOWN}"


def explained(run: RunState, root: Path) -> Iterator[str]:
    """Lines that tell why jobs of a run failed, and where to read more; none if none did."""
    failed = blamed(run, root)
    if failed:
        yield f"{_jobs(failed)} failed:"
    for job in failed[:SHOWN]:
        lines = failure_reason(job, root).splitlines()
        yield f"{job.name}: {lines[0][:WIDTH]}"
        yield from (f"  {line[:WIDTH]}" for line in lines[1:LINES])
        more = f" ({len(lines) - LINES} more lines there)" if len(lines) > LINES else ""
        yield f"  log: {job.log}{more}"
        if job.log and not _logged(job, root):
            yield from (f"  | {line}" for line in _last_lines(root / job.log, job.begun))
    if len(failed) > SHOWN:
        yield f"and {len(failed) - SHOWN} more, above"
    if unfinished := run.of("unfinished"):
        names = "; ".join(job.name[:WIDTH] for job in unfinished[:SHOWN])
        more = f"; and {len(unfinished) - SHOWN} more" if len(unfinished) > SHOWN else ""
        yield f"{_jobs(unfinished)} did not finish, see above: {names}{more}"


def _jobs(jobs: list[RunJob]) -> str:
    return f"{len(jobs)} {'job' if len(jobs) == 1 else 'jobs'}"


def _last_lines(log: Path, since: float) -> list[str]:
    text = end_of(log, since - CLOCKS_DIFFER).replace("\r", "\n")  # progress bars return
    return [plain(line)[:WIDTH] for line in text.splitlines() if line.strip()][-LINES:]


def _logged(job: RunJob, root: Path) -> str:
    return cause(root / job.log, job.begun - CLOCKS_DIFFER)


def end_of(log: Path, since: float, size: int = END) -> str:
    """The last `size` bytes of a log; nothing if it is not there, or older than `since`."""
    try:
        if log.stat().st_mtime < since:
            return ""
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - size))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
