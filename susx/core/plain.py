"""Text of others in messages and tables: it steers no terminal, and shows no secret."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters without a glyph that Python counts as printable."""

USER = re.compile(r"(?<=://)[^/\s@]+@")
SIGNATURE = re.compile(
    r"([?&;][^=&;\s]*(?:sig|token|key|secret|password|credential)[^=&\s]*=)[^&\s\"'<>);,]+",
    re.IGNORECASE,
)
BEARER = re.compile(r"(\bbearer\s+)[\w.~+/=-]{8,}|\b(?:hf_|sk-)[\w-]{16,}", re.IGNORECASE)
SECRET_VARIABLE = re.compile(r"(?:TOKEN|SECRET|PASSWORD|API_?KEY|ACCESS_KEY|PRIVATE_KEY)$")
SHORTEST_SECRET = 8
LONGEST_CAPTION = 10_000
"""Characters of a caption that are kept: as many as of a reply of a language model."""

GARBLED = "\ufffd"
"""What stands for bytes that are no UTF-8."""
NULL = "\0"
"""What no text has, but UTF-16 that is read as UTF-8."""
GARBLED_CAPTIONS = "%d captions are no UTF-8 as a whole; U+FFFD or U+0000 stands for the rest"


def visible(text: str, keep: str = "\n\t") -> str:
    """Write control, bidirectional and zero-width characters as escapes, except those of `keep`."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )


def without_secrets(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Mask credentials: of addresses, of headers, and those that the environment holds."""
    if "://" in text:
        text = SIGNATURE.sub(r"\1***", USER.sub("***@", text))
    text = BEARER.sub(r"\1***", text)
    for name, value in environment.items():
        if SECRET_VARIABLE.search(name) and len(value) >= SHORTEST_SECRET:
            text = text.replace(value, "***")
    return text


def well_formed(text: str) -> str:
    """Write halves of surrogate pairs, and bytes of file names that are no UTF-8, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def caption(text: object) -> str:
    """What is kept of a caption, cut and well-formed; nothing of what is no text."""
    return well_formed(text[:LONGEST_CAPTION]).strip() if isinstance(text, str) else ""


def is_garbled(text: str) -> bool:
    """Whether a caption was not read as it was meant."""
    return GARBLED in text or NULL in text


def address(text: object) -> str:
    """An address, or nothing where it is no text, not UTF-8, or too long to be one."""
    if not isinstance(text, str) or len(text) > LONGEST_CAPTION or GARBLED in text:
        return ""
    return text.strip()


def plain(text: str, keep: str = "\n\t") -> str:
    """Make text fit for a terminal or a log."""
    return visible(without_secrets(text), keep)
