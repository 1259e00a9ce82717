"""Images that an earlier cache holds are not embedded again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from susx.config.schema import EncoderSettings
from susx.datasets.manifest import image_manifest
from susx.embeddings.cache import Embeddings, read_cache, write_cache
from susx.embeddings.embed import embed_images
from susx.encoders.base import TorchEncoder
from susx.manifests.classes import class_manifest
from susx.manifests.tables import Table
from tests.closeness import assert_close
from tests.helpers import colour_of, image_bytes, write_class_folders

NAMES = ["zebra", "ant", "mouse"]
DEPTH = 64  # roundings between pixels and a feature of the tiny CLIP, generously


@pytest.fixture
def settings(tiny_clip: Path) -> EncoderSettings:
    return EncoderSettings(library="transformers", model=str(tiny_clip), batch_size=4, device="cpu")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_class_folders(tmp_path / "photos", NAMES, 5)
    return tmp_path / "photos"


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches that are embedded."""
    seen: list[int] = []
    whole = TorchEncoder.encode_images

    def counted(self: TorchEncoder, batch: object) -> object:
        seen.append(len(batch))  # type: ignore[arg-type]
        return whole(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(TorchEncoder, "encode_images", counted)
    # The trial of a loaded model is not counted.
    monkeypatch.setattr("susx.encoders.trial.tried", lambda encoder, is_compiled: encoder)
    return seen


def listed(photos: Path, names: list[str] | None = None) -> Table:
    return image_manifest(photos, class_manifest(names or NAMES))


def embed(
    settings: EncoderSettings, table: Table, path: Path, earlier: list[Path] | None = None
) -> Path:
    embed_images(settings, table, path, 2, earlier=earlier or [])
    return path


def assert_same(first: Path, second: Path) -> None:
    """Equal but for the roundings that the size of a batch decides."""
    made, other = read_cache(first), read_cache(second)
    assert (made.keys, made.labels.tolist()) == (other.keys, other.labels.tolist())
    assert made.meta == other.meta
    assert made.hashes is not None and made.norms is not None
    assert np.array_equal(made.hashes, other.hashes)
    assert_close(made.features, other.features, DEPTH)
    assert_close(made.norms, other.norms, DEPTH)


def test_another_order_of_classes_embeds_nothing(
    settings: EncoderSettings, photos: Path, tmp_path: Path, passes: list[int]
) -> None:
    first = embed(settings, listed(photos), tmp_path / "first.h5")
    expected = embed(settings, listed(photos, NAMES[::-1]), tmp_path / "expected.h5")
    passes.clear()

    made = embed(settings, listed(photos, NAMES[::-1]), tmp_path / "made.h5", [first])

    assert passes == []
    assert_same(made, expected)
    assert read_cache(made).keys != read_cache(first).keys


def test_only_new_images_are_embedded(
    settings: EncoderSettings, photos: Path, tmp_path: Path, passes: list[int]
) -> None:
    first = embed(settings, listed(photos), tmp_path / "first.h5")
    for number in range(6):
        data = image_bytes(colour_of(number, 6), seed=100 + number)
        (photos / "ant" / f"{number}-new.png").write_bytes(data)
    (photos / "zebra/000.png").unlink()
    (photos / "zebra/broken.png").write_bytes(b"no image")
    passes.clear()

    made = embed(settings, listed(photos), tmp_path / "made.h5", [first])

    assert sum(passes) == 6
    assert_same(made, embed(settings, listed(photos), tmp_path / "expected.h5"))


def test_the_same_image_twice_has_two_rows(
    settings: EncoderSettings, photos: Path, tmp_path: Path, passes: list[int]
) -> None:
    first = embed(settings, listed(photos), tmp_path / "first.h5")
    (photos / "ant/copy.png").write_bytes((photos / "ant/000.png").read_bytes())
    passes.clear()

    made = read_cache(embed(settings, listed(photos), tmp_path / "made.h5", [first]))

    assert passes == []
    rows = [made.keys.index(key) for key in ("ant/000.png", "ant/copy.png")]
    assert np.array_equal(*made.features[rows])
    assert len(made) == 16


def test_caches_that_do_not_fit_are_left_out(
    settings: EncoderSettings, photos: Path, tmp_path: Path, passes: list[int], tiny_clip: Path
) -> None:
    table = listed(photos)
    first = embed(settings, table, tmp_path / "first.h5")
    cache = read_cache(first)

    def written(name: str, embeddings: Embeddings) -> Path:
        write_cache(tmp_path / name, embeddings)
        return tmp_path / name

    encoder = {**cache.meta["encoder"], "weights_sha256": "0" * 64}
    foreign = written("foreign.h5", replace(cache, meta={**cache.meta, "encoder": encoder}))
    unknown = written("unknown.h5", replace(cache, hashes=None))
    (tmp_path / "damaged.h5").write_bytes(first.read_bytes()[:-9])
    passes.clear()

    made = embed(settings, table, tmp_path / "made.h5", [foreign, unknown, tmp_path / "damaged.h5"])

    assert sum(passes) == 15
    assert_same(made, first)


def test_patches_are_taken_over_too(
    settings: EncoderSettings, photos: Path, tmp_path: Path
) -> None:
    table, path = listed(photos), tmp_path / "patches.h5"
    embed_images(settings, table, path, 2, patches=True)
    (photos / "ant/new.png").write_bytes(image_bytes((1, 2, 3)))
    embed_images(settings, listed(photos), tmp_path / "more.h5", 2, patches=True, earlier=[path])

    before, after = read_cache(path), read_cache(tmp_path / "more.h5")
    kept = [after.keys.index(key) for key in before.keys]
    assert np.array_equal(after.features[kept], before.features)
    assert len(after) == len(before) + 1 and after.norms is None
