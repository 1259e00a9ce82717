"""The sweep of cache votes over beta against plain float64 sums."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from susx.methods.votes import PRODUCT_ELEMENTS, TILE_ELEMENTS, group_by_class, sweep, votes_at
from tests.closeness import random_walk

N_CLASSES = 7
# A vote is as inexact as its logarithm, up to 50 times a cosine over six dimensions.
ROUNDINGS = 50 * random_walk(6)
SINGLE, DOUBLE = (ROUNDINGS * float(np.finfo(kind).eps) for kind in (np.float32, np.float64))
UNBALANCED = [0] * 40 + [1] + [2] * 3 + [3] * 8 + [4] * 9 + [6] * 2  # class 5 has none


def expected(
    features: np.ndarray,
    support: np.ndarray,
    labels: Sequence[int],
    beta: float,
    weights: Sequence[float] | None = None,
) -> list:
    votes = np.zeros((len(features), N_CLASSES))
    for n, f in enumerate(features):
        for m, label in enumerate(labels):
            weight = 1 if weights is None else weights[m]
            votes[n, label] += weight * np.exp(-beta * (1 - f @ support[m]))
    return votes.tolist()


def problem(labels: Sequence[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[int]]:
    order = np.random.default_rng(seed).permutation(len(labels))
    support = np.random.default_rng(seed + 1).normal(size=(len(labels), 6))
    features = np.random.default_rng(seed + 2).normal(size=(5, 6))
    support /= np.linalg.norm(support, axis=1, keepdims=True)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features, support, [labels[i] for i in order]


def votes_of(features, support, labels, betas, dtype=torch.float64) -> np.ndarray:  # type: ignore[no-untyped-def]
    f, s = torch.from_numpy(features).to(dtype), torch.from_numpy(support).to(dtype)
    groups = group_by_class(s, torch.tensor(labels), N_CLASSES)
    return sweep(f, groups, N_CLASSES, betas)[:, 0].numpy()


@pytest.mark.parametrize("labels", [UNBALANCED, [c for c in range(N_CLASSES) for _ in range(3)]])
@pytest.mark.parametrize(
    "betas",
    [[5.5], [1 + i * 0.245 for i in range(69)], [0.1, 0.2, 0.3, 1.0, 2.0, 50.0]],
    ids=["one", "even", "uneven"],
)
def test_votes_are_the_sums_of_each_class(labels: list[int], betas: list[float]) -> None:
    made = problem(labels)
    found = votes_of(*made, betas)
    for beta, votes in zip(betas, found, strict=True):
        assert votes == pytest.approx(np.array(expected(*made, beta)), rel=DOUBLE, abs=1e-300)


@pytest.mark.parametrize("elements", [1, 7, 64, 10**8])
def test_block_size_changes_nothing(monkeypatch: pytest.MonkeyPatch, elements: int) -> None:
    made, betas = problem(UNBALANCED), [1.0, 2.0, 3.0]
    whole = votes_of(*made, betas)
    monkeypatch.setitem(TILE_ELEMENTS, "cpu", elements)
    monkeypatch.setitem(PRODUCT_ELEMENTS, "cpu", 3 * elements)
    assert votes_of(*made, betas) == pytest.approx(whole, rel=DOUBLE)


def test_rounding_does_not_pile_up_along_the_published_grid() -> None:
    made, betas = problem(UNBALANCED), [1 + i * 49 / 200 for i in range(200)]
    single, double = votes_of(*made, betas, dtype=torch.float32), votes_of(*made, betas)
    present = [c for c in range(N_CLASSES) if c != 5]
    assert single[..., present] == pytest.approx(double[..., present], rel=SINGLE)


EVEN = [1 + i * 0.5 for i in range(60)]
SCALES = [0.0, 0.5, 2.0]
PRODUCT = [(beta, scale) for beta in EVEN for scale in SCALES]
POINTS = {
    "product": PRODUCT,
    "part": PRODUCT[1:-1],
    "shuffled": PRODUCT[::7] + PRODUCT[5::11],
    "one beta": PRODUCT[3:5],
    "descending": PRODUCT[::-1],
}


@pytest.mark.parametrize("points", POINTS.values(), ids=POINTS.keys())
def test_scores_weigh_support_images(points: list[tuple[float, float]]) -> None:
    features, support, labels = problem(UNBALANCED)
    scores = np.random.default_rng(3).normal(size=len(labels))
    groups = group_by_class(
        torch.from_numpy(support), torch.tensor(labels), N_CLASSES, torch.from_numpy(scores)
    )
    found = votes_at(torch.from_numpy(features), groups, N_CLASSES, points).numpy()
    assert found.shape == (len(points), len(features), N_CLASSES)
    for (beta, scale), votes in zip(points, found, strict=True):
        weights = np.exp(scale * scores)
        assert votes == pytest.approx(
            np.array(expected(features, support, labels, beta, weights)), rel=DOUBLE, abs=1e-300
        )


@pytest.mark.parametrize("values", [EVEN, EVEN[::-1], [2.0, 2.0, 1.0]])
def test_votes_at_any_list_of_betas(values: list[float]) -> None:
    features, support, labels = problem(UNBALANCED)
    groups = group_by_class(torch.from_numpy(support), torch.tensor(labels), N_CLASSES)
    found = votes_at(torch.from_numpy(features), groups, N_CLASSES, [(beta,) for beta in values])
    for beta, votes in zip(values, found.numpy(), strict=True):
        assert votes == pytest.approx(
            np.array(expected(features, support, labels, beta)), rel=DOUBLE, abs=1e-300
        )


@pytest.mark.parametrize("sigma", [1.0, 4.0])
def test_weights_of_very_different_size_keep_their_precision(sigma: float) -> None:
    features, support, labels = problem(UNBALANCED)
    scores = sigma * np.random.default_rng(4).normal(size=len(labels))
    made = {}
    for dtype in (torch.float32, torch.float64):
        f, s, w = (torch.from_numpy(a).to(dtype) for a in (features, support, scores))
        groups = group_by_class(s, torch.tensor(labels), N_CLASSES, w)
        made[dtype] = votes_at(f, groups, N_CLASSES, [(beta, 1.0) for beta in EVEN]).numpy()
    present = [c for c in range(N_CLASSES) if c != 5]
    single, double = (made[dtype][..., present] for dtype in made)
    assert single == pytest.approx(double, rel=SINGLE)
    weights = np.exp(scores)
    for beta, votes in zip(EVEN, made[torch.float64], strict=True):
        plain = np.array(expected(features, support, labels, beta, weights))
        assert votes == pytest.approx(plain, rel=DOUBLE, abs=1e-300)


def test_padding_is_bounded_however_unbalanced_the_support_is() -> None:
    groups = group_by_class(torch.ones(len(UNBALANCED), 1), torch.tensor(UNBALANCED), N_CLASSES)
    assert sum(group.scores.numel() for group in groups) <= 2 * len(UNBALANCED)
    assert sorted(c for g in groups for c in g.classes.tolist()) == [0, 1, 2, 3, 4, 6]


def test_a_support_set_in_the_order_of_its_classes_is_not_copied() -> None:
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    support = torch.arange(12.0).view(6, 2)
    (group,) = group_by_class(support, labels, 3)
    assert group.support.data_ptr() == support.data_ptr()
    mixed = torch.tensor([3, 0, 5, 1, 4, 2])
    (other,) = group_by_class(support[mixed], labels[mixed], 3)
    assert other.support.sort(dim=1).values.equal(group.support)
