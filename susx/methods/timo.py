"""TIMO: texts weighed by support images, and support images joined by texts (AAAI 2025).

The texts of a class are averaged with weights `softmax(g s / |s|)`, where s are their cosines to
the mean of the class's support images. Each text times its cosine is one more sample of the class
in Gaussian discriminant analysis. The authors need as many texts in all classes; here each class
has its own number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from susx.methods.base import (
    Context,
    Images,
    Method,
    Points,
    Terms,
    fixed_votes,
    in_double,
    scaled_cosines,
)
from susx.methods.classes import Samples, class_means, exact_class_means
from susx.methods.gda import discriminant

if TYPE_CHECKING:
    from torch import Tensor

SHARPNESS = 50.0
"""The published g of 9 of 11 datasets; ImageNet has 1 and Flowers 100, chosen on labels."""


def guided_texts(context: Context) -> tuple[Tensor, Samples]:
    """Texts guided by images, and samples of images and texts.

    Returns:
        (C, d) unit rows, weighted means of a class's texts, and the support images beside the
        texts, each times its cosine. A class without support images has the plain mean, and no
        text among the samples.
    """
    import torch
    from torch.nn.functional import normalize

    texts, text_labels = context.required_texts
    support, labels = context.required_support, context.required_labels
    means, counts = exact_class_means([(support, labels)], context.n_classes)
    rows = in_double(texts)
    cosines = (rows * normalize(means, dim=1)[text_labels]).sum(dim=1)
    squares = cosines.new_zeros(context.n_classes).index_add_(0, text_labels, cosines.square())
    lengths = squares.sqrt().clamp(min=torch.finfo(cosines.dtype).tiny)
    weights = (SHARPNESS * cosines / lengths[text_labels]).exp()
    guided, _ = class_means(weights[:, None] * rows, text_labels, context.n_classes)
    seen = counts[text_labels] > 0
    weighed = (cosines[:, None] * rows)[seen].to(support)
    samples = [(support, labels), (weighed, text_labels[seen])]
    return normalize(guided, dim=1).to(texts), samples


def terms(context: Context, images: Images) -> Terms:
    """`s f U' + alpha g` with texts U guided by images, and discriminant scores g.

    The paper weighs the text instead, by s / alpha.

    Raises:
        InputError: if only the finished text classifier is known.
    """
    guided, samples = guided_texts(context)
    scores = discriminant(samples, context.n_classes, images.features)
    return Terms(scaled_cosines(context, images.features, guided), fixed_votes(scores))


TIMO = Method(
    name="timo",
    paper="Li et al., Text and Image Are Mutually Beneficial: Enhancing Training-Free Few-Shot "
    "Classification with CLIP, AAAI 2025",
    terms=terms,
    needs=("support",),
    reads="texts",
    grid={"alpha": Points(tuple(10.0**power for power in range(-2, 7)), scaled=True)},
    fixed={"alpha": 1.0},
)
