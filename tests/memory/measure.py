"""The peak of a job's memory at two sizes, and what it comes to in use."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.memory import job as job_file
from tests.memory.case import Case, Job
from tests.memory.rules import REPO, Rule
from tests.warm import clean_environment

NOISE_MB = 8
"""What two runs of one job differ by: the most that was seen was 8 MB, of downloads, whose threads
allocate at the same time; jobs of one thread differ by less than 1 MB."""
THREADS = 1
"""Of jobs whose threads are configured: of encoders and models, which are quicker on one if they
are tiny."""
OWN = {"work": "work", "stores": ["work/store"]}


@dataclass(frozen=True)
class Measured:
    """What a job of two sizes asks for and has, in MB."""

    case: Case
    asked: tuple[float, float]
    peaks: tuple[float, float]

    @property
    def grown(self) -> float:
        """What the peak grew by beyond noise."""
        return max(0.0, self.peaks[1] - self.peaks[0] - NOISE_MB)

    @property
    def all_sizes(self) -> list[tuple[float, float]]:
        """Asked for and had, of both jobs and in use."""
        return [*zip(self.asked, self.peaks, strict=True), self.in_use]

    @property
    def in_use(self) -> tuple[float, float]:
        """What a job of the largest expected size would ask for, and have at its peak."""
        small, large = self.case.sizes
        times = (self.case.use - large) / (large - small)
        return (
            self.asked[1] + times * (self.asked[1] - self.asked[0]),
            self.peaks[1] + times * self.grown,
        )


def measured(case: Case, rule: Rule, folder: Path) -> Measured:
    """Run both jobs of a case, each in a folder of its own."""
    asked, peaks = [], []
    for size in case.sizes:
        place = folder / str(size)
        place.mkdir(parents=True)
        job = case.make(place, size)
        assert job.params.keys() <= rule.params, case
        assert job.input.keys() >= rule.inputs, case
        asked.append(rule.asked_mb(job.input, job.wildcards))
        peaks.append(peak_mb(job, rule, place))
    return Measured(case, (asked[0], asked[1]), (peaks[0], peaks[1]))


def peak_mb(job: Job, rule: Rule, folder: Path) -> float:
    """Peak of one job in a process of its own."""
    kept = OWN | {"store": "work/store"} if rule.store else OWN
    outputs = {name: f"{name or 'output'}{end}" for name, end in rule.outputs.items()}
    given = {
        "rule": rule.name,
        "script": str(REPO / f"workflow_scripts/{rule.name}.py"),
        "input": job.input,
        "output": outputs,
        "params": job.params | {"kept": None if rule.store is None else kept},
        "threads": rule.threads or THREADS,
        "log": ["job.log"],
    }
    (folder / "job.json").write_text(json.dumps(given), "utf-8")
    done = subprocess.run(
        [sys.executable, job_file.__file__, "job.json"],
        cwd=folder,
        env=clean_environment() | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    missing = [path for path in outputs.values() if not (folder / path).exists()]
    assert not missing, missing
    return int(done.stdout.split()[-1]) * 1024 / 1e6
