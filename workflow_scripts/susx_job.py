"""What every script shares: threads, logging to the job's log, and readable errors."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The package beside the workflow is the one that planned this job, whatever else is installed;
# environments that Snakemake deploys have none.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from susx.artifacts.ground import Job
from susx.artifacts.making import Paths, make
from susx.artifacts.recipe import Receipt
from susx.core.compute import end_quickly, limit_threads
from susx.core.errors import InputError
from susx.core.plain import plain
from susx.progress.failures import UNEXPECTED


class Files:
    """Inputs or outputs of a job: by name as attributes, and all of them in order."""

    def __init__(self, given: Any, paths: Mapping[str, Any]) -> None:
        """Put other paths in the place of those that Snakemake gives."""
        self._all = [path for part in paths.values() for path in _listed(part)]
        self._named = {
            name: _listed(paths.get(name, [])) if not isinstance(value, str) else _only(paths[name])
            for name, value in given.items()
        }

    def __getattr__(self, name: str) -> Any:
        try:
            return self._named[name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, key: int | str) -> Any:
        return self._named[key] if isinstance(key, str) else self._all[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def get(self, name: str, default: Any = None) -> Any:
        """One of them, or `default`."""
        return self._named.get(name, default)


def _listed(part: Any) -> list[str]:
    return [part] if isinstance(part, str) else list(part)


def _only(part: Any) -> str:
    return _listed(part)[0]


@dataclass(frozen=True)
class Task:
    """What a script sees of its job: no wildcards, which would change what is made unseen.

    `parts` is a folder for what a later try goes on from, `receipt` what the outputs are made from,
    and `kin` and `relatives` find earlier outputs that were made from other inputs, or settings.
    """

    input: Files
    output: Files
    params: Any
    threads: int
    parts: Path | None
    receipt: Receipt | None
    kin: Callable[..., list[Path]]
    relatives: Callable[..., list[dict[str, Path]]]


def run_job(main: Callable[[Any], None], job: Any) -> None:
    """Run `main` within the job's threads; bad input ends in one message, not a traceback.

    What the store holds is not made again. The log file gets everything that goes to stderr,
    progress bars included.
    """

    def work(paths: Paths) -> None:
        own, made = Files(job.input, paths.inputs), Files(job.output, paths.outputs)
        found = paths.kin, paths.relatives
        main(Task(own, made, job.params, job.threads, paths.parts, paths.receipt, *found))

    limit_threads(job.threads)
    end_quickly()
    log = Path(job.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as stream:
        sys.stderr = Tee(sys.stderr, stream)
        logging.basicConfig(
            level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True
        )
        try:
            make(Job.of(job.rule, job.input, job.output, job.params), work)
        except InputError as error:
            logging.error("%s", error)
            sys.exit(1)
        except Exception:
            logging.exception(UNEXPECTED)
            sys.exit(1)
        finally:
            sys.stderr = sys.__stderr__


class Tee:
    """A text stream that writes to two others, without secrets and steering characters."""

    def __init__(self, first: Any, second: Any) -> None:
        self._streams = (first, second)

    def write(self, text: str) -> int:
        """Write to both."""
        shown = plain(text, keep="\n\t\r")  # progress bars return
        for stream in self._streams:
            stream.write(shown)
        return len(text)

    def flush(self) -> None:
        """Flush both."""
        for stream in self._streams:
            stream.flush()

    def isatty(self) -> bool:
        """Tell programs that colour their output not to."""
        return False
