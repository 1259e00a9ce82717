"""Devices, threads and memory."""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import resource
import sys

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
)


WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""Variables that say how threads of OpenMP wait for work, the second that of GNU, with PyTorch."""
SPINS = 10_000
"""Turns in which a thread waits before it sleeps, about half a millisecond. At GNU's 300,000 an
evaluation of the demo on two threads takes five times as much processor time on a busy machine; at
a thousand or none it takes a twentieth to an eighth longer on a quiet one."""


def wait_asleep() -> None:
    """Let threads without work soon sleep, unless the environment says how they wait.

    Call it before PyTorch is imported, here or in a process that is started from here.
    """
    if not any(name in os.environ for name in WAITING):
        os.environ["GOMP_SPINCOUNT"] = str(SPINS)


def limit_threads(threads: int) -> None:
    """Keep torch, BLAS, OpenMP and tokenizers of this process within `threads` threads.

    Call it before those libraries are imported: most read their variable only once.
    """
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    wait_asleep()
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)
    if "threadpoolctl" in sys.modules or "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)


def end_quickly() -> None:
    """Spare this process the search for garbage at its end, a second with torch and transformers.

    What is registered with `atexit` runs, and files are closed, as ever.
    """
    atexit.register(gc.freeze)


def flush_subnormals() -> bool:
    """Let PyTorch take numbers too small to be normal for zeros; False if it cannot.

    Processors work them out some thirty times slower, and posteriors of many classes are full of
    them: without this `fusion` takes three times as long at the size of ImageNet
    (`tests/benchmarks/bench_methods.py`). Call it before PyTorch's first work: threads that it
    starts later do as the one that calls, which is why no library function should.
    """
    import torch

    return torch.set_flush_denormal(True)


def pick_device(wanted: str) -> str:
    """Resolve `auto` to cuda, mps or cpu, in this order of preference.

    Raises:
        InputError: if the wanted device is not there.
    """
    import torch

    from susx.core.errors import InputError

    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return next(device for device, there in present.items() if there)
    if not present.get(wanted):
        raise InputError(f'device "{wanted}" is not available here; set `device: auto`')
    return wanted


def peak_mib(device: str = "cpu") -> float:
    """Peak memory so far, in MiB: of the GPU if one is used, else of this process."""
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def reuse_memory() -> bool:
    """Let the C library keep freed memory of this process for its next use; False if it cannot.

    glibc gives every large block back to the system, which clears it before the next batch gets it:
    a tenth of the time of a forward pass on the CPU (`tests/benchmarks/bench_embedding.py`).
    """
    trim_threshold, top_pad, mmap_threshold, most = -1, -2, -3, 2**30
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return False
    wanted = ((mmap_threshold, most), (trim_threshold, 2 * most - 1), (top_pad, most // 16))
    return all([mallopt(name, value) for name, value in wanted])
