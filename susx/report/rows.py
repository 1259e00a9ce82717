"""Rows of an evaluation that are looked at again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from susx.core.errors import InputError
from susx.evaluation.arrays import LabelledImages
from susx.evaluation.case import Case, Protocol, row_of
from susx.methods import METHODS, Context, Method

PredictedLabels = NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """A row of the result.

    Attributes:
        case: what tells it apart.
        method: its method.
        hyperparameters: values in the encoder's units.
        tuned_on: images whose labels chose them.
        correct: test images that the evaluation got right; None if it was not evaluated.
    """

    case: Case
    method: Method
    hyperparameters: Mapping[str, float]
    tuned_on: str
    correct: int | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Row:
        """A row of work/{dataset}/evaluation/{encoder}.json."""
        case = Case.of(row)
        method = METHODS[case.method]
        return cls(case, method, row["hyperparameters"], row["tuned_on"], row["correct"])

    def predict(self, context: Context, test: LabelledImages) -> PredictedLabels:
        """(N,) classes of the test images; the first of several that are equally good.

        Raises:
            InputError: if more are right, or fewer, than the evaluation says.
        """
        logits = self.method.fit(context, self.hyperparameters).logits(test.images)
        predicted: PredictedLabels = logits.cpu().numpy().argmax(axis=1)
        return self.checked(predicted, test)

    def checked(self, predicted: PredictedLabels, test: LabelledImages) -> PredictedLabels:
        """The (N,) predicted classes of the test images, unchanged.

        Raises:
            InputError: if more are right, or fewer, than the evaluation says.
        """
        correct = int((predicted == test.labels.cpu().numpy()).sum())
        if self.correct is None or correct == self.correct:
            return predicted
        n = len(predicted)
        problem = f"{self.case}: {correct} of {n} test images are right, not {self.correct}"
        if abs(correct - self.correct) > max(1, n // 1000):  # other processors round differently
            raise InputError(
                f"{problem} as the evaluation says; it was made from other caches: delete it and "
                "run again"
            )
        logging.warning("%s; another machine or device rounds differently", problem)
        return predicted


def find_row(evaluation: Mapping[str, Any], case: Case) -> Row | None:
    """The row that a case names; None if it is not there."""
    row = row_of(evaluation, case)
    return None if row is None else Row.of(row)


def peers(evaluation: Mapping[str, Any], case: Case, method: str) -> list[Row]:
    """Rows of a method with the text and support of a case, that of its protocol first."""
    known: tuple[Protocol, ...] = ("validation", "support", "fixed", "none")
    protocols = dict.fromkeys([case.protocol, *known])
    changes = ({"method": method, "protocol": protocol} for protocol in protocols)
    cases = (case.model_copy(update=change) for change in changes)
    return [row for one in cases if (row := find_row(evaluation, one))]


def zero_shot_of(evaluation: Mapping[str, Any], text: str) -> Row:
    """Zero-shot of a text, evaluated or not."""
    case = Case(method="zero-shot", text=text, support=None, protocol="none")
    return find_row(evaluation, case) or Row(case, METHODS[case.method], {}, "nothing", None)
