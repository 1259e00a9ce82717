"""Methods on streams, against plain loops in float64 written from their formulas."""

import math

import numpy as np
import pytest
import torch

from susx.methods.dmn import KEPT, summed, without_support
from susx.methods.oga import updated
from susx.methods.onzeta import mixed
from susx.methods.streams import stream_order
from susx.methods.tda import adapted
from tests.closeness import assert_close, random_walk, roundings_between
from tests.helpers import context_of, make_problem
from tests.plain import noisy, softmax, unit

PROBLEM = make_problem(3, n=40)
CONTEXT = context_of(PROBLEM)
FEATURES = torch.from_numpy(PROBLEM.images).double()
X, T = PROBLEM.images.astype(np.float64), PROBLEM.text.astype(np.float64)
N, D, C = *X.shape, len(T)
ORDER = np.random.default_rng(2).permutation(N)


def test_tda_keeps_sure_and_doubtful_images() -> None:
    zero_shot = 100 * X @ T.T
    p = softmax(zero_shot)
    h = -(p * np.log(p)).sum(axis=1)
    sure: dict[int, list[tuple[float, int]]] = {c: [] for c in range(C)}
    unsure: dict[int, list[tuple[float, int]]] = {c: [] for c in range(C)}
    expected = zero_shot.copy()
    n_unsure = 0
    for i in ORDER:
        k = int(p[i].argmax())
        offers = [(sure[k], 3)]
        if 0.2 < h[i] / math.log2(C) < 0.5:
            n_unsure += 1
            offers.append((unsure[k], 2))
        for cache, size in offers:
            cache.append((h[i], i))
            cache.sort()
            del cache[size:]
        for c in range(C):
            for _, j in sure[c]:
                expected[i, c] += 2 * np.exp(-5 * (1 - X[i] @ X[j]))
            for _, j in unsure[c]:
                mask = (p[j] > 0.03) & (p[j] < 1)
                expected[i] -= 0.117 * np.exp(-(1 - X[i] @ X[j])) * mask
    assert n_unsure >= 3
    found = adapted(CONTEXT, FEATURES, torch.from_numpy(ORDER))
    assert_close(found, expected, random_walk(8 + N), scale=100)


def test_oga_remembers_eight_images_per_class(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = make_problem(3, n=150)
    x, t = problem.images.astype(np.float64), problem.text.astype(np.float64)
    p = softmax(100 * x @ t.T)
    h = -(p * np.log(p)).sum(axis=1)
    memory: dict[int, list[tuple[float, int]]] = {c: [] for c in range(C)}
    expected, order = np.zeros((150, C)), np.random.default_rng(2).permutation(150)
    for start in range(0, 150, 32):
        batch = order[start : start + 32]
        for i in batch:
            cache = memory[int(p[i].argmax())]
            cache.append((h[i], i))
            cache.sort()
            del cache[8:]
        mu = t.copy()
        for c, cache in memory.items():
            if len(cache) >= 2:
                mu[c] = sum(x[j] for _, j in cache) / 8
        rest = np.array([x[j] - mu[c] for c, cache in memory.items() for _, j in cache])
        s, n = np.cov(rest.T), len(rest)
        inverse = D * np.linalg.pinv((n - 1) * s + np.trace(s) * np.eye(D))
        if n > 4 * D:
            inverse = np.linalg.pinv(s)
        for i in batch:
            scores = np.array([-0.5 * (x[i] - m) @ inverse @ (x[i] - m) for m in mu])
            expected[i] = p[i] * np.exp(0.05 * scores)
    assert n > 4 * D  # both forms of the inverse were met
    expected /= expected.sum(axis=1, keepdims=True)
    features = torch.from_numpy(problem.images).double()
    found = updated(context_of(problem), features, torch.from_numpy(order)).exp()
    # Softmax of logits of up to 100, and an inverse whose condition is below 2 d.
    assert_close(found, expected, random_walk(150) * 100 * 2 * D)


def onzeta_loop(x: np.ndarray) -> np.ndarray:
    w, r, made = T.copy(), np.zeros(C), np.zeros((N, C))
    for i, image in enumerate(ORDER, start=1):
        p = softmax(100 * T @ x[image] + r)
        q = softmax(w @ x[image] / 0.04)
        b = 0.8 * math.sqrt(i / N)
        made[image] = np.log(b * q + (1 - b) * p)
        r = np.maximum(0, r - 20 / math.sqrt(i) * (p - 1 / C))
        w -= 0.5 / (0.04 * math.sqrt(i)) * np.outer(q - p, x[image])
        w /= np.linalg.norm(w, axis=1, keepdims=True)
    return made


def test_onzeta_balances_labels_and_learns_proxies() -> None:
    expected = onzeta_loop(X)
    condition = roundings_between(onzeta_loop(noisy(X)), expected)
    assert condition < 1e8
    found = mixed(CONTEXT, FEATURES, torch.from_numpy(ORDER))
    assert_close(found, expected, random_walk(N + D) * condition)
    last_first = mixed(CONTEXT, FEATURES, torch.from_numpy(ORDER[::-1].copy()))
    assert not torch.allclose(last_first, found)


@pytest.mark.parametrize("support", [False, True])
def test_dmn_reads_fifty_images_per_class(support: bool) -> None:
    problem, n = make_problem(3, n=600), 600
    where = context_of(problem)
    x, t = problem.images.astype(np.float64), problem.text.astype(np.float64)
    shots = problem.support.astype(np.float64)
    fixed = [[t[c], *(shots[problem.support_labels == c] if support else [])] for c in range(C)]
    p = softmax(100 * x @ t.T)
    h = -(p * np.log(p)).sum(axis=1)

    def read(image: np.ndarray, rows: list[np.ndarray]) -> float:
        whole = sum(np.exp(-5.5 * (1 - image @ row)) * row for row in rows)
        return float(image @ unit(whole))

    memory: dict[int, list[tuple[float, int]]] = {c: [] for c in range(C)}
    expected, order, forgotten = np.zeros((n, C)), np.random.default_rng(2).permutation(n), 0
    for i in order:
        cache = memory[int(p[i].argmax())]
        cache.append((h[i], i))
        cache.sort()
        forgotten += len(cache) > KEPT
        del cache[KEPT:]
        seen = [read(x[i], fixed[c] + [x[j] for _, j in memory[c]]) for c in range(C)]
        expected[i] = p[i] + softmax(100 * np.array(seen))
        if support:
            expected[i] += softmax(100 * np.array([read(x[i], rows) for rows in fixed]))
    assert forgotten > 100
    found = (summed if support else without_support)(
        where, torch.from_numpy(x), torch.from_numpy(order)
    )
    assert_close(found, np.log(expected), random_walk(KEPT + D), scale=100)


def test_a_stream_comes_in_an_order_of_its_own() -> None:
    order = stream_order(FEATURES)
    assert sorted(order.tolist()) == list(range(N))
    assert order.tolist() != list(range(N))
    moved = FEATURES[torch.from_numpy(ORDER)]
    again = stream_order(moved.float())
    assert torch.equal(moved[again], FEATURES[order])
