"""Pictures inside a page, small ones and those of dialogs, within a budget of bytes."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

BUDGET = 14_000_000
"""Characters that all small pictures of a page take together, at most."""
LARGE_BUDGET = 10_000_000
"""Characters that all pictures of dialogs take together, at most: a page then stays below 25 MB, as
mail takes, and those of 200 classes of three sources are nearly twice as long as small ones."""
LARGE = 320
"""Longer side of a picture in its dialog: what that has room for on a telephone of 390 pixels."""
LARGE_PER_PIXEL = 0.13
"""What a pixel of the square around a photograph takes at that size and quality 60, as base64: the
mean of sixty photographs."""
WORTH = 1.5
"""Times that a picture of a dialog is longer than the small one, at least; else there is none."""
LEAST = 1_200
"""Characters of the smallest picture worth showing."""
QUALITIES = (80, 60, 40, 20)
EFFORT = 2
"""Of WebP's 0 to 6: half the time that its usual 4 takes, for 4 % more bytes."""
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

    @property
    def longer(self) -> int:
        """Longer side in pixels."""
        return max(self.width, self.height)


Sizes = tuple[Thumbnail, Thumbnail | None]
"""The picture of a place and that of its dialog, if it has one."""


@dataclass(frozen=True)
class LargePlan:
    """How large pictures of dialogs are.

    Attributes:
        side: longer side in pixels.
        limit: characters per picture.
        of_all: whether every picture has one; else those that are shown beside answers.
    """

    side: int
    limit: int
    of_all: bool


@dataclass(frozen=True)
class GalleryPlan:
    """How many pictures a page has, and how large they are.

    Attributes:
        n_classes: classes that are shown, the first ones.
        per_class: pictures per class and set.
        side: longer side in pixels.
        limit: characters per picture.
        large: how large they are in their dialog, None if there is no room for more than that.
    """

    n_classes: int
    per_class: int
    side: int
    limit: int
    large: LargePlan | None


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
    n_pictures = shown * sets * per_class + n_others
    limit = budget // n_pictures
    fitting = int((limit / CHARACTERS_PER_PIXEL) ** 0.5)
    small = max(SMALLEST, min(side, fitting))
    return GalleryPlan(shown, per_class, small, limit, _plan_large(n_pictures, n_others, small))


def _plan_large(n_pictures: int, n_others: int, small: int) -> LargePlan | None:
    # Others have a second place where they are also among the best ranked of their class.
    for n, of_all in ((n_pictures, True), (2 * n_others, False)):
        limit = LARGE_BUDGET // max(1, n)
        side = min(LARGE, int((limit / LARGE_PER_PIXEL) ** 0.5))
        if n and side >= WORTH * small:
            return LargePlan(side, limit, of_all)
    return None


def both_sizes(data: bytes, plan: GalleryPlan, is_other: bool) -> Sizes:
    """Shrink an image for its place and for its dialog; it is decoded once.

    Args:
        data: encoded image.
        plan: how large pictures are.
        is_other: whether the picture is shown beside answers.

    Returns:
        The small picture, and the large one where that is planned and `WORTH` its bytes.

    Raises:
        UnreadableImage: if the image cannot be decoded.
    """
    from susx.images.decode import decode

    wanted = plan.large if plan.large and (plan.large.of_all or is_other) else None
    image = decode(data, draft=wanted.side if wanted else plan.side, any_shape=True)
    large = None
    if wanted:
        image.thumbnail((wanted.side, wanted.side))  # before the copy, which is then small
        large = _fitted(image.copy(), wanted.side, wanted.limit)
    small = _fitted(image, plan.side, plan.limit)
    return small, large if large and large.longer >= WORTH * small.longer else None


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

    return _fitted(decode(data, draft=side, any_shape=True), side, limit)


def _fitted(image: Image, side: int, limit: int) -> Thumbnail:
    """The picture of an image, which is changed."""
    while True:
        image.thumbnail((side, side))
        for quality in QUALITIES:
            stream = io.BytesIO()
            image.save(stream, "WEBP", quality=quality, method=EFFORT)
            uri = PREFIX + base64.b64encode(stream.getvalue()).decode()
            if len(uri) <= limit or side <= SMALLEST:
                return Thumbnail(uri, *image.size)
        side = max(SMALLEST, side * 3 // 4)
