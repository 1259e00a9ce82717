"""What every script shares: threads, logging to the job's log, and readable errors."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Environments that Snakemake deploys have the dependencies but not this package.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from susx.compute import limit_threads
from susx.errors import InputError
from susx.failures import UNEXPECTED
from susx.plain import plain


def run_job(main: Callable[[Any], None], job: Any) -> None:
    """Run `main(job)` within the job's threads; bad input ends in one message, not a traceback.

    The log file gets everything that goes to stderr, progress bars included.
    """
    limit_threads(job.threads)
    log = Path(job.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as stream:
        sys.stderr = Tee(sys.stderr, stream)
        logging.basicConfig(
            level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True
        )
        try:
            main(job)
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
