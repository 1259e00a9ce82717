"""GDA, fusion and TransCLIP against plain loops in float64."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from susx.methods import METHODS, Context, Images, base, fusion
from susx.methods.gda import discriminant
from tests.closeness import assert_close, random_walk
from tests.helpers import Problem, make_problem, unit_rows

# Terms of class means and covariances, of an inverse and of its products with both sides.
DISCRIMINANT = random_walk(16 + 16 + 8 + 2 * 8)
SUPPORTS = [(3, 3, 3, 3, 3), (1, 7, 2, 4, 2)]


def context(problem: Problem) -> Context:
    return Context(
        torch.from_numpy(problem.text).double(),
        100.0,
        torch.from_numpy(problem.support).double(),
        torch.from_numpy(problem.support_labels),
    )


def doubles(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tuple(np.asarray(a, float) for a in (problem.images, problem.support, problem.text))  # type: ignore[return-value]


def gda_scores(problem: Problem) -> np.ndarray:
    images, support, text = doubles(problem)
    labels, (m, d) = problem.support_labels, support.shape
    means = np.stack([support[labels == c].mean(axis=0) for c in range(len(text))])
    covariance = np.zeros((d, d))
    for row, label in zip(support, labels, strict=True):
        covariance += np.outer(row - means[label], row - means[label])
    covariance /= m - 1
    precision = d * np.linalg.pinv((m - 1) * covariance + np.trace(covariance) * np.eye(d))
    scores = np.zeros((len(images), len(text)))
    for n, image in enumerate(images):
        for c, mean in enumerate(means):
            scores[n, c] = image @ precision @ mean - mean @ precision @ mean / 2
    return scores


@pytest.mark.parametrize("support", SUPPORTS)
def test_discriminant_is_that_of_gaussians_with_shared_covariance(support: tuple) -> None:
    problem = make_problem(3, n=11, support=support)
    found = discriminant(context(problem), torch.from_numpy(problem.images).double())
    expected = gda_scores(problem)
    # A score is the difference of terms as large as the largest score.
    assert_close(found, expected, DISCRIMINANT, np.abs(expected).max())


def test_a_class_without_support_gets_the_mean_score_of_the_others() -> None:
    problem = make_problem(3, n=11, support=(4, 3, 2, 6, 0))
    found = discriminant(context(problem), torch.from_numpy(problem.images).double()).numpy()
    others = gda_scores(replace(problem, text=problem.text[:4]))
    assert_close(found[:, :4], others, DISCRIMINANT, np.abs(others).max())
    assert_close(found[:, 4], others.mean(axis=1), DISCRIMINANT, np.abs(others).max())


def test_one_support_image_per_class_falls_back_to_the_nearest() -> None:
    problem = make_problem(4, n=30, support=(1, 1, 1, 1, 1))
    images, support, _ = doubles(problem)
    nearest = [problem.support_labels[np.argmax(support @ image)] for image in images]
    found = discriminant(context(problem), torch.from_numpy(images))
    assert found.argmax(dim=1).tolist() == nearest


def softmax(rows: np.ndarray) -> np.ndarray:
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@dataclass
class FusionOracle:
    """Fusion, sum by sum; `shares` are posteriors of the images."""

    problem: Problem
    shares: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        images, support, text = doubles(self.problem)
        self.logits = 100 * images @ text.T
        self.x, self.f = images - images.mean(axis=0), support - images.mean(axis=0)
        self.classes = range(len(text))
        own = [self.f[self.problem.support_labels == c] for c in self.classes]
        self.size = np.array([len(rows) for rows in own])
        self.support_means = np.stack([rows.mean(axis=0) for rows in own])

    def scatter(self) -> np.ndarray:
        """Scatter of shared target images and of support images about their class means."""
        z, n = self.shares, self.shares.sum(axis=0)
        scatter = np.zeros((self.x.shape[1],) * 2)
        for c in self.classes:
            mean = z[:, c] @ self.x / n[c]
            for i, row in enumerate(self.x):
                scatter += z[i, c] * np.outer(row - mean, row - mean)
        for row, label in zip(self.f, self.problem.support_labels, strict=True):
            scatter += np.outer(row - self.support_means[label], row - self.support_means[label])
        return scatter

    def update(self) -> np.ndarray:
        """Log-densities and log-frequencies with every image left out."""
        z, n = self.shares, self.shares.sum(axis=0)
        freedom = len(self.f) - len(n)
        freedom += sum(n[c] - sum(z[:, c] ** 2) / n[c] for c in self.classes)
        covariance = self.scatter() / freedom
        ridge = np.trace(covariance) / freedom
        precision = np.linalg.inv(covariance + ridge * np.eye(len(covariance)))
        spread = np.trace(precision @ covariance)

        def squared(row: np.ndarray) -> float:
            return row @ precision @ row

        ratio = np.mean([squared(row) for row in self.x]) / spread - 1
        pi = n / n.sum()
        shift = self.x.mean(axis=0) - pi @ self.support_means
        chance = spread * (1 / len(self.x) + sum(pi**2 / self.size))
        centres = self.support_means + max(0, 1 - chance / squared(shift)) * shift
        worth, trust = np.zeros(len(n)), np.zeros(len(n))
        for c in self.classes:
            distance = squared(z[:, c] @ self.x / n[c] - centres[c])
            foreign = sum(z[:, c] * (1 - z[:, c])) / n[c]
            trust[c] = 1 / (1 + n[c] * foreign**2 * ratio)
            rho = max(0, distance / spread - 1 / (trust[c] * n[c]) - 1 / self.size[c])
            worth[c] = 1 / (1 / self.size[c] + rho)
        scores, noise = np.zeros_like(z), np.zeros_like(z)
        for i, row in enumerate(self.x):
            rest = [j for j in range(len(self.x)) if j != i]
            for c in self.classes:
                shares = trust[c] * z[rest, c]
                others = shares.sum() + worth[c] + 1 / ratio
                mean = (shares @ self.x[rest] + worth[c] * centres[c]) / others
                noise[i, c] = (sum(shares**2) + worth[c] + 1 / ratio) / others**2
                scores[i, c] = -(squared(row - mean) - noise[i, c] * spread) / 2
        scores /= 1 + (z * noise).sum() / len(z)
        scores += np.log(n - z + 1)
        return scores - scores.mean(axis=1, keepdims=True)

    def run(self) -> tuple[np.ndarray, np.ndarray]:
        self.shares = softmax(self.logits)
        for _ in range(fusion.UPDATES):
            scores = self.update()
            self.shares = softmax(self.logits + scores)
        return self.logits, scores


@pytest.mark.parametrize("support", SUPPORTS)
@pytest.mark.parametrize("n", [7, 40])
def test_fusion_is_the_sum_of_text_and_gaussians(support: tuple, n: int) -> None:
    problem = make_problem(5, n=n, support=support)
    text, gaussians = FusionOracle(problem).run()
    images = torch.from_numpy(problem.images).double()
    views = fusion.experts(context(problem), images)
    assert list(views) == ["text", "gaussians"]
    assert_close(views["text"], text, random_walk(8), scale=100)
    # Posteriors are as inexact as the logits of up to 100 behind them, in every update.
    roundings = random_walk(fusion.UPDATES * (n + 16 + 8))
    assert_close(views["gaussians"], gaussians, roundings, scale=100)
    fused = METHODS["fusion"].fit(context(problem), {}).logits(Images(images))
    assert torch.equal(fused, views["text"] + views["gaussians"])


def test_blocks_of_images_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = make_problem(8, n=50)
    images = torch.from_numpy(problem.images).double()
    whole = METHODS["fusion"].fit(context(problem), {}).logits(Images(images))
    monkeypatch.setattr(base, "BLOCK_ELEMENTS", 24)
    blocks = METHODS["fusion"].fit(context(problem), {}).logits(Images(images))
    assert_close(blocks, whole, random_walk(50 + 16))


UNIT = torch.eye(40, dtype=torch.float64)
ALL_TRUSTED = torch.ones(8, dtype=torch.float64)


def cluster_moments(
    seed: int, per_class: int, offset: float = 0.0, displacement: float = 0.0
) -> fusion.Moments:
    """Moments of eight classes with unit variance in each of 40 dimensions and fixed means.

    All rows are moved by a vector of length `offset`, the first four classes by random vectors of
    length `displacement`, in units of a class's standard deviation.
    """
    means = 2 * np.random.default_rng(0).normal(size=(8, 40)) + offset / math.sqrt(40)
    random = np.random.default_rng(seed)
    means[:4] += displacement * math.sqrt(40) * unit_rows(random, 4, 40)
    labels = np.repeat(np.arange(8), per_class)
    rows = means[labels] + random.normal(size=(len(labels), 40))
    return fusion.label_moments(torch.from_numpy(rows), torch.from_numpy(labels), 8)


def test_precision_inverts_the_covariance_within_classes() -> None:
    target, support = cluster_moments(1, 2000), cluster_moments(2, 500)
    precision, spread = fusion.shared_precision(target, support)
    assert torch.allclose(precision, UNIT, atol=0.1)
    assert spread == pytest.approx(40, rel=0.02)


def test_a_support_of_the_targets_domain_keeps_its_worth_and_place() -> None:
    worths = []
    for seed in range(5):
        target, support = cluster_moments(10 + seed, 30), cluster_moments(20 + seed, 10)
        assert float(fusion.support_shift(target, support, UNIT, 40.0).norm()) < 0.5
        worths.append(fusion.support_worth(target, ALL_TRUSTED, support, support.means, UNIT, 40.0))
    assert float(torch.stack(worths).max()) <= 10
    assert float(torch.stack(worths).mean()) > 8


def test_a_shifted_support_is_moved_back() -> None:
    target, support = cluster_moments(1, 30), cluster_moments(2, 10, offset=6.0)
    shift = fusion.support_shift(target, support, UNIT, 40.0)
    assert float(shift.norm()) == pytest.approx(6.0, rel=0.2)
    centres = support.means + shift
    assert float(fusion.support_worth(target, ALL_TRUSTED, support, centres, UNIT, 40.0).mean()) > 8


@pytest.mark.parametrize("displacement", [1.0, 2.0])
def test_only_displaced_classes_lose_their_support(displacement: float) -> None:
    target, support = cluster_moments(1, 500), cluster_moments(2, 10, displacement=displacement)
    worth = fusion.support_worth(target, ALL_TRUSTED, support, support.means, UNIT, 40.0)
    assert worth[:4].numpy() == pytest.approx(1 / (1 / 10 + displacement**2), rel=0.3)
    assert float(worth[4:].mean()) > 8


def test_target_images_of_uncertain_class_count_less() -> None:
    rows = torch.zeros(20, 3, dtype=torch.float64)
    certain = torch.eye(2, dtype=torch.float64)[torch.arange(20) % 2]
    ratio = torch.tensor(2.0)
    sure = fusion.soft_moments(rows, certain, rows.T @ rows)
    assert fusion.target_trust(sure, ratio).tolist() == [1, 1]
    torn = fusion.soft_moments(rows, certain / 2 + 0.25, rows.T @ rows)
    # Of 10 images a share of 1 - (0.75^2 + 0.25^2) is expected to be foreign.
    expected = 1 / (1 + 10 * 0.375**2 * 2)
    assert fusion.target_trust(torn, ratio).tolist() == pytest.approx([expected, expected])


def test_a_support_keeps_its_worth_where_the_target_is_not_to_be_trusted() -> None:
    target, support = cluster_moments(1, 500), cluster_moments(2, 10, displacement=1.0)
    worth = [
        fusion.support_worth(target, trust * ALL_TRUSTED, support, support.means, UNIT, 40.0)[:4]
        for trust in (1.0, 0.01, 0.001)
    ]
    assert (worth[0] < worth[1]).all()
    assert worth[2].tolist() == [10.0] * 4


def test_class_frequencies_of_the_target_are_no_domain_shift() -> None:
    support = cluster_moments(2, 10)
    target = cluster_moments(3, 200)
    few = torch.tensor([1.0, 0.005, 0.005, 0.5, 0.005, 1, 0.005, 0.005], dtype=torch.float64)
    rare = fusion.Moments(
        few * target.counts, few[:, None] * target.sums, few * target.squares, target.products
    )
    assert float((rare.sums.sum(0) / rare.counts.sum() - support.means.mean(0)).norm()) > 5
    assert float(fusion.support_shift(rare, support, UNIT, 40.0).norm()) < 1


def test_means_of_unseen_and_unsupported_classes_are_defined() -> None:
    problem = make_problem(9, n=12, support=(3, 0, 2, 0, 4))
    images = torch.from_numpy(problem.images).double()
    assert METHODS["fusion"].fit(context(problem), {}).logits(Images(images)).isfinite().all()


def test_soft_moments_of_certain_posteriors_are_those_of_labels() -> None:
    problem = make_problem(3, n=30)
    rows, labels = torch.from_numpy(problem.images), torch.from_numpy(problem.labels)
    hard = fusion.label_moments(rows, labels, 5)
    soft = fusion.soft_moments(rows, torch.eye(5)[labels], rows.T @ rows)
    for name in ("counts", "sums", "squares", "products"):
        assert_close(getattr(hard, name), getattr(soft, name), random_walk(30))
    assert hard.freedom == pytest.approx(30 - 5)


@pytest.mark.parametrize("support", [(1,) * 5, (9, 1, 1, 1, 2), (16,) * 5])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_target_images_leave_much_to_the_text(n: int, support: tuple) -> None:
    problem = make_problem(11, n=n, support=support)
    images = torch.from_numpy(problem.images).double()
    fused = METHODS["fusion"].fit(context(problem), {}).logits(Images(images))
    assert fused.isfinite().all()
    if n == 1 and support == (1,) * 5:
        text = images @ torch.from_numpy(problem.text).double().T
        assert torch.equal(fused.argmax(dim=1), text.argmax(dim=1))


def test_identical_images_are_classified_identically() -> None:
    problem = make_problem(12, n=40)
    images = torch.from_numpy(problem.images).double()
    repeated = torch.cat([images, images[:1].expand(20, -1)])
    fused = METHODS["fusion"].fit(context(problem), {}).logits(Images(repeated))
    assert fused.isfinite().all()
    assert_close(fused[40:], fused[:1].expand(20, -1), random_walk(60 + 16))
    alike = images[:1].expand(7, -1)
    fused = METHODS["fusion"].fit(context(problem), {}).logits(Images(alike))
    assert fused.isfinite().all()
    assert_close(fused, fused[:1].expand(7, -1), random_walk(7 + 16))


def test_a_support_without_any_spread_is_no_obstacle() -> None:
    problem = make_problem(13, n=30, support=(4, 4, 4, 4, 4))
    where = context(problem)
    same = torch.from_numpy(problem.text).double()[torch.from_numpy(problem.support_labels)]
    where = replace(where, support=same)
    images = Images(torch.from_numpy(problem.images).double())
    made = METHODS["fusion"].fit(where, {}).logits(images)
    assert made.isfinite().all()


def test_images_equal_to_support_images_are_classified_like_them() -> None:
    problem = make_problem(6)
    where = context(problem)
    made = METHODS["fusion"].fit(where, {}).logits(Images(where.required_support))
    assert made.isfinite().all()


def test_constant_text_leaves_fusion_at_chance_but_finite() -> None:
    problem = make_problem(14, n=30)
    where = context(problem)
    where = replace(where, text=where.text[:1].expand(5, -1))
    images = Images(torch.from_numpy(problem.images).double())
    made = METHODS["fusion"].fit(where, {}).logits(images)
    assert made.isfinite().all()


def test_gaussians_repair_what_weak_text_gets_wrong() -> None:
    gains = []
    for seed in range(4):
        problem = make_problem(seed, n=600, d=16, support=(4,) * 40)
        where = replace(context(problem), logit_scale=10.0)
        images, labels = torch.from_numpy(problem.images).double(), torch.tensor(problem.labels)
        text = (images @ where.text.T).argmax(dim=1)
        fused = METHODS["fusion"].fit(where, {}).logits(Images(images)).argmax(dim=1)
        gains.append(float((fused == labels).double().mean() - (text == labels).double().mean()))
    assert min(gains) > 0


def transclip(problem: Problem) -> np.ndarray:
    """Assignments after ten outer and fifty inner updates, written out as in the paper."""
    x, _, text = doubles(problem)
    (n, d), classes = x.shape, len(text)

    def softmax(rows: np.ndarray) -> np.ndarray:
        powers = np.exp(rows - rows.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    prior = softmax(100 * x @ text.T)
    z = prior.copy()
    affinity = np.zeros((n, n))
    for i in range(n):
        cosines = x @ x[i]
        cosines[i] = -2
        for j in np.argsort(-cosines)[:3]:
            affinity[i, j] = cosines[j]
    means = np.zeros((classes, d))
    for c in range(classes):
        for i in np.argsort(-z[:, c])[:8]:
            means[c] += z[i, c] * x[i]
        means[c] /= np.linalg.norm(means[c])
    variance = np.full(d, 1 / d)
    for _ in range(10):
        for _ in range(5):
            energy = np.zeros((n, classes))
            for i in range(n):
                for c in range(classes):
                    gaussian = -0.5 * np.sum((x[i] - means[c]) ** 2 / variance)
                    pull = (50 / 6) * np.sum((affinity[i] + affinity[:, i]) * z[:, c])
                    energy[i, c] = np.log(prior[i, c]) + (gaussian + pull) / 50
            z = softmax(energy)
        means = z.T @ x
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        variance = np.zeros(d)
        for i in range(n):
            for c in range(classes):
                variance += z[i, c] * (x[i] - means[c]) ** 2
        variance /= z.sum()
    return z


def test_transclip_makes_the_published_updates() -> None:
    problem = make_problem(7, n=25)
    made = METHODS["transclip"].fit(context(problem), {})
    found = made.logits(Images(torch.from_numpy(problem.images).double())).exp()
    # A probability is as inexact as the logit of up to 100 behind it.
    assert_close(found, transclip(problem), random_walk(8), scale=100)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "n_classes"), [(1, 10), (2, 10), (5, 10), (20, 10), (20, 100)])
def test_transclip_keeps_what_the_text_is_certain_of(
    n: int, n_classes: int, dtype: torch.dtype
) -> None:
    random = np.random.default_rng(0)
    text = torch.from_numpy(unit_rows(random, n_classes, 64)).to(dtype)
    labels = torch.from_numpy(random.integers(0, n_classes, n))
    rows = text[labels] + 0.01 * torch.from_numpy(unit_rows(random, n, 64)).to(dtype)
    images = Images(rows / rows.norm(dim=1, keepdim=True))
    made = METHODS["transclip"].fit(Context(text, 100.0), {}).logits(images)
    assert made.isfinite().all()
    assert made.argmax(dim=1).tolist() == labels.tolist()
