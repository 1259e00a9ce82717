"""Numbers on the pages of the documentation, and the file of those that were measured."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susx.core.yaml_files import load_yaml
from tests.pages import BLOCK, ROOT, WRITTEN, text_of

FILE = ROOT / "docs/measured.yaml"
OWN_TABLES = {"docs/datasets.md"}
"""Pages whose tables another test compares."""
COUNTED = r"[-+]?\d[\d,.]*"
FIGURE = re.compile(rf"{COUNTED}($| )")
UNITS = r"(?:ms|s|min|minutes?|hours?|h|KiB|MiB|GiB|kB|MB|GB|TB|points?|times)\b"
NUMBER = re.compile(
    rf"(?<![\w.]){COUNTED}(?: (?:to|and|or) {COUNTED})? ?(?:{UNITS}|%)(?! interval)"
)
"""A time, a size, a share, a difference or a ratio: what a number that was measured looks like."""


@dataclass(frozen=True)
class Measurement:
    """What one command printed, as a page says it.

    Attributes:
        command: that measured it.
        commit: of the code that was measured.
        page: where the values stand.
        values: pieces of its text.
    """

    command: str
    commit: str
    page: str
    values: list[str]


def measurements() -> list[Measurement]:
    """All of the file."""
    return [Measurement(**entry) for entry in _file()["measured"]]


def stated() -> dict[str, list[str]]:
    """By page, numbers that nobody measured."""
    found: dict[str, list[str]] = _file()["stated"]
    return found


def pieces_of(page: str) -> list[str]:
    """Everything that the file says of a page."""
    measured = [value for entry in measurements() if entry.page == page for value in entry.values]
    return measured + stated().get(page, [])


def prose(page: str) -> str:
    """A page without code blocks, in one line."""
    return " ".join(BLOCK.sub("", text_of(page)).split())


def rows_of_figures(page: str) -> Iterator[str]:
    """Rows of tables with three figures at least, as one line each."""
    if page in OWN_TABLES:
        return
    for line in text_of(page).splitlines():
        cells = line.strip("| ").split(" | ")
        if line.startswith("| ") and sum(bool(FIGURE.match(cell)) for cell in cells) >= 3:
            yield " ".join(line.strip("| ").split())


def unexplained(page: str) -> Iterator[str]:
    """Numbers of a page that the file does not have, with what stands before them."""
    text = prose(page)
    known = [
        range(found.start(), found.end())
        for piece in pieces_of(page)
        for found in re.finditer(re.escape(piece), text)
    ]
    yield from (row for row in rows_of_figures(page) if not _holds(pieces_of(page), row))
    for number in NUMBER.finditer(text):
        if not any(number.start() in place and number.end() - 1 in place for place in known):
            yield text[max(0, number.start() - 30) : number.end()]


def _holds(pieces: list[str], row: str) -> bool:
    return any(piece in row and len(piece) > len(row) / 2 for piece in pieces)


def _file() -> Any:
    return load_yaml(Path(FILE))


PAGES_WITH_NUMBERS = WRITTEN
