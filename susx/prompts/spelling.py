"""Spellings of the same word: accents, and plurals of English nouns."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Final

from susx.core.errors import InputError

if TYPE_CHECKING:
    from inflect import engine as Engine

ACCENTS: Final = re.compile("(?<=[A-Za-z])[\u0300-\u036f]+")
"""Marks on Latin letters; those of other scripts tell letters apart."""
SIBILANT: Final = re.compile(r"(s|x|z|ch|sh)$")


def unaccented(text: str) -> str:
    """A text without accents on Latin letters, composed (NFC)."""
    return unicodedata.normalize("NFC", ACCENTS.sub("", unicodedata.normalize("NFD", text)))


def plurals(name: str) -> list[str]:
    """An English noun in lower case and its plurals: regular, irregular, as in Latin.

    A name that does not end in a Latin letter has no plural.

    Raises:
        InputError: if the package inflect is missing.
    """
    if not re.search(r"[a-z]$", name):
        return [name]
    usual, classical = _engines()
    found = [name, _regular(name), str(usual.plural_noun(name)), str(classical.plural_noun(name))]
    # Those of pronouns begin otherwise: `mine` is a place here, whose plural is not `ours`.
    return list(dict.fromkeys(form for form in found if form[:1] == name[:1]))


def _regular(name: str) -> str:
    if re.search(r"[^aeiou]y$", name):
        return f"{name[:-1]}ies"
    return f"{name}es" if SIBILANT.search(name) else f"{name}s"


@cache
def _engines() -> tuple[Engine, Engine]:
    try:
        import inflect
    except ImportError:
        raise InputError(
            "the search of captions needs inflect, which is not installed: pip install 'susx[web]'"
        ) from None
    usual, classical = inflect.engine(), inflect.engine()
    classical.classical(all=True)
    return usual, classical
