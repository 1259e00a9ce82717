"""Methods on batches, against plain loops in float64 written from their formulas."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from susx.methods import METHODS, Context, Images, base, frolic, inmap
from susx.methods.otter import RAISE
from susx.methods.transport import balanced_shares
from susx.methods.zlap import calibrate
from tests.closeness import assert_close, random_walk, roundings_between
from tests.helpers import context_of, make_problem
from tests.plain import noisy, softmax, unit

PROBLEM = make_problem(3, n=40)
CONTEXT = context_of(PROBLEM)
IMAGES = Images(torch.from_numpy(PROBLEM.images).double())
X, T = PROBLEM.images.astype(np.float64), PROBLEM.text.astype(np.float64)
N, D, C = *X.shape, len(T)
# A step of 10 / 0.04 follows a gradient that is off by roundings of logits of up to 1 / 0.04.
STEP = 10 / 0.04**2 * random_walk(N + D)


def made(method: str, context: Context = CONTEXT, images: Images = IMAGES) -> np.ndarray:
    return METHODS[method].fit(context, {}).logits(images).numpy()


def nearest(row: np.ndarray, others: np.ndarray, k: int, leave_out: int = -1) -> list[int]:
    cosines = others @ row
    if leave_out >= 0:
        cosines[leave_out] = -2
    return list(np.argsort(-cosines)[:k])


def stata_loop(x: np.ndarray) -> np.ndarray:
    prior = softmax(100 * x @ T.T)
    z, mu = prior.copy(), T.copy()
    shared = sum(prior[i, c] * (x[i] - T[c]) ** 2 for i in range(N) for c in range(C)) / N
    s = np.tile(shared, (C, 1))
    w = np.zeros((N, N))
    for i in range(N):
        for j in nearest(x[i], x, 3, i):
            w[i, j] = x[i] @ x[j]
    for update in range(11):
        for _ in range(5):
            energy = np.log(prior)
            for i in range(N):
                for c in range(C):
                    gaussian = -0.5 * np.sum((x[i] - mu[c]) ** 2 / s[c] + np.log(s[c]))
                    energy[i, c] += (gaussian + 50 / 6 * ((w + w.T) @ z)[i, c]) / 50
            z = softmax(energy)
        if update == 10:
            break
        for c in range(C):
            held = sum(z.argmax(axis=1) == c)
            b = held / (1 + held)
            mu[c] = unit(b * unit(z[:, c] @ x) + (1 - b) * T[c])
            spread = z[:, c] @ (x - mu[c]) ** 2 / z[:, c].sum()
            s[c] = b * spread + (1 - b) * (shared + (T[c] - mu[c]) ** 2)
    return z


def test_stata_anchors_gaussians_at_the_text() -> None:
    expected = stata_loop(X)
    # What a rounding of the images makes of it, for as many as are added up to a mean.
    condition = roundings_between(stata_loop(noisy(X)), expected)
    assert condition < 1e8
    assert_close(np.exp(made("stata")), expected, random_walk(N + D) * condition)


def zlap_scores(x: np.ndarray) -> np.ndarray:
    """(C + N, C) scores of all nodes by a dense inverse."""
    n = len(x)
    b = np.zeros((C + n, C + n))
    for i in range(n):
        for j in nearest(x[i], x, min(4, n - 1), i):
            b[C + i, C + j] = max(0, x[i] @ x[j])
        for c in nearest(x[i], T, 5):
            b[C + i, c] = max(0, x[i] @ T[c]) ** 5
    a = b + b.T
    roots = 1 / np.sqrt(a.sum(axis=1))
    a = roots[:, None] * a * roots
    return np.linalg.inv(np.eye(C + n) - 0.3 * a)[:, :C]


def shares(scores: np.ndarray) -> np.ndarray:
    return 100 * scores / scores.sum(axis=1, keepdims=True)


def test_zlap_solves_the_graph_of_texts_and_images() -> None:
    assert_close(made("zlap"), shares(zlap_scores(X)[C:]), random_walk(N + C) * 10)


def test_sparse_zlap_uses_the_best_class_of_every_node() -> None:
    seen, new = X[:25], X[25:]
    scores = zlap_scores(seen)
    kept = np.where(scores == scores.max(axis=1, keepdims=True), scores, 0)
    weights = np.zeros((len(new), C + len(seen)))
    for i, row in enumerate(new):
        for c in nearest(row, T, 5):
            weights[i, c] = max(0, row @ T[c]) ** 5
        for j in nearest(row, seen, 5):
            weights[i, C + j] = max(0, row @ seen[j])
    known = replace(CONTEXT, constants=calibrate(CONTEXT, IMAGES[:25]))
    assert_close(
        made("zlap-sparse", known, IMAGES[25:]), shares(weights @ kept), random_walk(N) * 10
    )


def test_an_image_that_reaches_no_text_is_left_to_its_cosines() -> None:
    text = torch.eye(4, dtype=torch.float64)[:3]
    away = -text.sum(dim=0, keepdim=True) / math.sqrt(3) + torch.tensor([[0.01, 0, 0, 0]])
    images = Images(away / away.norm())
    for method in ("zlap", "zlap-sparse"):
        found = METHODS[method].fit(Context(text, 100.0), {}).logits(images)
        assert_close(found, 100 * images.features @ text.T, random_walk(4), scale=100)


def proxies_loop(labels: np.ndarray, steps: int) -> np.ndarray:
    w, rate, last = T.copy(), 10.0, math.inf
    for _ in range(steps):
        gradient = (softmax(X @ w.T / 0.04) - labels).T @ X
        if np.linalg.norm(gradient) > last:
            rate /= 2
        last = np.linalg.norm(gradient)
        w -= rate / (0.04 * N) * gradient
        w /= np.linalg.norm(w, axis=1, keepdims=True)
    return w


def one_hot_if_sure(q: np.ndarray) -> np.ndarray:
    return np.array([np.eye(C)[row.argmax()] if row.max() > 0.6 else row for row in q])


@pytest.mark.parametrize("steps", [1, 30])
def test_inmap_learns_proxies_from_balanced_labels(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inmap, "STEPS", steps)
    q = softmax(100 * X @ T.T) / N
    for _ in range(20):
        q /= C * q.sum(axis=0)
        q /= N * q.sum(axis=1, keepdims=True)
    w = proxies_loop(one_hot_if_sure(N * q), steps)
    assert_close(made("inmap"), 100 * X @ w.T, STEP, scale=100)


def test_balanced_labels_give_every_class_the_same_mass() -> None:
    posteriors = (20 * IMAGES.features @ CONTEXT.text.T).softmax(dim=1)
    q = inmap.balanced(posteriors)
    assert_close(q.sum(dim=1), torch.ones(N).double(), random_walk(N))
    assert (q.sum(dim=0) / N * C - 1).abs().max() < 0.05  # twenty rounds do not quite converge
    assert posteriors.argmax(dim=1).bincount(minlength=C).max() > 1.3 * N / C


def test_frolic_corrects_the_sum_of_two_views(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inmap, "STEPS", 10)
    assert CONTEXT.texts is not None
    assert CONTEXT.text_labels is not None
    texts, owners = CONTEXT.texts.numpy(), CONTEXT.text_labels.numpy()
    u = np.array([unit(texts[owners == c].mean(axis=0)) for c in range(C)])
    v = 0.1 * np.var(np.concatenate([X, texts]), axis=0, ddof=1) + 0.9
    r = np.array([[x @ (t / v) - t @ (t / v) / 2 - x @ (x / v) / 2 for t in u] for x in X])
    e = np.zeros((N, C))
    for view in (X @ u.T, r):
        e += 100 * X @ proxies_loop(one_hot_if_sure(softmax(100 * view)), 10).T
    for _ in range(11):
        matrix = np.zeros((C, C))
        ordered = np.sort(e, axis=1)
        for k in range(C):
            rows = (e.argmax(axis=1) == k) & (ordered[:, -1] - ordered[:, -2] > 1 / C)
            if rows.any():
                matrix[:, k] = softmax(e[rows]).mean(axis=0)
        q = np.full(C, 1 / C)
        for _ in range(100):
            before, q = q, np.maximum(0, matrix @ q)
            q = q / q.sum()
            if np.abs(q - before).sum() < 1e-3:
                break
        e = e - np.log(q + 1e-12)
    assert_close(made("frolic"), e, STEP, scale=100)


def test_shares_of_images_that_are_not_sure_of_anything_change_nothing() -> None:
    level = torch.zeros(6, 3, dtype=torch.float64)
    assert frolic.corrected(level).argmax(dim=1).tolist() == [0] * 6
    assert_close(frolic.corrected(level).diff(dim=1), torch.zeros(6, 2).double(), 1)


def transported(cosines: np.ndarray) -> np.ndarray:
    """Optimal parts of images in classes of equal size, in units of a C-th of an image."""
    n = len(cosines)
    rows = np.kron(np.eye(n), np.ones(C))
    columns = np.kron(np.ones(n), np.eye(C))
    sizes = np.concatenate([np.full(n, C), np.full(C, n)])
    found = linprog(-cosines.flatten(), A_eq=np.concatenate([rows, columns]), b_eq=sizes)
    assert found.status == 0
    return np.rint(found.x).reshape(n, C)


@pytest.mark.parametrize("n", [3, 5, 38, 40])
def test_otter_shares_images_out_to_classes_of_equal_size(n: int) -> None:
    cosines = X[:n] @ T.T
    plan = transported(cosines)
    assert (n % C == 0) == (plan.max(axis=1) == C).all()  # else some images are cut
    best = (plan + cosines / 4).argmax(axis=1)
    assert (best != cosines.argmax(axis=1)).any()
    expected = 100 * (cosines + RAISE * np.eye(C)[best])
    assert_close(made("otter", images=IMAGES[:n]), expected, random_walk(D), scale=100 * RAISE)


def test_equal_images_are_of_one_class() -> None:
    order = np.random.default_rng(4).permutation(2 * N) % N
    best = made("otter", images=IMAGES[torch.from_numpy(order)]).argmax(axis=1)
    assert (best == made("otter").argmax(axis=1)[order]).all()
    shares = balanced_shares(X @ T.T, np.full(N, 2))
    assert shares.loads.tolist() == [2 * N] * C
    assert [sum(held.values()) for held in shares.held] == [2 * N] * C


@pytest.mark.parametrize(("few", "queued"), [(1, 1), (7, 3), (512, 256)])
def test_queues_of_movers_give_the_same_shares(
    few: int, queued: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("susx.methods.transport.FEW", few)
    monkeypatch.setattr("susx.methods.transport.QUEUED", queued)
    rng = np.random.default_rng(6)
    gains = rng.random((60, C)) * 0.1
    gains[:, 0] += 1 + rng.random(60)  # all are of the first class, and leave it one by one
    shares = balanced_shares(gains, np.ones(60, np.int64))
    found = np.zeros(gains.shape)
    for label, held in enumerate(shares.held):
        found[list(held), label] = list(held.values())
    assert (found == transported(gains)).all()


@pytest.mark.parametrize("n", [4, N])
def test_adapt_gda_has_gaussians_of_all_and_of_sure_images(n: int) -> None:
    x = X[:n]
    p = softmax(100 * x @ T.T)
    h, best = -(p * np.log(p)).sum(axis=1), p.argmax(axis=1)
    mu, rest, unseen = T.copy(), [], 0
    for c in range(C):
        bank = sorted(np.flatnonzero(best == c), key=lambda i: h[i])[:6]
        if not bank:
            unseen += 1
            continue
        m = (p[:, c] @ x + p[bank, c] @ x[bank]) / (p[:, c].sum() + p[bank, c].sum())
        mu[c] = 0.9 * m + 0.1 * T[c]
        rest += [x[i] - mu[c] for i in bank]
    assert (unseen > 0) == (n == 4)
    s, m = np.cov(np.array(rest).T), len(rest)
    inverse = D * np.linalg.inv((m - 1) * s + np.trace(s) * np.eye(D))
    expected = x @ inverse @ mu.T - np.diag(mu @ inverse @ mu.T) / 2
    # The largest eigenvalue is at most m times the ridge, which is the condition.
    assert_close(made("adapt-gda", images=IMAGES[:n]), expected, random_walk(N + D) * m)


@pytest.mark.parametrize("method", ["stata", "zlap", "zlap-sparse", "inmap", "frolic"])
def test_blocks_of_rows_make_no_difference(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inmap, "STEPS", 10)
    whole = made(method)
    monkeypatch.setattr(base, "BLOCK_ELEMENTS", 24)
    assert_close(made(method), whole, STEP, scale=100)
