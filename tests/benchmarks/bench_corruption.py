"""What becomes of damaged files, by kind.

`python -m tests.benchmarks.bench_corruption` flips a bit, replaces a byte, or cuts off the end of
every kind of file that the pipeline writes and reads back, at seeded random places, and prints how
often reading detected it, gave the same values, gave others, or let an exception escape.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from tests.corruption import KINDS, trials


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=200, help="per kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("| file | trials | detected | harmless | wrong | escaped |")
    print("|---|---:|---:|---:|---:|---:|")
    total: Counter[str] = Counter()
    escaped: Counter[str] = Counter()
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            outcomes = trials(kind, Path(folder) / "files", options.trials, options.seed)
        known = ("detected", "harmless", "wrong")
        found = Counter(outcome if outcome in known else "escaped" for outcome in outcomes)
        escaped.update(f"{kind.name}: {outcome}" for outcome in outcomes if outcome not in known)
        total += found
        print(row(kind.name, found), flush=True)
    print(row("all", total))
    for problem, count in escaped.most_common():
        print(f"\n{count} x {problem}")


def row(name: str, found: Counter[str]) -> str:
    """A row of the table."""
    counts = (found[outcome] for outcome in ("detected", "harmless", "wrong", "escaped"))
    return f"| {name} | {found.total()} | " + " | ".join(map(str, counts)) + " |"


if __name__ == "__main__":
    main()
