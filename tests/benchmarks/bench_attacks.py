"""Random attacks on the real pipeline, every round compared with a run from scratch.

    python -m tests.benchmarks.bench_attacks --rounds 20            the tiny world of the tests
    python -m tests.benchmarks.bench_attacks --rounds 3 --demo      the demo

A round strikes one to three times, runs, and compares the numbers of the result with those of the
same sources and settings in a folder where nothing was made; then nothing may be left to do.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from pathlib import Path

from tests.e2e.demo_project import RESULT as DEMO_RESULT
from tests.e2e.demo_project import copy_demo
from tests.workflow.attacks import Events, fresh, numbers
from tests.workflow.project import RESULT, Project, write_world

TRIES = 3  # a run may end with an error that says to run again


def attacked(place: Path, demo: bool, rounds: int, seed: int) -> int:
    """Play the rounds; the number of those that ended wrong."""
    root, result = place / "project", DEMO_RESULT if demo else RESULT
    (copy_demo if demo else write_world)(root)
    if demo:  # attacks edit config.yaml
        shutil.copy(root / "demo/config.yaml", root)
    project = Project(root)
    project.run(result)
    events, wrong = Events(project, random.Random(seed), result), 0
    for number in range(rounds):
        said = [events.strike() for _ in range(events.chance.randint(1, 3))]
        begin = time.monotonic()
        tries = 1
        while project.attempt(result).returncode and tries < TRIES:
            tries += 1
        seconds = time.monotonic() - begin
        equal = numbers(project, result) == numbers(fresh(project, place / "fresh", result), result)
        quiet = project.plan(result).jobs == []
        wrong += not (equal and quiet)
        verdict = ("equal" if equal else "WRONG") + ("" if quiet else ", NOT QUIET")
        told = f"{number:3} {verdict}, {tries} tries, {seconds:.0f} s: {', '.join(said)}"
        print(told, flush=True)
    print(f"{rounds - wrong} of {rounds} rounds equal to a run from scratch, and quiet afterwards")
    return wrong


def main() -> None:
    """Ends with 1 if a round ended wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--demo", action="store_true", help="the demo in place of the tiny world")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wrong = attacked(Path(folder), chosen.demo, chosen.rounds, chosen.seed)
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
