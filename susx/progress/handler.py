"""A handler of Snakemake's logger, which follows a run and writes down its events."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path

from susx.progress.console import ConsoleView
from susx.progress.events import Event, RunEnded, WorkflowStarted, event_of
from susx.progress.files import new_file
from susx.progress.run import RunState


class RunHandler(logging.Handler):
    """Follows a run by the log events of Snakemake, in memory and in a file.

    Nothing is written before the run starts. A file that cannot be written is told once, and stops
    no run.

    Attributes:
        root: the folder that Snakemake works in.
        run: the run so far.
    """

    def __init__(
        self,
        root: Path,
        quiet: bool,
        retries: Callable[[str], int],
        view: ConsoleView | None = None,
    ) -> None:
        """Prepare for a run.

        Args:
            root: the folder that Snakemake works in.
            quiet: whether Snakemake was told not to tell when jobs finish.
            retries: how often the jobs of a rule are tried again, by its name.
            view: shows the run; Snakemake does without one.
        """
        super().__init__()
        self.root, self.run = root, RunState()
        self._quiet, self._retries = quiet, retries
        self._view = view
        self._file: FileIO | None = None
        self._writable = True

    @property
    def has_view(self) -> bool:
        """Whether it shows the run."""
        return self._view is not None

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record of the logger; an error in doing so is shown, and stops no run."""
        try:
            if event := event_of(record, self._quiet, self._retries):
                self._take(event)
            elif self._view:
                self._view.message(record)
        except Exception:
            self.handleError(record)

    def end(self, succeeded: bool = False) -> None:
        """Note that the run is over, if one is at work."""
        self.acquire()
        try:
            if self.run.called and self.run.state == "at work":
                self._take(RunEnded(time=time.time(), succeeded=succeeded))
        finally:
            self.release()

    def close(self) -> None:
        """Note that the run is over, and let go of its file."""
        self.end()
        if self._view:
            self._view.stop()
        if self._file:
            self._file.close()
        super().close()

    def _take(self, event: Event) -> None:
        self.run.take(event)
        if self._view:
            self._view.take(event, self.run)
        try:
            if isinstance(event, WorkflowStarted):
                self._file = new_file(self.root)
            if self._file and self._writable:
                self._write(self._file, f"{event.model_dump_json()}\n".encode())
        except OSError as error:
            self._writable = False
            told = f"susx progress will not know of this run: {error}"
            print(told, file=sys.stderr, flush=True)

    def _write(self, file: FileIO, line: bytes) -> None:
        if file.write(line) < len(line):
            raise OSError(f"{file.name}: only part of a line was written")
