"""What every registered method promises."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from susx.core.errors import InputError
from susx.methods import (
    METHODS,
    NEEDS,
    TEXT_FORMS,
    Axis,
    Context,
    Images,
    Method,
    Need,
    Terms,
    inmap,
    onzeta,
)
from susx.methods.frolic import ALL_SHOWN
from susx.methods.fusion import UPDATES
from susx.methods.inmap import EQUAL_SHARES
from tests.closeness import assert_close, close, random_walk
from tests.helpers import context_of, images_of, make_problem

ALL = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
WITH_SUPPORT = pytest.mark.parametrize(
    "method", [m for m in METHODS.values() if m.needs_support], ids=lambda m: m.name
)
TUNED = pytest.mark.parametrize(
    "method", [m for m in METHODS.values() if m.grid], ids=lambda m: m.name
)
# The published affinity of TIP-X is scaled by its range over all test images.
ONE_BY_ONE = pytest.mark.parametrize(
    "method",
    [m for m in METHODS.values() if not m.transductive and m.name != "tip-x"],
    ids=lambda m: m.name,
)
# These use softmax probabilities of the text, which sharpen with the scale.
LEARNT = (
    "fusion",
    "fusion-text",
    "transclip",
    "transclip-fs",
    "stata",
    "inmap",
    "frolic",
    "adapt-gda",
    "tda",
    "oga",
    "onzeta",
    "dmn",
    "dmn-fs",
)
SHARPENED = (*LEARNT, "fusion-inductive", "real-linear-exact")
SCALE_FREE = pytest.mark.parametrize(
    "method",
    [m for m in METHODS.values() if m.name not in SHARPENED],
    ids=lambda m: m.name,
)
CALIBRATED = pytest.mark.parametrize(
    "method", [m for m in METHODS.values() if m.calibrate], ids=lambda m: m.name
)
# With fewer images than classes, methods that assume some of every class tell none apart.
ANY_SHARES = pytest.mark.parametrize(
    "method",
    [m for m in METHODS.values() if not {EQUAL_SHARES, ALL_SHOWN} & set(m.assumes)],
    ids=lambda m: m.name,
)
VOTING = pytest.mark.parametrize(
    "method", [m for m in METHODS.values() if m.votes_of], ids=lambda m: m.name
)
# What these learn from the images that they classify fits no constants.
BATCH_ALONE = (*LEARNT, "zlap", "otter")
PROBLEM = make_problem(0, n=101)
# Methods add up over 8 dimensions, 16 support images and 101 images.
ROUNDINGS = random_walk(8 + 16 + 101)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of steps that are alike so many, and such small ones, that all promises can break.

    InMaP takes 2,000. OnZeta's, 20 and 0.5 / 0.04 times differences of posteriors, multiply what
    these are rounded by; here they are a twentieth of that.
    """
    monkeypatch.setattr(inmap, "STEPS", 20)
    for rate in ("BALANCE_RATE", "PROXY_RATE"):
        monkeypatch.setattr(onzeta, rate, getattr(onzeta, rate) / 20)


def logits(method: Method, where: Context | None = None, images: Images | None = None) -> Tensor:
    where = context_of(PROBLEM) if where is None else where
    images = images_of(PROBLEM) if images is None else images
    return method.fit(where, method.scaled(values_of(method), where.logit_scale)).logits(images)


def calibrated(method: Method) -> Context:
    """The context with what a method takes from the problem's images."""
    where = context_of(PROBLEM)
    assert method.calibrate
    return replace(where, constants=method.calibrate(where, images_of(PROBLEM)))


def values_of(method: Method) -> dict[str, float]:
    """Values off the defaults, in published units."""
    return {name: 1.5 * value + 0.25 for name, value in method.fixed.items()}


@ALL
def test_of_no_images_there_are_no_logits(method: Method) -> None:
    none = images_of(PROBLEM)[:0]
    assert logits(method, images=none).shape == (0, 5)
    if method.calibrate:
        assert logits(method, calibrated(method), none).shape == (0, 5)


@ALL
def test_registry_entry_is_complete(method: Method) -> None:
    assert METHODS[method.name] is method
    assert len(method.paper) > 10
    assert list(method.grid) == [n for n in ("alpha", "beta", "gamma") if n in method.grid]
    assert set(method.fixed) == set(method.grid)
    assert set(method.needs) <= set(NEEDS)
    assert not (method.texts and method.needs_support)


@ALL
def test_logits_are_finite_numbers_for_every_image_and_class(method: Method) -> None:
    made = logits(method)
    assert made.shape == (101, 5)
    assert made.isfinite().all()
    assert made.std(dim=1).min() > 0


@ALL
def test_float32_features_give_float32_logits(method: Method) -> None:
    single = torch.float32
    made = logits(method, context_of(PROBLEM, dtype=single), images_of(PROBLEM, single))
    assert made.dtype == torch.float32
    # Posteriors of all images are rounded anew in every update.
    updates = UPDATES if method.transductive else 1
    assert_close(made, logits(method), updates * ROUNDINGS)


@ANY_SHARES
@pytest.mark.parametrize("n", [1, 2, 5, 20])
@pytest.mark.parametrize("sizes", [(8, (4, 1, 3, 2, 6)), (64, (2,) * 30)], ids=["small", "wide"])
def test_few_images_in_float32_are_classified_as_in_float64(
    method: Method, n: int, sizes: tuple[int, tuple[int, ...]]
) -> None:
    problem = make_problem(0, n, *sizes)
    made, exact = (
        logits(method, context_of(problem, dtype=dtype), images_of(problem, dtype))
        for dtype in (torch.float32, torch.float64)
    )
    assert made.shape == (n, len(sizes[1]))
    assert made.isfinite().all()
    assert torch.equal(made.argmax(dim=1), exact.argmax(dim=1))


@ANY_SHARES
@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_images_that_all_equal_one_text_are_of_its_class(method: Method, n: int) -> None:
    where = context_of(PROBLEM, dtype=torch.float32)
    images = images_of(make_problem(0, n), torch.float32)
    alike = replace(images, features=where.text[3].expand(n, -1))
    assert (logits(method, where, alike).argmax(dim=1) == 3).all()


@ALL
def test_logits_that_are_no_finite_numbers_are_refused(method: Method) -> None:
    features = images_of(PROBLEM).features.clone()
    features[[7, 50]] = torch.inf
    with pytest.raises(InputError, match=rf"{re.escape(method.name)}: logits of \d+ of 101 images"):
        logits(method, images=replace(images_of(PROBLEM), features=features))


@ALL
def test_logits_are_the_same_every_time(method: Method) -> None:
    assert torch.equal(logits(method), logits(method))


@ALL
def test_fitting_and_classifying_change_no_input(method: Method) -> None:
    where, images = context_of(PROBLEM), images_of(PROBLEM)
    logits(method, where, images)
    assert where.constants == {}
    for used, fresh in ((images, images_of(PROBLEM)), (where, context_of(PROBLEM))):
        for name, value in vars(fresh).items():
            if name == "constants":
                continue
            assert torch.equal(torch.as_tensor(getattr(used, name)), torch.as_tensor(value))


@ALL
def test_images_are_known_by_their_content_not_their_place(method: Method) -> None:
    order = torch.randperm(101, generator=torch.Generator().manual_seed(0))
    assert_close(logits(method, images=images_of(PROBLEM)[order]), logits(method)[order], ROUNDINGS)


@ALL
@pytest.mark.parametrize("n", [1, 99, 100, 101])
def test_the_last_images_are_classified_like_the_first(method: Method, n: int) -> None:
    images = images_of(PROBLEM)[:n]
    backwards = images[torch.arange(n - 1, -1, -1)]
    assert_close(logits(method, images=backwards).flip(0), logits(method, images=images), ROUNDINGS)


@ALL
def test_classes_are_known_by_their_text_not_their_index(method: Method) -> None:
    order = torch.tensor([3, 0, 4, 2, 1])
    where = context_of(PROBLEM)
    assert where.support_labels is not None
    assert where.text_means is not None
    assert where.text_raw is not None
    assert where.text_labels is not None
    place = torch.empty_like(order)
    place[order] = torch.arange(5)
    moved = replace(
        where,
        text=where.text[order],
        support_labels=place[where.support_labels],
        text_means=where.text_means[order],
        text_raw=where.text_raw[order],
        text_labels=place[where.text_labels],
    )
    assert_close(logits(method, moved), logits(method)[:, order], ROUNDINGS)


@ALL
def test_order_of_support_images_does_not_matter(method: Method) -> None:
    where = context_of(PROBLEM)
    assert where.support_labels is not None
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    mixed = replace(
        where,
        support=where.required_support[order],
        support_labels=where.support_labels[order],
    )
    assert_close(logits(method, mixed), logits(method), ROUNDINGS)


@WITH_SUPPORT
def test_support_images_make_a_difference(method: Method) -> None:
    other = make_problem(1)
    moved = replace(context_of(PROBLEM), support=torch.from_numpy(other.support).double())
    assert not close(logits(method, moved), logits(method), 1e6 * ROUNDINGS)


@pytest.mark.parametrize("name", ["zero-shot", "cupl", "cupl+e"])
def test_plain_text_classifiers_are_scaled_cosines(name: str) -> None:
    bare = Context(context_of(PROBLEM).text, 100.0)
    expected = 100 * PROBLEM.images.astype(np.float64) @ PROBLEM.text.astype(np.float64).T
    assert_close(logits(METHODS[name], bare), expected, random_walk(8), scale=100)


@WITH_SUPPORT
@pytest.mark.parametrize("support", [(1, 1, 1, 1, 1), (1, 30, 1, 1, 2), (5, 5, 5, 5, 5)])
def test_any_number_of_support_images_per_class_works(
    method: Method, support: tuple[int, ...]
) -> None:
    problem = make_problem(2, support=support)
    assert logits(method, context_of(problem), images_of(problem)).isfinite().all()


@WITH_SUPPORT
def test_a_class_without_support_images_is_left_to_its_text(method: Method) -> None:
    problem = make_problem(2, n=300, support=(4, 0, 3, 2, 6))
    made = logits(method, context_of(problem), images_of(problem))
    assert made.isfinite().all()
    chosen = (made.argmax(dim=1) == 1).double().mean()
    by_text = (images_of(problem).features @ context_of(problem).text.T).argmax(dim=1) == 1
    assert 0.3 < chosen / by_text.double().mean() < 1.7


@WITH_SUPPORT
def test_missing_support_set_is_refused(method: Method) -> None:
    with pytest.raises(InputError, match=r"needs a support set; name one under supports"):
        method.fit(Context(context_of(PROBLEM).text, 100.0), method.fixed)


@WITH_SUPPORT
@pytest.mark.parametrize("labels", [None, torch.zeros(3, dtype=torch.int64)])
def test_support_labels_that_do_not_fit_are_refused(method: Method, labels: Tensor | None) -> None:
    where = replace(context_of(PROBLEM), support_labels=labels)
    with pytest.raises(InputError, match="support features and labels differ in number"):
        logits(method, where)


@ALL
def test_unknown_hyperparameter_is_refused(method: Method) -> None:
    with pytest.raises(
        InputError, match=rf"{method.name.replace('+', '.')} takes .* not .*'delta'"
    ):
        method.fit(context_of(PROBLEM), {**method.fixed, "delta": 1.0})


@TUNED
def test_missing_hyperparameter_is_refused(method: Method) -> None:
    first = next(iter(method.grid))
    with pytest.raises(InputError, match=rf"{method.name} takes \['{first}'.*, not \["):
        method.fit(context_of(PROBLEM), {n: v for n, v in method.fixed.items() if n != first})


@ONE_BY_ONE
def test_an_image_is_classified_alone_as_among_others(method: Method) -> None:
    together = logits(method)
    assert_close(logits(method, images=images_of(PROBLEM)[7:8]), together[7:8], ROUNDINGS)


@CALIBRATED
def test_a_calibrated_method_classifies_its_calibration_images_as_without(method: Method) -> None:
    assert torch.equal(logits(method, calibrated(method)), logits(method))


@CALIBRATED
def test_a_calibrated_method_classifies_an_image_alone_as_among_others(method: Method) -> None:
    alone = logits(method, calibrated(method), images_of(PROBLEM)[7:8])
    assert_close(alone, logits(method)[7:8], ROUNDINGS)


@ALL
def test_exported_are_methods_that_need_no_other_images(method: Method) -> None:
    assert method.exportable == (method.name not in BATCH_ALONE)


@ALL
def test_only_the_declared_form_of_the_text_is_read(method: Method) -> None:
    where = context_of(PROBLEM)
    others = set(TEXT_FORMS).difference(method.text_forms)
    assert torch.equal(
        logits(method, replace(where, **dict.fromkeys(others, None))), logits(method)
    )


@VOTING
def test_votes_of_support_images_add_up_to_those_of_their_classes(method: Method) -> None:
    where, images, values = context_of(PROBLEM), images_of(PROBLEM), values_of(method)
    assert method.votes_of
    terms = method.terms(where, images)
    assert terms.votes
    point = tuple(values[name] for name in terms.nonlinear)
    single = method.votes_of(where, images.features, values)
    summed = torch.zeros_like(terms.zero_shot).index_add_(1, where.required_labels, single)
    assert_close(summed, values.get("alpha", 1.0) * terms.votes(slice(None), [point])[0], ROUNDINGS)


@SCALE_FREE
@pytest.mark.parametrize("scale", [1.0, 14.3, 250.0])
def test_predictions_do_not_depend_on_the_logit_scale(method: Method, scale: float) -> None:
    published, other = logits(method), logits(method, context_of(PROBLEM, scale))
    assert_close(other, published * scale / 100, ROUNDINGS)
    assert torch.equal(other.argmax(dim=1), published.argmax(dim=1))


@ALL
@pytest.mark.parametrize("scale", [14.3, 100.0])
def test_grids_and_fixed_values_are_scaled_alike(method: Method, scale: float) -> None:
    for name, axis in method.grid.items():
        value = {**dict.fromkeys(method.grid, 0.0), name: axis.values(100.0)[0]}
        assert axis.values(scale)[0] == pytest.approx(method.scaled(value, scale)[name])
    assert list(method.scaled(method.fixed, scale)) == list(method.grid)


@ALL
def test_terms_make_the_logits(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    # A fit adds votes to the cosines in place: those of later blocks must not depend on these.
    monkeypatch.setattr("susx.methods.base.BLOCK_ELEMENTS", 40)
    values = method.scaled(values_of(method), 100.0)
    terms = method.terms(context_of(PROBLEM), images_of(PROBLEM))
    assert (terms.votes is not None) == bool(method.grid)
    linear = [name for name in method.grid if name not in ("alpha", *terms.nonlinear)]
    assert linear == ["gamma"] * (terms.penalty is not None)
    assert torch.equal(terms.logits(**values), logits(method))


def test_logits_of_terms_are_linear() -> None:
    zero_shot, vote, penalty = (torch.full((1, 2), v, dtype=torch.float64) for v in (1.0, 2.0, 4.0))
    votes = lambda rows, points: torch.stack([beta * vote[rows] for (beta,) in points])  # noqa: E731
    terms = Terms(zero_shot, votes, ("beta",), penalty)
    assert terms.logits(alpha=3.0, beta=5.0, gamma=0.5).tolist() == [[29.0, 29.0]]
    assert Terms(zero_shot).logits().tolist() == [[1.0, 1.0]]


def test_axis_is_arithmetic_and_leaves_the_stop_out() -> None:
    assert Axis(1.0, 3.0, 4).values(7.0) == [1.0, 1.5, 2.0, 2.5]
    assert Axis(1.0, 3.0, 4, scaled=True).values(50.0) == [0.5, 0.75, 1.0, 1.25]


WANTING = pytest.mark.parametrize(
    ("method", "need"),
    [(m, n) for m in METHODS.values() for n in m.needs if n != "support"],
    ids=lambda value: getattr(value, "name", value),
)


@WANTING
def test_images_without_what_is_needed_are_refused(method: Method, need: Need) -> None:
    bare = replace(images_of(PROBLEM), **{need: None})
    with pytest.raises(InputError, match=f"this method needs {NEEDS[need]}"):
        logits(method, images=bare)


@ALL
def test_nothing_is_needed_but_what_is_declared(method: Method) -> None:
    images = images_of(PROBLEM)
    bare = replace(
        images,
        norms=images.norms if "norms" in method.needs else None,
        patches=images.patches if "patches" in method.needs else None,
    )
    where = context_of(PROBLEM)
    if not method.needs_support:
        where = replace(where, support=None, support_labels=None)
    assert torch.equal(logits(method, where, bare), logits(method))
