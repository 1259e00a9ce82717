"""The classifier file: one safetensors file, written whole or not at all, verified on reading."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from susx.classifier.classifier import Classifier, on_device
from susx.classifier.hub import local_path
from susx.classifier.meta import ClassifierMeta
from susx.core.errors import InputError
from susx.core.files import atomic
from susx.methods import METHODS, TEXT_FORMS, Context, Images, Method

KEY = "susx"
CONSTANT = "constant."
FIELDS = ("text", *TEXT_FORMS, "support", "support_labels")
INTEGERS = ("support_labels", "text_labels")
TOLERANCE = 2e-3
AGAIN = "export it again"


class _Header(BaseModel):
    """The metadata of the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    classifier: ClassifierMeta
    tensors_sha256: str


def write_classifier(path: str | Path, classifier: Classifier) -> None:
    """Write a classifier; the file appears only when it is complete.

    Raises:
        InputError: if its parts do not fit together.
    """
    from safetensors.torch import save_file

    tensors = _tensors(classifier.context)
    _check(str(path), classifier.meta, tensors)
    said = {"classifier": classifier.meta.model_dump(), "tensors_sha256": _digest(tensors)}
    # One key: the order of several would differ from file to file.
    with atomic(path) as temporary:
        save_file(tensors, temporary, {KEY: json.dumps(said, sort_keys=True)})


def load_classifier(path: str | Path, model: str | None = None, device: str = "auto") -> Classifier:
    """Read and verify a classifier file.

    Args:
        path: the file, or `hf-hub:owner/name`, with `@revision` if wanted.
        model: folder or hub identifier of its encoder, if that is not where it was; weights and
            preprocessing must be the same.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        InputError: if the file is missing, truncated, altered, foreign or inconsistent.
    """
    place = local_path(path)
    meta, tensors = _read(place)
    _check(place, meta, tensors)
    return Classifier(meta, on_device(_context(meta, tensors), device), model)


def read_classifier_meta(path: str | Path) -> ClassifierMeta:
    """Read what a classifier file says of itself, verified like `load_classifier` does.

    Raises:
        InputError: as `load_classifier` does.
    """
    return load_classifier(path, device="cpu").meta


def _read(path: str) -> tuple[ClassifierMeta, dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    if Path(path).is_dir():
        raise InputError(f"{path}: a folder; name the classifier file in it")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if KEY not in metadata:
                raise InputError(f"{path}: not a classifier file of susx; {AGAIN}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise InputError(f"{path}: file not found") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: truncated, damaged or foreign ({error}); {AGAIN}") from None
    try:
        said = _Header.model_validate_json(metadata[KEY])
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: {key}: {first['msg']}; {AGAIN}") from None
    if said.tensors_sha256 != _digest(tensors):
        raise InputError(f"{path}: tensors do not fit their stored hash; {AGAIN}")
    return said.classifier, tensors


def _tensors(context: Context) -> dict[str, Tensor]:
    fields = {name: getattr(context, name) for name in FIELDS}
    constants = {f"{CONSTANT}{name}": tensor for name, tensor in context.constants.items()}
    given = {name: part for name, part in (fields | constants).items() if part is not None}
    return {name: part.detach().cpu().contiguous() for name, part in given.items()}


def _check(path: str, meta: ClassifierMeta, tensors: dict[str, Tensor]) -> None:
    """Refuse parts that do not fit together."""

    def refuse(problem: str) -> InputError:
        return InputError(f"{path}: {problem}; {AGAIN}")

    method = METHODS.get(meta.method)
    if method is None or not method.exportable:
        raise refuse(f'method "{meta.method}" is none that classifies single images')
    if set(meta.hyperparameters) != set(method.grid):
        raise refuse(f"{method.name} takes {sorted(method.grid)}")
    n_classes = len(meta.manifest(path))
    reads: set[str] = {"text", *method.text_forms}
    expected = reads | ({"support", "support_labels"} if method.needs_support else set())
    given = {name for name in tensors if not name.startswith(CONSTANT)}
    constants = [name for name in tensors if name.startswith(CONSTANT)]
    if given != expected or bool(constants) != (method.calibrate is not None):
        raise refuse(f"has tensors {sorted(tensors)}, {method.name} needs {sorted(expected)}")
    if tensors["text"].ndim != 2:
        raise refuse(f"text is {tuple(tensors['text'].shape)}, expected ({n_classes}, d)")
    shape = (n_classes, tensors["text"].shape[1])
    n_support = len(meta.support_keys)
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(reads, shape)
    shapes |= {"support": (n_support, shape[1]), "support_labels": (n_support,)}
    if "text_labels" in expected:
        n_texts = tensors["text_labels"].numel()
        shapes |= {"texts": (n_texts, shape[1]), "text_labels": (n_texts,)}
    for name in sorted(expected):
        if tuple(tensors[name].shape) != shapes[name]:
            raise refuse(f"{name} is {tuple(tensors[name].shape)}, expected {shapes[name]}")
        kind = torch.int64 if name in INTEGERS else torch.float32
        if tensors[name].dtype != kind:
            raise refuse(f"{name} is {tensors[name].dtype}, expected {kind}")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise refuse(f"{name} is not finite")
    for name in sorted({"text", "texts", "support"} & expected):
        if ((tensors[name].norm(dim=1) - 1).abs() > TOLERANCE).any():
            raise refuse(f"rows of {name} are not of unit length")
    for name in sorted(expected.intersection(INTEGERS)):
        labels, of = tensors[name], name.removesuffix("_labels")
        if not len(labels) or labels.min() < 0 or labels.max() >= n_classes:
            raise refuse(f"has {of} labels outside 0..{n_classes - 1}, or none")
    if "text_labels" in expected and not tensors["text_labels"].bincount(minlength=n_classes).all():
        raise refuse("has a class without a text")
    if problem := _wrong_constants(method, _context(meta, tensors)):
        raise refuse(problem)


def _context(meta: ClassifierMeta, tensors: dict[str, Tensor]) -> Context:
    """What the tensors of a file tell a method."""
    constants = {
        name.removeprefix(CONSTANT): tensor
        for name, tensor in tensors.items()
        if name.startswith(CONSTANT)
    }
    fields: dict[str, Any] = {n: tensor for n, tensor in tensors.items() if n in FIELDS}
    return Context(logit_scale=meta.logit_scale, constants=constants, **fields)


def _wrong_constants(method: Method, context: Context) -> str:
    """What is wrong with the constants, by those that the texts would give as images.

    Where twice as many give a longer constant, its length follows from the number of images that
    it was taken from, which all such constants share.
    """
    if method.calibrate is None:
        return ""
    n = context.n_classes
    shown = Images(context.text, norms=torch.ones(n))
    needed, given = method.calibrate(context, shown), context.constants
    twice = Images(torch.cat([context.text] * 2), norms=torch.ones(2 * n))
    longer = method.calibrate(context, twice)
    if set(given) != set(needed):
        return f"has constants {sorted(given)}, {method.name} needs {sorted(needed)}"
    sizes = {name for name, tensor in needed.items() if tensor.shape != longer[name].shape}
    more = {len(given[name]) - len(needed[name]) for name in sizes if given[name].ndim}
    if len(more) > 1:
        return f"has constants {sorted(sizes)} of different numbers of images"
    for name, tensor in needed.items():
        cut = 1 if name in sizes and given[name].ndim else 0
        made = given[name]
        if made.dtype == torch.int64 and not ((made >= 0) & (made < n)).all():
            return f"{CONSTANT}{name} has classes outside 0..{n - 1}"
        if (made.shape[cut:], made.dtype) != (tensor.shape[cut:], tensor.dtype):
            return (
                f"{CONSTANT}{name} is {tuple(given[name].shape)}, expected {tuple(tensor.shape)} "
                f"of {tensor.dtype}"
            )
    return ""


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
