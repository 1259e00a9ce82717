"""Training-free image classifiers from class names alone (SuS-X, ICCV 2023)."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susx.core.extras import extra_problem

if TYPE_CHECKING:
    from susx import methods as methods
    from susx.classifier.classifier import Classifier
    from susx.classifier.estimator import SusXClassifier
    from susx.classifier.publication import push_to_hub
    from susx.embeddings.cache import read_cache
    from susx.evaluation.schema import read_result

__version__ = "0.1.0"
__all__ = [
    "SusXClassifier",
    "load_classifier",
    "methods",
    "push_to_hub",
    "read_cache",
    "read_result",
]
"""The public interface, which docs/api.md describes."""

PLACES = {
    "SusXClassifier": "susx.classifier.estimator",
    "push_to_hub": "susx.classifier.publication",
    "read_cache": "susx.embeddings.cache",
    "read_result": "susx.evaluation.schema",
}
"""Modules of what is imported when it is first asked for: importing `susx` imports no PyTorch."""


def __getattr__(name: str) -> Any:
    if name == "methods":
        return import_module("susx.methods")
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = PLACES[name]
    if name == "SusXClassifier" and (problem := extra_problem("sklearn")):
        raise ModuleNotFoundError(f"susx.{name} {problem}", name="sklearn")
    return getattr(import_module(module), name)


def load_classifier(path: str | Path, model: str | None = None, device: str = "auto") -> Classifier:
    """Read and verify a classifier file, which the pipeline wrote.

    Args:
        path: `results/{dataset}/classifier/{encoder}.safetensors`, or `hf-hub:owner/name`, with
            `@revision` if wanted.
        model: folder or hub identifier of its encoder, if that is not where it was; weights and
            preprocessing must be the same.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        InputError: if the file is missing, truncated, altered, foreign or inconsistent.
    """
    from susx.classifier import file as classifier_file

    return classifier_file.load_classifier(path, model, device)
