"""Support images that vote against their class: those that lie nearer to the images of another.

Every image is compared with the mean of each class's images, itself left out, as a nearest-mean
classifier would (Mensink et al., TPAMI 2013, with cosines). What it says is a hint, not a verdict:
a class may have several looks, and an image that is rare is not wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from susx.evaluation.arrays import EncoderData, LabelledImages
from susx.evaluation.case import Case
from susx.methods.base import row_blocks
from susx.report.schema import Outlier, Outliers


def nearest_by_images(features: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    """The class whose other images' mean has the largest cosine with each image.

    Args:
        features: (M, d) unit rows.
        labels: (M,) classes.
        n_classes: how many there are.

    Returns:
        (M,) classes, the first of several that are equally near; -1 for an image whose class has no
        other.
    """
    sums = features.new_zeros(n_classes, features.shape[1]).index_add_(0, labels, features)
    counts = torch.bincount(labels, minlength=n_classes)
    means = torch.nn.functional.normalize(sums, dim=1)
    nearest = torch.full_like(labels, -1)
    for rows in row_blocks(len(features), n_classes):
        own = labels[rows]
        places = torch.arange(len(own), device=own.device)
        cosines = features[rows] @ means.T
        cosines[:, counts == 0] = -torch.inf
        others = torch.nn.functional.normalize(sums[own] - features[rows], dim=1)
        cosines[places, own] = (features[rows] * others).sum(dim=1)
        nearest[rows] = torch.where(counts[own] > 1, cosines.argmax(dim=1), -1)
    return nearest


def outliers(data: EncoderData, case: Case) -> list[Outliers]:
    """Images that vote against their class, of every support set that is at hand.

    Args:
        data: everything embedded by an encoder.
        case: names the text classifier that images are compared with, too.
    """
    text = data.context(case).text
    return [_of_set(name, found, text, data.classes) for name, found in data.supports.items()]


def _of_set(name: str, support: LabelledImages, text: Tensor, classes: Sequence[str]) -> Outliers:
    features, labels = support.images.features, support.labels
    nearest = nearest_by_images(features, labels, len(classes))
    against = ((nearest >= 0) & (nearest != labels)).nonzero().flatten()
    by_text = (features[against] @ text.T).argmax(dim=1)
    rows = zip(against.tolist(), nearest[against].tolist(), by_text.tolist(), strict=True)
    images = [
        Outlier(key=support.keys[place], by_images=classes[image], by_text=classes[word])
        for place, image, word in rows
    ]
    return Outliers(support=name, n_judged=int((nearest >= 0).sum()), images=images)
