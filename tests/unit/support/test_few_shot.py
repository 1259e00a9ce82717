"""Few-shot support sets drawn from training images."""

import hashlib
from pathlib import Path

import pytest

from susx.core.errors import InputError
from susx.datasets.manifest import image_manifest
from susx.manifests.classes import ClassManifest, class_manifest
from susx.manifests.tables import Table
from susx.pools.shards import Shard, read_shard
from susx.support.few_shot import draw_support
from tests.helpers import write_class_folders

NAMES = ["zebra", "ant", "bee"]


@pytest.fixture
def train(tmp_path: Path) -> tuple[Table, ClassManifest]:
    classes = class_manifest(NAMES)
    write_class_folders(tmp_path / "train", NAMES, 6)
    return image_manifest(tmp_path / "train", classes, "train", 1), classes


def draw(train: tuple[Table, ClassManifest], folder: Path, size: int, seed: int) -> Table:
    return draw_support(*train, size, seed, folder / f"{size}-{seed}.tar")


@pytest.mark.parametrize("size", [1, 2, 4, 6])
def test_every_class_gets_its_own_images(
    train: tuple[Table, ClassManifest], tmp_path: Path, size: int
) -> None:
    table = draw(train, tmp_path, size, 0)
    listed = {record.path: record for record in train[0].records}
    assert [record.label for record in table.records] == [c for c in range(3) for _ in range(size)]
    for record in table.records:
        source = listed[record.location]
        assert (source.label, source.sha256) == (record.label, record.sha256)
        assert record.class_name == NAMES[record.label]
    assert len({record.sha256 for record in table.records}) == 3 * size
    assert table.meta["n_kept"] == 3 * size
    assert table.meta["short_classes"] == {}


def test_the_tar_holds_the_drawn_images(train: tuple[Table, ClassManifest], tmp_path: Path) -> None:
    table = draw(train, tmp_path, 2, 1)
    samples = list(read_shard(Shard("webdataset", str(tmp_path / "2-1.tar"))))
    assert [(s.key, hashlib.sha256(s.image).hexdigest()) for s in samples] == [
        (record.key, record.sha256) for record in table.records
    ]


def test_draws_are_repeatable_nested_and_differ_by_seed(
    train: tuple[Table, ClassManifest], tmp_path: Path
) -> None:
    def drawn(size: int, seed: int) -> set[str]:
        return {record.sha256 for record in draw(train, tmp_path, size, seed).records}

    assert drawn(2, 0) == drawn(2, 0)
    assert drawn(1, 0) < drawn(2, 0) < drawn(4, 0)
    assert len({frozenset(drawn(3, seed)) for seed in range(5)}) > 1


def test_a_class_with_too_few_images_is_named(
    train: tuple[Table, ClassManifest], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r'class "zebra" has 6 readable training images, fewer th'):
        draw(train, tmp_path, 7, 0)
    assert not (tmp_path / "7-0.tar").exists()


def test_unreadable_images_are_not_drawn(tmp_path: Path) -> None:
    classes = class_manifest(NAMES)
    write_class_folders(tmp_path / "train", NAMES, 3)
    (broken,) = list((tmp_path / "train" / "ant").iterdir())[:1]
    broken.write_bytes(b"no image")
    table = image_manifest(tmp_path / "train", classes, "train", 1)
    drawn = draw((table, classes), tmp_path, 2, 0)
    assert str(broken) not in {record.location for record in drawn.records}
    with pytest.raises(InputError, match=r'class "ant" has 2 readable'):
        draw((table, classes), tmp_path, 3, 0)


def test_a_changed_file_is_refused(train: tuple[Table, ClassManifest], tmp_path: Path) -> None:
    path = Path(train[0].records[0].path)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InputError, match="changed or gone since the image manifest was written"):
        draw(train, tmp_path, 6, 0)
