"""Exact nearest rows of a stream of blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.support import exact
from susx.support.exact import Nearest, nearest_rows, rows_at_once
from tests.helpers import unit_rows


def full_sort(queries: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and row numbers of a plain stable sort of all float64 scores."""
    scores = np.vecdot(queries[:, None].astype(np.float64), rows[None].astype(np.float64))
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, 1), order


def in_blocks(queries: np.ndarray, rows: np.ndarray, k: int, size: int) -> Nearest:
    return nearest_rows(queries, (rows[i : i + size] for i in range(0, len(rows), size)), k)


@given(
    n=st.integers(1, 60),
    k=st.integers(1, 70),
    size=st.integers(1, 61),
    dtype=st.sampled_from(["float16", "float32"]),
    copies=st.integers(1, 4),
    seed=st.integers(0, 999),
)
def test_hits_equal_a_full_sort(
    n: int, k: int, size: int, dtype: str, copies: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    queries = unit_rows(random, 5, 8)
    rows = unit_rows(random, n, 8).astype(dtype)[random.integers(0, max(1, n // copies), n)]
    found, (scores, order) = in_blocks(queries, rows, k, size), full_sort(queries, rows, k)
    width = order.shape[1]
    assert (found.rows[:, :width] == order).all()
    assert (found.scores[:, :width] == scores).all()
    assert (found.rows[:, width:] == -1).all()
    assert np.isneginf(found.scores[:, width:]).all()
    assert (found.n_rows, found.n_unusable) == (n, 0)


@pytest.mark.parametrize("order", ["rising", "falling", "mixed"])
def test_the_order_of_rows_does_not_matter(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "MERGED_AT_ONCE", 0)
    monkeypatch.setattr(exact, "QUERIES_AT_ONCE", 3)
    random = np.random.default_rng(3)
    queries, rows = unit_rows(random, 7, 6), unit_rows(random, 900, 6)
    place = np.argsort(rows @ queries[0])
    rows = rows[{"rising": place, "falling": place[::-1], "mixed": np.arange(900)}[order]]
    found = in_blocks(queries, rows, 5, 100)
    assert (found.rows == full_sort(queries, rows, 5)[1]).all()


def test_scores_nearer_than_float32_can_tell_are_ordered() -> None:
    random = np.random.default_rng(0)
    queries = unit_rows(random, 3, 512)
    base = unit_rows(random, 1, 512)
    rows = np.repeat(base, 400, axis=0)
    rows[np.arange(400), random.integers(0, 512, 400)] *= np.float32(1 + 2**-20)
    found = in_blocks(queries, rows, 20, 64)
    scores, order = full_sort(queries, rows, 20)
    assert (found.rows == order).all()
    assert (found.scores == scores).all()


def test_rows_of_other_lengths_are_compared_by_their_direction() -> None:
    random = np.random.default_rng(1)
    queries, rows = unit_rows(random, 4, 6), unit_rows(random, 50, 6)
    lengths = random.uniform(0.1, 30, (50, 1)).astype(np.float32)
    found = in_blocks(queries, rows * lengths, 50, 7)
    assert (found.rows == full_sort(queries, rows, 50)[1]).all()


def test_rows_without_direction_are_left_out_and_counted() -> None:
    random = np.random.default_rng(2)
    queries, rows = unit_rows(random, 4, 6), unit_rows(random, 20, 6)
    rows[[3, 9]], rows[12, 1], rows[19, 0] = 0, np.nan, np.inf
    found = in_blocks(queries, rows, 20, 6)
    assert found.n_unusable == 4
    assert (found.rows[:, 16:] == -1).all()
    assert not np.isin(found.rows, [3, 9, 12, 19]).any()


def test_no_rows_and_no_queries_give_nothing() -> None:
    assert (nearest_rows(np.ones((2, 1)), [], 3).rows == -1).all()
    assert nearest_rows(np.ones((0, 2)), [np.ones((5, 2), np.float32)], 3).rows.shape == (0, 3)


@pytest.mark.parametrize("n_queries", [1, 100, 1000, 50_000])
def test_a_block_of_scores_fits_in_64_mib(n_queries: int) -> None:
    size = rows_at_once(n_queries)
    assert 4 * size * min(n_queries, exact.QUERIES_AT_ONCE) <= 64 * 2**20
    assert size >= 8192
