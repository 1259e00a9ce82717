"""Choosing a support set holds one image at a time, however many there are."""

import hashlib
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from susx.datasets.manifest import image_manifest
from susx.manifests.classes import class_manifest
from susx.pools.shards import Shard
from susx.support.few_shot import draw_support
from susx.support.retrieval import Candidate
from susx.support.selection import collect_support
from susx.support.strategies import Selection
from tests.helpers import image_bytes

NAMES = ["ant", "bee"]
SIDE = 256
PIXELS = 3 * SIDE**2
"""Bytes of an image with three channels, decoded; noise is packed into less."""


def traced_peak(work: Callable[[], object]) -> int:
    """Bytes that Python held at most; what a library decodes into is not among them."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def write_photos(folder: Path, count: int) -> list[bytes]:
    images = [image_bytes((90, 120, 30), (SIDE, SIDE), seed=seed) for seed in range(count)]
    for seed, data in enumerate(images):
        path = folder / NAMES[seed % 2] / f"{seed:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return images


def test_a_support_set_is_chosen_and_drawn_image_by_image(tmp_path: Path) -> None:
    classes = class_manifest(NAMES)
    images = write_photos(tmp_path / "train", 40)
    # Two copies of an image in the making, arrays of fingerprints, and records.
    bound = 4 * PIXELS
    assert sum(map(len, images)) > 5 * bound

    train = image_manifest(tmp_path / "train", classes, "train", 1)
    few = tmp_path / "few.tar"
    assert traced_peak(lambda: draw_support(train, classes, 20, 0, few)) < bound

    shard = Shard("folder", str(tmp_path / "train"))
    hashes = {f"{NAMES[i % 2]}/{i:02d}.png": data for i, data in enumerate(images)}
    ranking = [
        [
            Candidate(label, 0, 0.5, "s", key, sha256=hashlib.sha256(data).hexdigest())
            for key, data in hashes.items()
            if key.startswith(NAMES[label])
        ]
        for label in range(2)
    ]
    del images, hashes
    selection, chosen = Selection(20), tmp_path / "chosen.tar"

    def collect() -> None:
        table = collect_support(ranking, {"s": shard}, classes, selection, "test", chosen)
        assert len(table.records) == 40

    assert traced_peak(collect) < bound
    assert [*tmp_path.glob("tmp*")] == []
