"""A method's answers while its support set grows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from susx.methods.base import Fit, Grown, Images, finite

if TYPE_CHECKING:
    from torch import Tensor


def grown(fitted: Fit, images: Images, parts: Sequence[Tensor]) -> Iterator[Grown]:
    """What a method says of N images with the first part of its support set, the first two, ...

    Each of these comes for every image once, in any order. A method without `growing` is fitted
    anew each time.

    Args:
        fitted: the method with the whole support set, and no constants, which depend on it.
        images: to classify.
        parts: places of support images, none of which is in two.

    Raises:
        InputError: if the logits of an image are not finite.
    """
    import torch

    method, context = fitted.method, fitted.context
    if method.growing is not None:
        for found in method.growing(fitted, images, parts):
            finite(method.name, found.logits)
            yield found
        return
    support, labels = context.required_support, context.required_labels
    for n in range(1, len(parts) + 1):
        kept, some = torch.cat(list(parts[:n])).sort().values, context
        if len(kept) < len(support):  # another copy of all of it is as large
            some = replace(context, support=support[kept], support_labels=labels[kept])
        yield Grown(n, slice(0, len(images)), replace(fitted, context=some).logits(images))
