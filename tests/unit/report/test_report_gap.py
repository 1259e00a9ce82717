"""Pairs, and histograms of their cosines and affinities, against plain loops."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from susx.evaluation.arrays import LabelledImages
from susx.methods import Images
from susx.methods.tip_x import TEMPERATURE, Rescaling, calibrate
from susx.report import gap, pairs
from susx.report.gap import affinity_rows, histograms, modality_gap
from susx.report.pairs import products, sampled_pairs
from susx.report.schema import Histogram
from tests.closeness import assert_close, random_walk
from tests.helpers import Problem, context_of, make_problem

PROBLEM = make_problem(0, n=23)
# Affinities are at most 1, but differences of logarithms of up to 4, stretched up to 1.5 times.
AFFINITY = 6
ROUNDINGS = random_walk(8 + 5)  # dimensions and classes
SLACK = ROUNDINGS * AFFINITY * float(np.finfo(np.float32).eps)
KINDS = pytest.mark.parametrize("same_class", [True, False, None])
LABELS = st.lists(st.integers(0, 3), max_size=9).map(lambda labels: np.array(labels, np.int64))


def fits(a: int, b: int, same_class: bool | None) -> bool:
    return same_class is None or (a == b) == same_class


def sample(
    left: np.ndarray, right: np.ndarray | None, same_class: bool | None, limit: int = 1000
) -> list[tuple[int, int]]:
    i, j = sampled_pairs(left, right, same_class, limit, np.random.default_rng(0))
    return list(zip(i.tolist(), j.tolist(), strict=True))


@given(LABELS, LABELS, st.sampled_from([True, False, None]))
def test_all_pairs_of_two_sets_are_found_once(
    left: np.ndarray, right: np.ndarray, same_class: bool | None
) -> None:
    expected = [
        (i, j) for i, a in enumerate(left) for j, b in enumerate(right) if fits(a, b, same_class)
    ]
    assert sorted(sample(left, right, same_class)) == expected


@given(LABELS, st.sampled_from([True, False, None]))
def test_all_pairs_within_a_set_are_found_once(labels: np.ndarray, same_class: bool | None) -> None:
    expected = [
        {i, j}
        for i in range(len(labels))
        for j in range(i)
        if fits(labels[i], labels[j], same_class)
    ]
    found = [{i, j} for i, j in sample(labels, None, same_class)]
    assert len(found) == len(expected)
    assert all(pair in expected and found.count(pair) == 1 for pair in found)


@KINDS
@pytest.mark.parametrize("within", [True, False])
def test_a_sample_draws_all_pairs_alike(same_class: bool | None, within: bool) -> None:
    left, right = np.array([2, 0, 1, 1, 0, 0]), np.array([1, 0, 0, 2])
    other = None if within else right
    every = sample(left, other, same_class)
    i, j = sampled_pairs(
        np.tile(left, 120), None if within else np.tile(right, 120), same_class, 20_000,
        np.random.default_rng(1),
    )  # fmt: skip
    assert len(i) == 20_000
    if not within:
        counts = Counter(zip((i % 6).tolist(), (j % 4).tolist(), strict=True))
        assert set(counts) == set(every)
        assert max(counts.values()) < 1.5 * min(counts.values())
    classes = np.tile(left, 120)[i], np.tile(left if within else right, 120)[j]
    assert all(fits(a, b, same_class) for a, b in zip(*classes, strict=True))


def test_a_sample_is_that_of_its_seed() -> None:
    labels = np.arange(50) % 3
    first, same, other = (
        sampled_pairs(labels, None, None, 30, np.random.default_rng(seed)) for seed in (4, 4, 5)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_blocks_give_the_products_of_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = PROBLEM.images, PROBLEM.support.astype(np.float16)
    found = sampled_pairs(
        PROBLEM.labels, PROBLEM.support_labels, None, 10_000, np.random.default_rng()
    )
    whole = products(left, right, found)
    monkeypatch.setattr(pairs, "BLOCK_ELEMENTS", 24)
    assert np.array_equal(products(left, right, found), whole)
    expected = (left[found[0]] * right[found[1]].astype(np.float32)).sum(axis=1)
    assert_close(whole, expected, random_walk(8), scale=1)


def dense_affinities(problem: Problem) -> np.ndarray:
    """S by its definition (SuS-X, eq. 5-7), over all pairs."""

    def log_softmax(features: np.ndarray) -> np.ndarray:
        x = features.astype(np.float64) @ problem.text.T / TEMPERATURE
        return x - np.log(np.exp(x).sum(axis=1, keepdims=True))

    log_p, log_q = log_softmax(problem.images), log_softmax(problem.support)
    divergence = (np.exp(log_p)[:, None] * (log_p[:, None] - log_q[None])).sum(axis=2)
    cosines = problem.images.astype(np.float64) @ problem.support.T
    share = (divergence - divergence.min()) / (divergence.max() - divergence.min())
    return cosines.min() + share * (cosines.max() - cosines.min())


@pytest.mark.parametrize("block", [7, 2**22])
def test_rows_multiply_to_the_affinities(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("susx.methods.base.BLOCK_ELEMENTS", block)
    context = context_of(PROBLEM, dtype=torch.float32)
    features = torch.from_numpy(PROBLEM.images)
    scale = Rescaling(*calibrate(context, Images(features))["rescaling"])
    ours, theirs = affinity_rows(context, features, scale)
    assert_close(ours @ theirs.T, dense_affinities(PROBLEM), ROUNDINGS, AFFINITY)


def whole_gap(problem: Problem, limit: int = gap.PAIRS) -> list[Histogram]:
    context = context_of(problem, dtype=torch.float32)
    images = Images(torch.from_numpy(problem.images))
    labelled = LabelledImages(images, torch.from_numpy(problem.labels))
    return modality_gap(context, labelled, calibrate(context, images), 0, limit)


def test_histograms_count_every_pair_by_class() -> None:
    found = {(h.quantity, h.pairs, h.same_class): h for h in whole_gap(PROBLEM)}
    test, text, support = PROBLEM.images, PROBLEM.text, PROBLEM.support
    matrices = {
        ("cosine", "test image - support image"): test @ support.T,
        ("cosine", "test image - text"): test @ text.T,
        ("affinity", "test image - support image"): dense_affinities(PROBLEM),
    }
    classes = {"support image": PROBLEM.support_labels, "text": np.arange(len(text))}
    for (quantity, name), matrix in matrices.items():
        same = PROBLEM.labels[:, None] == classes[name.removeprefix("test image - ")]
        for kind in (True, False):
            histogram, values = found[quantity, name, kind], matrix[same == kind]
            assert histogram.n_pairs == len(values)
            assert histogram.mean == pytest.approx(values.mean(), abs=SLACK)
            edges = np.array(histogram.edges)
            for share, low, high in zip(histogram.shares, edges, edges[1:], strict=False):
                inside = ((values > low + SLACK) & (values < high - SLACK)).sum()
                around = ((values > low - SLACK) & (values < high + SLACK)).sum()
                assert inside <= round(share * len(values)) <= around
    within = (PROBLEM.labels[:, None] == PROBLEM.labels)[np.triu_indices(23, 1)]
    assert found["cosine", "test image - test image", True].n_pairs == within.sum()
    assert found["cosine", "text - text", None].n_pairs == 10
    assert len(found) == 9


def test_shares_sum_to_one_and_one_quantity_has_one_set_of_bins() -> None:
    found = whole_gap(PROBLEM, limit=50)
    assert max(h.n_pairs for h in found) == 50
    for histogram in found:
        assert sum(histogram.shares) == pytest.approx(1)
        assert np.all(np.diff(histogram.edges) > 0)
        assert len(histogram.edges) == len(histogram.shares) + 1
    assert len({tuple(h.edges) for h in found}) == 2


def test_without_a_support_set_only_test_images_and_texts_are_compared() -> None:
    context = context_of(PROBLEM, dtype=torch.float32)
    bare = type(context)(context.text, context.logit_scale)
    labelled = LabelledImages(
        Images(torch.from_numpy(PROBLEM.images)), torch.from_numpy(PROBLEM.labels)
    )
    names = {h.pairs for h in modality_gap(bare, labelled, {}, 0)}
    assert names == {"test image - test image", "test image - text", "text - text"}


def test_equal_values_make_a_histogram_too() -> None:
    values = gap.Values("cosine", "text - text", None, np.full(3, 0.5, np.float32))
    (found,) = histograms([values])
    assert np.all(np.diff(found.edges) > 0)
    assert sum(found.shares) == 1
