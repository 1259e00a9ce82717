"""Neural Priming: text and image prototypes of a class, added (NeurIPS 2023).

`W_c = a T_c + (1 - a) m_c` with the unit mean m_c of a class's support images, not normalised
again. Alpha is the weight of images against that of the text, (1 - a) / a. The authors' code gives
a class without images a shorter vector; here its rank is left to the text.
"""

from __future__ import annotations

from susx.methods.base import (
    Context,
    Images,
    Method,
    Points,
    Terms,
    fixed_votes,
    scaled_cosines,
    zero_shot_logits,
)
from susx.methods.classes import class_means, left_to_text

TEXT_SHARES = (0.9, 0.8, 0.7, 0.6, 0.5)
"""Values of a. Published are 0.9 by default, 0.7 without labels, 0.55 to 0.58 with few shots."""


def terms(context: Context, images: Images) -> Terms:
    """`s f T' + alpha s f m'`."""
    from torch.nn.functional import normalize

    support, labels = context.required_support, context.required_labels
    means, counts = class_means(support, labels, context.n_classes)
    scores = scaled_cosines(context, images.features, normalize(means, dim=1))
    votes = fixed_votes(left_to_text(scores, counts))
    return Terms(zero_shot_logits(context, images.features), votes)


NEURAL_PRIMING = Method(
    name="neural-priming",
    paper="Wallingford et al., Neural Priming for Sample-Efficient Adaptation, NeurIPS 2023",
    terms=terms,
    needs=("support",),
    grid={"alpha": Points(tuple((1 - a) / a for a in TEXT_SHARES))},
    fixed={"alpha": (1 - TEXT_SHARES[0]) / TEXT_SHARES[0]},
)
