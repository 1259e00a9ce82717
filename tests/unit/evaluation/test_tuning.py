"""Tuning protocols."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from susx.core.errors import InputError
from susx.evaluation.arrays import LabelledImages
from susx.evaluation.tuning import FOLDS, TuningSettings, fold_of, grid_of, search_support, tune
from susx.methods import METHODS, Axis, Images
from tests.helpers import context_of, images_of, make_problem

BALANCED, UNBALANCED = (6, 6, 6, 6), (2, 5, 3, 9)
GRID = {"alpha": Axis(0.0, 8.0, 4), "beta": Axis(1.0, 9.0, 3)}
SETTINGS = TuningSettings(grid={"tip-adapter": GRID})
TIP_ADAPTER = METHODS["tip-adapter"]


@pytest.mark.parametrize("support", [BALANCED, UNBALANCED, (2, 2, 2), (30, 40)])
def test_every_class_has_support_beside_every_fold(support: tuple[int, ...]) -> None:
    problem = make_problem(0, support=support)
    labels = torch.from_numpy(problem.support_labels)
    folds = fold_of(labels, len(support))
    n_folds = min(FOLDS, min(support))
    assert set(folds.tolist()) == set(range(n_folds))
    for c, size in enumerate(support):
        held = np.bincount(folds[labels == c].numpy(), minlength=n_folds)
        assert held.min() >= 1
        assert held.max() - held.min() <= 1
        assert held.max() < size


@pytest.mark.parametrize("support", [(1, 3, 3), (3, 0, 3)])
def test_a_class_of_one_image_cannot_be_held_out(support: tuple[int, ...]) -> None:
    problem = make_problem(0, support=support)
    with pytest.raises(InputError, match="needs two support images of every class"):
        fold_of(torch.from_numpy(problem.support_labels), len(support))


@pytest.mark.parametrize("name", ["tip-adapter", "tip-x", "ape", "gda"])
@pytest.mark.parametrize("support", [BALANCED, UNBALANCED])
def test_support_protocol_counts_held_out_images(name: str, support: tuple[int, ...]) -> None:
    context = context_of(make_problem(1, support=support))
    method = METHODS[name]
    grid = {key: [axis.values(100.0)[k] for k in (1, 4)] for key, axis in method.grid.items()}
    found = search_support(method, context, grid)
    labels, rows = context.required_labels, context.required_support
    folds = fold_of(labels, len(support))
    correct = 0
    for fold in folds.unique():
        rest = replace(context, support=rows[folds != fold], support_labels=labels[folds != fold])
        logits = method.fit(rest, found.hyperparameters).logits(Images(rows[folds == fold]))
        correct += int((logits.argmax(dim=1) == labels[folds == fold]).sum())
    assert found.correct == correct == found.counts.max()


def test_support_protocol_sees_neither_validation_nor_test_images() -> None:
    problem = make_problem(2, support=BALANCED)
    labels = torch.from_numpy(problem.labels)
    with_validation = tune(
        TIP_ADAPTER,
        context_of(problem),
        "support",
        SETTINGS,
        LabelledImages(images_of(problem), labels),
    )
    assert with_validation == tune(TIP_ADAPTER, context_of(problem), "support", SETTINGS, None)
    assert with_validation.split == "support"


@pytest.mark.parametrize("split", ["validation", "test"])
def test_validation_protocol_names_its_split(split: str) -> None:
    problem = make_problem(3)
    labelled = LabelledImages(images_of(problem), torch.from_numpy(problem.labels))
    settings = replace(SETTINGS, validation_split=split)
    tuned = tune(TIP_ADAPTER, context_of(problem), "validation", settings, labelled)
    assert tuned.split == split
    logits = TIP_ADAPTER.fit(context_of(problem), tuned.hyperparameters).logits(labelled.images)
    assert tuned.correct == int((logits.argmax(dim=1) == labelled.labels).sum())


def test_validation_protocol_needs_images() -> None:
    with pytest.raises(InputError, match="protocol validation needs validation images"):
        tune(TIP_ADAPTER, context_of(make_problem()), "validation", SETTINGS, None)


@pytest.mark.parametrize("protocol", ["fixed", "none"])
def test_untuned_protocols_choose_on_nothing(protocol: str) -> None:
    method = METHODS["tip-x" if protocol == "fixed" else "zero-shot"]
    settings = TuningSettings(fixed={"tip-x": {"gamma": 9.0}})
    tuned = tune(method, context_of(make_problem(), 50.0), protocol, settings, None)
    assert (tuned.split, tuned.correct) == ("nothing", None)
    if protocol == "fixed":
        assert tuned.hyperparameters["gamma"] == pytest.approx(4.5)


@pytest.mark.parametrize("scale", [100.0, 14.3])
def test_grids_follow_the_logit_scale(scale: float) -> None:
    grid = grid_of(METHODS["tip-x"], context_of(make_problem(), scale), TuningSettings())
    published = {name: axis.values(100.0) for name, axis in METHODS["tip-x"].grid.items()}
    for name, factor in (("alpha", scale / 100), ("beta", 1.0), ("gamma", scale / 100)):
        assert grid[name] == pytest.approx([factor * v for v in published[name]])
    assert [len(values) for values in grid.values()] == [20, 200, 50]


def test_continuous_search_is_at_least_as_good_as_the_grid() -> None:
    problem = make_problem(11, n=60)
    labelled = LabelledImages(images_of(problem), torch.from_numpy(problem.labels))
    for name in ("tip-adapter", "tip-x", "ape", "gda"):
        method, settings = METHODS[name], TuningSettings(memory_mib=64)
        on_grid = tune(method, context_of(problem), "validation", settings, labelled)
        between = tune(
            method, context_of(problem), "validation", replace(settings, continuous=True), labelled
        )
        assert between.correct is not None
        assert on_grid.correct is not None
        assert between.correct >= on_grid.correct
        logits = method.fit(context_of(problem), between.hyperparameters).logits(labelled.images)
        assert int((logits.argmax(dim=1) == labelled.labels).sum()) == between.correct


@pytest.mark.parametrize("protocol", ["validation", "support", "fixed"])
def test_values_that_make_logits_infinite_are_refused(protocol: str) -> None:
    problem = make_problem(6, support=BALANCED)
    ape, value = METHODS["ape"], 1e3  # exp(1e3 KL) is beyond float64
    grid = {**ape.grid, "gamma": Axis(value, value + 1, 1)}
    settings = TuningSettings({"ape": grid}, {"ape": {"gamma": value}})
    validation = LabelledImages(images_of(problem), torch.from_numpy(problem.labels))
    with pytest.raises(InputError, match=r"ape: logits of \d+ of \d+ images are not finite"):
        tune(ape, context_of(problem), protocol, settings, validation)
