"""What becomes of damaged files, by kind.

`python -m tests.benchmarks.bench_corruption` flips a bit, replaces a byte, or cuts off the end of
every kind of file that the pipeline writes and reads back, at seeded random places, and prints how
often reading detected it, gave the same values, gave others, or let an exception escape.
`--mangle` damages many bytes; `--foreign` takes files that users and strangers make, which mostly
have no checksum, so that other values are no fault there.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from tests.corruption import KINDS, damaged, mangled, trials
from tests.foreign_files import FOREIGN

OUTCOMES = ("detected", "harmless", "wrong", "escaped")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=200, help="per kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mangle", action="store_true")
    parser.add_argument("--foreign", action="store_true")
    options = parser.parse_args()
    print(f"| file | trials | {' | '.join(OUTCOMES)} |\n|---|---:|---:|---:|---:|---:|")
    total: Counter[str] = Counter()
    escaped: Counter[str] = Counter()
    for kind in FOREIGN if options.foreign else KINDS:
        with tempfile.TemporaryDirectory() as folder:
            damage = mangled if options.mangle else damaged
            found = trials(kind, Path(folder) / "files", options.trials, options.seed, damage)
        counts = Counter(outcome if outcome in OUTCOMES else "escaped" for outcome in found)
        escaped.update(f"{kind.name}: {outcome}" for outcome in found if outcome not in OUTCOMES)
        total += counts
        print(row(kind.name, counts), flush=True)
    print(row("all", total))
    for problem, count in escaped.most_common():
        print(f"\n{count} x {problem}")


def row(name: str, counts: Counter[str]) -> str:
    """A row of the table."""
    cells = (name, counts.total(), *(counts[outcome] for outcome in OUTCOMES))
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
