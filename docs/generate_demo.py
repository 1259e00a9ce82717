"""Write the demo's table into README.md and docs/index.md, and its rows into docs/measured.yaml.

`python -m docs.generate_demo results/flags.json` after `make demo`.
"""

import argparse
import re
from pathlib import Path

from susx.core.rounding import decimal
from susx.evaluation.schema import Result, Run, read_result
from susx.evaluation.table import difference_text, tuned_on

ROOT = Path(__file__).parents[1]
README, HOME, MEASURED = (
    ROOT / name for name in ("README.md", "docs/index.md", "docs/measured.yaml")
)
HEADER = re.compile(r"\| classifier \|.*\n\|[-|]+\n")
DRAWN = ("tip-x", "fusion")
"""Methods that the table shows with the generated support set; the text below says so."""
AT_HOME = {
    ("zero-shot", "–", "–"): "class names",
    ("cupl+e", "–", "–"): "descriptions, too",
    ("tip-x", "lc-photo", "support"): "retrieved images, 16 per class, too",
    ("fusion", "lc-photo", "–"): "the unlabelled photographs, too",
}
"""What the home page says a row is made from, by classifier, support set and what it is tuned on:
one row of each kind that needs no label."""


def demo_rows(result: Result) -> list[str]:
    """Rows of the table in Markdown, without their outer bars."""
    shown = [run for run in result.runs if run.support != "sd-cupl" or run.method in DRAWN]
    return [" | ".join(_cells(run)) for run in shown]


def table_rows(page: str) -> list[str]:
    """Rows of a page's table of classifiers, without their outer bars.

    Raises:
        ValueError: if there is no such table.
    """
    return [row.strip("| ") for row in _parts(page)[1].splitlines()]


def home_rows(rows: list[str]) -> list[str]:
    """Rows of the home page, of those of README.md."""
    found = {}
    for row in rows:
        method, _, support, tuned, top1, interval, _ = row.split(" | ")
        found[method, support, tuned] = f"{top1} | {interval}"
    return [
        f"{kind[0]} | {made} | {found[kind]}" for kind, made in AT_HOME.items() if kind in found
    ]


def _parts(page: str) -> tuple[str, str, str]:
    """A page up to the rows of its table of classifiers, these rows, and the rest."""
    header = HEADER.search(page)
    if header is None:
        raise ValueError("the page has no table of classifiers")
    end = page.index("\n\n", header.end())
    return page[: header.end()], page[header.end() : end], page[end:]


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
    """A page with other rows under the header of its table of classifiers.

    Raises:
        ValueError: if there is no such table.
    """
    before, _, after = _parts(page)
    return before + "\n".join(f"| {row} |" for row in rows) + after


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
    for page, shown in ((README, rows), (HOME, home_rows(rows))):
        page.write_text(with_rows(page.read_text("utf-8"), shown), "utf-8")
    MEASURED.write_text(with_measured(MEASURED.read_text("utf-8"), rows, commit), "utf-8")


if __name__ == "__main__":
    main()
