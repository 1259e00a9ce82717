"""CIFAR's archives, which are pickles and might hold anything."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from susx.core.errors import InputError
from susx.datasets.layouts.cifar import image_row, read_batch, read_pickle
from susx.datasets.stored import read_listed
from susx.images.decode import decode
from susx.manifests.tables import ImageRecord, read_table, write_table
from tests.made.datasets import (
    cifar_pixels,
    classes_of,
    manifest_of,
    place_of,
    write_cifar10,
)

PYTHON_2_BATCH = (
    b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\n"
    b"q\x04K\x00\x85U\x01b\x87Rq\x05(K\x01K\x01M\x00\x0c\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01"
    b"\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T\x00\x0c\x00\x00"
    + bytes(range(256)) * 12
    + b"tbU\x06labelsq\x08]q\tK\x03au."
)


class Evil:
    """Runs a program when it is unpickled as usual."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


def write_pickle(path: Path, value: Any, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 4])
def test_images_and_labels_are_those_of_the_archive(tmp_path: Path, protocol: int) -> None:
    pixels = write_cifar10(tmp_path, [3, 1, 9, 1], protocol)
    table = manifest_of("cifar10", tmp_path)
    assert [(record.key, record.class_name) for record in table.records] == [
        ("test_batch/00001", "car"),
        ("test_batch/00003", "car"),
        ("test_batch/00000", "cat"),
        ("test_batch/00002", "truck"),
    ]
    assert table.meta["source"] == "python"
    for record, row in zip(table.records, (1, 3, 0, 2), strict=True):
        image = np.asarray(decode(read_listed(record)))
        assert (image.transpose(2, 0, 1).reshape(-1) == pixels[row]).all()
        assert (record.width, record.height, record.reason) == (32, 32, "")


def test_training_batches_are_joined(tmp_path: Path) -> None:
    write_cifar10(tmp_path, [0])
    table = manifest_of("cifar10", tmp_path, "train")
    assert [record.key for record in table.records] == [
        f"data_batch_{i}/00000" for i in range(1, 6)
    ]
    assert [record.label for record in table.records] == [1, 2, 3, 4, 5]


def test_names_of_the_archive_decide_the_class(tmp_path: Path) -> None:
    write_cifar10(tmp_path, [0, 1])
    path = tmp_path / "cifar-10-batches-py/batches.meta"
    names = read_pickle(path)["label_names"]
    write_pickle(path, {b"label_names": [names[1], names[0], *names[2:]]})
    table = manifest_of("cifar10", tmp_path)
    assert {r.key: r.class_name for r in table.records} == {
        "test_batch/00000": "car", "test_batch/00001": "airplane"
    }  # fmt: skip


def test_fine_labels_are_those_of_cifar100(tmp_path: Path) -> None:
    names = [name.replace(" ", "_").encode() for name in classes_of("cifar100").names]
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    write_pickle(folder / "meta", {b"coarse_label_names": [b"fish"], b"fine_label_names": names})
    batch = {b"data": cifar_pixels(2), b"fine_labels": [26, 1], b"coarse_labels": [0, 0]}
    write_pickle(folder / "test", batch)
    table = manifest_of("cifar100", tmp_path)
    assert [record.class_name for record in table.records] == ["aquarium fish", "crab"]


def test_batches_that_python_2_wrote_are_read(tmp_path: Path) -> None:
    (tmp_path / "batch").write_bytes(PYTHON_2_BATCH)
    batch = read_batch(tmp_path / "batch")
    assert batch.labels == [3]
    assert batch.pixels.reshape(-1).tolist() == list(range(256)) * 12


def test_arrays_in_column_order_are_read(tmp_path: Path) -> None:
    pixels = cifar_pixels(2)
    path = write_pickle(tmp_path / "b", {b"data": np.asfortranarray(pixels), b"labels": [0, 1]})
    assert (read_batch(path).pixels.reshape(2, -1) == pixels).all()


@pytest.mark.parametrize("place", ["value", "key", "label"])
def test_nothing_that_a_pickle_names_is_run(tmp_path: Path, place: str) -> None:
    mark = tmp_path / "mark"
    evil: Any = Evil(mark)
    data = {
        "value": {b"data": cifar_pixels(1), b"labels": [0], b"x": evil},
        "key": {evil: 1},
        "label": {b"data": cifar_pixels(1), b"labels": [evil]},
    }[place]
    path = write_pickle(tmp_path / "batch", data)
    with pytest.raises(InputError, match=r"batch: .*posix\.system, which is not allowed"):
        read_pickle(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({b"data": np.zeros((1, 3072)), b"labels": [0]}, "another type than bytes"),
        ({b"data": np.array([None]), b"labels": [0]}, "another type than bytes"),
        ({b"data": cifar_pixels(1)[:, :9], b"labels": [0]}, "`data` is not an array of 3072"),
        ({b"data": [[0] * 3072], b"labels": [0]}, "`data` is not an array"),
        ({b"data": cifar_pixels(1), b"labels": ["0"]}, "is not a list of numbers"),
        ({b"data": cifar_pixels(1)}, "is not a list of numbers"),
        ({b"data": cifar_pixels(2), b"labels": [0]}, "2 images, but 1 labels"),
        ([1], "no dict"),
        (np.float64(1), "numpy.*scalar, which is not allowed"),
        (Path("x"), "which is not allowed"),
    ],
)
def test_pickles_of_other_things_are_refused(tmp_path: Path, value: Any, problem: str) -> None:
    path = write_pickle(tmp_path / "batch", value)
    with pytest.raises(InputError, match=rf"batch: .*{problem}"):
        read_batch(path)


@pytest.mark.parametrize("data", [b"", b"\x80\x02}", b"no pickle", PYTHON_2_BATCH[:900]])
def test_broken_pickle_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "batch").write_bytes(data)
    with pytest.raises(InputError, match="batch: not a file of CIFAR's archive"):
        read_batch(tmp_path / "batch")


def test_array_whose_bytes_do_not_fit_its_shape_is_refused(tmp_path: Path) -> None:
    (tmp_path / "batch").write_bytes(PYTHON_2_BATCH.replace(b"M\x00\x0c\x86", b"M\x01\x0c\x86"))
    with pytest.raises(InputError, match="batch: not a file of CIFAR's archive: cannot reshape"):
        read_batch(tmp_path / "batch")


def test_missing_archive_tells_to_unpack_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="batch: file not found; unpack CIFAR's archive there"):
        read_batch(tmp_path / "batch")
    with pytest.raises(InputError, match=r"batches\.meta\", .*by which CIFAR-10 is recognised"):
        place_of("cifar10", tmp_path)


def test_a_batch_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "batch"
    for n in (1, 2):
        write_pickle(path, {b"data": cifar_pixels(n), b"labels": [0] * n})
        assert len(read_batch(path).labels) == n


def test_a_row_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = write_pickle(tmp_path / "batch", {b"data": cifar_pixels(1), b"labels": [0]})
    assert image_row(path, 0).startswith(b"P6 32 32 255\n")
    with pytest.raises(InputError, match="batch: has no image 1"):
        image_row(path, 1)


def test_label_without_name_is_refused(tmp_path: Path) -> None:
    write_cifar10(tmp_path, [10])
    with pytest.raises(InputError, match="test_batch: image 0 has label 10, which has no name"):
        manifest_of("cifar10", tmp_path)


def test_a_changed_batch_does_not_pass_for_the_listed_image(tmp_path: Path) -> None:
    write_cifar10(tmp_path, [0, 1])
    table = manifest_of("cifar10", tmp_path)
    write_table(tmp_path / "t.parquet", table, ImageRecord)
    assert read_table(tmp_path / "t.parquet", ImageRecord) == table
    path = tmp_path / "cifar-10-batches-py/test_batch"
    write_pickle(path, {b"data": cifar_pixels(2, seed=5), b"labels": [0, 1]})
    with pytest.raises(InputError, match="changed or gone"):
        read_listed(table.records[0])
    path.unlink()
    with pytest.raises(InputError, match="changed or gone"):
        read_listed(table.records[0])


def test_a_file_whose_name_looks_like_a_row_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a#1").write_bytes(b"x")
    (tmp_path / "a").write_bytes(b"y")
    from susx.datasets.stored import stored_bytes

    assert stored_bytes(str(tmp_path / "a#1")) == b"x"
