"""Reading published .pt files: what comes out, and one clear message for what is wrong."""

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from susx.core.errors import InputError
from susx.core.files import sha256_file
from susx.embeddings.cache import Embeddings, read_cache, write_cache
from susx.manifests.classes import ClassManifest, class_manifest
from susx.published.tensors import (
    FeatureSource,
    generated_classes,
    load_tensor,
    read_images,
    read_support,
    read_text,
)
from tests.closeness import assert_close, random_walk
from tests.helpers import make_problem
from tests.published import one_hot, save, save_susx

PROBLEM = make_problem(0, n=20, d=8, support=(3, 2, 4, 2, 3))
C, D, M, N = 5, 8, 14, 12
CLASSES = class_manifest(["zebra", "St. Bernard", "ant", "fly", "bee"])
SOURCE = FeatureSource("susx", "RN50", 100.0)
IMAGES, LABELS = "pets_f_test_mRN50.pt", "pets_t_test_mRN50.pt"
KEYS, VALUES = "sus_lc_photo_pets_f_mRN50.pt", "sus_lc_photo_pets_t_mRN50.pt"
TEXT = "pets_zeroshot_text_weights_mRN50_ptcombined.pt"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Features of a small problem in the authors' layout."""
    save_susx(tmp_path, PROBLEM)
    return tmp_path


def images(root: Path, split: str = "test", classes: ClassManifest = CLASSES) -> Embeddings:
    short = {"test": "test", "validation": "val"}[split]
    features, labels = (str(root / f"pets_{kind}_{short}_mRN50.pt") for kind in "ft")
    return read_images(features, labels, split, classes, SOURCE, D)


def text(root: Path, classes: ClassManifest = CLASSES, dimension: int = D) -> Embeddings:
    return read_text(str(root / TEXT), "cupl+e", classes, dimension, SOURCE)


def support(root: Path, shots: int = 1, classes: ClassManifest = CLASSES) -> Embeddings:
    files = str(root / KEYS), str(root / VALUES)
    return read_support(*files, "lc-photo", classes, D, SOURCE, shots)


READERS: dict[str, Callable[[Path], Embeddings]] = {
    "images": images, "text": text, "support": support
}  # fmt: skip


def published(rows: np.ndarray) -> np.ndarray:
    """What float16 files hold of rows, brought to unit length in float64."""
    half = rows.astype(np.float16).astype(np.float64)
    return half / np.linalg.norm(half, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("read", "rows", "labels"),
    [
        (images, PROBLEM.images[:N], PROBLEM.labels[:N]),
        (text, PROBLEM.text, np.arange(C)),
        (support, PROBLEM.support, PROBLEM.support_labels),
    ],
    ids=READERS,
)
def test_rows_are_unit_float32_with_their_labels(
    read: Callable[[Path], Embeddings], rows: np.ndarray, labels: np.ndarray, root: Path
) -> None:
    found = read(root)
    assert found.features.dtype == np.float32
    np.testing.assert_array_equal(found.features, published(rows).astype(np.float32))
    np.testing.assert_array_equal(found.labels, labels)


@pytest.mark.parametrize("name", READERS)
def test_an_ordinary_cache_comes_of_it(name: str, root: Path) -> None:
    made = READERS[name](root)
    write_cache(root / "cache.h5", made)
    read = read_cache(root / "cache.h5", CLASSES.sha256, C)
    np.testing.assert_array_equal(read.features, made.features)
    assert len(set(read.keys)) == len(read.keys) == len(made)
    assert read.meta == made.meta
    assert read.meta["encoder"] == {
        "library": "features/susx", "model": "RN50", "weights_sha256": None
    }  # fmt: skip
    assert (read.meta["logit_scale"], read.meta["n_failed"]) == (100.0, 0)


def test_the_hash_of_the_input_is_that_of_the_bytes(root: Path) -> None:
    assert text(root).meta["input_sha256"] == sha256_file(root / TEXT)
    before = images(root).meta["input_sha256"]
    labels = PROBLEM.labels[:N].copy()
    labels[0] = (labels[0] + 1) % C
    save(root / LABELS, labels, torch.int64)
    assert images(root).meta["input_sha256"] != before


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_floating_point_will_do(dtype: torch.dtype, root: Path) -> None:
    save(root / IMAGES, 30 * PROBLEM.images[:N], dtype)
    # A value and the length of its row are rounded when saved, then what is made of them.
    spacing = torch.finfo(dtype).eps / torch.finfo(torch.float32).eps
    assert_close(images(root).features, PROBLEM.images[:N], spacing + random_walk(8))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_any_integers_are_labels(dtype: torch.dtype, root: Path) -> None:
    save(root / LABELS, PROBLEM.labels[:N], dtype)
    np.testing.assert_array_equal(images(root).labels, PROBLEM.labels[:N])


def test_parameters_are_tensors(root: Path) -> None:
    torch.save(torch.nn.Parameter(torch.from_numpy(PROBLEM.text.T.copy())), root / TEXT)
    assert len(text(root)) == C


def test_classes_without_names_are_numbered(root: Path) -> None:
    made = generated_classes(*(str(root / name) for name in (TEXT, IMAGES, LABELS)))
    assert made.names == [f"class {i:04d}" for i in range(C)]


@pytest.mark.parametrize("shape", [(0,), (0, D)])
def test_validation_may_be_empty(shape: tuple[int, ...], root: Path) -> None:
    save(root / "pets_f_val_mRN50.pt", np.zeros(shape))
    save(root / "pets_t_val_mRN50.pt", np.zeros(0), torch.int64)
    made = images(root, "validation")
    assert len(made) == 0
    write_cache(root / "cache.h5", made)
    assert len(read_cache(root / "cache.h5", CLASSES.sha256, C)) == 0


def with_entry(values: np.ndarray, place: tuple[Any, ...], entry: float) -> np.ndarray:
    changed = values.astype(np.float64).copy()
    changed[place] = entry
    return changed


HOT = one_hot(PROBLEM.support_labels, C)
FLOAT, INT = torch.float16, torch.int64
ROWS, NUMBERS = PROBLEM.images[:N], PROBLEM.labels[:N]

BAD = {
    "images transposed": (IMAGES, ROWS.T, FLOAT, "shape (8, 12) is transposed, expected (N, d)"),
    "images fewer than labels": (IMAGES, ROWS[1:], FLOAT, f"11 images, but ROOT/{LABELS} has 12"),
    "images not a matrix": (IMAGES, ROWS[None], FLOAT, "shape (1, 12, 8), expected (N, d)"),
    "images of integers": (IMAGES, ROWS, INT, "features are torch.int64, expected floating point"),
    "images without direction": (IMAGES, with_entry(ROWS, (7,), 0), FLOAT, "row 7 is zero"),
    "images with NaN": (IMAGES, with_entry(ROWS, (3, 1), np.nan), FLOAT, "row 3 holds NaN or inf"),
    "images too large": (IMAGES, with_entry(ROWS, (2, 5), 1e9), FLOAT, "row 2 holds NaN or infin"),
    "labels one-hot": (LABELS, np.eye(C)[NUMBERS], INT, "shape (12, 5), expected (N,)"),
    "labels fractional": (LABELS, NUMBERS, FLOAT, "labels are torch.float16, expected integers"),
    "labels of booleans": (LABELS, NUMBERS, torch.bool, "labels are torch.bool, expected integers"),
    "label too large": (LABELS, with_entry(NUMBERS, (4,), 5), INT, "row 4 has label 5, but labels"),
    "label negative": (LABELS, with_entry(NUMBERS, (6,), -1), INT, "row 6 has label -1"),
    "text transposed": (TEXT, PROBLEM.text, FLOAT, "shape (5, 8) is transposed, expected (d, C)"),
    "text of other backbone": (
        TEXT, PROBLEM.text.T[:6], FLOAT, "text features are 6-dimensional, the test images 8"),
    "text of other classes": (TEXT, PROBLEM.text.T[:, :4], FLOAT, "4 classes, but the class list"),
    "text without direction": (
        TEXT, with_entry(PROBLEM.text.T, (slice(None), 3), 0), FLOAT, "column 3 is zero"),
    "text with infinity": (
        TEXT, with_entry(PROBLEM.text.T, (0, 1), np.inf), FLOAT, "column 1 holds NaN or infinity"),
    "keys transposed": (
        KEYS, PROBLEM.support, FLOAT, "shape (14, 8) is transposed, expected (d, M)"),
    "keys of other backbone": (
        KEYS, PROBLEM.support.T[:6], FLOAT, "support features are 6-dimensional"),
    "keys without direction": (
        KEYS, with_entry(PROBLEM.support.T, (slice(None), 9), 0), FLOAT, "column 9 is zero"),
    "values transposed": (VALUES, HOT.T, FLOAT, "shape (5, 14) is transposed, expected (M, C)"),
    "values fewer than keys": (
        VALUES, HOT[1:], FLOAT, f"labels of 13 images, but ROOT/{KEYS} has 14"),
    "values as numbers": (
        VALUES, PROBLEM.support_labels, INT, "shape (14,), expected (M, C): images x classes, one"),
    "values of other classes": (VALUES, np.eye(6)[:1].repeat(M, 0), FLOAT, "6 classes, but the"),
    "values with no class": (VALUES, with_entry(HOT, (2,), 0), FLOAT, "row 2 has 0 classes"),
    "values with several": (VALUES, with_entry(HOT, (5,), 1), FLOAT, "row 5 has 5 classes"),
    "values not one": (VALUES, 0.5 * HOT, FLOAT, "row 0 has the value 0.5; a one-hot row"),
    "values with NaN": (VALUES, with_entry(HOT, (8,), np.nan), FLOAT, "row 8 has 5 classes"),
    "class without support": (
        VALUES, one_hot(np.where(PROBLEM.support_labels == 2, 1, PROBLEM.support_labels), C), FLOAT,
        'class 2 ("ant") has no image'),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_contents_are_named_with_their_file(case: str, root: Path) -> None:
    name, values, dtype, says = BAD[case]
    save(root / name, values, dtype)
    read = {IMAGES: images, LABELS: images, TEXT: text, KEYS: support, VALUES: support}[name]
    message = rf"^{re.escape(str(root / name))}: {re.escape(says.replace('ROOT', str(root)))}"
    with pytest.raises(InputError, match=message) as error:
        read(root)
    assert "\n" not in str(error.value)
    assert "; " in str(error.value) or "expected" in str(error.value)


def test_validation_of_another_dimension_is_refused(root: Path) -> None:
    save(root / "pets_f_val_mRN50.pt", PROBLEM.images[N:, :6])
    match = "pets_f_val_mRN50.pt: validation features are 6-dimensional, the test images 8"
    with pytest.raises(InputError, match=match):
        images(root, "validation")


def test_test_images_may_not_be_empty(root: Path) -> None:
    save(root / IMAGES, np.zeros((0, D)))
    save(root / LABELS, np.zeros(0), torch.int64)
    with pytest.raises(InputError, match="no test images"):
        images(root)


def test_a_class_with_too_few_shots_is_named(root: Path) -> None:
    assert len(support(root, shots=2)) == M
    with pytest.raises(InputError, match=r'class 1 \("St. Bernard"\) has 2 of 3 images'):
        support(root, shots=3)


def test_numbered_classes_need_fitting_files(root: Path) -> None:
    save(root / TEXT, PROBLEM.text)
    with pytest.raises(InputError, match=r"shape \(5, 8\) is transposed"):
        generated_classes(*(str(root / name) for name in (TEXT, IMAGES, LABELS)))


class Unsafe:
    """Anything that a pickle must run code for."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("touched"),))


def truncated(path: Path) -> None:
    torch.save(torch.zeros(500), path)
    path.write_bytes(path.read_bytes()[:900])


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda p: torch.save({"f": torch.zeros(2)}, p), "holds a dict, not a tensor"),
        (lambda p: torch.save([torch.zeros(2)], p), "holds a list, not a tensor"),
        (lambda p: torch.save(Unsafe(), p), "holds Python objects, which may run code"),
        (lambda p: torch.save(np.zeros(2), p), "holds Python objects, which may run code"),
        (lambda p: p.write_bytes(b"features"), "not a .pt file of torch.save; fetch it again"),
        (lambda p: p.write_bytes(b""), "unreadable"),
        (lambda p: p.write_bytes(b"hello world"), "unreadable"),
        (lambda p: p.write_bytes(pickle.dumps([1], protocol=2)), "unreadable"),
        (truncated, "unreadable"),
        (lambda p: p.mkdir(), "unreadable"),
    ],
    ids=[
        "dict",
        "list",
        "object",
        "array",
        "text",
        "empty",
        "words",
        "pickle",
        "truncated",
        "folder",
    ],
)
def test_what_is_no_tensor_is_refused(
    write: Callable[[Path], object], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "f.pt")
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / 'f.pt'}: {says}")) as error:
        load_tensor(str(tmp_path / "f.pt"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "touched").exists()
