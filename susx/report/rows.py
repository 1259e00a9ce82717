"""Rows of an evaluation that are looked at again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from susx.classifier.export import row_of
from susx.core.errors import InputError
from susx.evaluation.case import Choice
from susx.evaluation.tuning import Labelled
from susx.methods import METHODS, Context, Method
from susx.report.schema import CaseKey

Predicted = NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """A row of the result.

    Attributes:
        key: what tells it apart.
        method: its method.
        hyperparameters: values in the encoder's units.
        tuned_on: images whose labels chose them.
        correct: test images that the evaluation got right; None if it was not evaluated.
    """

    key: CaseKey
    method: Method
    hyperparameters: Mapping[str, float]
    tuned_on: str
    correct: int | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Row:
        """A row of work/{dataset}/evaluation/{encoder}.json."""
        key = CaseKey(**{name: row[name] for name in CaseKey.model_fields})
        method = METHODS[key.method]
        return cls(key, method, row["hyperparameters"], row["tuned_on"], row["correct"])

    def predict(self, context: Context, test: Labelled) -> Predicted:
        """(N,) classes of the test images; the first of several that are equally good.

        Raises:
            InputError: if more are right, or fewer, than the evaluation says.
        """
        logits = self.method.fit(context, self.hyperparameters).logits(test.images)
        predicted: Predicted = logits.cpu().numpy().argmax(axis=1)
        correct = int((predicted == test.labels.cpu().numpy()).sum())
        if self.correct is None or correct == self.correct:
            return predicted
        n = len(predicted)
        problem = f"{self.name}: {correct} of {n} test images are right, not {self.correct}"
        if abs(correct - self.correct) > max(1, n // 1000):  # other processors round differently
            raise InputError(
                f"{problem} as the evaluation says; it was made from other caches: delete it and "
                "run again"
            )
        logging.warning("%s; another machine or device rounds differently", problem)
        return predicted

    @property
    def name(self) -> str:
        """The row in words."""
        key = self.key
        seed = "" if key.seed is None else f" seed {key.seed}"
        return f"{key.method} {key.text} {key.support}{seed} {key.protocol}"


def find_row(evaluation: Mapping[str, Any], choice: Choice) -> Row | None:
    """The row that a choice names; None if it is not there."""
    row = row_of(evaluation, choice)
    return None if row is None else Row.of(row)


def peers(evaluation: Mapping[str, Any], choice: Choice, method: str) -> list[Row]:
    """Rows of a method with the text and support of a choice, that of its protocol first."""
    protocols = dict.fromkeys([choice.protocol, "validation", "support", "fixed", "none"])
    choices = (Choice(method, choice.text, choice.support, protocol) for protocol in protocols)
    return [row for named in choices if (row := find_row(evaluation, named))]


def zero_shot_of(evaluation: Mapping[str, Any], text: str) -> Row:
    """Zero-shot of a text, evaluated or not."""
    key = CaseKey(method="zero-shot", text=text, support=None, protocol="none")
    found = find_row(evaluation, Choice(**key.model_dump(exclude={"seed"})))
    return found or Row(key, METHODS["zero-shot"], {}, "nothing", None)
