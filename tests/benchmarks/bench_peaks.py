"""Peak memory of every rule's jobs at two sizes, against what the rule asks of a scheduler.

    python -m tests.benchmarks.bench_peaks [--only PART]

Prints a table in Markdown: what is counted, both numbers of it, MB asked for and had, and what both
come to at the largest number that is expected in use; ends with 1 if a job has more than it asks
for. The jobs are those of tests/memory, each in a process of its own. `--only PART` leaves out what
does not have PART in its name.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.memory.cases import CASES
from tests.memory.measure import Measured, measured
from tests.memory.rules import rules_with_jobs


def row(found: Measured) -> str:
    """A line of a table in Markdown."""
    case = found.case
    pairs = (" / ".join(f"{n:,.0f}" for n in two) for two in (case.sizes, found.asked, found.peaks))
    in_use = (f"{n:,.0f}" for n in (case.use, *found.in_use))
    return f"| {' | '.join((case.rule, case.of, *pairs, *in_use))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="PART")
    only = parser.parse_args().only
    over = []
    print("| rule | counted | numbers | asked | peak | in use | asked | peak |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as planned:
        rules = rules_with_jobs(Path(planned))
    for case in CASES:
        if only in str(case):
            with tempfile.TemporaryDirectory() as name:
                found = measured(case, rules[case.rule], Path(name))
            print(row(found), flush=True)
            over += [str(case)] * any(had > asked for asked, had in found.all_sizes)
    if over:
        sys.exit(f"more than asked for: {'; '.join(over)}")


if __name__ == "__main__":
    main()
