"""Why jobs failed, in the last lines of a run: what their logs say, and what the executor says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from susx.core.plain import plain

UNEXPECTED = "unexpected error; please report it with this log"
"""What a log says before the traceback of an exception that is no `InputError`."""

ENTRY = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR|CRITICAL) ")
REPORT = re.compile(r"^Error in rule \w+:\n +message: (.+)\n +jobid: (\d+)$", re.MULTILINE)
NOTHING = "None"
END = 1 << 16
SHOWN = 5
LINES = 3
WIDTH = 500


@dataclass(frozen=True)
class Failure:
    """A failed job.

    Attributes:
        rule: its rule.
        wildcards: their values.
        log: its log file.
        said: what the executor said of it, such as Slurm's status, or nothing.
        since: when the run began, in seconds since 1970; an older log tells of another run.
    """

    rule: str
    wildcards: Mapping[str, str]
    log: str
    said: str = ""
    since: float = 0.0


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


def executor_messages(log: str | Path) -> dict[int, str]:
    """What Snakemake's log tells of failed jobs, by job number, beside that they failed."""
    text = Path(log).read_text("utf-8", "replace")
    return {int(job): said for said, job in REPORT.findall(text) if said != NOTHING}


def explained(failures: Sequence[Failure]) -> Iterator[str]:
    """Lines that tell why jobs failed, and where to read more."""
    yield f"{len(failures)} {'job' if len(failures) == 1 else 'jobs'} failed:"
    for failure in failures[:SHOWN]:
        wildcards = ", ".join(f"{name}={value}" for name, value in failure.wildcards.items())
        reason = cause(failure.log, failure.since) or _unexplained(failure)
        lines = plain(reason).splitlines()
        yield f"{failure.rule} ({wildcards}): {lines[0][:WIDTH]}"
        yield from (f"  {line[:WIDTH]}" for line in lines[1:LINES])
        more = f" ({len(lines) - LINES} more lines there)" if len(lines) > LINES else ""
        yield f"  log: {failure.log}{more}"
    if len(failures) > SHOWN:
        yield f"and {len(failures) - SHOWN} more, above"


def _unexplained(failure: Failure) -> str:
    words = failure.said or "killed, or out of memory or time? See above"
    return f"no error in its log; {words}"


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
