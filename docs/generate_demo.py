"""Write the demo's table into README.md, and its rows into docs/measured.yaml.

`python -m docs.generate_demo results/flags.json` after `make demo`.
"""

import argparse
import re
from pathlib import Path

from susx.core.rounding import decimal
from susx.evaluation.schema import Result, Run, read_result
from susx.evaluation.table import difference_text, tuned_on

ROOT = Path(__file__).parents[1]
README, MEASURED = ROOT / "README.md", ROOT / "docs/measured.yaml"
HEADER = re.compile(r"\| classifier \| text \|.*\n\|[-|]+\n")
DRAWN = ("tip-x", "fusion")
"""Methods that the table shows with the generated support set; the text below says so."""


def demo_rows(result: Result) -> list[str]:
    """Rows of the table in Markdown, without their outer bars."""
    shown = [run for run in result.runs if run.support != "sd-cupl" or run.method in DRAWN]
    return [" | ".join(_cells(run)) for run in shown]


def _cells(run: Run) -> list[str]:
    low, high = run.ci95
    best = run.delta_vs_best_text
    return [
        run.method,
        run.text,
        run.support or "–",
        tuned_on(run).replace("-", "–"),
        decimal(run.top1),
        f"{decimal(low)} to {decimal(high)}",
        "–" if best is None else difference_text(best),
    ]


def with_rows(page: str, rows: list[str]) -> str:
    """README.md with other rows under the header of the table.

    Raises:
        ValueError: if there is no such table.
    """
    header = HEADER.search(page)
    if header is None:
        raise ValueError("README.md has no table of classifiers")
    end = page.index("\n\n", header.end())
    return page[: header.end()] + "\n".join(f"| {row} |" for row in rows) + page[end:]


def with_measured(text: str, rows: list[str], commit: str) -> str:
    """docs/measured.yaml with other rows of the demo, which must be its last measurement.

    Raises:
        ValueError: if the entry of the demo is not there.
    """
    start = text.rindex("- command: make demo\n")
    end = text.index("\n\n", start)
    quoted = ["  - '{}'".format(row.replace("'", "''")) for row in rows]
    lines = ["- command: make demo", f"  commit: '{commit[:7]}'", "  page: README.md", "  values:"]
    return text[:start] + "\n".join([*lines, *quoted]) + text[end:]


def main() -> None:
    """Read the result of the demo and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    result = read_result(parser.parse_args().result)
    rows, commit = demo_rows(result), str(result.provenance["git_commit"] or "mixed")
    README.write_text(with_rows(README.read_text("utf-8"), rows), "utf-8")
    MEASURED.write_text(with_measured(MEASURED.read_text("utf-8"), rows, commit), "utf-8")


if __name__ == "__main__":
    main()
