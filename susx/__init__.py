"""Training-free image classifiers from class names alone (SuS-X, ICCV 2023)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from susx.classifier.classifier import Classifier

__version__ = "0.1.0"


def load_classifier(path: str | Path, model: str | None = None, device: str = "auto") -> Classifier:
    """Read and verify a classifier file, which the pipeline wrote.

    Args:
        path: `results/{dataset}/classifier/{encoder}.safetensors`.
        model: folder or hub identifier of its encoder, if that is not where it was; weights and
            preprocessing must be the same.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        InputError: if the file is missing, truncated, altered, foreign or inconsistent.
    """
    from susx.classifier import file as classifier_file

    return classifier_file.load_classifier(path, model, device)
