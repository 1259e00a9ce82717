"""Classifiers as ONNX files, for programs that have neither susx nor PyTorch.

A file is written whole or not at all, and only if onnxruntime gives the same logits with it.
"""

from __future__ import annotations

import json
import logging
import math
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

import susx
from susx.classifier.classifier import Classifier, on_device
from susx.classifier.head import (
    ROUNDINGS,
    SEED,
    UNIT,
    Head,
    arguments,
    head_of,
    in_float64,
    made_images,
    rounding,
)
from susx.classifier.meta import ClassifierMeta
from susx.core.errors import InputError
from susx.core.extras import extra_problem
from susx.core.files import atomic
from susx.embeddings.cache import normalised
from susx.encoders.base import TorchEncoder
from susx.evaluation.calibration import probabilities
from susx.methods import Images

if TYPE_CHECKING:
    from onnx import ModelProto

OUTPUTS = ("logits", "probabilities")
PIXELS = "pixel_values"
READING = "preprocessing", "transparency", "upright"
"""What an encoder's provenance says of the way from a file to pixels."""
SHOWN = 3
"""Images that a graph is told by; the exporter takes 1 for a size that never changes."""
LARGEST = 2**31 - 1
"""Bytes of one protobuf message, as ONNX files are."""


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file that was written.

    Attributes:
        path: where it is.
        inputs: names of its inputs.
        difference: largest difference of a logit from that of susx, on made images.
        tolerance: what float32 explains of it.
    """

    path: Path
    inputs: tuple[str, ...]
    difference: float
    tolerance: float


@dataclass(frozen=True)
class Trial:
    """Made inputs of a graph, and what susx says of them.

    Attributes:
        inputs: by name, float32, with N rows each.
        logits: (N, C) of the classifier.
        tolerance: by how much others may differ.
    """

    inputs: Mapping[str, Tensor]
    logits: Tensor
    tolerance: float


class WithEncoder(nn.Module):
    """Logits and probabilities of preprocessed images.

    Attributes:
        inputs: names of the arguments of `forward`.
    """

    inputs = (PIXELS,)

    def __init__(self, encoder: TorchEncoder, head: Head) -> None:
        super().__init__()
        self._encoder = encoder
        self._model = encoder.module  # the encoder itself is no module: its weights would be missed
        self._head = head

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Of (N, 3, H, W) inputs of the encoder: (N, C) logits and probabilities."""
        raw = self._encoder.image_features(pixels)
        norms = raw.norm(dim=1)
        found: tuple[Tensor, Tensor] = self._head(
            *arguments(self._head, Images(raw / norms[:, None], norms))
        )
        return found


def write_onnx(path: str | Path, classifier: Classifier, with_encoder: bool = False) -> OnnxFile:
    """Write a classifier as an ONNX file.

    Args:
        path: of the file, which must not exist.
        classifier: the classifier.
        with_encoder: whether inputs are preprocessed images, not their embeddings.

    Raises:
        InputError: if a package is missing, the file exists, no graph can hold the method or the
            encoder, the file would be too large, or onnxruntime gives something else with it.
    """
    target = Path(path)
    if problem := extra_problem("onnx"):
        raise InputError(f"an ONNX file {problem}")
    if os.path.lexists(target):
        raise InputError(f"{target}: exists already; remove it, or name another file")
    classifier = replace(classifier, context=on_device(classifier.context, "cpu"))
    head = head_of(classifier).float()
    module: Head | WithEncoder = head
    if with_encoder:
        encoder = graph_encoder(classifier)
        module = WithEncoder(encoder, head).eval()
        trial = image_trial(classifier, encoder, module)
    else:
        trial = feature_trial(classifier, head)
    model = onnx_model(module, trial, str(target))
    state_facts(model, classifier.meta, with_encoder)
    with atomic(target) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        difference = compared(
            temporary.read_bytes(), trial, classifier.meta.temperature, str(target)
        )
    return OnnxFile(target, module.inputs, difference, trial.tolerance)


def graph_encoder(classifier: Classifier) -> TorchEncoder:
    """The encoder of a classifier, if a graph can hold its image side.

    Raises:
        InputError: if it is not in float32, or its inputs are no images of one size.
    """
    encoder, name = classifier.encoder, f"encoder {classifier.meta.encoder_name}"
    if not isinstance(encoder, TorchEncoder):
        raise InputError(f"{name}: is no PyTorch model; leave out --encoder")
    if (precision := encoder.provenance["precision"]) != "float32":
        raise InputError(
            f"{name}: embeds in {precision}, a graph in float32, so that embeddings would differ; "
            "make a classifier with `precision: float32`, or leave out --encoder"
        )
    if made_pixels(encoder).ndim != 4:
        raise InputError(f"{name}: takes images of any aspect, no pixels; leave out --encoder")
    return encoder


def made_pixels(encoder: TorchEncoder) -> Tensor:
    """Made images as the encoder preprocesses them: `SHOWN` of noise."""
    from PIL.Image import fromarray

    drawn, side = np.random.default_rng(SEED), encoder.image_size
    levels = drawn.integers(0, 256, (SHOWN, side, side, 3), np.uint8)
    return torch.stack([encoder.preprocess(fromarray(image)) for image in levels])


def feature_trial(classifier: Classifier, head: Head) -> Trial:
    """Made embeddings, and the classifier's logits."""
    made = made_images(in_float64(classifier.context))
    norms = None if made.norms is None else made.norms.float()
    images = Images(made.features.float(), norms)
    inputs = dict(zip(head.inputs, arguments(head, images), strict=True))
    # Both sides round.
    return Trial(inputs, classifier.logits(images), 2 * rounding(head, inputs.values()))


def image_trial(classifier: Classifier, encoder: TorchEncoder, module: WithEncoder) -> Trial:
    """Made images, and the logits that the classifier has of their embeddings."""
    batch = made_pixels(encoder)
    features, norms = normalised(encoder.encode_images(batch).numpy())
    logits = classifier.logits(Images(torch.from_numpy(features), torch.from_numpy(norms)))
    pixels = encoder.scale(batch)
    return Trial({PIXELS: pixels}, logits, 2 * rounding(module, [pixels]))


def onnx_model(module: Head | WithEncoder, trial: Trial, name: str) -> ModelProto:
    """The graph of a module, for any number of images.

    Args:
        module: gives logits and probabilities.
        trial: has examples of its inputs.
        name: of the file, for error messages.

    Raises:
        InputError: if the exporter fails, or the graph is too large for a file.
    """
    axis = {0: torch.export.Dim("N")}
    examples = tuple(part[:SHOWN] for part in trial.inputs.values())
    axes = tuple(axis for _ in examples)
    try:
        with quiet_exporter():
            program = torch.onnx.export(
                module,
                examples,
                input_names=list(module.inputs),
                output_names=list(OUTPUTS),
                # The head takes its inputs as `*images`, which are one argument.
                dynamic_shapes=(axes,) if isinstance(module, Head) else axes,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # it raises many kinds for what it does not know
        said = str(error).partition("\n")[0]
        raise InputError(
            f"{name}: PyTorch cannot export this graph ({said}); without --encoder it is smaller, "
            "or choose another method under classifier"
        ) from error
    if program is None:  # what its signature allows for the older exporter
        raise InputError(f"{name}: PyTorch exported nothing")
    constants = (part.const_value for part in program.model.graph.initializers.values())
    size = sum(int(part.nbytes) for part in constants if part is not None)
    if size > LARGEST:
        raise InputError(
            f"{name}: would have {size / 2**30:.1f} GiB, but an ONNX file has less than 2; leave "
            "out --encoder, or choose a smaller encoder or support set"
        )
    return program.model_proto


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Keep back what the exporter says of itself and of packages that are not there."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def state_facts(model: ModelProto, meta: ClassifierMeta, with_encoder: bool) -> None:
    """Replace what the exporter notes, paths of this machine among it, by what a user asks for."""
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info):
        part.ClearField("metadata_props")
    for node in model.graph.node:
        node.ClearField("doc_string")
    model.producer_name, model.producer_version = "susx", susx.__version__
    for key, value in sorted(facts(meta, with_encoder).items()):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value if isinstance(value, str) else json.dumps(value)


def facts(meta: ClassifierMeta, with_encoder: bool) -> dict[str, Any]:
    """What the file says of itself; what is no text is written as JSON."""
    said = {
        "susx_version": susx.__version__,
        "classes": [entry.name for entry in meta.classes],
        "classes_sha256": meta.classes_sha256,
        "dataset": meta.dataset,
        "method": meta.method,
        "hyperparameters": meta.hyperparameters,
        "logit_scale": meta.logit_scale,
        "temperature": meta.temperature,
        "encoder": meta.encoder_name,
        "encoder_weights_sha256": str(meta.encoder.get("weights_sha256", "")),
    }
    model = meta.encoder_settings.model
    if not Path(model).exists():  # a folder of this machine says nothing elsewhere
        said["encoder_model"] = model
    if with_encoder:
        said |= {name: meta.encoder[name] for name in READING if name in meta.encoder}
    return said


def compared(data: bytes, trial: Trial, temperature: float, name: str) -> float:
    """Run a file with onnxruntime: the largest difference of a logit from the trial's.

    Args:
        data: of the file; onnxruntime opens no path that is not UTF-8.
        trial: what it is to give.
        temperature: of the probabilities.
        name: of the file, for error messages.

    Raises:
        InputError: if onnxruntime cannot load it, or logits differ by more than the tolerance, or
            probabilities by more than that makes of them.
    """
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    except Exception as error:  # its kinds share no parent
        said = str(error).partition("\n")[0]
        raise InputError(
            f"{name}: onnxruntime {onnxruntime.__version__} cannot load it ({said}); install a "
            "newer one; nothing was written"
        ) from error
    inputs = {key: part.numpy() for key, part in trial.inputs.items()}
    # Where logits move by e at most, each probability changes by a factor within exp(+-2e).
    exponent = min(1.0, 2 * trial.tolerance / temperature)  # from log 2 on, they may be anything
    apart = math.expm1(exponent) + ROUNDINGS * UNIT
    shares = probabilities(trial.logits, temperature).numpy()
    differences = []
    for count in (1, len(trial.logits)):  # the number that exporters take for a constant, and all
        given = {key: part[:count] for key, part in inputs.items()}
        found = session.run(list(OUTPUTS), given)
        differences.append(float(np.abs(found[0] - trial.logits[:count].numpy()).max()))
        share = float(np.abs(found[1] - shares[:count]).max())
        if not (differences[-1] <= trial.tolerance and share <= apart):  # NaN is no agreement
            raise InputError(
                f"{name}: onnxruntime gives other logits, by {differences[-1]:.2g} where rounding "
                f"explains {trial.tolerance:.2g}, and other probabilities, by {share:.2g}; nothing "
                "was written"
            )
    return max(differences)
