"""A small made-up evaluation: six classes, two support sets, everything that methods may need."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from susx.embeddings.text_classifier import TextClassifier
from susx.evaluation.arrays import EncoderData, LabelledImages
from susx.evaluation.protocol import EvaluationPlan
from susx.evaluation.tuning import TuningSettings
from susx.methods import METHODS, Axis, Context, Images
from tests.helpers import make_problem, unit_rows

N, VALIDATION, CLASSES, D = 60, 40, 6, 8
NAMES = ["ant", "bee", "cat", "dog", "eel", "fox"]
SIZES = {"lc": (4, 1, 3, 2, 6, 2), "sd": (3, 2, 2, 4, 2, 3)}
PROBLEM = make_problem(0, n=N + VALIDATION, support=SIZES["lc"])
OTHER = make_problem(5, support=SIZES["sd"])
GRID = {"alpha": Axis(0.0, 8.0, 4), "beta": Axis(1.0, 9.0, 3), "gamma": Axis(0.0, 2.0, 3)}
TUNING = TuningSettings(
    grid={"tip-adapter": {k: GRID[k] for k in ("alpha", "beta")}, "tip-x": GRID}
)


def classifier(noise: float, seed: int) -> TextClassifier:
    """A text classifier that is the worse, the more noise it has."""
    random = np.random.default_rng(seed)
    rows = PROBLEM.text + noise * unit_rows(random, CLASSES, D)
    weights = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    lengths = random.uniform(0.5, 0.9, (CLASSES, 1)).astype(np.float32)
    return TextClassifier(weights, weights * lengths, weights * lengths[::-1] * 11)


def labelled(features: np.ndarray, labels: np.ndarray, *others: np.ndarray) -> LabelledImages:
    """Images from arrays; `others` are lengths and patches."""
    parts = (torch.from_numpy(part) for part in (features, *others))
    return LabelledImages(Images(*parts), torch.from_numpy(labels.astype(np.int64)))


def images(rows: slice) -> LabelledImages:
    """Images of the problem, with lengths and three patches each."""
    features, labels = PROBLEM.images[rows], PROBLEM.labels[rows]
    random = np.random.default_rng(len(labels))
    patches = unit_rows(random, 3 * len(labels), D).reshape(-1, 3, D)
    norms = random.uniform(0.1, 3, len(labels)).astype(np.float32)
    return labelled(features, labels, norms, patches)


def encoder_data(scale: float = 100.0) -> EncoderData:
    return EncoderData(
        name="clip",
        classes=NAMES,
        logit_scale=scale,
        texts={
            "ensemble": classifier(0.9, 1),
            "cupl": classifier(0.0, 2),
            "cupl+e": classifier(0.0, 3),
            "visdesc": classifier(0.7, 4),
            "photo": classifier(0.5, 5),
            "waffle": classifier(0.6, 6),
            "real-prompt": classifier(0.8, 7),
        },
        supports={
            "lc": labelled(PROBLEM.support, PROBLEM.support_labels),
            "sd": labelled(OTHER.support, OTHER.support_labels),
        },
        images={"test": images(slice(0, N)), "validation": images(slice(N, N + VALIDATION))},
    )


def plan(**changes: Any) -> EvaluationPlan:
    """A plan; `tuning` is given as changes of `TUNING`."""
    settings: dict[str, Any] = {
        "methods": ["zero-shot", "cupl", "tip-adapter", "tip-x"],
        "texts": ["cupl+e"],
        "protocols": ["validation", "fixed"],
    }
    tuning = replace(TUNING, **changes.pop("tuning", {}))
    return EvaluationPlan(**{**settings, "tuning": tuning, **changes})


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    times = ("seconds", "peak_mib")
    return [{key: value for key, value in row.items() if key not in times} for row in rows]


def with_images(data: EncoderData, **splits: LabelledImages | None) -> EncoderData:
    """The data with images of splits replaced, or gone where they are None."""
    changed = {**data.images, **splits}
    return replace(data, images={name: part for name, part in changed.items() if part is not None})


def case_of(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("method", "text", "support", "protocol"))


def predicted(row: dict[str, Any], part: LabelledImages, data: EncoderData) -> np.ndarray:
    """Classes by a row's method with the row's hyper-parameters, best first."""
    text = data.texts[row["text"]]
    support, labels = None, None
    if row["support"]:
        name = row["support"] if row["seed"] is None else f"{row['support']}-seed{row['seed']}"
        support, labels = data.supports[name].images.features, data.supports[name].labels
    arrays = (torch.from_numpy(a) for a in (text.weights, text.means, text.raw))
    weights, means, raw = arrays
    context = Context(weights, data.logit_scale, support, labels, means, raw)
    fitted = METHODS[row["method"]].fit(context, row["hyperparameters"])
    return np.argsort(-fitted.logits(part.images).numpy(), axis=1, kind="stable")
