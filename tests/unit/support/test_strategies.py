"""Which candidates of a class are tried, and in which order."""

import numpy as np
import pytest

from susx.support.strategies import STRATEGIES, agree, diverse
from tests.closeness import assert_close, random_walk
from tests.helpers import unit_rows

RANDOM = np.random.default_rng(0)
TEXT = unit_rows(RANDOM, 4, 8)
FEATURES = unit_rows(RANDOM, 30, 8)


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=list(STRATEGIES))
@pytest.mark.parametrize("n", [0, 1, 30])
def test_every_candidate_is_ordered_or_refused_once(strategy, n) -> None:
    choice = strategy(FEATURES[:n], 2, TEXT, 0.0)
    assert sorted(choice.order + choice.refused) == list(range(n))
    assert bool(choice.order) == bool(n)


def test_top_keeps_the_ranking() -> None:
    assert STRATEGIES["top"](FEATURES, 1, TEXT, 0.0).order == list(range(30))


@pytest.mark.parametrize("margin", [0.0, 0.1, -0.2])
def test_agreeing_candidates_are_nearer_to_their_class_by_the_margin(margin: float) -> None:
    choice = agree(FEATURES, 2, TEXT, margin)
    expected = []
    for place, row in enumerate(FEATURES):
        cosines = [float(row @ text) for text in TEXT]
        own = cosines.pop(2)
        if own - max(cosines) > margin:
            expected.append(place)
    assert 0 < len(expected) < 30
    assert choice.order == expected


def test_the_least_bad_candidate_is_tried_if_none_agrees() -> None:
    cosines = FEATURES @ TEXT.T
    lead = cosines[:, 2] - np.delete(cosines, 2, axis=1).max(axis=1)
    assert agree(FEATURES, 2, TEXT, 2.0).order == [int(lead.argmax())]


def test_all_candidates_of_the_only_class_agree() -> None:
    assert agree(FEATURES, 0, TEXT[:1], 0.5).order == list(range(30))


def test_diverse_takes_the_candidate_farthest_from_those_chosen() -> None:
    order = diverse(FEATURES, 0, TEXT, 0.0).order
    assert order[0] == 0
    for step in range(1, 30):
        chosen = order[:step]
        nearest = {
            place: max(FEATURES[place] @ FEATURES[c] for c in chosen)
            for place in range(30)
            if place not in chosen
        }
        assert_close(nearest[order[step]], min(nearest.values()), random_walk(8), scale=1)


def test_copies_come_last_in_a_diverse_order() -> None:
    features = np.concatenate([FEATURES[:5], FEATURES[:5]])
    assert sorted(diverse(features, 0, TEXT, 0.0).order[:5]) == [0, 1, 2, 3, 4]
