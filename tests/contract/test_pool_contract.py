"""What every registered layout of pools with images promises."""

import json
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.config import parse_config
from susx.config.pools import POOLS, REMOTE
from susx.core.errors import InputError
from susx.pools.shards import Sample, Shard, pool_shards, read_shard
from tests.contract.cases import PoolCase, added
from tests.helpers import add_member, colour_of, image_bytes

Images = Sequence[tuple[bytes, str]]
IMAGES = [(image_bytes(colour_of(i, 9), seed=i), f"an animal, number {i}") for i in range(9)]


def folder(root: Path, images: Images) -> dict[str, Any]:
    (root / "images").mkdir()
    for number, (image, caption) in enumerate(images):
        (root / f"images/{number}.png").write_bytes(image)
        (root / f"images/{number}.txt").write_text(caption, "utf-8")
    return {"path": str(root / "images"), "shards": 2}


def webdataset(root: Path, images: Images) -> dict[str, Any]:
    for part in range(2):
        with tarfile.open(root / f"{part}.tar", "w") as tar:
            for number, (image, caption) in enumerate(images[part::2]):
                add_member(tar, f"{number}.png", image)
                add_member(tar, f"{number}.txt", caption.encode())
    return {"path": str(root / "{0,1}.tar")}


def parquet(root: Path, images: Images) -> dict[str, Any]:
    for part in range(2):
        mine = images[part::2]
        columns = {"image": [i for i, _ in mine], "caption": [text for _, text in mine]}
        pq.write_table(pa.table(columns), root / f"{part}.parquet")
    return {"path": str(root / "*.parquet")}


CASES = {
    "folder": PoolCase(folder),
    "webdataset": PoolCase(webdataset),
    "parquet": PoolCase(parquet),
} | added("pool", PoolCase)


@pytest.fixture(params=list(CASES))
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def pool_of(section: dict[str, Any]) -> Any:
    """The pool of a whole configuration."""
    data = {
        "datasets": {"pets": {"classes": ["cat"], "images": {"test": "images"}}},
        "encoders": {"clip": {"library": "transformers", "model": "model"}},
        "pools": {"web": section},
    }
    return parse_config(data).pools["web"]


@pytest.fixture
def said(layout: str, tmp_path: Path) -> dict[str, Any]:
    """The section of a pool that lies there."""
    return {"layout": layout, **CASES[layout].write(tmp_path, IMAGES)}


def through_json(shard: Shard) -> Shard:
    """A shard as a job gets it."""
    return Shard(**json.loads(json.dumps(shard.settings)))


def samples(shards: dict[str, Shard]) -> list[list[Sample]]:
    return [list(read_shard(through_json(shard))) for shard in shards.values()]


def test_every_layout_is_held_to_the_contract() -> None:
    assert set(CASES) == set(POOLS) - set(REMOTE)


def test_every_image_comes_once_with_its_caption(said: dict[str, Any]) -> None:
    found = [sample for part in samples(pool_shards(pool_of(said), "pools.web")) for sample in part]
    assert sorted((s.image, s.caption) for s in found) == sorted(IMAGES)
    assert {sample.reason for sample in found} == {""}


def test_samples_come_in_one_order_with_keys_of_their_own(said: dict[str, Any]) -> None:
    shards = pool_shards(pool_of(said), "pools.web")
    assert samples(shards) == samples(shards)
    for part in samples(shards):
        assert len({sample.key for sample in part}) == len(part) > 0


def test_shards_have_names_that_files_can_have(said: dict[str, Any], layout: str) -> None:
    for name, shard in pool_shards(pool_of(said), "pools.web").items():
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9+_.-]*", name)
        assert shard.layout == layout


def test_lost_shards_are_named(tmp_path: Path, said: dict[str, Any]) -> None:
    shards = pool_shards(pool_of(said), "pools.web")
    tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    for shard in shards.values():
        with pytest.raises(InputError, match=re.escape(shard.path)):
            list(read_shard(through_json(shard)))


def test_broken_shards_are_named(said: dict[str, Any]) -> None:
    for shard in pool_shards(pool_of(said), "pools.web").values():
        if Path(shard.path).is_dir():
            continue  # its images are looked at one by one
        Path(shard.path).write_bytes(b"nothing that can be read")
        with pytest.raises(InputError, match=re.escape(shard.path)):
            list(read_shard(through_json(shard)))


def test_a_key_that_the_layout_does_not_know_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"pools\.web\.pathz: unknown key; did you mean \"path\""):
        pool_of(said | {"pathz": 1})
