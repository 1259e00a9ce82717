"""WaffleCLIP: random characters in place of descriptors (Roth et al., ICCV 2023)."""

from __future__ import annotations

import random
from string import ascii_lowercase
from typing import Final

from susx.manifests.classes import ClassManifest

N_DESCRIPTORS: Final = 30
"""Of the paper: 15 of random words and 15 of random characters; here all are of the latter."""


def random_descriptors(classes: ClassManifest, seed: int) -> list[str]:
    """Words of random letters, the same for every class.

    A descriptor has as many words as a class name has on average, each of as many letters as a word
    of the names, as published. Letters a to z are equally likely; theirs are the characters of the
    descriptors that a language model wrote of the dataset.

    Args:
        classes: class manifest.
        seed: of the letters; the same on every machine.

    Returns:
        `N_DESCRIPTORS` texts.
    """
    names = [entry.prompt_name.split() for entry in classes]
    n_words = _rounded_mean([len(words) for words in names])
    lengths = [sum(map(len, words)) / len(words) for words in names]
    n_letters = _rounded_mean(lengths)
    # Of all that `random` offers, Python promises only for `random()` that it stays the same.
    drawn = random.Random(seed)  # noqa: S311  # no secret hangs on it

    def word() -> str:
        return "".join(
            ascii_lowercase[int(drawn.random() * len(ascii_lowercase))] for _ in range(n_letters)
        )

    return [" ".join(word() for _ in range(n_words)) for _ in range(N_DESCRIPTORS)]


def _rounded_mean(values: list[float] | list[int]) -> int:
    """At least 1."""
    return max(1, round(sum(values) / len(values)))
