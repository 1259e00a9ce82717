"""Peak memory of the jobs of a run, against what their rules ask of a scheduler.

    python -m tests.benchmarks.bench_peaks [FOLDER]

FOLDER is a project in which Snakemake ran last with all its jobs, such as a checkout after
`make demo`. Prints the largest peak per rule, from the receipts of what it made, and the memory
that was asked for, from Snakemake's log. Ends with 1 if a job had more, or has no receipt.
"""

import argparse
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

from susx.core.errors import InputError

RULE = re.compile(r"(?:local)?rule (\w+):")
MEMORY = re.compile(r"resources: .*?mem_mb=(\d+)")
WITHOUT = {"demo_images", "demo_pool"}
"""Rules whose files are known by their content alone."""


def asked(folder: Path) -> dict[str, int]:
    """MB per rule, the most that a job of it asked for in the last run."""
    logs = sorted((folder / ".snakemake/log").glob("*.snakemake.log"))
    if not logs:
        raise InputError(f"{folder}: no run of Snakemake; run it there first")
    found: dict[str, int] = defaultdict(int)
    rule = ""
    for line in logs[-1].read_text("utf-8").splitlines():
        if begun := RULE.match(line):
            rule = begun[1]
        if told := MEMORY.search(line):
            found[rule] = max(found[rule], int(told[1]))
    return found


def peaks(folder: Path) -> dict[str, float]:
    """MB per rule, the largest peak of its jobs."""
    found: dict[str, float] = defaultdict(float)
    receipts = [*folder.glob("*/store/*/*/receipt.json"), *folder.glob("*/receipts/**/*.json")]
    for path in receipts:
        receipt = json.loads(path.read_text("utf-8"))
        stage, peak = receipt["recipe"]["stage"], receipt["made"]["took"]["peak_mib"]
        found[stage] = max(found[stage], peak * 2**20 / 1e6)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path())
    folder = parser.parse_args().folder
    most, had = asked(folder), peaks(folder)
    for rule in sorted(had):
        print(f"{rule:>20}: {had[rule]:6.0f} of {most.get(rule, 0):6} MB")
    shares = {rule: had[rule] / most[rule] for rule in most if rule in had}
    if missing := sorted(set(most) - set(had) - WITHOUT):
        sys.exit(f"without a receipt: {', '.join(missing)}")
    if over := sorted(rule for rule, share in shares.items() if share > 1):
        sys.exit(f"more than asked for: {', '.join(over)}")
    rule = max(shares, key=lambda rule: shares[rule])
    print(f"the largest share of what it asks for has {rule}: {shares[rule]:.0%}")


if __name__ == "__main__":
    main()
