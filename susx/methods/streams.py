"""Streams: images that come one after the other.

The order is drawn from the content of the images, so that a result does not depend on the order of
files, which mostly goes by class.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

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
