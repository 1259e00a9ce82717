"""Methods on labelled images, against plain loops over classes and images in float64."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from susx.core.errors import InputError
from susx.evaluation.arrays import EncoderData, LabelledImages
from susx.evaluation.case import Case
from susx.evaluation.protocol import EvaluationPlan, evaluate
from susx.methods import METHODS, Context, Images
from susx.methods import proker as proker_module
from susx.methods.real_linear import probe
from susx.search.grid import search
from tests.closeness import assert_close, random_walk
from tests.helpers import context_of, make_problem, unit_rows
from tests.made.evaluation import encoder_data
from tests.plain import unit

SUPPORTS = pytest.mark.parametrize("support", [(4, 1, 3, 2, 6), (16,) * 5, (1,) * 5])


class Given:
    """A problem in float64, and the parts that formulas are written with."""

    def __init__(self, seed: int, n: int = 23, **sizes: tuple[int, ...]) -> None:
        problem = make_problem(seed, n, **sizes)
        self.context = context_of(problem)
        self.images = Images(torch.from_numpy(problem.images).double())
        self.x, self.f, self.t = (
            part.astype(np.float64) for part in (problem.images, problem.support, problem.text)
        )
        self.y = problem.support_labels
        self.classes = range(len(self.t))

    def texts(self, c: int) -> np.ndarray:
        """(P, d) texts of a class."""
        assert self.context.texts is not None
        assert self.context.text_labels is not None
        return self.context.texts.numpy()[self.context.text_labels.numpy() == c]

    def logits(self, method: str, **values: float) -> np.ndarray:
        return METHODS[method].fit(self.context, values).logits(self.images).numpy()


@SUPPORTS
@pytest.mark.parametrize("share", [0.9, 0.5])
def test_neural_priming_adds_prototypes(support: tuple[int, ...], share: float) -> None:
    given = Given(1, support=support)
    weights = [
        share * given.t[c] + (1 - share) * unit(given.f[given.y == c].sum(axis=0))
        for c in given.classes
    ]
    made = given.logits("neural-priming", alpha=(1 - share) / share)
    assert_close(share * made, 100 * given.x @ np.array(weights).T, random_walk(8 + 16), scale=100)


@SUPPORTS
def test_real_linear_is_the_optimum_of_its_loss(support: tuple[int, ...]) -> None:
    given = Given(1, support=support)
    weights = probe(given.context).requires_grad_()
    halves = [list(zip(given.f, given.y, strict=True))]
    halves.append([(text, c) for c in given.classes for text in given.texts(c)])
    loss = 0.22 * (weights - torch.from_numpy(given.t)).square().sum()
    for samples in halves:
        for x, c in samples:
            posteriors = (100 * weights @ torch.from_numpy(x)).softmax(dim=0)
            loss = loss - posteriors[c].log() / len(samples) / 2
    (gradient,) = torch.autograd.grad(loss, weights)
    # Each sample's gradient is up to 100 long, and rounded after sums over 8 and 16 + 15 terms.
    assert_close(gradient, torch.zeros_like(gradient), random_walk(8 + 31), scale=1e4)
    moved = (weights.detach() - torch.from_numpy(given.t)).norm()
    assert moved > 0.01
    for alpha, kept in ((0.5, given.t), (1.0, weights.detach().numpy())):
        expected = 50 * given.x @ (weights.detach().numpy() + kept).T
        assert_close(
            given.logits("real-linear-exact", alpha=alpha), expected, random_walk(8), scale=100
        )


def proker_loop(given: Given, beta: float, ridge: float) -> np.ndarray:
    """Solved one entry of the kernel at a time."""
    m = len(given.f)
    kernel = partial(lambda a, b: np.exp(-beta * (1 - a @ b)))
    system = np.array([[kernel(a, b) / ridge for b in given.f] for a in given.f]) + np.eye(m)
    residual = np.zeros((m, len(given.t)))
    for j in range(m):
        residual[j, given.y[j]] += 1
        residual[j] -= given.t @ given.f[j]
    weights = np.linalg.inv(system) @ residual
    seen = np.array([[kernel(x, b) for b in given.f] for x in given.x])
    return 100 * (given.x @ given.t.T + seen @ weights)


@SUPPORTS
@pytest.mark.parametrize(("beta", "ridge"), [(1.7, 0.1), (3.0, 0.05)])
def test_proker_is_kernel_ridge_regression(
    support: tuple[int, ...], beta: float, ridge: float
) -> None:
    given = Given(2, support=support)
    made = given.logits("proker", beta=beta, gamma=ridge)
    # The condition of the system is at most 1 + M / lambda.
    roundings = random_walk(8 + len(given.f)) * (1 + len(given.f) / ridge)
    assert_close(made, proker_loop(given, beta, ridge), roundings, scale=100)


@pytest.mark.parametrize(("beta", "ridge"), [(1.7, 0.0), (1.7, -0.1), (-3.0, 0.05)])
def test_proker_tells_which_values_leave_nothing_to_solve(beta: float, ridge: float) -> None:
    with pytest.raises(InputError, match=rf"beta {beta:g} and gamma {ridge:g} .* above 0"):
        Given(7).logits("proker", beta=beta, gamma=ridge)


@pytest.mark.parametrize("continuous", [False, True])
def test_hyperparameters_of_a_method_without_alpha_are_searched(continuous: bool) -> None:
    given = Given(3, n=200)
    labels = torch.from_numpy(make_problem(3, 200).labels)
    grid = {"beta": [0.5, 2.0, 9.0], "gamma": [0.05, 1.0]}
    terms = METHODS["proker"].terms(given.context, given.images)
    found = search(terms, labels, grid, continuous=continuous)
    expected = [
        [
            int((given.logits("proker", beta=b, gamma=g).argmax(1) == labels.numpy()).sum())
            for g in grid["gamma"]
        ]
        for b in grid["beta"]
    ]
    assert found.counts.tolist() == expected
    assert found.correct == max(map(max, expected))
    if continuous:
        assert found.continuous
        assert found.continuous.hyperparameters.keys() == grid.keys()


def test_every_point_is_solved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    solved = []
    solve = proker_module.ridge_weights

    def counting(context: Context, beta: float, ridge: float) -> torch.Tensor:
        solved.append((beta, ridge))
        return solve(context, beta, ridge)

    monkeypatch.setattr(proker_module, "ridge_weights", counting)
    given = Given(3, n=500)
    labels = torch.from_numpy(make_problem(3, 500).labels)
    terms = METHODS["proker"].terms(given.context, given.images)
    search(terms, labels, {"beta": [1.0, 2.0], "gamma": [0.1, 0.2]}, memory_mib=1)
    assert sorted(solved) == [(1.0, 0.1), (1.0, 0.2), (2.0, 0.1), (2.0, 0.2)]


def timo_loop(given: Given) -> tuple[np.ndarray, np.ndarray]:
    """Guided texts, and discriminant scores on images and texts together."""
    guided, samples, labels = [], list(given.f), list(given.y)
    for c in given.classes:
        mean = unit(given.f[given.y == c].mean(axis=0))
        cosines = given.texts(c) @ mean
        powers = np.exp(50 * cosines / np.linalg.norm(cosines))
        guided.append(unit(powers / powers.sum() @ given.texts(c)))
        samples += [cosine * text for cosine, text in zip(cosines, given.texts(c), strict=True)]
        labels += [c] * len(cosines)
    rows, owner = np.array(samples), np.array(labels)
    means = np.array([rows[owner == c].mean(axis=0) for c in given.classes])
    scatter = np.zeros((rows.shape[1],) * 2)
    for row, c in zip(rows, owner, strict=True):
        scatter += np.outer(row - means[c], row - means[c])
    ridge = np.trace(scatter) / (len(rows) - 1)
    precision = len(scatter) * np.linalg.pinv(scatter + ridge * np.eye(len(scatter)))
    scores = given.x @ precision @ means.T - np.diag(means @ precision @ means.T) / 2
    return np.array(guided), scores


@SUPPORTS
@pytest.mark.parametrize("alpha", [1.0, 100.0])
def test_timo_lets_texts_and_images_guide_each_other(
    support: tuple[int, ...], alpha: float
) -> None:
    given = Given(4, support=support)
    guided, scores = timo_loop(given)
    made = given.logits("timo", alpha=alpha)
    # The ridge is the trace, 1 / d of which is the mean eigenvalue: the condition is below 2 d.
    roundings = random_walk(8 + len(given.f)) * 2 * 8
    size = max(100.0, alpha * np.abs(scores).max())
    assert_close(made, 100 * given.x @ guided.T + alpha * scores, roundings, scale=size)


def test_timo_takes_any_number_of_texts_per_class() -> None:
    given = Given(5)
    keep = [0, 2, 3, 5, 6, 8, 9, 11, 12, 13]
    assert given.context.texts is not None
    assert given.context.text_labels is not None
    texts, labels = given.context.texts[keep], given.context.text_labels[keep]
    assert len(set(labels.bincount().tolist())) > 1
    given.context = replace(given.context, texts=texts, text_labels=labels)
    guided, scores = timo_loop(given)
    expected = 100 * given.x @ guided.T + scores
    assert_close(given.logits("timo", alpha=1.0), expected, random_walk(8 + 16) * 16, scale=100)


def test_a_case_with_more_support_images_than_a_method_takes_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = encoder_data()
    random = np.random.default_rng(0)
    rows = torch.from_numpy(unit_rows(random, 30, 8)).half().float()
    many = LabelledImages(Images(rows / rows.norm(dim=1, keepdim=True)), torch.arange(30) % 6)
    data = replace(data, supports={"few": data.supports["lc"], "many": many})
    limited = replace(METHODS["proker"], most_support=20)
    monkeypatch.setitem(METHODS._built_in, "proker", limited)
    found = evaluate(data, EvaluationPlan(["proker"], ["cupl+e"], ["fixed"]))
    assert [row["support"] for row in found.runs] == ["few"]
    (skipped,) = found.skipped
    assert skipped["reason"] == (
        "takes at most 20 support images, and many has 30; for all pairs of them it would need "
        "0 GiB; choose fewer of every class under supports"
    )


def test_a_system_of_too_many_support_images_is_refused_with_its_memory() -> None:
    rows = torch.eye(2).expand(50_000, 2, 2).reshape(-1, 2)
    large = Context(torch.eye(2), 100.0, rows, torch.arange(100_000) % 2)
    fitted = METHODS["proker"].fit(large, METHODS["proker"].fixed)
    with pytest.raises(InputError, match=r"^proker takes at most 16384 .* 100000; .* 75 GiB; take"):
        fitted.logits(Images(torch.eye(2)))


def test_a_case_hands_over_its_texts_where_they_are_read() -> None:
    data: EncoderData = encoder_data()
    text = replace(
        data.texts["cupl+e"],
        rows=data.texts["cupl+e"].weights.astype(np.float16),
        labels=np.arange(6, dtype=np.int32),
    )
    data = replace(data, texts={"cupl+e": text})
    named = {"text": "cupl+e", "support": "lc", "protocol": "fixed"}
    context = data.context(Case(method="timo", **named))
    assert context.texts is not None
    assert context.texts.dtype == torch.float32
    assert context.text_labels is not None
    assert context.text_labels.tolist() == list(range(6))
    assert data.context(Case(method="gda", **named)).texts is None
