"""Embedded images and texts of one encoder, as the methods take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from susx.embeddings.text_classifier import TextClassifier
from susx.evaluation.case import Case
from susx.methods import METHODS, Context, Images


@dataclass(frozen=True)
class LabelledImages:
    """Embedded images and what they show.

    Attributes:
        images: what a method may see of them.
        labels: (N,) int64 class indices.
        keys: N strings that identify them; none where nobody asks.
    """

    images: Images
    labels: Tensor
    keys: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class EncoderData:
    """Everything embedded by one encoder; images are on its device, but for their patches.

    Attributes:
        name: encoder.
        classes: class names in label order.
        logit_scale: its factor on cosines.
        texts: classifiers by prompt strategy.
        supports: by name, draws of few-shot ones each by its own.
        images: by split, those that have any.
        device: where tensors are kept.
        leaked: support set -> (M,) which of its images nearly equal a test image.
    """

    name: str
    classes: Sequence[str]
    logit_scale: float
    texts: Mapping[str, TextClassifier]
    supports: Mapping[str, LabelledImages]
    images: Mapping[str, LabelledImages]
    device: str = "cpu"
    leaked: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def test(self) -> LabelledImages:
        """The test images."""
        return self.images["test"]

    def support(self, case: Case) -> LabelledImages | None:
        """The support set of a case, if it has one."""
        return None if case.drawn is None else self.supports[case.drawn]

    def context(self, case: Case) -> Context:
        """What the method of a case may know."""
        text, support = self.texts[case.text], self.support(case)
        weights, means = (torch.from_numpy(p).to(self.device) for p in (text.weights, text.means))
        raw = None if text.raw is None else torch.from_numpy(text.raw).to(self.device)
        context = Context(weights, self.logit_scale, text_means=means, text_raw=raw)
        if METHODS[case.method].reads == "texts" and text.rows is not None:
            rows = torch.from_numpy(text.rows).float().to(self.device)
            labels = torch.from_numpy(text.labels).long().to(self.device)
            context = replace(context, texts=rows, text_labels=labels)
        if support is None:
            return context
        return replace(context, support=support.images.features, support_labels=support.labels)
