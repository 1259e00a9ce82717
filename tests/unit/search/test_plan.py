"""The memory of a search bounds its blocks and changes no result."""

from collections.abc import Sequence
from functools import cache

import pytest
import torch

from susx.core.errors import InputError
from susx.methods import Terms
from susx.search import blocks as plan
from susx.search.blocks import BlockPlan
from susx.search.grid import search

N, C = 90, 40
GRID = {
    "alpha": [0.5, 1.0, 4.0],
    "beta": [1.0, 2.0, 3.0, 4.0, 5.0],
    "scale": [0.0, 0.5, 1.0],
    "gamma": [0.5, 1.0, 2.0],
}


class Recorder:
    """Terms with votes that depend on two hyper-parameters, and the shapes asked for."""

    def __init__(self) -> None:
        random = torch.Generator().manual_seed(0)
        made = torch.randn(3, N, C, generator=random, dtype=torch.float64)
        self.zero_shot, self.vote, self.penalty = made
        self.labels = torch.randint(C, (N,), generator=random)
        self.zero_shot[torch.arange(N), self.labels] += 3
        self.asked: list[tuple[int, int]] = []

    def terms(self) -> Terms:
        return Terms(self.zero_shot, self.votes, ("beta", "scale"), self.penalty)

    def votes(self, rows: slice, points: Sequence[tuple[float, ...]]) -> torch.Tensor:
        vote = self.vote[rows]
        self.asked.append((len(points), len(vote)))
        return torch.stack([(beta * vote).sin() + scale * vote for beta, scale in points])


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.setattr(plan, "MIB", 2**10)
    return Recorder()


@cache
def whole_counts() -> torch.Tensor:
    made = Recorder()
    return torch.from_numpy(search(made.terms(), made.labels, GRID).counts)


@pytest.mark.parametrize("memory", [1, 20, 100, 1000, 10**6])
@pytest.mark.parametrize("continuous", [False, True])
def test_counts_do_not_depend_on_memory(recorder: Recorder, memory: int, continuous: bool) -> None:
    found = search(
        recorder.terms(), recorder.labels, GRID, memory_mib=memory, continuous=continuous
    )
    assert torch.equal(torch.from_numpy(found.counts), whole_counts())


@pytest.mark.parametrize("memory", [20, 100, 300, 1000, 4000])
def test_votes_asked_for_fit_a_third_of_the_memory(recorder: Recorder, memory: int) -> None:
    search(recorder.terms(), recorder.labels, GRID, memory_mib=memory)
    at_once = max(points * rows for points, rows in recorder.asked) * C * 8
    assert at_once * torch.get_num_threads() <= max(memory * 2**10 / 3, C * 8)


def test_more_memory_means_larger_blocks(recorder: Recorder) -> None:
    blocks = [
        BlockPlan.of(recorder.terms(), [(1.0, 1.0)] * 100, 3, 3, memory)
        for memory in (10, 100, 10**5)
    ]
    sizes = [plan.rows * plan.points * plan.step * plan.lines for plan in blocks]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_points_asked_for_are_whole_periods_or_parts_of_one(recorder: Recorder) -> None:
    points = [(beta, scale) for beta in GRID["beta"] for scale in (0.0, 1.0, 2.0, 3.0)]
    for memory in range(1, 2000, 7):
        asked = BlockPlan.of(recorder.terms(), points, 3, 3, memory).points
        assert asked % 4 == 0 or 4 % asked == 0


def test_no_memory_is_an_error() -> None:
    made = Recorder()
    with pytest.raises(InputError, match="memory_mib"):
        search(made.terms(), made.labels, GRID, memory_mib=0)


def test_threads_are_as_before_after_a_failure() -> None:
    def fail(rows: slice, points: Sequence[tuple[float, ...]]) -> torch.Tensor:
        raise RuntimeError("no votes")

    before = torch.get_num_threads()
    terms = Terms(torch.eye(4), fail, ("beta",))
    with pytest.raises(RuntimeError, match="no votes"):
        search(terms, torch.arange(4), {"alpha": [1.0], "beta": [1.0]})
    assert torch.get_num_threads() == before
