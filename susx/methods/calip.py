"""CALIP: parameter-free attention between image patches and texts (Guo et al., AAAI 2023).

With patches S (P, d) of an image x and `A = S W'`, patches attend to texts and texts to patches:
`T_a = softmax_patches(2 A)' S` is the text guided by the image, `V_a = softmax_classes(2 A) W`,
pooled by mean plus maximum over the patches, the image guided by the texts (eq. 4-7). Neither is
normalised again. The paper tunes both weights on test labels; here they follow the protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from susx.methods.base import (
    Axis,
    Context,
    Images,
    Method,
    Terms,
    fixed_votes,
    row_blocks,
    zero_shot_logits,
)

if TYPE_CHECKING:
    from torch import Tensor

SHARPNESS = 2.0


def guided(text: Tensor, features: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine-sized (n, C) scores `x T_a'` and `V_a W'`.

    Args:
        text: (C, d) unit rows W.
        features: (n, d) unit rows x.
        patches: (n, P, d) unit rows S.
    """
    attention = SHARPNESS * patches @ text.T
    seen = (patches @ features[:, :, None]).squeeze(2)
    by_image = (attention.softmax(dim=1) * seen[:, :, None]).sum(dim=1)
    visual = attention.softmax(dim=2) @ text
    by_text = (visual.mean(dim=1) + visual.amax(dim=1)) @ text.T
    return by_image, by_text


def terms(context: Context, images: Images) -> Terms:
    """`s (x W' + alpha x T_a' + gamma V_a W')`; alpha and gamma are the paper's two betas."""
    features, patches, text = images.features, images.required_patches, context.text
    by_image = features.new_empty(len(features), len(text))
    by_text = by_image.clone()
    for rows in row_blocks(len(features), patches.shape[1] * max(text.shape)):
        block = patches[rows].to(features)
        by_image[rows], by_text[rows] = guided(text, features[rows], block)
    by_image *= context.logit_scale
    by_text *= -context.logit_scale
    votes = fixed_votes(by_image)
    return Terms(zero_shot_logits(context, features), votes, penalty=by_text)


CALIP = Method(
    name="calip",
    paper="Guo et al., CALIP: Zero-Shot Enhancement of CLIP with Parameter-free Attention, "
    "AAAI 2023",
    terms=terms,
    needs=("patches",),
    grid={"alpha": Axis(0.001, 2.0, 200), "gamma": Axis(0.001, 0.1, 200)},
    fixed={"alpha": 1.12, "gamma": 0.02},
)
