"""Lines of prose as a language model meant them: wrapped ones are one, headings of lists none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest

from susx.prompts.lists import EMPHASIS, NESTED, indent_of, without_bullets

ENDED = re.compile(r"[.!?…][\"'”’)]*$")
NARROWEST = 40
"""Characters of a line that was wrapped before a capital: shorter ones may be titles."""


@dataclass(frozen=True)
class _Line:
    indent: int
    bullet: bool
    text: str
    last: str
    """The last of the lines that it was joined from, as it was written."""


def told_lines(text: str) -> list[str]:
    """Lines of a text without bullets, emphasis, and what stands above the bullets of a list.

    A line goes on in the next one of its paragraph if that begins in lower case, or if it ends with
    a full stop and its first word had no room before.
    """
    found: list[_Line] = []
    for paragraph in _paragraphs(text):
        ended = bool(ENDED.search(paragraph[-1]))
        width = max(map(len, paragraph))
        begun = len(found)
        for raw in paragraph:
            line = _line(raw)
            last = found[-1] if len(found) > begun else None
            if last and not line.bullet and _goes_on(last, line, width if ended else 0):
                found[-1] = replace(last, text=f"{last.text} {line.text}", last=line.last)
            else:
                found.append(line)
    return [
        line.text
        for line, after in zip_longest(found, found[1:])
        if after is None or not _is_above(line, after)
    ]


def _paragraphs(text: str) -> Iterator[list[str]]:
    lines = [EMPHASIS.sub(r"\2", line).rstrip() for line in text.splitlines()]
    paragraph: list[str] = []
    for line in [*lines, ""]:
        if line:
            paragraph.append(line)
        elif paragraph:
            yield paragraph
            paragraph = []


def _line(raw: str) -> _Line:
    rest = without_bullets(raw)
    text = raw.strip() if rest is None else rest
    return _Line(indent_of(raw), rest is not None, text or raw.strip(), raw)


def _goes_on(line: _Line, after: _Line, width: int) -> bool:
    """Whether a line goes on in the next one; `width` is 0 if nothing but lower case tells."""
    if ENDED.search(line.last) or line.last.endswith(":") or line.text[:1].islower():
        return False  # in lower case, phrases stand below each other
    if after.text[:1].islower():
        return True
    first, *_ = after.text.split()
    return width >= NARROWEST and len(line.last) + 1 + len(first) > width


def _is_above(line: _Line, after: _Line) -> bool:
    """Whether a line is the heading of the items below it."""
    below = after.bullet and after.indent >= line.indent + NESTED
    return below and not ENDED.search(line.last)
