"""The pipeline, killed at random moments and run again, against a run that nothing disturbed.

    python -m tests.benchmarks.bench_crash [--kills 20] [--seed 0]

Kills with SIGKILL: all processes at once (`group`), all at once while a file is being written
(`writing`), or one job (`job`); a run goes on until it is finished, then another starts from
nothing. Every finished run must equal the undisturbed one file by file (caches by content, JSON
without times), and no job that had ended may run again.
"""

import argparse
import random
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.crash import Killed, write_whole_world
from tests.workflow.project import RESULT, assert_same_outputs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    chance = random.Random(chosen.seed)
    kills: list[str] = []
    redone: list[str] = []
    with TemporaryDirectory() as folder:
        world = write_whole_world(Path(folder, "world"))
        undisturbed = world.copy(Path(folder, "undisturbed"))
        jobs = undisturbed.run(RESULT).jobs
        print(f"undisturbed: {len(jobs)} jobs", flush=True)
        runs = 0
        while len(kills) < chosen.kills:
            runs += 1
            killed = Killed(world.copy(Path(folder, f"killed{runs}")), chance)
            while len(kills) + len(killed.record.kills) < chosen.kills and killed.kill_once():
                print(killed.record.kills[-1], flush=True)
            killed.finish()
            kills += killed.record.kills
            redone += killed.record.redone
            assert_same_outputs(undisturbed, killed.project)
            print(f"run {runs}: equal after {len(killed.record.kills)} kills", flush=True)
    print(f"{len(kills)} kills in {runs} runs, all results equal; ended jobs redone: {len(redone)}")
    for rule in redone:
        print(f"  redone: {rule}")


if __name__ == "__main__":
    main()
