"""Random views of few-shot images: the augmentation of Tip-Adapter (Zhang et al., ECCV 2022).

A view is a random crop of 50 to 100 % of the area and an aspect ratio of 3:4 to 4:3, resized to the
encoder's input, and mirrored half of the time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

AREA = (0.5, 1.0)
RATIO = (3 / 4, 4 / 3)
TRIES = 10


def random_view(image: Image, side: int, random: Generator) -> Image:
    """One view of an image: `side` x `side` pixels."""
    from PIL.Image import Resampling, Transpose

    box = crop_box(image.width, image.height, random)
    view = image.resize((side, side), Resampling.BICUBIC, box=box)
    return view.transpose(Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else view


def crop_box(width: int, height: int, random: Generator) -> tuple[int, int, int, int]:
    """Left, upper, right and lower edge of a random crop.

    If no crop fits in `TRIES` draws, it is the largest central one within the range of ratios.
    """
    for _ in range(TRIES):
        area = width * height * random.uniform(*AREA)
        ratio = math.exp(random.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < across <= width and 0 < down <= height:
            left = int(random.integers(width - across + 1))
            upper = int(random.integers(height - down + 1))
            return left, upper, left + across, upper + down
    across = max(1, min(width, round(height * RATIO[1])))
    down = max(1, min(height, round(width / RATIO[0])))
    left, upper = (width - across) // 2, (height - down) // 2
    return left, upper, left + across, upper + down


def mean_view(raw: NDArray[np.float32], views: int) -> NDArray[np.float32]:
    """Average (M * views, d) raw embeddings of M images, those of one image in a row: (M, d)."""
    means: NDArray[np.float32] = raw.reshape(-1, views, raw.shape[1]).mean(axis=1)
    return means
