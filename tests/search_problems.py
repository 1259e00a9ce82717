"""Search problems given as plain matrices, with votes at listed points only."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from hypothesis import strategies as st

from susx.methods import Terms

AXES = ("alpha", "beta", "gamma")


class Made:
    """Terms given as float64 matrices: one vote per beta."""

    def __init__(
        self, zero_shot: np.ndarray, votes: Mapping[float, np.ndarray], penalty: np.ndarray | None
    ) -> None:
        self.zero_shot, self.votes, self.penalty = zero_shot, votes, penalty

    def terms(self) -> Terms:
        return Terms(
            torch.from_numpy(self.zero_shot),
            self._rows if self.votes else None,
            ("beta",) if self.votes else (),
            None if self.penalty is None else torch.from_numpy(self.penalty),
        )

    def _rows(self, rows: slice, points: Sequence[tuple[float, ...]]) -> torch.Tensor:
        return torch.from_numpy(np.stack([self.votes[beta][rows] for (beta,) in points]))

    def correct(self, labels: np.ndarray, point: Mapping[str, float]) -> int:
        """How many rows have their first largest logit at their label."""
        total = 0
        for n, label in enumerate(labels):
            logits = []
            for c in range(self.zero_shot.shape[1]):
                logit = float(self.zero_shot[n, c])
                if self.votes:
                    logit += point["alpha"] * float(self.votes[point["beta"]][n, c])
                if self.penalty is not None:
                    logit -= point["gamma"] * float(self.penalty[n, c])
                logits.append(logit)
            total += logits.index(max(logits)) == label
        return total


def normal_problem(
    seed: int, names: Sequence[str], n: int = 12, classes: int = 4
) -> tuple[Made, np.ndarray, dict[str, list[float]]]:
    random = np.random.default_rng(seed)
    grid = {
        name: [float(v) for v in np.sort(random.uniform(0.05, 3, size))]
        for name, size in zip(AXES, (4, 3, 5), strict=True)
        if name in names
    }
    draw = lambda: random.normal(size=(n, classes))  # noqa: E731
    votes = {beta: draw() for beta in grid.get("beta", [])}
    made = Made(draw(), votes, draw() if "gamma" in names else None)
    return made, random.integers(0, classes, n), grid


SMALL = st.integers(-3, 3)


@st.composite
def integer_problems(draw: st.DrawFn) -> tuple[Made, np.ndarray, dict[str, list[float]]]:
    """Small integers and dyadic grids: full of exact ties, and free of rounding."""
    n, classes = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    names = draw(st.sampled_from([(), ("alpha", "beta"), AXES]))
    steps = st.lists(st.integers(0, 12), min_size=1, max_size=5, unique=True).map(sorted)
    grid = {name: [step / 4 for step in draw(steps)] for name in names}
    cells = st.lists(SMALL, min_size=n * classes, max_size=n * classes)

    def matrix() -> np.ndarray:
        return np.array(draw(cells), dtype=np.float64).reshape(n, classes)

    votes = {beta: matrix() for beta in grid.get("beta", [])}
    made = Made(matrix(), votes, matrix() if "gamma" in names else None)
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n))
    return made, np.array(labels), grid
