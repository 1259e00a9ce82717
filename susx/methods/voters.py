"""Which support images voted most for a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from susx.methods.base import Fit, row_blocks

if TYPE_CHECKING:
    from torch import Tensor


def voters(fitted: Fit, features: Tensor, classes: Tensor, n: int) -> list[list[tuple[int, float]]]:
    """Find the support images that voted most for a class of every image.

    Args:
        fitted: a method, what it knows, and its hyper-parameters.
        features: (N, d) unit rows.
        classes: (N,) the class whose voters are wanted.
        n: how many, at most.

    Returns:
        Per image pairs of a support image's row and what it adds to the class's logit, the largest
        first; none for a method without such votes.
    """
    import torch

    vote, context = fitted.method.votes_of, fitted.context
    if vote is None:
        return [[] for _ in features]
    labels = context.required_labels
    wanted = classes.to(labels.device)
    found = []
    for rows in row_blocks(len(features), len(labels)):
        votes = vote(context, features[rows], fitted.hyperparameters)
        votes = votes.masked_fill(labels != wanted[rows, None], -torch.inf)
        values, places = votes.topk(min(n, len(labels)), dim=1)
        for row in zip(places.tolist(), values.tolist(), strict=True):
            found.append([(i, vote) for i, vote in zip(*row, strict=True) if vote > -torch.inf])
    return found
