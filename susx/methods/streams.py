"""Streams: images that come one after the other.

Where all images are classified together, the order is drawn from their content, so that a result
does not depend on the order of files, which mostly goes by class. A stream that a protocol draws
comes in its own order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from susx.methods.base import Context, Images, Terms

if TYPE_CHECKING:
    from torch import Tensor

    Classified = Callable[[Context, Tensor, Tensor], Tensor]
    """Of context, (N, d) features and the (N,) places of images as they come: (N, C) logits."""
    TermsOf = Callable[[Context, Images], Terms]

SEED = 1
"""Of the order. A stream's result depends on it; one order has no spread."""
STREAM = f"images that come one after the other, in random order with seed {SEED}"
"""What a method of streams assumes."""


def stream_order(features: Tensor) -> Tensor:
    """(N,) places of the images in the order that they come in: by the hash of their features."""
    import torch

    rows = features.detach().float().cpu().numpy()
    digests = [hashlib.sha256(b"%d" % SEED + row.tobytes()).digest() for row in rows]
    order = sorted(range(len(digests)), key=digests.__getitem__)
    return torch.tensor(order, dtype=torch.int64, device=features.device)


def in_drawn_order(classified: Classified) -> TermsOf:
    """Terms of images that are classified together: logits in an order drawn from their content."""
    return _in_order(classified, stream_order)


def in_row_order(classified: Classified) -> TermsOf:
    """Terms of images that come in the order of their rows."""
    return _in_order(classified, row_order)


def row_order(features: Tensor) -> Tensor:
    """(N,) places of the images in the order of their rows."""
    import torch

    return torch.arange(len(features), device=features.device)


def _in_order(classified: Classified, order: Callable[[Tensor], Tensor]) -> TermsOf:
    def terms(context: Context, images: Images) -> Terms:
        features = images.features
        return Terms(classified(context, features, order(features)).to(features))

    return terms
