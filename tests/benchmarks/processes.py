"""What commands cost, with all processes that they start and leave to others."""

import ctypes
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

INTERVAL = 0.1
"""Seconds between two looks at the memory of all processes."""
SUBREAPER = 36
"""Option of Linux's prctl: processes whose parent ends become children of this one."""


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        seconds: until it ended.
        processor: seconds of it, and of all that it started.
        peak: MiB of all of them at once; pages that they share count once.
        output: what it wrote.
    """

    seconds: float
    processor: float
    peak: float
    output: str


def cost(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Cost:
    """Run a command.

    Raises:
        RuntimeError: if it fails, with its output.
    """
    ctypes.CDLL(None).prctl(SUBREAPER, 1)
    before = processor_seconds()
    with tempfile.TemporaryFile("w+") as output:
        started, peak = time.perf_counter(), 0.0
        process = psutil.Popen(
            command, cwd=folder, env=env, stdout=output, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            peak = max(peak, _resident_mib(process))
            time.sleep(INTERVAL)
        seconds = time.perf_counter() - started
        with suppress(ChildProcessError):
            while True:
                os.wait()
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise RuntimeError(text)
    return Cost(seconds, processor_seconds() - before, peak, text)


def processor_seconds() -> float:
    """Seconds that processors worked for the children that this process has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _resident_mib(process: psutil.Process) -> float:
    """Memory of a process and its descendants."""
    total = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    for member in family:
        with suppress(psutil.NoSuchProcess):
            total += member.memory_full_info().pss
    return total / 2**20
