"""What this machine computes in a second, timed briefly; run as a program, what its GPU does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

TIMED = 0.25
"""Seconds that a product of matrices is repeated: dozens of times on a core, and soon over."""
SIDE = {"cpu": 512, "cuda": 4096}
"""Rows of the matrices: large enough that a product takes its time for computing, and on a core
small enough that some are not interrupted."""
GPU_FILES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Files of the drivers of NVIDIA, of Windows below Linux, and of AMD. Without one PyTorch, whose
import takes seconds, is not asked."""
GPU_PATIENCE = 60
"""Seconds for the import of PyTorch and the start of a GPU, on a slow file system, too."""

Width = Literal["float32", "float16"]


@dataclass(frozen=True)
class Machine:
    """Floating-point operations per second, as products of large matrices reach them.

    Attributes:
        cores: that this process may use.
        cpu: of all cores together, in float32: that of one, times their number.
        gpu: name of the GPU, if there is one.
        gpu_rates: its operations per second, by the width of numbers.
    """

    cores: int
    cpu: float
    gpu: str | None = None
    gpu_rates: Mapping[Width, float] = field(default_factory=dict)


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def timed_machine() -> Machine:
    """Time products of matrices on the processor, and on a GPU in a process of its own."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    side, cores = SIDE["cpu"], usable_cores()
    matrix = np.ones((side, side), np.float32)
    with threadpool_limits(1):  # threads that wait for each other measure what else runs here
        core = _rate(lambda: matrix @ matrix, side, time.thread_time)
    name, rates = _asked_gpu() if any(Path(file).exists() for file in GPU_FILES) else (None, {})
    return Machine(cores, cores * core, name, rates)


def _rate(product: Callable[[], Any], side: int, clock: Callable[[], float]) -> float:
    """Operations per second of the fastest product: others may be using the machine just now."""
    fastest, end = float("inf"), time.perf_counter() + TIMED
    while time.perf_counter() < end:
        began = clock()
        product()
        fastest = min(fastest, clock() - began)
    return 2 * side**3 / fastest


def _asked_gpu() -> tuple[str | None, dict[Width, float]]:
    """Name and rates of the GPU: a process of its own keeps none of its memory."""
    command = [sys.executable, "-m", __name__]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    try:
        done = subprocess.run(  # noqa: S603  # ourselves
            command, capture_output=True, timeout=GPU_PATIENCE, check=True, env=environment
        )
        found = json.loads(done.stdout)
        return found["name"], found["rates"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None, {}


def _timed_gpu() -> dict[str, Any] | None:
    import torch

    if not torch.cuda.is_available():
        return None
    rates, side = {}, SIDE["cuda"]
    for width in ("float32", "float16"):
        matrix = torch.ones((side, side), dtype=getattr(torch, width), device="cuda")
        rates[width] = _rate(partial(_waited, matrix), side, time.perf_counter)
    return {"name": torch.cuda.get_device_name(), "rates": rates}


def _waited(matrix: Any) -> None:
    import torch

    matrix @ matrix
    torch.cuda.synchronize()


if __name__ == "__main__":
    print(json.dumps(_timed_gpu()))
