"""Exact nearest rows of a stream of blocks."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from susx.support import exact
from susx.support.exact import Nearest, nearest_rows
from susx.support.sieve import PAIRS_PER_LOOK
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
    monkeypatch.setattr(exact, "SCORES_AT_ONCE", 60)
    monkeypatch.setattr(exact, "QUERIES_AT_ONCE", 3)
    random = np.random.default_rng(3)
    queries, rows = unit_rows(random, 7, 6), unit_rows(random, 900, 6)
    place = np.argsort(rows @ queries[0])
    rows = rows[{"rising": place, "falling": place[::-1], "mixed": np.arange(900)}[order]]
    found = in_blocks(queries, rows, 5, 100)
    assert (found.rows == full_sort(queries, rows, 5)[1]).all()


@pytest.mark.parametrize("hits_at_once", [100, exact.HITS_AT_ONCE])
def test_scores_nearer_than_float32_can_tell_are_ordered(
    hits_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact, "HITS_AT_ONCE", hits_at_once)
    monkeypatch.setattr(exact, "SCORES_AT_ONCE", 60)
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


def test_rows_without_direction_are_left_out_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(2)
    queries, rows = unit_rows(random, 4, 6), unit_rows(random, 20, 6)
    rows[[3, 9]], rows[12, 1], rows[19, 0] = 0, np.nan, np.inf
    monkeypatch.setattr(exact, "QUERIES_AT_ONCE", 3)
    found = in_blocks(queries, rows, 20, 6)
    assert found.n_unusable == 4
    assert (found.rows[:, 16:] == -1).all()
    assert not np.isin(found.rows, [3, 9, 12, 19]).any()


def test_no_rows_and_no_queries_give_nothing() -> None:
    assert (nearest_rows(np.ones((2, 1)), [], 3).rows == -1).all()
    found = nearest_rows(np.ones((0, 2)), [np.zeros((5, 2), np.float32)], 3)
    assert found.rows.shape == (0, 3)
    assert found.n_unusable == 5


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_lengths_near_the_tolerance_give_the_same_whatever_the_block_size(size: int) -> None:
    random = np.random.default_rng(5)
    queries, rows = unit_rows(random, 3, 512), unit_rows(random, 40, 512)
    lengths = 1 + exact.UNIT_TOLERANCE * random.choice([-1, 1], 40) * (
        1 + 1e-7 * np.arange(-20, 20)
    )
    rows *= lengths[:, None].astype(np.float32)
    found, whole = in_blocks(queries, rows, 40, size), nearest_rows(queries, [rows], 40)
    assert (found.rows == whole.rows).all()
    assert (found.scores == whole.scores).all()


@pytest.mark.parametrize("length", [3e38, 1e30, 1e-30, 1e-37, 7.0])
def test_rows_of_any_length_that_float32_can_hold_have_a_direction(length: float) -> None:
    random = np.random.default_rng(6)
    queries, rows = unit_rows(random, 4, 64), unit_rows(random, 50, 64)
    rows *= np.float32(length)
    found = in_blocks(queries, rows, 50, 16)
    exact_rows = rows.astype(np.float64)
    exact_rows /= np.linalg.norm(exact_rows, axis=1, keepdims=True)
    scores, order = full_sort(queries, exact_rows.astype(np.float32), 50)
    assert found.n_unusable == 0
    assert (found.rows == order).all()
    assert np.allclose(found.scores, scores, rtol=0, atol=2**-23)  # their lengths may round apart


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_of_equal_rows_few_are_scored_again(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    n, k, size = 2000, 5, 500
    random = np.random.default_rng(7)
    queries, rows = unit_rows(random, 50, 16), unit_rows(random, n, 16)
    same = random.random(n) < share
    rows[same] = queries.mean(0) / np.linalg.norm(queries.mean(0))
    rescored = []
    plain = exact._Search._rescored

    def counted(
        search: Any, texts: NDArray[Any], rows: NDArray[Any], images: NDArray[Any]
    ) -> NDArray[Any]:
        rescored.extend(rows + search._n_rows)
        return plain(search, texts, rows, images)

    monkeypatch.setattr(exact._Search, "_rescored", counted)
    found, (scores, order) = in_blocks(queries, rows, k, size), full_sort(queries, rows, k)
    assert (found.rows == order).all()
    assert (found.scores == scores).all()
    assert found.n_unusable == 0
    # k per query and block, and as many as looking for equal rows is worth.
    assert len(rescored) <= (k * len(queries) + PAIRS_PER_LOOK * size) * n / size


def test_scores_in_memory_do_not_grow_with_blocks() -> None:
    random = np.random.default_rng(8)
    search = exact._Search(unit_rows(random, 1000, 4), 3)
    search.add(unit_rows(random, 5000, 4))
    assert search._scores.numel() <= exact.SCORES_AT_ONCE
