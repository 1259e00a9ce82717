"""Nearest class centres: cosines to the means of support images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from susx.methods import Axis, Context, Images, Method, Terms
from susx.methods.base import zero_shot_logits

if TYPE_CHECKING:
    from torch import Tensor


def terms(context: Context, images: Images) -> Terms:
    """`s f W' + alpha f P'`, rows of P (C, d) being the unit means of text and support images."""
    sums = context.text.index_add(0, context.required_labels, context.required_support)
    cosines = images.features @ (sums / sums.norm(dim=1, keepdim=True)).T

    def votes(rows: slice, points: Sequence[tuple[float, ...]]) -> Tensor:
        return cosines[rows].expand(len(points), -1, -1)

    return Terms(zero_shot_logits(context, images.features), votes)


CENTRES = Method(
    name="centres",
    paper="Snell et al., Prototypical Networks for Few-shot Learning, NeurIPS 2017",
    terms=terms,
    needs=("support",),
    grid={"alpha": Axis(1.0, 101.0, 10, scaled=True)},
    fixed={"alpha": 50.0},
)
