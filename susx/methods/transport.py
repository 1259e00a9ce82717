"""Exact transport of images to classes of equal size, at the highest sum of gains.

It is found by successive shortest paths: all images begin at their best class, and the chain of
moves that costs least leads from a class with too much to one with too little, until there is none.
Prices of the classes keep the cost of every move from falling below zero, as Dijkstra's algorithm
needs it.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


FEW = 512
"""Images of a class that are all looked at for the next mover: as fast as to ask a queue."""
QUEUED = 256
"""Next movers that are found at once; a queue for every two classes takes 2 KiB."""


class Shares:
    """Which class has how much of which image.

    Attributes:
        gains: (U, C) what an image is worth in a class.
        held: by class, the parts of its images, in C-ths of an image.
        loads: (C,) their sums.
        losses: (C, C) the least that is lost if an image of a class moves to another.
        movers: (C, C) the images that lose it.
    """

    def __init__(self, gains: Floats, counts: Integers) -> None:
        n_classes = gains.shape[1]
        self.gains = gains
        self.held: list[dict[int, int]] = [{} for _ in range(n_classes)]
        self.loads = np.zeros(n_classes, np.int64)
        self.losses = np.full((n_classes, n_classes), np.inf)
        self.movers = np.zeros((n_classes, n_classes), np.int64)
        self._came: list[list[int]] = [[] for _ in range(n_classes)]
        self._queues: dict[tuple[int, int], _Queue] = {}
        for image, (label, count) in enumerate(zip(gains.argmax(axis=1), counts, strict=True)):
            self.put(image, int(label), n_classes * int(count))

    def put(self, image: int, label: int, parts: int) -> None:
        """Add parts of an image to a class."""
        if image not in self.held[label]:
            self._came[label].append(image)
        self.held[label][image] = self.held[label].get(image, 0) + parts
        self.loads[label] += parts
        lost = self.gains[image, label] - self.gains[image]
        less = lost < self.losses[label]
        self.losses[label, less], self.movers[label, less] = lost[less], image

    def take(self, image: int, label: int, parts: int) -> None:
        """Take them away."""
        self.loads[label] -= parts
        self.held[label][image] -= parts
        if self.held[label][image]:
            return
        del self.held[label][image]
        others = np.flatnonzero(self.movers[label] == image)
        self.losses[label, others] = np.inf
        images = list(self.held[label])
        if len(images) > FEW:
            for other in others.tolist():
                self._find_next(label, other)
        elif images:
            block = self.gains[np.ix_(images, [label, *others])]
            lost = block[:, :1] - block[:, 1:]
            first = lost.argmin(axis=0)
            self.losses[label, others] = lost[first, range(len(others))]
            self.movers[label, others] = np.array(images)[first]

    def _find_next(self, label: int, other: int) -> None:
        """Find the image that loses least; a class of many images would take long to look at."""
        held, came = self.held[label], self._came[label]
        queue = self._queues.get((label, other))
        while queue and queue.images and queue.images[-1] not in held:
            queue.images.pop()
        if not queue or not queue.images or len(came) - queue.n_came > FEW:
            images = np.fromiter(held, np.int64, len(held))
            lost = self.gains[images, label] - self.gains[images, other]
            first = np.flatnonzero(lost <= np.partition(lost, QUEUED - 1)[QUEUED - 1])
            first = first[np.argsort(lost[first], kind="stable")[:QUEUED]]
            queue = _Queue(array("q", images[first[::-1]].tolist()), len(came))
            self._queues[label, other] = queue
        later = [image for image in came[queue.n_came :] if image in held]
        candidates = np.array([queue.images[-1], *later])
        lost = self.gains[candidates, label] - self.gains[candidates, other]
        first = lost.argmin()
        self.losses[label, other], self.movers[label, other] = lost[first], candidates[first]


@dataclass
class _Queue:
    """Images of a class that lose least if they move to another, the least at the end.

    `n_came` is how many images had ever come into the class by then.
    """

    images: array[int]
    n_came: int


def cheapest(shares: Shares, prices: Floats, size: int) -> list[int]:
    """Classes along the cheapest chain of moves; prices are raised so that it costs nothing."""
    distances = np.where(shares.loads > size, 0.0, np.inf)
    before = np.full(len(distances), -1)
    open_ones = distances.copy()
    while shares.loads[label := int(open_ones.argmin())] >= size:
        # A move costs less than nothing by rounding alone.
        steps = np.maximum(shares.losses[label] - prices[label] + prices, 0)
        through = distances[label] + steps
        nearer = through < distances
        distances[nearer], before[nearer] = through[nearer], label
        open_ones[nearer] = through[nearer]
        open_ones[label] = np.inf
    prices += np.maximum(distances[label] - distances, 0)
    path = [label]
    while before[path[0]] >= 0:
        path.insert(0, int(before[path[0]]))
    return path


def balanced_shares(gains: Floats, counts: Integers) -> Shares:
    """The shares with the highest sum of gains that give all classes the same load.

    Args:
        gains: (U, C) what an image is worth in a class, finite.
        counts: (U,) how often each image is there.
    """
    shares, size = Shares(gains, counts), int(counts.sum())
    prices = np.zeros(gains.shape[1])
    while (shares.loads > size).any():
        path = cheapest(shares, prices, size)
        moves = [(int(shares.movers[a, b]), a, b) for a, b in pairwise(path)]
        spare = (shares.loads[path[0]] - size, size - shares.loads[path[-1]])
        parts = int(min(*spare, *(shares.held[a][image] for image, a, _ in moves)))
        for image, a, b in moves:
            shares.take(image, a, parts)
            shares.put(image, b, parts)
    return shares
