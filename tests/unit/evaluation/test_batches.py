"""Draws of batches and streams: what the protocols say, and nothing else."""

import random as plain
from itertools import chain
from typing import Any

import numpy as np
import pytest

from susx.config.batches import FewClasses
from susx.core.errors import InputError
from susx.evaluation.batches import BatchDraw, batch_draws, batch_facts

COUNTS = (9, 1, 40, 0, 25, 7, 30)
"""Images of every class; one has none."""
NAMES = list("abcdefg")


def labels() -> np.ndarray:
    """Of images that are not sorted by class."""
    listed = np.repeat(np.arange(len(COUNTS)), COUNTS)
    return np.random.default_rng(3).permutation(listed)


def drawn(**settings: Any) -> BatchDraw:
    return batch_draws(labels(), {"one": settings})["one"]


def few(**settings: Any) -> BatchDraw:
    return drawn(**{"draw": "few-classes", "size": 32, "classes": [2, 4], "tasks": 300, **settings})


def test_few_classes_are_drawn_as_a_plain_loop_draws_them() -> None:
    truth, random = labels().tolist(), np.random.RandomState(7)
    present = sorted(set(truth))
    for (batch,) in few(seed=7).tasks:
        count = random.randint(2, 5)
        classes = random.choice(present, count, replace=False)
        pool = [i for label in classes for i, own in enumerate(truth) if own == label]
        if len(pool) > 32:
            pool = random.choice(pool, 32, replace=False).tolist()
        random.shuffle(pool)
        assert batch.tolist() == pool


def test_few_classes_have_few_classes_and_no_image_twice() -> None:
    truth, seen = labels(), set()
    for (batch,) in few().tasks:
        assert len(set(batch.tolist())) == len(batch) <= 32
        seen.add(len(set(truth[batch].tolist())))
        if len(batch) < 32:  # then all images of its classes
            assert len(batch) == sum(COUNTS[label] for label in set(truth[batch].tolist()))
    assert seen <= {1, 2, 3, 4}  # a class of one image may be left out
    assert {2, 3, 4} <= seen


def test_more_classes_than_there_are_mean_all_images() -> None:
    (batch,) = few(classes=[50, 100], size=1000, tasks=1).tasks[0]
    assert sorted(batch.tolist()) == list(range(len(labels())))


@pytest.mark.parametrize("seed", range(3))
def test_images_of_unknown_classes_have_their_share(seed: int) -> None:
    draw, truth = few(unknown_classes=2, unknown_share=0.25, seed=seed), labels()
    assert len(set(draw.unknown.tolist())) == 2
    others = int(np.isin(truth, draw.unknown).sum())
    for (batch,) in draw.tasks:
        strangers = int(np.isin(truth[batch], draw.unknown).sum())
        assert len(set(batch.tolist())) == len(batch)
        assert strangers == min(round((len(batch) - strangers) / 3), others)
        assert 1 <= len(batch) - strangers <= 24


@pytest.mark.parametrize(
    "settings",
    [
        {"draw": "shuffled"},
        {"draw": "separate"},
        {"draw": "correlated", "concentration": 0.1},
        {"draw": "correlated", "concentration": 0.001},
    ],
)
def test_streams_have_every_image_once_in_full_batches(settings: dict[str, Any]) -> None:
    draw = drawn(**settings, size=20, tasks=25)
    for task in draw.tasks:
        assert sorted(chain(*(batch.tolist() for batch in task))) == list(range(len(labels())))
        assert [len(batch) for batch in task] == [20] * 5 + [12]
    orders = {tuple(chain(*(batch.tolist() for batch in task))) for task in draw.tasks}
    assert len(orders) == 25


def test_separate_streams_show_one_class_after_the_other_in_any_order() -> None:
    truth, first = labels(), set()
    for task in drawn(draw="separate", size=20, tasks=40).tasks:
        shown = truth[np.concatenate(task)]
        assert (np.diff(shown) != 0).sum() == 5  # six classes have images
        first.add(int(shown[0]))
    assert first == {0, 1, 2, 4, 5, 6}


def test_correlated_streams_cut_classes_at_their_cumulated_shares() -> None:
    truth, random = labels(), np.random.default_rng(5)
    (task,) = drawn(draw="correlated", concentration=0.1, size=20, tasks=1, seed=5).tasks
    slots: list[list[int]] = [[] for _ in range(5)]  # of 112 images, 5 whole batches
    for label in sorted(set(truth.tolist())):
        images = [i for i, own in enumerate(truth.tolist()) if own == label]
        ends = [int(s * len(images)) for s in np.cumsum(random.dirichlet([0.1] * 5))[:-1]]
        for slot, start, end in zip(slots, [0, *ends], [*ends, len(images)], strict=True):
            slot += images[start:end]
    expected = [i for slot in slots for i in random.permutation(slot).tolist()]
    assert np.concatenate(task).tolist() == expected


def test_streams_are_the_more_correlated_the_smaller_the_concentration() -> None:
    def classes(**settings: Any) -> float:
        draw = drawn(**settings, size=20, tasks=50)
        shown = [len(set(labels()[batch].tolist())) for task in draw.tasks for batch in task]
        return float(np.mean(shown))

    mixed = [
        classes(draw="shuffled"),
        *(classes(draw="correlated", concentration=c) for c in (0.1, 0.01, 0.001)),
    ]
    assert mixed[0] > mixed[1] > mixed[2] > mixed[3] >= 1


def test_draws_follow_from_the_seed_and_from_nothing_else() -> None:
    protocols = {
        "few": {"draw": "few-classes", "tasks": 5},
        "mixed": {"draw": "few-classes", "tasks": 5, "unknown_classes": 1},
        "stream": {"draw": "shuffled", "tasks": 5},
    }
    together = batch_draws(labels(), protocols)
    plain.seed(1)
    np.random.seed(9)  # the global state, which nothing may read
    for name, settings in reversed(protocols.items()):
        alone = batch_draws(labels(), {name: settings})[name]
        assert alone.sha256 == together[name].sha256
        other = batch_draws(labels(), {name: {**settings, "seed": 2}})[name]
        assert other.sha256 != alone.sha256


def test_facts_are_counts_of_the_batches() -> None:
    draw, truth = few(unknown_classes=1, tasks=40), labels()
    facts = batch_facts(draw, NAMES)
    batches = [batch for (batch,) in draw.tasks]
    strangers = [int((truth[batch] == draw.unknown[0]).sum()) for batch in batches]
    shown = [len(set(truth[batch].tolist()) - set(draw.unknown.tolist())) for batch in batches]
    assert facts["settings"]["seed"] == 1
    assert (facts["n_tasks"], facts["n_batches"]) == (40, 40)
    assert facts["batch_sizes"] == [min(map(len, batches)), max(map(len, batches))]
    assert facts["classes_shown"] == [min(shown), max(shown)]
    assert facts["unknown_classes"] == [NAMES[draw.unknown[0]]]
    assert facts["n_unknown"] == sum(strangers) > 0
    assert facts["n_images"] == sum(map(len, batches)) - sum(strangers)


def test_a_protocol_that_leaves_no_class_known_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        few(unknown_classes=6)
    assert str(caught.value) == (
        "evaluation.batches.one.unknown_classes: 6 of the 6 classes that test images show; leave "
        "at least one known"
    )
    assert len(few(unknown_classes=5, tasks=1).unknown) == 5


def test_half_of_a_batch_may_be_unknown() -> None:
    settings = FewClasses(draw="few-classes", size=2, unknown_classes=1, unknown_share=0.5)
    assert settings.mixed == 0.5
