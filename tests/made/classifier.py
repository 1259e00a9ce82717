"""Classifiers of the small made-up caches."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from susx.classifier.classifier import Classifier
from susx.classifier.export import export_classifier
from susx.config.encoders import EncoderSettings
from susx.evaluation.case import Case
from susx.evaluation.files import CacheFiles
from susx.evaluation.protocol import EvaluationPlan
from susx.evaluation.results import evaluate_caches
from susx.evaluation.tuning import TuningSettings
from susx.methods import METHODS, Axis

ENCODER = EncoderSettings(library="transformers", model="models/clip")
AXIS = Axis(0.5, 8.0, 3)
TUNING = TuningSettings(
    grid={name: dict.fromkeys(METHODS[name].grid, AXIS) for name in ("tip-adapter", "tip-x", "ape")}
)
EXPORTABLE = [method for method in METHODS.values() if method.exportable]
STRATEGIES = ("ensemble", "cupl", "cupl+e", "photo", "visdesc", "real-prompt", "waffle")
PLAN = EvaluationPlan(
    [*(method.name for method in EXPORTABLE), "transclip", "fusion"],
    ["cupl+e"],
    ["validation", "support", "fixed"],
    TUNING,
)


def choice_of(method: str, protocol: str = "fixed") -> Case:
    """The row of a method."""
    known = METHODS[method]
    return Case(
        method=method,
        text=known.texts[0] if known.texts else "cupl+e",
        support="lc" if known.needs_support else None,
        protocol=protocol if known.grid else "none",
    )


def files_for(files: CacheFiles, method: str, splits: tuple[str, ...] | None = None) -> CacheFiles:
    """What a classifier of one method is made from."""
    choice = choice_of(method)
    shown = files.images if splits is None else {n: files.images[n] for n in splits}
    patches = files.patches if "patches" in METHODS[method].needs else {}
    return replace(
        files,
        texts={choice.text: files.texts[choice.text]},
        images=shown,
        patches={name: path for name, path in patches.items() if name in shown},
        supports=files.supports if choice.support else {},
    )


def exported(
    files: CacheFiles,
    method: str,
    protocol: str = "fixed",
    splits: tuple[str, ...] | None = None,
    evaluation: Mapping[str, Any] | None = None,
    leaks: str = "keep",
) -> Classifier:
    """The classifier of a method, from the made-up caches."""
    return export_classifier(
        "pets",
        ("clip", ENCODER),
        files_for(files, method, splits),
        choice_of(method, protocol),
        TUNING,
        leaks,
        evaluation=evaluation,
    )


def evaluated(
    files: CacheFiles, plan: EvaluationPlan = PLAN, device: str = "cpu"
) -> dict[str, Any]:
    """The evaluation of the same caches."""
    return evaluate_caches("clip", files, plan, lambda _: None, device=device)
