"""Texts as the publishers of a model clean them, before a tokenizer reads them."""

from __future__ import annotations

import html
import string
from collections.abc import Callable, Sequence
from textwrap import shorten

import ftfy

from susx.core.errors import InputError

SHOWN = 200  # characters of a text in a message, as many as a name may have there
PUNCTUATION = str.maketrans("_", " ", string.punctuation.replace("_", ""))


def as_written(text: str) -> str:
    """Return the text itself: MetaCLIP 2's publisher hands it to the tokenizer unchanged."""
    return text


def clip_text(text: str) -> str:
    """Clean a text as OpenAI's CLIP does: curly quotes, HTML entities, white space, case.

    Entities are resolved twice because captions of the web are often escaped twice.
    """
    plain = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(plain.split()).lower()


def siglip_text(text: str) -> str:
    """Clean a text as both SigLIPs do for classifiers: neither punctuation nor upper case.

    An underscore is a space.
    """
    return " ".join(text.translate(PUNCTUATION).lower().split())


def cleaned(
    texts: Sequence[str], clean: Callable[[str], str], special: Sequence[str], model: str
) -> list[str]:
    """Clean texts, none of which may hold one of a tokenizer's special tokens.

    Args:
        texts: to clean.
        clean: what the publisher does to one.
        special: tokens that mean something to the model, such as the end of a text. Case does not
            count.
        model: name of the encoder's model, for messages.

    Raises:
        InputError: if a text holds a special token, before or after it is cleaned.
    """
    made = [clean(text) for text in texts]
    for text, result in zip(texts, made, strict=True):
        read = f"{text}\n{result}".lower()
        found = next((token for token in special if token.lower() in read), None)
        if found:
            raise InputError(
                f'text "{shorten(text, SHOWN)}": holds "{found}", a special token of encoder model '
                f"{model}, which would read it as a mark and not as words; correct the class name, "
                "prompt or description that it comes from"
            )
    return made
