"""Formulas in plain numpy, with which tests derive anew what methods do."""

import numpy as np


def softmax(rows: np.ndarray) -> np.ndarray:
    powers = np.exp(rows - rows.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def unit(row: np.ndarray) -> np.ndarray:
    return row / np.linalg.norm(row)


def noisy(rows: np.ndarray) -> np.ndarray:
    """The same with a rounding in every number."""
    return rows * (1 + np.finfo(float).eps * np.random.default_rng(0).choice([-1, 1], rows.shape))
