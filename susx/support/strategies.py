"""Which candidates of a class become its support images, and in which order they are tried.

- `top`: the best ranked, as in SuS-X.
- `agree`: the best ranked among those that the text classifier assigns to the class.
- `diverse`: greedy k-centre (Gonzalez 1985): the best ranked, then always the candidate that is
  farthest from those chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

CandidateFeatures = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Selection:
    """How the support images of a class are chosen; see `Retrieval` in susx/config/schema.py.

    Attributes:
        size: images per class.
        select: name of a strategy.
        margin: least lead of the class over all others, in cosine, for `agree`.
        max_cosine: of the embeddings of two images that are not near duplicates, if looked at.
        refuse: limits on the pool's metadata, see `susx.support.refusal`.
    """

    size: int
    select: str = "top"
    margin: float = 0.0
    max_cosine: float | None = None
    refuse: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """The order in which a class's candidates are tried.

    Attributes:
        order: indices of candidates, best first.
        refused: indices of candidates that are not tried.
    """

    order: list[int]
    refused: list[int]

    @classmethod
    def of_ranking(cls, n: int) -> Choice:
        """Try all `n` candidates as they are ranked."""
        return cls(list(range(n)), [])


def top(
    features: CandidateFeatures, label: int, text: CandidateFeatures | None, margin: float
) -> Choice:
    """Keep the ranking."""
    return Choice.of_ranking(len(features))


def agree(
    features: CandidateFeatures, label: int, text: CandidateFeatures | None, margin: float
) -> Choice:
    """Refuse candidates whose cosine to their class is not above all others' by `margin`.

    If that refuses all, the candidate with the largest difference is tried all the same.
    """
    if text is None:
        raise ValueError("this strategy needs a text classifier")
    cosines = features.astype(np.float64) @ text.T.astype(np.float64)
    others = np.delete(cosines, label, axis=1)
    if not others.shape[1]:
        return top(features, label, text, margin)
    lead = cosines[:, label] - others.max(axis=1)
    agreeing = lead > margin
    if len(lead) and not agreeing.any():
        agreeing[lead.argmax()] = True
    return Choice(np.flatnonzero(agreeing).tolist(), np.flatnonzero(~agreeing).tolist())


def diverse(
    features: CandidateFeatures, label: int, text: CandidateFeatures | None, margin: float
) -> Choice:
    """Order candidates by greedy k-centre in cosine distance; ties go to the better ranked."""
    if not len(features):
        return Choice([], [])
    order = [0]
    similarity = features @ features[0]
    left = np.ones(len(features), bool)
    left[0] = False
    while left.any():
        place = int(np.where(left, similarity, np.inf).argmin())
        order.append(place)
        left[place] = False
        similarity = np.maximum(similarity, features @ features[place])
    return Choice(order, [])


def ordered_candidates(
    features: CandidateFeatures, label: int, text: CandidateFeatures | None, selection: Selection
) -> Choice:
    """Order the candidates of a class.

    Args:
        features: (N, d) unit rows of the candidates, best ranked first.
        label: their class.
        text: (C, d) text classifier, for strategies that ask it.
        selection: names the strategy.
    """
    return STRATEGIES[selection.select](features, label, text, selection.margin)


STRATEGIES: dict[
    str, Callable[[CandidateFeatures, int, CandidateFeatures | None, float], Choice]
] = {
    "top": top,
    "agree": agree,
    "diverse": diverse,
}
"""By name: functions of a class's (N, d) ranked candidates, its label, (C, d) text and margin."""
