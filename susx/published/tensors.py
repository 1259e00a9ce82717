"""Reading features that others publish as .pt files, as embeddings for ordinary caches.

Rows are brought to unit length in float64 and kept as float32: published ones are float16 and only
roughly unit. Orientations are those of `susx.published.files.FeatureFiles`.
"""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from susx.core.errors import InputError
from susx.core.files import sha256_file, sha256_json
from susx.embeddings.cache import Embeddings
from susx.manifests.classes import ClassManifest, class_manifest

if TYPE_CHECKING:
    from torch import Tensor

UnitRows = NDArray[np.float32]
LabelVector = NDArray[np.int32]


@dataclass(frozen=True)
class FeatureSource:
    """What is known of how features were made; every cache of them carries it."""

    layout: str
    backbone: str
    logit_scale: float

    @property
    def meta(self) -> dict[str, Any]:
        """Entries of a cache; the weights are unknown, so `weights_sha256` is None."""
        encoder = {"library": f"features/{self.layout}", "model": self.backbone}
        return {
            "encoder": encoder | {"weights_sha256": None},
            "logit_scale": self.logit_scale,
            "versions": {name: version(name) for name in ("susx", "torch")},
            "n_failed": 0,
            "failed": {},
        }


def read_images(
    features: str,
    labels: str,
    split: str,
    classes: ClassManifest,
    source: FeatureSource,
    dimension: int | None = None,
) -> Embeddings:
    """Read the images of a split: (N, d) features with (N,) integer labels.

    Validation may be empty, which counts as having none.

    Args:
        features: .pt file of the features.
        labels: .pt file of the labels.
        split: `test` or `validation`.
        classes: class manifest, in label order.
        source: who made them.
        dimension: that of the test images, for other splits.

    Raises:
        InputError: if a file is no tensor, shapes disagree, a row has no direction, or a label
            names no class.
    """
    rows, indices = _image_rows(features, labels)
    if not len(rows) and split == "test":
        raise InputError(f"{features}: no test images")
    if len(rows) and dimension not in (None, rows.shape[1]):
        raise _other_dimension(features, split, rows.shape[1], dimension)
    outside = (indices < 0) | (indices >= len(classes))
    if outside.any():
        row = int(outside.argmax())
        raise InputError(
            f"{labels}: row {row} has label {indices[row]}, but labels go from 0 to "
            f"{len(classes) - 1}; give as many classes as the features have"
        )
    keys = [f"{split}/{row}" for row in range(len(rows))]
    return _described(rows, indices.astype(np.int32), keys, classes, source, features, labels)


def read_text(
    file: str, strategy: str, classes: ClassManifest, dimension: int, source: FeatureSource
) -> Embeddings:
    """Read a (d, C) text classifier: one row per class.

    Args:
        file: the .pt file.
        strategy: prompt strategy that it stands for.
        classes: class manifest, in the order of the columns.
        dimension: that of the images.
        source: who made it.

    Raises:
        InputError: if the file is no tensor, is transposed, fits neither images nor classes, or a
            column has no direction.
    """
    columns = _columns(file, "text", dimension)
    _check_count(file, columns.shape[1], classes)
    keys = [f"{index}/0" for index in range(len(classes))]
    labels = np.arange(len(classes), dtype=np.int32)
    read = _described(_unit(file, columns.T, "column"), labels, keys, classes, source, file)
    read.meta.update(strategy=strategy, n_truncated=0)
    return read


def read_support(
    features: str,
    one_hot: str,
    support: str,
    classes: ClassManifest,
    dimension: int,
    source: FeatureSource,
    shots: int = 1,
) -> Embeddings:
    """Read a support set: (d, M) features with (M, C) one-hot labels.

    Args:
        features: .pt file of the features.
        one_hot: .pt file of the labels.
        support: name of the support set.
        classes: class manifest, in the order of the columns of the labels.
        dimension: that of the images.
        source: who made it.
        shots: images that every class must have.

    Raises:
        InputError: if a file is no tensor or transposed, shapes disagree, a column has no
            direction, a label is not one-hot, or a class has too few images.
    """
    columns = _columns(features, "support", dimension)
    labels = _one_hot_labels(one_hot, columns.shape[1], features, classes)
    counts = np.bincount(labels, minlength=len(classes))
    short = counts < shots
    if short.any():
        index = int(short.argmax())
        have = f"{counts[index]} of {shots} images" if shots > 1 else "no image"
        raise InputError(
            f'{one_hot}: class {index} ("{classes.names[index]}") has {have}; fetch or make the '
            "support set again"
        )
    keys = [f"{support}/{row}" for row in range(len(labels))]
    rows = _unit(features, columns.T, "column")
    return _described(rows, labels, keys, classes, source, features, one_hot)


def generated_classes(text: str, features: str, labels: str) -> ClassManifest:
    """Name classes by number: as many as a (d, C) text classifier has.

    Args:
        text: .pt file of the classifier.
        features: .pt file of the (N, d) test images.
        labels: .pt file of their (N,) labels.

    Raises:
        InputError: if a file is no tensor or the shapes do not fit together.
    """
    rows, _ = _image_rows(features, labels)
    count = _columns(text, "text", rows.shape[1]).shape[1]
    return class_manifest([f"class {index:04d}" for index in range(count)], text)


def load_tensor(path: str) -> Tensor:
    """Load the one tensor of a .pt file, without running code that it may hold.

    Raises:
        InputError: if it cannot be read, or holds anything else.
    """
    import torch

    _check_archive(path)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported operand" not in str(error):
            raise InputError(
                f"{path}: holds Python objects, which may run code when loaded; save the plain "
                "tensor with torch.save"
            ) from None
        raise InputError(f"{path}: not a .pt file of torch.save; fetch it again") from None
    except Exception as error:  # torch raises many kinds for broken files
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{path}: unreadable ({reason:.100}); fetch it again") from None
    if not isinstance(loaded, torch.Tensor):
        raise InputError(
            f"{path}: holds a {type(loaded).__name__}, not a tensor; save the tensor alone with "
            "torch.save"
        )
    plain = loaded.layout == torch.strided and loaded.device.type == "cpu" and not loaded.is_nested
    if not plain or loaded.numel() * loaded.element_size() > Path(path).stat().st_size:
        raise InputError(
            f"{path}: a tensor of shape {tuple(loaded.shape)}, of which the file does not hold "
            "every value; save it with torch.save(tensor.to_dense().clone(), ...)"
        )
    return loaded.detach()


def _check_archive(path: str) -> None:
    """Check the sums of a zip archive, which torch.save writes and torch.load does not look at."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise InputError(f"{path}: compressed; save the plain tensor with torch.save")
            if min((entry.header_offset for entry in entries), default=0):
                raise InputError(f"{path}: has something before its archive; fetch it again")
            damaged = archive.testzip()
    except InputError:
        raise
    except Exception as error:  # broken archives raise many kinds
        raise InputError(f"{path}: unreadable ({error}); fetch it again") from None
    if damaged is not None:
        raise InputError(f"{path}: {damaged} does not fit its checksum; fetch the file again")


def _image_rows(features: str, labels: str) -> tuple[UnitRows, NDArray[np.int64]]:
    """Unit rows (N, d) and labels (N,), which may still name no class."""
    tensor, classes = load_tensor(features), load_tensor(labels)
    if classes.ndim != 1:
        raise InputError(
            f"{labels}: shape {tuple(classes.shape)}, expected (N,): one class number per image"
        )
    n = len(classes)
    if tensor.ndim == 1 and not len(tensor) and not n:
        tensor = tensor.reshape(0, 0)
    _check_matrix(features, tensor, "(N, d): images x dimension")
    if len(tensor) != n:
        if tensor.shape[1] == n:
            raise _transposed(features, tensor, "(N, d): images x dimension")
        raise InputError(
            f"{features}: {len(tensor)} images, but {labels} has {n} labels; both must come from "
            "the same run"
        )
    if classes.is_floating_point() or classes.is_complex() or str(classes.dtype) == "torch.bool":
        raise InputError(f"{labels}: labels are {classes.dtype}, expected integers")
    return _unit(features, tensor, "row"), classes.numpy().astype(np.int64)


def _columns(file: str, what: str, dimension: int) -> Tensor:
    """A (d, ...) matrix whose columns are to become rows."""
    expected = {"text": "(d, C): dimension x classes", "support": "(d, M): dimension x images"}
    tensor = load_tensor(file)
    _check_matrix(file, tensor, expected[what])
    if len(tensor) != dimension:
        if tensor.shape[1] == dimension:
            raise _transposed(file, tensor, expected[what])
        raise _other_dimension(file, what, len(tensor), dimension)
    return tensor


def _one_hot_labels(file: str, n: int, features: str, classes: ClassManifest) -> LabelVector:
    """Labels (M,) from one-hot rows (M, C)."""
    expected = "(M, C): images x classes"
    tensor = load_tensor(file)
    if tensor.ndim != 2:
        raise InputError(
            f"{file}: shape {tuple(tensor.shape)}, expected {expected}, one-hot labels"
        )
    if len(tensor) != n:
        if tensor.shape[1] == n:
            raise _transposed(file, tensor, expected)
        raise InputError(
            f"{file}: labels of {len(tensor)} images, but {features} has {n}; both must come from "
            "the same run"
        )
    _check_count(file, tensor.shape[1], classes)
    wrong = ((tensor != 0) & (tensor != 1)).any(dim=1) | ((tensor == 1).sum(dim=1) != 1)
    if wrong.any():
        row = int(wrong.int().argmax())
        found = int((tensor[row] != 0).sum())
        problem = f"{found} classes" if found != 1 else f"the value {tensor[row].max():g}"
        raise InputError(f"{file}: row {row} has {problem}; a one-hot row has a single 1")
    labels: LabelVector = tensor.int().argmax(dim=1).numpy().astype(np.int32)
    return labels


def _unit(file: str, tensor: Tensor, kind: str) -> UnitRows:
    """Bring rows to unit length; `kind` says what a row is in the file."""
    rows = tensor.double()
    norms = rows.norm(dim=1)
    wrong = ~norms.isfinite() | (norms == 0)
    if wrong.any():
        row = int(wrong.int().argmax())
        problem = "is zero" if norms[row] == 0 else "holds NaN or infinity"
        raise InputError(f"{file}: {kind} {row} {problem}; fetch or make the file again")
    unit: UnitRows = (rows / norms[:, None]).float().numpy()
    return unit


def _check_matrix(file: str, tensor: Tensor, expected: str) -> None:
    if tensor.ndim != 2:
        raise InputError(f"{file}: shape {tuple(tensor.shape)}, expected {expected}")
    if not tensor.is_floating_point():
        raise InputError(f"{file}: features are {tensor.dtype}, expected floating point")


def _check_count(file: str, count: int, classes: ClassManifest) -> None:
    if count != len(classes):
        raise InputError(
            f"{file}: {count} classes, but the class list has {len(classes)}; both must be the "
            "same, in the same order"
        )


def _transposed(file: str, tensor: Tensor, expected: str) -> InputError:
    return InputError(
        f"{file}: shape {tuple(tensor.shape)} is transposed, expected {expected}; save the "
        "tensor's .T"
    )


def _other_dimension(file: str, what: str, found: int, dimension: int | None) -> InputError:
    return InputError(
        f"{file}: {what} features are {found}-dimensional, the test images {dimension}; both must "
        "come from the same backbone"
    )


def _described(
    rows: UnitRows,
    labels: LabelVector,
    keys: list[str],
    classes: ClassManifest,
    source: FeatureSource,
    *files: str,
) -> Embeddings:
    hashes = [sha256_file(file) for file in files]
    meta = {
        "classes_sha256": classes.sha256,
        "input_sha256": hashes[0] if len(hashes) == 1 else sha256_json(hashes),
    }
    return Embeddings(rows, labels, keys, source.meta | meta)
