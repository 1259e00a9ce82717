"""Small pictures inside a page, within a budget of bytes."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

BUDGET = 14_000_000
"""Characters that all pictures of a page take together, at most."""
LEAST = 1_200
"""Characters of the smallest picture worth showing."""
QUALITIES = (80, 60, 40, 20)
SMALLEST = 8
CHARACTERS_PER_PIXEL = 0.35
"""About what a pixel of a photograph takes at a middling quality, as base64."""
PREFIX = "data:image/webp;base64,"


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a data URI, and its size in pixels."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class GalleryPlan:
    """How many pictures a page has, and how large they are.

    Attributes:
        n_classes: classes that are shown, the first ones.
        per_class: pictures per class and set.
        side: longer side in pixels.
        limit: characters per picture.
    """

    n_classes: int
    per_class: int
    side: int
    limit: int


def plan_gallery(
    n_classes: int, n_sets: int, n_others: int, per_class: int, side: int, budget: int = BUDGET
) -> GalleryPlan:
    """Fit the pictures of a page into a budget: fewer per class, then smaller, then fewer classes.

    Args:
        n_classes: classes there are.
        n_sets: sets of images that are shown for every class.
        n_others: further pictures.
        per_class: pictures per class and set, at most.
        side: longer side in pixels, at most.
        budget: characters of all pictures together.
    """
    sets = max(1, n_sets)
    room = max(sets, budget // LEAST - n_others)
    shown = min(n_classes, room // sets)
    per_class = max(1, min(per_class, room // (shown * sets)))
    limit = budget // (shown * sets * per_class + n_others)
    fitting = int((limit / CHARACTERS_PER_PIXEL) ** 0.5)
    return GalleryPlan(shown, per_class, max(SMALLEST, min(side, fitting)), limit)


def thumbnail(data: bytes, side: int, limit: int) -> Thumbnail:
    """Shrink an image to a WebP picture; quality falls, and then its size, until it fits.

    Args:
        data: encoded image.
        side: longer side in pixels, at most; images are not enlarged.
        limit: characters of the data URI, at most.

    Raises:
        UnreadableImage: if the image cannot be decoded.
    """
    from susx.images.decode import decode

    image = decode(data, draft=side, any_shape=True)
    while True:
        image.thumbnail((side, side))
        for quality in QUALITIES:
            stream = io.BytesIO()
            image.save(stream, "WEBP", quality=quality)
            uri = PREFIX + base64.b64encode(stream.getvalue()).decode()
            if len(uri) <= limit or side <= SMALLEST:
                return Thumbnail(uri, *image.size)
        side = max(SMALLEST, side * 3 // 4)
