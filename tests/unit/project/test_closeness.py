"""The comparison of numbers that differ by rounding can fail."""

import numpy as np
import pytest
import torch

from tests.closeness import assert_close, close, random_walk

ROWS = np.random.default_rng(0).normal(size=(5, 8))


@pytest.mark.parametrize("size", [0.01, 1.0, 1000.0])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_the_bound_grows_with_a_row_and_its_type(size: float, kind: type) -> None:
    expected = (size * ROWS).astype(kind)
    made = expected.astype(np.float64)
    unit = np.finfo(kind).eps * np.abs(made[3]).max()
    made[3, 2] += 4 * unit
    assert close(made, expected, 5)
    made[3, 2] += 46 * unit
    assert not close(made, expected, 5)


def test_other_shapes_and_no_numbers_are_never_close() -> None:
    with pytest.raises(AssertionError):
        assert_close(ROWS[:1], ROWS, 1e9)
    with pytest.raises(AssertionError, match="differ by nan roundings"):
        assert_close(torch.full((3,), torch.nan), torch.ones(3), 1e9)
    assert not close(torch.tensor([1e-30]), torch.tensor([0.0]), 1e9)


def test_sums_in_another_order_are_within_the_walk() -> None:
    terms = np.random.default_rng(1).normal(size=(1000, 400)).astype(np.float32)
    found = [np.add.accumulate(part, axis=1)[:, -1] for part in (terms, terms[:, ::-1])]
    size = np.abs(np.add.accumulate(terms, axis=1)).max(axis=1)
    assert_close(found[0] / size, found[1] / size, random_walk(400), scale=1)
    assert not close(found[0] / size, found[1] / size, random_walk(400) / 20, scale=1)
