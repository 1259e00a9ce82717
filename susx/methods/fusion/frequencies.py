"""How often each class occurs among the images, where classes may be absent.

Frequencies have a symmetric Dirichlet prior. Its concentration is not chosen but averaged over its
evidence: a large one makes shares equal, a small one lets classes be empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from susx.methods.base import row_blocks

if TYPE_CHECKING:
    from torch import Tensor

CONCENTRATIONS = tuple(10 ** (step / 4) for step in range(-12, 13))
"""From .001, where most classes are empty, to 1000, where shares are as good as equal."""
NEGLIGIBLE = 1e-4
"""Evidence below which a concentration is left out: it would move no share by more than that."""


def concentrations(counts: Tensor) -> list[tuple[float, float]]:
    """Concentrations and their evidence, which sums to about 1, from (C,) images per class.

    The evidence is that of the Dirichlet-multinomial distribution, for counts that are no integers.
    """
    grid = counts.new_tensor(CONCENTRATIONS)
    classes, images = len(counts), counts.sum()
    log = (counts + grid[:, None]).lgamma() - grid[:, None].lgamma()
    evidence = log.sum(dim=1) + (classes * grid).lgamma() - (images + classes * grid).lgamma()
    pairs = zip(CONCENTRATIONS, evidence.softmax(dim=0).tolist(), strict=True)
    return [(value, weight) for value, weight in pairs if not weight < NEGLIGIBLE]


def log_frequencies(shares: Tensor, prior: list[tuple[float, float]]) -> Tensor:
    """(N, C) logarithms of class frequencies, each image left out of its own.

    Args:
        shares: (N, C) posteriors of the images.
        prior: concentrations and their evidence.
    """
    counts, (images, classes) = shares.sum(dim=0), shares.shape
    made = shares.new_empty(shares.shape)
    for rows in row_blocks(images, classes):
        others = (counts - shares[rows]).clamp(min=0)
        made[rows] = 0
        for value, weight in prior:
            made[rows] += weight * (others + value) / (images - 1 + classes * value)
    return made.log_()
