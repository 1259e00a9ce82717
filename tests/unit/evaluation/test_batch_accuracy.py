"""Accuracies on batches: those of a method that is fitted to every batch by hand."""

from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pytest
import torch

from susx.core.errors import InputError
from susx.evaluation.arrays import LabelledImages
from susx.evaluation.batch_accuracy import batch_accuracy, without_classes
from susx.evaluation.batches import BatchDraw, batch_draws
from susx.evaluation.case import Case
from susx.evaluation.protocol import evaluate
from susx.methods import METHODS, Context, dmn, oga, onzeta, tda
from tests.long import long
from tests.made.evaluation import CLASSES, NAMES, encoder_data, plan

FEW = {"draw": "few-classes", "size": 8, "classes": [1, 3], "tasks": 2}
PROTOCOLS: dict[str, dict[str, Any]] = {
    "few": FEW,
    "mixed": {**FEW, "unknown_classes": 2, "unknown_share": 0.4},
    "stream": {"draw": "correlated", "concentration": 0.1, "size": 32, "tasks": 1},
    "shuffled": {"draw": "shuffled", "size": 8, "tasks": 3},
    "separate": {"draw": "separate", "size": 8, "tasks": 2},
    "single": {"draw": "few-classes", "size": 1, "classes": [1, 1], "tasks": 2},
}
CASE = Case(method="zero-shot", text="photo", support=None, protocol="none")
TEXTS = ("photo", "cupl", "visdesc")
"""Classifiers that stand for three texts of every class."""
DATA = encoder_data()
KEEPING = {
    "tda": tda.adapted,
    "oga": oga.updated,
    "onzeta": onzeta.mixed,
    "dmn": dmn.without_support,
    "dmn-fs": dmn.summed,
}
"""Methods that keep their state over a stream, as functions of its order."""
LABELS = DATA.test.labels.numpy()
DRAWS = batch_draws(LABELS, PROTOCOLS)


def context_of(name: str) -> Context:
    method = METHODS[name]
    support = "lc" if method.needs_support else None
    text = (method.texts or ("cupl+e",))[0]
    context = DATA.context(Case(method=name, text=text, support=support, protocol="none"))
    if method.reads != "texts":
        return context
    rows = torch.cat([DATA.context(CASE.model_copy(update={"text": t})).text for t in TEXTS])
    return replace(context, texts=rows, text_labels=torch.arange(CLASSES).repeat(len(TEXTS)))


def pairs() -> Iterator[Any]:
    """Every method on one kind of batch, some on all; the others where tests may take long."""
    for name in METHODS.built_in:
        for protocol in PROTOCOLS:
            some = name in ("zero-shot", "tip-x", "fusion", *KEEPING)
            yield (name, protocol) if protocol == "few" or some else long(name, protocol)


def by_hand(name: str, draw: BatchDraw, context: Context) -> list[float]:
    """Accuracy of every task, each batch with classes taken away one after the other."""
    method, known = METHODS[name], [c for c in range(CLASSES) if c not in draw.unknown]
    values = method.scaled(method.fixed, context.logit_scale)
    parts: dict[str, Any] = {
        part: None if (rows := getattr(context, part)) is None else rows[known]
        for part in ("text", "text_means", "text_raw")
    }
    for part, named in (("support", "support_labels"), ("texts", "text_labels")):
        if (rows := getattr(context, part)) is not None:
            labels = getattr(context, named).tolist()
            kept = [i for i, label in enumerate(labels) if label in known]
            numbers = torch.tensor([known.index(labels[i]) for i in kept])
            parts |= {part: rows[kept], named: numbers}
    reduced = replace(context, **parts)
    fit = method.fit(reduced, values)
    accuracies = []
    for task in draw.tasks:
        hits = []
        if name in KEEPING and draw.settings.draw != "few-classes":
            order = torch.from_numpy(np.concatenate(task))
            logits = KEEPING[name](reduced, DATA.test.images.features, order)
            accuracies.append(100 * float((logits.argmax(dim=1).numpy() == LABELS).mean()))
            continue
        for batch in task:
            best = fit.logits(DATA.test.images[torch.from_numpy(batch)]).argmax(dim=1).tolist()
            pairs = zip(best, LABELS[batch].tolist(), strict=True)
            hits += [known[found] == label for found, label in pairs if label in known]
        accuracies.append(100 * sum(hits) / len(hits))
    return accuracies


@pytest.mark.parametrize(("name", "protocol"), list(pairs()))
def test_every_method_is_run_on_every_batch(name: str, protocol: str) -> None:
    method, context, draw = METHODS[name], context_of(name), DRAWS[protocol]
    values = method.scaled(method.fixed, context.logit_scale)
    row = batch_accuracy(method, context, values, DATA.test, draw)
    expected = by_hand(name, draw, context)
    assert row["n_tasks"] == len(expected)
    assert row["top1_mean"] == pytest.approx(fmean(expected))
    spread = stdev(expected) if len(expected) > 1 else None
    assert row["top1_std"] == (None if spread is None else pytest.approx(spread))
    assert row["keeps_state"] == (name in KEEPING and draw.settings.draw != "few-classes")
    assert row["batchwise"] == (method.transductive or method.calibrate is not None)


def test_contexts_without_classes_know_nothing_of_them() -> None:
    context = context_of("tip-x")
    reduced = without_classes(context, np.array([0, 3]))
    assert reduced.n_classes == CLASSES - 2
    assert torch.equal(reduced.text, context.text[[1, 2, 4, 5]])
    assert reduced.required_labels.bincount().tolist() == [1, 3, 6, 2]
    kept = (context.required_labels == 1) | (context.required_labels == 2)
    assert torch.equal(
        reduced.required_support[reduced.required_labels < 2], context.required_support[kept]
    )
    assert without_classes(context, np.array([], np.int64)) is context


def test_an_evaluation_has_rows_of_batches_beside_the_others() -> None:
    methods = ["zero-shot", "tip-x", "fusion"]
    found = evaluate(DATA, plan(methods=methods, batches=PROTOCOLS))
    plainly = evaluate(DATA, plan(methods=methods))
    assert len(found.batch_runs) == len(found.runs) * len(PROTOCOLS)
    assert (plainly.batches, plainly.batch_runs) == ({}, [])
    assert [row["correct"] for row in plainly.runs] == [row["correct"] for row in found.runs]
    assert list(found.batches) == list(PROTOCOLS)
    assert found.batches["mixed"]["unknown_classes"] == [NAMES[i] for i in DRAWS["mixed"].unknown]
    whole = {Case.of(row): row for row in found.runs}
    for row in found.batch_runs:
        assert row["tuned_on"] == whole[Case.of(row)]["tuned_on"]


def test_orders_of_a_stream_differ_for_what_keeps_its_state() -> None:
    found = evaluate(DATA, plan(methods=["zero-shot", "tda"], batches=PROTOCOLS))
    spread = {r["method"]: r["top1_std"] for r in found.batch_runs if r["batches"] == "shuffled"}
    assert spread["zero-shot"] == 0 < spread["tda"]


def test_unknown_classes_that_leave_no_support_image_are_refused_before_work() -> None:
    draw = batch_draws(LABELS, {"mixed": PROTOCOLS["mixed"]})["mixed"]
    support = DATA.supports["lc"]
    kept = torch.isin(support.labels, torch.from_numpy(draw.unknown))
    few = LabelledImages(support.images[kept.nonzero()[:, 0]], support.labels[kept])
    told: list[str] = []
    data = replace(DATA, supports={"lc": few})
    with pytest.raises(InputError) as caught:
        evaluate(data, plan(methods=["zero-shot", "tip-x"], batches=PROTOCOLS), told.append)
    assert told == []
    assert str(caught.value) == (
        f"evaluation.batches.mixed: support set lc: all {int(kept.sum())} support images are of "
        "classes that the protocol draws as unknown; choose fewer `unknown_classes`, another "
        "`seed`, or a support set of more classes"
    )
