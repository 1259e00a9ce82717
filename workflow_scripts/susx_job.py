"""What every script shares: threads, logging to the job's log, and readable errors.

At its top a script imports the standard library and this module. Everything else it imports within
`main`: a job that is found in the store imports none of it, threads are limited before it is
imported, and an import that fails ends in the job's log like any other error.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, TextIO, cast

PIPELINE = Path(__file__).resolve().parents[1]


def load_package(folder: Path) -> None:
    """Load the package that planned this job, whatever else is installed.

    Environments that Snakemake deploys have none. Around an installed workflow lie other packages,
    which are not those of such an environment, so that only susx is taken from there.

    Args:
        folder: of the workflow, with the package beside it, as in a checkout, or around it.
    """
    if (folder / "susx").is_dir():
        sys.path.insert(0, str(folder))
        return
    package = folder.parent
    spec = spec_from_file_location("susx", package / "__init__.py")
    if spec and spec.loader and "susx" not in sys.modules:
        sys.modules["susx"] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules["susx"])


load_package(PIPELINE)

from susx.artifacts import ground
from susx.artifacts.companions import companions_of
from susx.artifacts.making import Paths, make_together
from susx.artifacts.recipe import Receipt
from susx.core.compute import end_quickly, limit_threads
from susx.core.errors import InputError
from susx.core.plain import plain
from susx.progress.failures import UNEXPECTED
from susx.progress.job_output import is_kept_in_logs

ASK_THE_HUB = ("httpx", "httpx2")
"""They log every address that they ask for, and what the hub redirects to holds a signature."""


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
class Job:
    """A job as its script sees it: no wildcards, which would change what is made unseen.

    Attributes:
        input: paths by the names that the rule gives, one or a list.
        output: likewise.
        params: values by the names that the rule gives.
        threads: at most so many.
        paths: what lies around it.
        members: this job, and those that it makes along with itself, which read the same.
    """

    input: Files
    output: Files
    params: Any
    threads: int
    paths: Paths
    members: Sequence[Job] = ()

    @property
    def parts(self) -> Path:
        """Folder for what a later try goes on from.

        Raises:
            LookupError: if the rule keeps its outputs in no store.
        """
        if self.paths.parts is None:
            raise LookupError("the outputs of this job are kept in no store, and no parts of them")
        return self.paths.parts

    @property
    def receipt(self) -> Receipt:
        """What the outputs are made from.

        Raises:
            LookupError: if that is not known before the work.
        """
        if self.paths.receipt is None:
            raise LookupError("what this job is made from is not known before its work")
        return self.paths.receipt


class Given(Protocol):
    """What Snakemake gives a script, as far as it is used; lists of paths partly have names."""

    rule: str
    input: Any
    output: Any
    params: Any
    threads: int
    log: Sequence[str]


def run_job(main: Callable[[Job], None], script: Mapping[str, Any]) -> None:
    """Run `main` within the job's threads; bad input ends in one message, not a traceback.

    What the store holds is not made again. The log file gets everything that goes to stderr,
    progress bars included, and where the run shows a view nothing else does.

    Args:
        main: makes the outputs.
        script: names of the script, `snakemake` among them if it runs as a job.
    """
    if "snakemake" not in script:
        sys.exit(f"{script['__doc__']}\n\nSnakemake runs this script for jobs of the same name.")
    given: Given = script["snakemake"]

    def work(jobs: Sequence[tuple[ground.Job, Paths]]) -> None:
        members: list[Job] = []
        for job, paths in jobs:
            own, made = Files(given.input, paths.inputs), Files(given.output, paths.outputs)
            params = SimpleNamespace(**job.params)
            members.append(Job(own, made, params, given.threads, paths, members))
        main(members[0])

    limit_threads(given.threads)
    end_quickly()
    log = Path(given.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w", encoding="utf-8") as stream,
        redirect_stderr(cast("TextIO", Tee(*_others(stream), stream))),
    ):
        logging.basicConfig(
            level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True
        )
        for library in ASK_THE_HUB:
            logging.getLogger(library).setLevel(logging.WARNING)
        try:
            job = ground.Job.of(given.rule, given.input, given.output, given.params)
            make_together(job, companions_of(job), work)
        except InputError as error:
            logging.error("%s", error)
            sys.exit(1)
        except Exception:
            logging.exception(UNEXPECTED)
            sys.exit(1)


def _others(log: TextIO) -> Iterator[TextIO]:
    """Where stderr goes beside the log; what libraries in C write goes where it does."""
    if is_kept_in_logs():
        os.dup2(log.fileno(), 2)
    else:
        yield sys.stderr


class Tee:
    """A text stream that writes to others, without secrets and steering characters."""

    def __init__(self, *streams: TextIO) -> None:
        self._streams = streams

    def write(self, text: str) -> int:
        """Write to all."""
        shown = plain(text, keep="\n\t\r")  # progress bars return
        for stream in self._streams:
            stream.write(shown)
        return len(text)

    def flush(self) -> None:
        """Flush all."""
        for stream in self._streams:
            stream.flush()

    def isatty(self) -> bool:
        """Tell programs that colour their output not to."""
        return False
