"""Images and pool shards of the demo world."""

import io
from pathlib import Path

import numpy as np
import pytest
import webdataset
from PIL import Image

from demo.flags import COUNTRIES
from demo.samples import training_pool, training_sample
from demo.world import (
    class_names,
    pool_item,
    slug,
    split_image,
    write_images,
    write_pool_shard,
)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.png"))}


def test_class_names_and_slugs_are_unique() -> None:
    assert class_names()[:3] == ["United States", "France", "Japan"]
    assert len({slug(name) for name in class_names()}) == len(class_names()) == len(COUNTRIES)
    assert slug("Trinidad and Tobago") == "trinidad-and-tobago"


def test_write_images_layout_and_determinism(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_images(tmp_path / folder, "test", 2, seed=0)
    first = tree(tmp_path / "a")
    assert first == tree(tmp_path / "b")
    assert len(first) == 100
    assert "ivory-coast/0001.png" in first
    picture = Image.open(io.BytesIO(first["ivory-coast/0001.png"]))
    assert picture.size == (64, 64)
    assert picture.mode == "RGB"
    assert np.array_equal(
        np.asarray(picture), split_image("test", class_names().index("Ivory Coast"), 1, 0)
    )


def test_splits_and_seeds_are_disjoint() -> None:
    images = [
        split_image(split, label, index, seed).tobytes()
        for split in ("test", "validation")
        for label in range(3)
        for index in range(5)
        for seed in (0, 1)
    ]
    assert len(set(images)) == len(images)


def test_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="test, validation"):
        split_image("train", 0, 0, 0)


def test_pool_and_training_streams_differ(tmp_path: Path) -> None:
    pool = {pool_item(0, index, 0)[0].tobytes() for index in range(40)}
    train = {image.tobytes() for image in training_pool(tmp_path / "pool.npy", 40, 0, workers=1)}
    assert len(pool) == len(train) == 40
    assert not pool & train


def test_training_pool_is_reused_only_for_the_same_request(tmp_path: Path) -> None:
    path = tmp_path / "pool.npy"
    first = np.array(training_pool(path, 6, 0, workers=1))
    stamp = path.stat().st_mtime_ns
    assert np.array_equal(training_pool(path, 6, 0, workers=1), first)
    assert path.stat().st_mtime_ns == stamp
    assert not np.array_equal(training_pool(path, 6, 1, workers=1), first)


def test_training_samples_mix() -> None:
    samples = [training_sample(0, index) for index in range(6000)]
    real = [sample for sample in samples if sample.country is not None]
    assert len(real) / len(samples) == pytest.approx(0.06, abs=0.012)
    assert sum(s.named for s in real) / len(real) == pytest.approx(0.3, abs=0.08)
    assert not any(s.named for s in samples if s.country is None)


def test_pool_shard_is_deterministic_and_readable(tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        write_pool_shard(tmp_path / name, shard=3, size=20, seed=0)
    write_pool_shard(tmp_path / "c.tar", shard=4, size=20, seed=0)
    content = (tmp_path / "a.tar").read_bytes()
    assert content == (tmp_path / "b.tar").read_bytes()
    assert content != (tmp_path / "c.tar").read_bytes()
    source = webdataset.WebDataset(str(tmp_path / "a.tar"), shardshuffle=False).decode("pil")
    samples = list(source)
    assert len({sample["__key__"] for sample in samples}) == 20
    for index, sample in enumerate(samples):
        image, text, _ = pool_item(3, index, 0)
        assert sample["txt"] == text
        assert np.array_equal(np.asarray(sample["png"]), image)


def test_about_a_third_of_the_pool_is_real() -> None:
    truth = [pool_item(0, index, 1)[2] for index in range(600)]
    assert sum(country is not None for country in truth) / 600 == pytest.approx(0.3, abs=0.06)
