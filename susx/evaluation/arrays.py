"""Features and labels of one encoder, as the methods take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from susx.embeddings.text_classifier import TextClassifier
from susx.evaluation.tuning import Labelled
from susx.methods import Context, Images

Features = NDArray[np.floating[Any]]


Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class LabelledFeatures:
    """Embedded images and their (N,) classes.

    Attributes:
        features: (N, d) unit rows.
        labels: (N,) class indices.
        norms: (N,) lengths before normalisation, where they are known.
        patches: (N, P, d) unit rows, where they were embedded.
    """

    features: Features
    labels: Labels
    norms: Features | None = None
    patches: Features | None = None


@dataclass(frozen=True)
class EncoderData:
    """Everything embedded by one encoder.

    Attributes:
        name: encoder.
        classes: class names in label order.
        logit_scale: its factor on cosines.
        texts: classifiers by prompt strategy.
        supports: support set -> features and labels.
        test: test images.
        validation: validation images, if there are any.
        leaked: support set -> (M,) which of its images nearly equal a test image.
    """

    name: str
    classes: Sequence[str]
    logit_scale: float
    texts: Mapping[str, TextClassifier]
    supports: Mapping[str, LabelledFeatures]
    test: LabelledFeatures
    validation: LabelledFeatures | None = None
    leaked: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)


def context_of(
    text: TextClassifier, logit_scale: float, support: LabelledFeatures | None, device: str
) -> Context:
    """What a method may know, on a device."""
    weights, means = (torch.from_numpy(part).to(device) for part in (text.weights, text.means))
    raw = None if text.raw is None else torch.from_numpy(text.raw).to(device)
    if support is None:
        return Context(weights, logit_scale, text_means=means, text_raw=raw)
    shown = tensors(support, device)
    return Context(weights, logit_scale, shown.images.features, shown.labels, means, raw)


def tensors(part: LabelledFeatures, device: str) -> Labelled:
    """Labelled images on a device; patches stay where they are."""
    features = torch.from_numpy(part.features).float().to(device)
    norms = None if part.norms is None else torch.from_numpy(part.norms).to(device)
    patches = None if part.patches is None else torch.from_numpy(part.patches)
    labels = torch.from_numpy(part.labels.astype(np.int64)).to(device)
    return Labelled(Images(features, norms, patches), labels)
