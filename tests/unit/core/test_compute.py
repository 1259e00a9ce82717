"""Devices, threads and memory."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from susx.core.compute import SPINS, THREAD_VARIABLES, WAITING, peak_mib, pick_device
from susx.core.errors import InputError

ROOT = Path(__file__).parents[3]
REPORT = """
import json, os
from threadpoolctl import threadpool_info
names = {names!r}
print(json.dumps({{
    "torch": torch.get_num_threads(),
    "pools": [pool["num_threads"] for pool in threadpool_info()],
    "variables": [os.environ.get(name) for name in names],
    "tokenizers": os.environ.get("TOKENIZERS_PARALLELISM"),
}}))
"""
IMPORT, LIMIT = "import numpy, torch\n", "from susx.core.compute import limit_threads\n"


def reported(*steps: str) -> list[dict]:
    """What a process says after each step."""
    script = "".join(step + REPORT.format(names=THREAD_VARIABLES) for step in steps)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def assert_one_thread(report: dict) -> None:
    assert report["torch"] == 1
    assert set(report["pools"]) == {1}
    assert set(report["variables"]) == {"1"}
    assert report["tokenizers"] == "false"


def test_threads_take_what_is_not_normal_for_zero_from_then_on() -> None:
    script = """
import torch
from susx.core.compute import flush_subnormals
torch.set_num_threads(2)
halves = lambda n: (torch.full((n,), 2.0**-130) * 0.5).view(torch.int32).count_nonzero().item()
print(halves(10), flush_subnormals(), halves(1_000_000))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() in (["10", "True", "0"], ["10", "False", "1000000"]), done.stderr


def test_one_thread_set_before_imports_means_one_thread_everywhere() -> None:
    (report,) = reported(f"{LIMIT}limit_threads(1)\n{IMPORT}")
    assert_one_thread(report)


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, str(SPINS)), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_threads_sleep_soon_unless_told_how_to_wait(
    given: dict[str, str], spins: str | None
) -> None:
    script = f"import os\n{LIMIT}limit_threads(2)\nprint(os.environ.get('GOMP_SPINCOUNT'))"
    plain = {name: value for name, value in os.environ.items() if name not in WAITING}
    told = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=plain | given,
        check=True,
    )
    assert told.stdout.strip() == str(spins)


def test_threads_are_those_that_were_set_last() -> None:
    several = f"{IMPORT}{LIMIT}torch.set_num_threads(1)\nlimit_threads(3)\n"
    three, one = reported(several, "limit_threads(1)\n")
    assert three["torch"] == 3
    assert set(three["variables"]) == {"3"}
    assert three["tokenizers"] == "true"
    assert_one_thread(one)


def present(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "picked"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu"), (True, False, "cuda")],
)
def test_auto_prefers_cuda_then_mps(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, picked: str
) -> None:
    present(monkeypatch, cuda, mps)
    assert pick_device("auto") == picked


@pytest.mark.parametrize("device", ["cuda", "mps", "cpu"])
def test_a_present_device_is_taken_as_named(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    present(monkeypatch, True, True)
    assert pick_device(device) == device


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_an_absent_device_is_named(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    present(monkeypatch, False, False)
    with pytest.raises(InputError, match=f'device "{device}" is not available here; set `device:'):
        pick_device(device)


def test_peak_memory_is_in_mib_and_never_falls() -> None:
    before = peak_mib()
    block = bytearray(80 * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    during = peak_mib()
    del block
    assert before <= during <= peak_mib()
    assert 80 < during < 100_000


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_kept_for_the_next_use() -> None:
    code = (
        "import resource, sys, numpy as np\n"
        "from susx.core.compute import reuse_memory\n"
        "if sys.argv[1] == 'keep': assert reuse_memory()\n"
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "np.ones(2**22)\n"
        "before = faults()\n"
        "for _ in range(10): np.ones(2**22)\n"
        "print(faults() - before)\n"
    )
    kept, returned = (
        int(
            subprocess.run(
                [sys.executable, "-c", code, how], check=True, capture_output=True
            ).stdout
        )
        for how in ("keep", "return")
    )
    # Ten arrays of 32 MiB come page by page, and pages have at most 2 MiB.
    assert returned >= 10 * 32 // 2
    assert kept < returned / 10
