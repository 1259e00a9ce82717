"""The one exception that users are meant to read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from susx.core.plain import plain

LONGEST_MESSAGE = 10_000
LONGEST_END = 500
LONGEST_NAME = 200


class InputError(ValueError):
    """Bad input: the message names the file, key or class, and says what to do.

    What it quotes can come from anyone, so it is shown without control characters and secrets.
    """

    def __init__(self, message: str) -> None:
        if len(message) > LONGEST_MESSAGE:
            message = f"{message[: LONGEST_MESSAGE - LONGEST_END]} ... {message[-LONGEST_END:]}"
        super().__init__(plain(message))


def suggestion(name: str, valid: Iterable[str]) -> str:
    """Return `; did you mean "x"?` for the valid name nearest to `name`, else an empty string."""
    return hint(closest(name, valid))


def hint(name: str) -> str:
    """Return `; did you mean "x"?` for a name, and an empty string for none."""
    return f'; did you mean "{name}"?' if name else ""


def closest(name: str, valid: Iterable[str]) -> str:
    """Return the valid name that is spelled most like `name`, or nothing if none is near."""
    if len(name) > LONGEST_NAME:  # comparing takes quadratic time
        return ""
    folded = {choice.casefold(): choice for choice in valid}
    nearest = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[nearest[0]] if nearest else ""


def listing(items: Iterable[object], limit: int = 5) -> str:
    """Return the first `limit` items quoted and comma-separated, and how many more there are."""
    names = [f'"{item}"' for item in items]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
