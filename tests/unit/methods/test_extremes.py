"""Bounds of sums from bfloat16, and ranges that are found with them."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from susx.methods import extremes, tip_x
from susx.methods.extremes import Rough, SumRange
from susx.methods.tip_x import rescaling
from tests.helpers import make_problem
from tests.unit.methods.test_tip_methods import context, images

SHAPES = [(1, 1, 1), (7, 5, 3), (40, 30, 200), (64, 48, 1000)]
FAR = 1e3
"""Centres and offsets beside which rows are small, as a logarithm is beside its differences."""


def sides(
    n: int, m: int, d: int, dtype: torch.dtype, far: float
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Rows of very different lengths, their centres and offsets: of the left side and the right."""
    random = torch.Generator().manual_seed(d)
    for size in (n, m):
        rows, centres, offsets, scale = (
            torch.randn(size, width, generator=random, dtype=dtype) for width in (d, 1, 1, 1)
        )
        yield rows * (4 * scale).exp() + far * centres, far * centres, far * offsets


@pytest.mark.parametrize("far", [0.0, 1.0, FAR])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_sums_lie_between_their_bounds(
    shape: tuple[int, int, int], dtype: torch.dtype, far: float
) -> None:
    left, right = sides(*shape, dtype, far)
    (x, a), (y, b) = (
        ((rows - centre).double(), off.double()) for rows, centre, off in (left, right)
    )
    sums = a + b.T + x @ y.T
    ours, theirs = Rough.of(*left, left=True), Rough.of(*right, left=False)
    buffer = torch.empty(0, dtype=torch.bfloat16)
    half = slice(0, max(1, shape[0] // 2))
    below, above = ours.bounds(half, theirs, buffer)
    assert below.dtype == dtype
    assert (below <= sums[half].amin(dim=1)).all()
    assert (sums[half].amax(dim=1) <= above).all()


def test_bounds_are_close_to_the_sums_of_rows_of_like_lengths() -> None:
    random = torch.Generator().manual_seed(0)
    rows, others = (torch.randn(n, 1000, generator=random) for n in (64, 48))
    none = torch.zeros(64, 1)
    ours = Rough.of(rows, none, none, left=True)
    theirs = Rough.of(others, none[:48], none[:48], left=False)
    _, above = ours.bounds(slice(None), theirs, torch.empty(0, dtype=torch.bfloat16))
    highest = (rows @ others.T).amax(dim=1)
    # Twice three roundings of 2 ** -8: of both factors and, at most, of a sum as large as they are.
    assert (above - highest).max() <= 6 * 2**-8 * float(ours.lengths.max() * theirs.lengths.max())


@pytest.mark.parametrize("far", [0.0, 1.0, FAR])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("parts", [1, 3])
def test_an_extent_is_that_of_all_sums(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int, int], far: float, parts: int
) -> None:
    monkeypatch.setattr("susx.methods.base.BLOCK_ELEMENTS", 64)
    monkeypatch.setattr(extremes, "rough_pays", lambda _: True)
    left, right = sides(*shape, torch.float64, far)
    (x, a), (y, b) = ((rows - centre, off) for rows, centre, off in (left, right))
    sums = a + b.T + x @ y.T
    found = SumRange(*left)
    for part in torch.arange(shape[1]).chunk(parts):
        rows, centres, offsets = (side[part] for side in right)

        def exact(some: slice | torch.Tensor, part: torch.Tensor = part) -> torch.Tensor:
            return sums[some][:, part]

        found.add(rows, centres, offsets, exact)
    assert found.range.tolist() == [sums.min(), sums.max()]


@pytest.mark.parametrize("block", [2**22, 16])
def test_a_range_is_the_same_with_bounds_and_without(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("susx.methods.base.BLOCK_ELEMENTS", block)
    monkeypatch.setattr(tip_x, "MIN_WIDTH", 1)
    problem = make_problem(4, support=(3, 5, 2, 6))
    found = []
    for pays in (True, False):
        monkeypatch.setattr(extremes, "rough_pays", lambda _, pays=pays: pays)
        found.append(rescaling(context(problem), images(problem)).constants["rescaling"])
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=1e-15)


def test_rows_within_the_range_are_not_worked_out_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("susx.methods.base.BLOCK_ELEMENTS", 512)
    monkeypatch.setattr(tip_x, "MIN_WIDTH", 1)
    monkeypatch.setattr(extremes, "rough_pays", lambda _: True)
    problem = make_problem(6, n=300, support=(16, 16, 16, 16))
    widen, full = extremes.widen, []

    def counted(extent: torch.Tensor, values: torch.Tensor) -> None:
        full.append(values.numel())
        widen(extent, values)

    monkeypatch.setattr(extremes, "widen", counted)
    rescaling(context(problem), images(problem))
    pairs = len(problem.images) * len(problem.support)
    assert sum(full) < pairs  # of twice as many: cosines and divergences


@pytest.mark.parametrize("pays", [True, False])
def test_what_is_not_a_number_is_not_lost(monkeypatch: pytest.MonkeyPatch, pays: bool) -> None:
    monkeypatch.setattr(extremes, "rough_pays", lambda _: pays)
    problem = make_problem(4, support=(3, 5, 2, 6))
    known = context(problem)
    support = known.required_support.clone()
    support[-1, 0] = torch.nan
    scale = rescaling(replace(known, support=support), images(problem))
    assert scale.nearest.isnan()
