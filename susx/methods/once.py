"""What is worked out once for every value of hyper-parameters."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Point = tuple[float, ...]
Made = TypeVar("Made")


def once(function: Callable[[Point], Made]) -> Callable[[Point], Made]:
    """The same function, which remembers; threads that ask for the same point wait for it."""
    made: dict[Point, Made] = {}
    lock = threading.Lock()

    def remembered(point: Point) -> Made:
        with lock:
            if point not in made:
                made[point] = function(point)
            return made[point]

    return remembered
