"""What fusion makes of text, support set and images, and what it must not do."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from susx.methods import METHODS, Context, Images, base, fusion
from tests.closeness import assert_close, random_walk
from tests.helpers import context_of, make_problem
from tests.made.clusters import clusters


def right(method: str, where: Context, images: Tensor, truth: Tensor) -> float:
    logits = METHODS[method].fit(where, {}).logits(Images(images))
    return float((logits.argmax(dim=1) == truth).double().mean())


# The result


def test_a_result_contradicts_its_anchor_no_more_than_that_errs() -> None:
    random = torch.Generator().manual_seed(0)
    anchor = 3 * torch.randn(200, 10, generator=random)
    other = 3 * torch.randn(200, 10, generator=random)
    log = anchor.log_softmax(dim=1)
    entropy = -(log.exp() * log).sum()
    made = fusion.bounded(anchor, 10 * other)
    assert -(made.softmax(dim=1) * log).sum() <= entropy
    assert torch.equal(fusion.bounded(anchor, 2 * anchor), 2 * anchor)
    assert torch.equal(fusion.bounded(anchor, -1e4 * anchor), anchor)


@pytest.mark.parametrize("confidence", [0.3, 0.7, 0.95])
def test_confidence_is_what_is_asked_for_and_classes_stay(confidence: float) -> None:
    logits = 30 * torch.randn(300, 10, generator=torch.Generator().manual_seed(0))
    made = fusion.tempered(logits, confidence)
    assert fusion.mean_confidence(made) == pytest.approx(confidence, rel=1e-3)
    assert torch.equal(made.argmax(dim=1), logits.argmax(dim=1))


def test_logits_that_doubt_enough_stay_as_they_are() -> None:
    logits = torch.randn(300, 10, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(fusion.tempered(logits, 0.99), logits)


@pytest.mark.parametrize("foreign", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_support_of_something_else_does_no_harm(seed: int, foreign: float) -> None:
    where, images, truth = clusters(seed, 16, foreign=foreign)
    best = max(right(name, where, images, truth) for name in ("zero-shot", "fusion-text"))
    assert right("fusion", where, images, truth) >= best - 0.01


@pytest.mark.parametrize("n", [1, 5, 20, 100])
def test_few_images_of_few_classes_do_no_harm(n: int) -> None:
    where, images, truth = clusters(3, 8)
    rows = torch.isin(truth, torch.arange(5)).nonzero()[:n, 0]
    plain = right("zero-shot", where, images[rows], truth[rows])
    assert right("fusion", where, images[rows], truth[rows]) >= plain


def test_the_inductive_form_uses_the_support_on_a_single_image() -> None:
    where, images, truth = clusters(4, 8)
    found = right("fusion-inductive", where, images, truth)
    assert found > right("zero-shot", where, images, truth) + 0.05
    method = METHODS["fusion-inductive"]
    assert method.calibrate is not None
    constants = method.calibrate(where, Images(images))
    alone = method.fit(replace(where, constants=constants), {}).logits(Images(images[:1]))
    assert_close(alone, images[:1] @ constants["weights"].T + constants["offsets"], random_walk(8))


def test_a_support_of_half_the_classes_does_no_harm() -> None:
    where, images, truth = clusters(7, 8)
    rows = where.required_labels < 25
    support, labels = where.required_support[rows], where.required_labels[rows]
    half = replace(where, support=support, support_labels=labels)
    plain = right("zero-shot", half, images, truth)
    assert right("fusion-inductive", half, images, truth) == plain
    alone = right("fusion-text", half, images, truth)
    assert right("fusion", half, images, truth) >= max(plain, alone) - 0.01


@pytest.mark.parametrize("n", [1, 3])
def test_few_images_take_nothing_from_what_was_known(n: int) -> None:
    where, images, _ = clusters(8, 4, wrong=0.5)
    fused = fusion.fuse(where, images[:n])
    made = METHODS["fusion"].fit(where, {}).logits(Images(images[:n]))
    # Logits are never sharpened: their own confidence is the most that is shown.
    least = min(fusion.mean_confidence(fused.pooled), fusion.mean_confidence(fused.logits))
    assert fusion.mean_confidence(made) >= least - 1e-3


def test_what_is_expected_is_about_what_is_right() -> None:
    where, images, truth = clusters(5, 8)
    fused = fusion.fuse(where, images)
    expected = fused.expected_accuracies()
    assert list(expected) == ["text", "support", "images"]
    for name, logits in zip(expected, (fused.text, fused.pooled, fused.logits), strict=True):
        found = float((logits.argmax(dim=1) == truth).double().mean())
        # 1,000 images: the standard error of either is at most 0.016.
        assert expected[name] == pytest.approx(found, abs=0.05)
    made = METHODS["fusion"].fit(where, {}).logits(Images(images))
    assert fusion.mean_confidence(made) == pytest.approx(expected["images"], rel=1e-3)


def test_blocks_of_images_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = make_problem(8, n=50)
    images = torch.from_numpy(problem.images).double()
    whole = METHODS["fusion"].fit(context_of(problem), {}).logits(Images(images))
    monkeypatch.setattr(base, "BLOCK_ELEMENTS", 24)
    blocks = METHODS["fusion"].fit(context_of(problem), {}).logits(Images(images))
    assert_close(blocks, whole, random_walk(50 + 16), scale=float(whole.abs().max()))


@pytest.mark.parametrize(
    "support", [(1,) * 5, (9, 1, 1, 1, 2), (16,) * 5, (3, 0, 2, 0, 4), (0, 0, 0, 0, 2)]
)
@pytest.mark.parametrize("n", [1, 2, 5, 30])
def test_logits_are_finite_whatever_the_numbers(n: int, support: tuple) -> None:
    problem = make_problem(11, n=n, support=support)
    images = torch.from_numpy(problem.images).double()
    for name in ("fusion", "fusion-text", "fusion-inductive"):
        logits = METHODS[name].fit(context_of(problem), {}).logits(Images(images))
        assert logits.isfinite().all() and logits.shape == (n, 5)


def test_identical_images_are_classified_identically() -> None:
    problem = make_problem(12, n=40)
    images = torch.from_numpy(problem.images).double()
    repeated = torch.cat([images, images[:1].expand(20, -1)])
    fused = METHODS["fusion"].fit(context_of(problem), {}).logits(Images(repeated))
    scale = float(fused.abs().max())
    assert_close(fused[40:], fused[:1].expand(20, -1), random_walk(60 + 16), scale)
    alike = images[:1].expand(7, -1)
    fused = METHODS["fusion"].fit(context_of(problem), {}).logits(Images(alike))
    assert_close(fused, fused[:1].expand(7, -1), random_walk(7 + 16), scale)


def test_a_support_without_any_spread_is_no_obstacle() -> None:
    problem = make_problem(13, n=30, support=(4, 4, 4, 4, 4))
    where = context_of(problem)
    same = torch.from_numpy(problem.text).double()[torch.from_numpy(problem.support_labels)]
    images = Images(torch.from_numpy(problem.images).double())
    made = METHODS["fusion"].fit(replace(where, support=same), {}).logits(images)
    assert made.isfinite().all()


def test_images_equal_to_support_images_get_finite_logits() -> None:
    where = context_of(make_problem(6))
    made = METHODS["fusion"].fit(where, {}).logits(Images(where.required_support))
    assert made.isfinite().all()


def test_constant_text_leaves_fusion_finite() -> None:
    problem = make_problem(14, n=30)
    where = context_of(problem)
    where = replace(where, text=where.text[:1].expand(5, -1))
    images = Images(torch.from_numpy(problem.images).double())
    assert METHODS["fusion"].fit(where, {}).logits(images).isfinite().all()


def test_one_class_is_always_right() -> None:
    where, images, truth = clusters(6, 4, classes=1)
    for name in ("fusion", "fusion-text", "fusion-inductive"):
        assert right(name, where, images, truth) == 1
