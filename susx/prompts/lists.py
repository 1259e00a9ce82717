"""Items of the lists that language models write, whatever their style."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

EMPHASIS = re.compile(r"(\*\*|__|\*|`)(?=\S)([^*`]+?)(?<=\S)\1")
NOISE = re.compile(r"^[ \t]*(?:(?:```|~~~)\w*[ \t]*$|(?:>[ \t]?)+)", re.MULTILINE)
"""Fences of code, and marks of quotes."""
OPENERS = re.compile(r"<li[^<>]{0,99}>|\\item(?:\s*\[[^][]{0,99}\])?", re.IGNORECASE)
WRAPPERS = re.compile(
    r"</?(?:li|ul|ol|p|div)(?:\s[^<>]{0,99})?>|<br\s*/?>|\\(?:begin|end)\{(?:itemize|enumerate)\}",
    re.IGNORECASE,
)
SYMBOLS = "-–—•·・∙‣⁃▪▫●○◦■□◆◇▶►➤➢→⇒★✓✔✅☑+*"
BULLET = re.compile(
    r"(?:(?:step|feature|item|point|number|no\.?)\s*)?[#(\[]?\d{1,3}"
    r"(?:\\?[.):\]/．、）：]|\s+[-–—])(?=\s|[^\W\d])"  # 1. 1) (1) [1] 1\. 1: 1/ 1- Step 1:
    r"|#\d{1,3}(?=\s)|=>(?=\s)|o(?=\t)"  # the last: a circle of word processors
    r"|\d{1,2}\ufe0f?\u20e3|[\u2460-\u249b\u24ea-\u24ff\u2776-\u2793][.)]?"  # keycaps, circles
    rf"|[{re.escape(SYMBOLS)}]\ufe0f?(?=[^\W\d])"
    r"|[^\w\s\"'“”‘’()\[\]{}<>|#.,;:!?…&%$€£`\\^=]{1,4}(?=\s)"  # any other symbol, as emoji
    r"|\[[ xX✓]?\](?=\s)",
    re.IGNORECASE,
)
LETTER = re.compile(r"\(?([a-z]|[ivx]{1,4})[.)]\s+(?=\S)", re.IGNORECASE)
RULE = re.compile(r"[\s|:+-]+")
CELL_NUMBER = re.compile(r"\W*\d{1,3}\W*")
GENERIC = re.compile(
    r"(?:(?:visual )?(?:features?|descriptors?|descriptions?|details?|names?|items?|points?|text"
    r"|values?|attributes?|traits?|characteristics?|parts?)\W*)?\d*",
    re.IGNORECASE,
)
"""Keys of a mapping that say nothing of its values."""
INTRODUCTION = re.compile(r"[^:]{1,99}:\s+(?=\S)")
INLINE_NUMBER = re.compile(r"(?:(?<=\s)|^)\(?(\d{1,2})[.)]\s+(?=\S)")
INLINE_BULLET = re.compile(r"(?<=\s)[•·‣▪●○◦■►➤→✓✔✅]\s*")
SEPARATORS = (";", "|", " / ", ",")
MIN_ITEMS = 3
"""Parts of a line that make it a list: a comma or two stand in any phrase."""

NESTED = 2
"""Further spaces before a line that belongs to the item above it: the fewest in Markdown."""
TAB = 4
"""Columns of a tab, as Markdown has it."""
DASHES = "-–—"


@dataclass(frozen=True)
class _Item:
    indent: int
    mark: str
    """Kind of the bullet: `number`, `letter`, `other`, or the symbol itself."""
    text: str


def items(text: str) -> tuple[list[str], bool]:
    """Find the items of a list: in lines with or without bullets, a table, JSON, or one line.

    An item above others, which are indented or have another kind of bullet, gets a colon at its
    end.

    Returns:
        The items, none if there is no list, and whether the last of them ends the text.
    """
    text = WRAPPERS.sub("\n", OPENERS.sub("\n- ", NOISE.sub("", text)))
    if strings := _literal(text.strip()):
        return strings, False
    lines = [line for line in text.splitlines() if re.search(r"\w", line)]
    if not lines:
        return [], False
    marked, at_end = _marked([part for line in lines for part in _inline(line)])
    if marked:
        return _with_headings(marked), at_end
    if rows := list(_table(lines)):
        return rows, True
    return _plain(lines), True


def _literal(text: str) -> list[str]:
    """Strings of a list or mapping as JSON or Python writes them."""
    start = re.search(r"\A[^\[{\n]{0,99}\s*([\[{])", text)
    if not start:
        return []
    end = text.rfind("]" if start[1] == "[" else "}")
    literal = text[start.start(1) : end + 1]
    for read in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return list(_strings(read(literal)))
    return []


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
    elif isinstance(value, dict):
        yield from _pairs(value)


def _pairs(mapping: dict[Any, Any]) -> Iterator[str]:
    """Values with their keys, as in `comb: red`; where keys only say `feature`, those as one."""
    said = {str(key).replace("_", " ").strip(): value for key, value in mapping.items()}
    named = {key: value for key, value in said.items() if isinstance(value, str)}
    if len(named) > 1 and all(GENERIC.fullmatch(key) and not key[-1].isdigit() for key in named):
        yield ": ".join(named.values())
        said = {key: value for key, value in said.items() if key not in named}
    for key, value in said.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number or (isinstance(value, str) and not GENERIC.fullmatch(key)):
            yield f"{key}: {value}"
        else:
            yield from _strings(value)


def _inline(line: str) -> list[str]:
    """A line, or the items of the list that stands in it."""
    numbers = list(INLINE_NUMBER.finditer(line))
    if len(numbers) > 1 and [int(n[1]) for n in numbers] == [*range(1, len(numbers) + 1)]:
        ends = [*(n.start() for n in numbers), len(line)]
        return [line[start:end].rstrip(" ,;") for start, end in pairwise(ends)]
    if len(parts := INLINE_BULLET.split(f" {line}")) > 2:
        return [f"- {part}" for part in parts[1:]]
    if line.lstrip().startswith("- ") and line.count(" - ") >= MIN_ITEMS - 1:
        return [f"- {part}" for part in line.strip().removeprefix("- ").split(" - ")]
    return [line]


def without_bullets(line: str) -> str | None:
    """What follows the bullets or numbers that a line begins with, or None if it has none."""
    rest = text = line.strip()
    while mark := BULLET.match(rest):
        rest = rest[mark.end() :].lstrip()
    return rest if rest != text else None


def _marked(lines: list[str]) -> tuple[list[_Item], bool]:
    """Items with a bullet, and whether no line follows the last one."""
    lines = [EMPHASIS.sub(r"\2", line) for line in lines]
    lettered = _lettered(lines)
    found: list[_Item] = []
    going_on = False
    for line in lines:
        if item := _item(line, lettered):
            found.append(item)
        elif going_on and indent_of(line) >= found[-1].indent + NESTED:
            found[-1] = replace(found[-1], text=f"{found[-1].text} {line.strip()}")
            continue
        going_on = bool(item and item.text)
    return [item for item in found if item.text], going_on


def _item(line: str, lettered: bool) -> _Item | None:
    """What a line with a bullet says."""
    text = line.strip()
    if lettered and (letter := LETTER.match(text)):
        return _Item(indent_of(line), "letter", text[letter.end() :])
    rest = without_bullets(line)
    return None if rest is None else _Item(indent_of(line), _kind(text), rest)


def _kind(line: str) -> str:
    """Kind of the bullet that a line begins with; one of its own for every common symbol."""
    bullet = BULLET.match(line)
    mark = bullet[0] if bullet else ""
    if any(character.isnumeric() for character in mark):
        return "number"
    if mark[:1] in DASHES:
        return "-"
    return mark[:1] if mark[:1] in SYMBOLS + "o" else "other"


def indent_of(line: str) -> int:
    """Columns before the first character of a line."""
    text = line.expandtabs(TAB)
    return len(text) - len(text.lstrip())


def _lettered(lines: list[str]) -> bool:
    """Tell whether lines are counted by letters or Roman numbers."""
    marks = [found[1].casefold() for line in lines if (found := LETTER.match(line.strip()))]
    return len(marks) > 1 and marks[:2] in (["a", "b"], ["i", "ii"])


def _with_headings(found: list[_Item]) -> list[str]:
    above = _above_others(found)
    return [
        f"{item.text.rstrip(': ')}:" if number in above else item.text
        for number, item in enumerate(found)
    ]


def _above_others(found: list[_Item]) -> set[int]:
    """Numbers of the items that have others below them.

    In a list with two kinds of bullets, where all items with the first kind are followed by the
    other, the first is that of headings, whatever the indents: `1. Legs`, `- four`, `- thin`.
    """
    pairs = list(pairwise(found))
    above = {number for number, (item, after) in enumerate(pairs) if _is_below(after, item)}
    if len({item.mark for item in found}) == 2:
        first = [n for n, (item, _) in enumerate(pairs) if item.mark == found[0].mark]
        if all(pairs[number][1].mark != found[0].mark for number in first):
            above.update(first)
    return above


def _is_below(item: _Item, other: _Item) -> bool:
    return item.indent >= other.indent + NESTED


def _table(lines: list[str]) -> Iterator[str]:
    """Cells of the rows of a Markdown table, without its head, its numbers and its rules."""
    rows = [line.strip() for line in lines if line.strip().startswith("|")]
    for row in rows[1:]:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        yield ": ".join(cell for cell in cells if cell and not CELL_NUMBER.fullmatch(cell))


def _plain(lines: list[str]) -> list[str]:
    """Lines without bullets, or the parts of a single one."""
    introduced = lines[0].rstrip("* ").endswith(":")
    lines = lines[introduced:] if len(lines) > 1 else lines
    if len(lines) > 1:
        return _with_headings([_Item(indent_of(line), "", line.strip()) for line in lines])
    line = INTRODUCTION.sub("", lines[0].strip(), count=1)
    for separator in SEPARATORS:
        parts = [part.strip() for part in line.split(separator) if part.strip()]
        if len(parts) >= MIN_ITEMS:
            return [re.sub(r"^(?:and|or)\s+", "", part) for part in parts]
    return []
