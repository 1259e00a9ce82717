"""OTTER: images shared out to classes of equal size, at the highest sum of cosines (NeurIPS 2024).

Every image has one unit, every class takes N / C of them. The problem is solved exactly. Equal
images are one with more units, so that their order decides nothing. The class that has most of an
image is its class.

The authors take class shares from the labels of the test set, or equal ones; here they are equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from susx.methods.base import Context, Images, Method, Terms, in_double, zero_shot_logits
from susx.methods.inmap import EQUAL_SHARES

if TYPE_CHECKING:
    from susx.methods.transport import Integers, Shares

RAISE = 3.0
"""What the class of an image is raised by, in cosines, of which no two differ by more than 2."""


def main_classes(shares: Shares) -> Integers:
    """(U,) classes that have most of an image; of equal parts that of the higher cosine."""
    import numpy as np

    best = [(0, 0.0, 0)] * len(shares.gains)
    for label, held in enumerate(shares.held):
        for image, parts in held.items():
            best[image] = max(best[image], (parts, float(shares.gains[image, label]), label))
    return np.array([label for _, _, label in best])


def terms(context: Context, images: Images) -> Terms:
    """Zero-shot logits with an image's class raised above the others."""
    import torch

    from susx.methods.transport import balanced_shares

    logits = zero_shot_logits(context, images.features)
    if not logits.isfinite().all():
        return Terms(logits)
    rows, places, counts = torch.unique(
        in_double(images.features), dim=0, return_inverse=True, return_counts=True
    )
    gains = (rows @ in_double(context.text).T).cpu().numpy()
    labels = torch.from_numpy(main_classes(balanced_shares(gains, counts.cpu().numpy())))
    chosen = labels.to(places.device)[places].to(logits.device)
    logits[range(len(logits)), chosen] += RAISE * context.logit_scale
    return Terms(logits)


OTTER = Method(
    name="otter",
    paper="Shin et al., OTTER: Effortless Label Distribution Adaptation of Zero-shot Models, "
    "NeurIPS 2024",
    terms=terms,
    transductive=True,
    assumes=(EQUAL_SHARES,),
)
