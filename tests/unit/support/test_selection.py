"""From ranked candidates to a support set."""

import hashlib
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from susx.config.pools import Pool
from susx.config.supports import Retrieval
from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings, write_cache
from susx.images.decode import decode
from susx.images.fingerprints import fingerprint
from susx.images.kinds import FORMATS
from susx.manifests.classes import class_manifest
from susx.manifests.tables import SupportRecord, Table, read_table, write_table
from susx.pools.shards import Shard, pool_shards, read_shard
from susx.support.retrieval import Candidate
from susx.support.selection import candidate_features, collect_support, write_images
from susx.support.strategies import Selection
from tests.helpers import add_member, colour_of, image_bytes, unit_rows

CLASSES = class_manifest(["zebra", "ant"])
IMAGES = {f"i{i}": image_bytes(colour_of(i, 8), seed=i) for i in range(8)}


def write_pool(path: Path, images: dict[str, bytes], suffix: str = "png") -> dict[str, Shard]:
    with tarfile.open(path, "w") as tar:
        for key, data in images.items():
            add_member(tar, f"{key}.{suffix}", data)
            add_member(tar, f"{key}.txt", f"caption of {key}".encode())
    return {"s": Shard("webdataset", str(path))}


def ranked(*keys: str, label: int = 0, shard: str = "s") -> list[Candidate]:
    return [Candidate(label, label, 1 - i / 10, shard, key) for i, key in enumerate(keys)]


def known(
    images: dict[str, bytes], *ranking: list[Candidate], shard: str = "s"
) -> list[list[Candidate]]:
    """Candidates of a shard with the hashes of its images."""
    hashes = {key: hashlib.sha256(data).hexdigest() for key, data in images.items()}
    return [
        [replace(c, sha256=hashes.get(c.key, "")) if c.shard == shard else c for c in candidates]
        for candidates in ranking
    ]


def collect(
    folder: Path, images: dict[str, bytes], *ranking: list[Candidate], size: int = 2
) -> tuple[Table, dict[str, bytes]]:
    """The manifest, and the images of the tar by key."""
    shards = write_pool(folder / "pool.tar", images)
    table = collect_support(
        known(images, *ranking), shards, CLASSES, Selection(size), "test", folder / "images.tar"
    )
    samples = read_shard(Shard("webdataset", str(folder / "images.tar")))
    return table, {sample.key: sample.image for sample in samples}


def outcome(table: Table, label: int) -> list[str]:
    return [record.reason or "kept" for record in table.records if record.label == label]


def test_best_images_of_every_class_are_kept(tmp_path: Path) -> None:
    rankings = ranked("i3", "i1", "i0"), ranked("i5", "i3", "i6", label=1)
    table, images = collect(tmp_path, IMAGES, *rankings)
    assert outcome(table, 0) == outcome(table, 1) == ["kept", "kept", "surplus"]
    assert images == {
        "00000-00000": IMAGES["i3"],
        "00000-00001": IMAGES["i1"],
        "00001-00000": IMAGES["i5"],
        "00001-00001": IMAGES["i3"],
    }
    assert table.meta == {
        "size": 2, "n_candidates": 6, "n_kept": 4, "fates": {"kept": 4, "surplus": 2}, "failed": {},
        "classes": {name: {"kept": 2, "surplus": 1} for name in CLASSES.names}, "pool": {},
        "short_classes": {},
    }  # fmt: skip
    assert table.classes_sha256 == CLASSES.sha256


def test_records_tell_where_an_image_comes_from(tmp_path: Path) -> None:
    table, _ = collect(tmp_path, IMAGES, ranked("i3"), ranked("i5", label=1))
    assert table.records[1] == SupportRecord(
        key="00001-00000",
        label=1,
        class_name="ant",
        rank=0,
        score=1.0,
        source="test",
        location=f"{tmp_path}/pool.tar#i5",
        caption="caption of i5",
        sha256=hashlib.sha256(IMAGES["i5"]).hexdigest(),
        width=40,
        height=30,
        kept=True,
        fingerprint=fingerprint(decode(IMAGES["i5"])),
        query=1,
    )


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({"punsafe": 0.5}, [False, False, True]),
        ({}, [True, True, True]),
    ],
)
def test_images_with_broken_metadata_are_counted_and_refused_by_any_limit(
    tmp_path: Path, limits: dict[str, float | str], kept: list[bool]
) -> None:
    beside = {"i0": b'{"punsafe": 0.9', "i1": b'{"punsafe": 0.9}', "i2": b'{"punsafe": 0.1}'}
    with tarfile.open(tmp_path / "pool.tar", "w") as tar:
        for key, text in beside.items():
            add_member(tar, f"{key}.png", IMAGES[key])
            add_member(tar, f"{key}.json", text)
    shard = Shard("webdataset", str(tmp_path / "pool.tar"), metadata_columns=["punsafe"])
    ranking = known(IMAGES, ranked(*beside), [])
    selection = Selection(3, refuse=limits)
    table = collect_support(
        ranking, {"s": shard}, CLASSES, selection, "test", tmp_path / "images.tar"
    )
    assert [record.kept for record in table.records] == kept
    assert table.records[0].reason == ("refused: metadata unreadable" if limits else "")
    assert table.meta["pool"] == {"candidates whose metadata are unreadable": 1}


def test_limits_that_a_pool_cannot_be_held_to_are_told(tmp_path: Path) -> None:
    shards, images = write_pool(tmp_path / "pool.tar", IMAGES), tmp_path / "images.tar"
    ranking = known(IMAGES, ranked("i0", "i1"), ranked("i2", label=1))
    selection = Selection(1, refuse={"punsafe": 0.5})
    table = collect_support(ranking, shards, CLASSES, selection, "test", images)
    assert table.meta["pool"] == {"kept, though the pool does not tell punsafe": 2}


def test_copies_of_an_image_count_once_per_class(tmp_path: Path) -> None:
    images = {**IMAGES, "copy": IMAGES["i3"]}
    rankings = ranked("i3", "copy", "i1"), ranked("copy", "i5", label=1)
    table, kept = collect(tmp_path, images, *rankings)
    assert outcome(table, 0) == ["kept", "duplicate", "kept"]
    assert outcome(table, 1) == ["kept", "kept"]
    assert [kept["00000-00000"], kept["00000-00002"]] == [IMAGES["i3"], IMAGES["i1"]]
    assert table.meta["fates"] == {"kept": 4, "duplicate": 1}
    assert [r.rank for r in table.records if r.label == 0] == [0, 1, 2]


def rows_of(*angles: float) -> dict[tuple[str, str], np.ndarray]:
    """Features of i0, i1, ... at angles in degrees."""
    radians = np.deg2rad(angles)
    rows = np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)
    return {("s", f"i{i}"): row for i, row in enumerate(rows)}


def test_candidates_that_disagree_are_told_from_broken_ones(tmp_path: Path) -> None:
    images = {**IMAGES, "i3": b"broken"}
    ranking = known(images, ranked("i0", "i1", "i2", "i3"), ranked("i5", label=1))
    rows = rows_of(10, 80, 20, 85, 0, 90)
    shards, target = write_pool(tmp_path / "pool.tar", images), tmp_path / "images.tar"
    text = np.eye(2, dtype=np.float32)
    selection = Selection(1, "agree")
    table = collect_support(ranking, shards, CLASSES, selection, "test", target, rows, text)
    assert [(r.rank, r.kept, r.reason) for r in table.records if r.label == 0] == [
        (0, True, ""),
        (2, False, "surplus"),
        (1, False, "disagrees"),
        (3, False, "not an image of a known format"),
    ]
    assert table.meta["fates"] == {"kept": 2, "surplus": 1, "disagrees": 1, "failed": 1}
    assert table.meta["failed"] == {"not an image of a known format": 1}


def test_images_with_nearly_the_same_embedding_count_once(tmp_path: Path) -> None:
    ranking = known(IMAGES, ranked("i0", "i1", "i2", "i3"), ranked("i0", "i1", label=1))
    rows = rows_of(0, 4, 9, 40)
    shards, target = write_pool(tmp_path / "pool.tar", IMAGES), tmp_path / "images.tar"
    selection = Selection(4, max_cosine=float(np.cos(np.deg2rad(8))))
    table = collect_support(ranking, shards, CLASSES, selection, "test", target, rows)
    assert outcome(table, 0) == ["kept", "duplicate", "kept", "kept"]
    assert outcome(table, 1) == ["kept", "duplicate"]
    assert table.meta["fates"] == {"kept": 4, "duplicate": 2}


def test_what_the_pool_says_of_an_image_may_refuse_it(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "pool.tar", "w") as tar:
        notes = ({"punsafe": 0.9}, {"punsafe": 0.2, "pwatermark": 0.81}, {"NSFW": "nsfw"}, {}, None)
        for i, note in enumerate(notes):
            add_member(tar, f"i{i}.png", IMAGES[f"i{i}"])
            if note is not None:
                add_member(tar, f"i{i}.json", json.dumps({"caption": "c", **note}).encode())
    pool = Pool(layout="webdataset", path=str(tmp_path / "pool.tar"))
    ((_, shard),) = pool_shards(pool).items()
    limits = Retrieval(source="retrieval", pool="p").refuse
    assert set(limits) <= set(pool.metadata_columns)
    ranking = known(IMAGES, ranked("i0", "i1", "i2", "i3", "i4"), [])
    target = tmp_path / "images.tar"
    table = collect_support(
        ranking, {"s": shard}, CLASSES, Selection(5, refuse=limits), "test", target
    )
    assert outcome(table, 0) == [
        "refused: punsafe", "refused: pwatermark", "refused: NSFW", "kept", "kept"
    ]  # fmt: skip
    assert table.meta["fates"] == {"kept": 2, "refused": 3}
    assert json.loads(table.records[1].metadata) == {"punsafe": 0.2, "pwatermark": 0.81}


def shard_caches(folder: Path, rows: np.ndarray) -> dict[str, str]:
    """Caches of shards a (k0 to k2) and b (k3 to k5); all bytes of a row's hash are its number."""
    meta = {"encoder": {"precision": "float16"}}
    for shard, place in {"a": slice(0, 3), "b": slice(3, 6)}.items():
        numbers = range(*place.indices(6))
        hashes = np.repeat(np.array(numbers, np.uint8)[:, None], 32, axis=1)
        made = Embeddings(
            rows[place],
            np.full(3, -1, np.int32),
            [f"k{i}" for i in numbers],
            meta,
            hashes=hashes,
        )
        write_cache(folder / f"{shard}.h5", made)
    return {shard: str(folder / f"{shard}.h5") for shard in "ab"}


@pytest.mark.parametrize(
    ("key", "sha256"), [("k4", "05" * 32), ("k4", ""), ("k2", "02" * 32)], ids=str
)
def test_features_of_another_image_than_was_found_are_refused(
    tmp_path: Path, key: str, sha256: str
) -> None:
    rows = unit_rows(np.random.default_rng(0), 6, 4).astype(np.float32)
    caches = shard_caches(tmp_path, rows)
    match = rf'b\.h5: lacks the image that was found under key "{key}"; delete the candidates of'
    with pytest.raises(InputError, match=match):
        candidate_features([[Candidate(0, 0, 0.5, "b", key, sha256=sha256)]], caches)


def test_features_of_another_encoder_than_the_texts_are_refused(tmp_path: Path) -> None:
    rows = unit_rows(np.random.default_rng(0), 6, 4).astype(np.float32)
    caches = shard_caches(tmp_path, rows)
    ranking = [[Candidate(0, 0, 0.5, "a", "k0", sha256="00" * 32)]]
    meta = {"encoder": {"precision": "float32"}}
    write_cache(tmp_path / "t.h5", Embeddings(rows, np.zeros(6, np.int32), list("abcdef"), meta))
    with pytest.raises(InputError, match=r"a\.h5: .* encoder than \S+t\.h5 \(precision differs\)"):
        candidate_features(ranking, caches, tmp_path / "t.h5")


def test_features_of_candidates_are_read_from_the_shards_caches(tmp_path: Path) -> None:
    rows = unit_rows(np.random.default_rng(0), 6, 4).astype(np.float32)
    caches = shard_caches(tmp_path, rows)
    ranking = [
        [Candidate(0, 0, 0.5, "b", "k4", sha256="04" * 32)],
        [Candidate(1, 1, 0.4, "a", "k1", sha256="01" * 32)],
    ]
    found = candidate_features(ranking, caches)
    assert {place: row.tolist() for place, row in found.items()} == {
        ("b", "k4"): rows[4].tolist(), ("a", "k1"): rows[1].tolist(),
    }  # fmt: skip


def test_unreadable_images_are_replaced_by_the_next_and_counted(tmp_path: Path) -> None:
    images = {**IMAGES, "bad": b"broken", "half": IMAGES["i0"][:600]}
    rankings = ranked("bad", "i1", "half", "i0"), ranked("i5", "i6", label=1)
    table, kept = collect(tmp_path, images, *rankings)
    assert [r.kept for r in table.records if r.label == 0] == [False, True, False, True]
    assert table.records[0].reason == "not an image of a known format"
    assert (table.records[0].width, table.records[0].height) == (0, 0)
    assert set(kept) == {"00000-00001", "00000-00003", "00001-00000", "00001-00001"}
    assert sum(table.meta["failed"].values()) == table.meta["fates"]["failed"] == 2


def test_classes_with_too_few_images_are_reported(tmp_path: Path) -> None:
    images = {**IMAGES, "bad": b"broken"}
    rankings = ranked("i0", "i1", "i2"), ranked("bad", "i5", label=1)
    table, _ = collect(tmp_path, images, *rankings, size=3)
    assert table.meta["short_classes"] == {"ant": 1}
    assert table.meta["n_kept"] == 4


def test_image_that_vanished_from_its_shard_is_named(tmp_path: Path) -> None:
    match = r"pool\.tar: image gone is gone since the shard was embedded; delete the shard's cache"
    with pytest.raises(InputError, match=match):
        collect(tmp_path, IMAGES, ranked("i0", "gone"), ranked("i1", label=1))
    assert not (tmp_path / "images.tar").exists()


@pytest.mark.parametrize("name", ["a", "b"])
def test_another_image_under_the_key_of_a_candidate_is_refused(tmp_path: Path, name: str) -> None:
    """Pools of equal keys: the one that was searched, and the one that lies there now."""
    searched = {key: IMAGES[f"i{i}"] for i, key in enumerate("abc")}
    now = searched | {name: IMAGES["i7"]}
    shards, target = write_pool(tmp_path / "pool.tar", now), tmp_path / "images.tar"
    ranking = known(searched, ranked("c", "a"), ranked("b", label=1))
    match = rf'pool\.tar: holds another image under key "{name}" than when the shard was embedded;'
    with pytest.raises(InputError, match=match):
        collect_support(ranking, shards, CLASSES, Selection(1), "test", target)
    assert not target.exists()


def test_images_are_fetched_from_every_shard(tmp_path: Path) -> None:
    shards = {
        "a": write_pool(tmp_path / "a.tar", {"x": IMAGES["i0"]})["s"],
        "b": write_pool(tmp_path / "b.tar", {"x": IMAGES["i1"]})["s"],
    }
    ranking = [
        *known({"x": IMAGES["i1"]}, ranked("x", shard="b"), shard="b"),
        *known({"x": IMAGES["i0"]}, ranked("x", label=1, shard="a"), shard="a"),
    ]
    target = tmp_path / "images.tar"
    table = collect_support(ranking, shards, CLASSES, Selection(1), "test", target)
    expected = [hashlib.sha256(IMAGES[key]).hexdigest() for key in ("i1", "i0")]
    assert [record.sha256 for record in table.records] == expected


def test_tar_is_the_same_every_time(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        collect(tmp_path / name, IMAGES, ranked("i3", "i1"), ranked("i5", label=1))
        made.append((tmp_path / name / "images.tar").read_bytes())
    assert made[0] == made[1]


def multi_picture() -> bytes:
    image, stream = Image.new("RGB", (16, 16), (200, 30, 60)), io.BytesIO()
    image.save(stream, "MPO", save_all=True, append_images=[image])
    return stream.getvalue()


@pytest.mark.parametrize("format", [*FORMATS, "MPO"])
def test_images_of_every_format_come_back_from_the_tar(tmp_path: Path, format: str) -> None:
    data = multi_picture() if format == "MPO" else image_bytes((200, 30, 60), format=format)
    images = {**IMAGES, "x": data}
    _, kept = collect(tmp_path, images, ranked("x"), ranked("i0", label=1), size=1)
    assert kept == {"00000-00000": data, "00001-00000": IMAGES["i0"]}


def test_manifest_can_be_written_and_read(tmp_path: Path) -> None:
    table, _ = collect(tmp_path, IMAGES, ranked("i3", "i1"), ranked("i5", label=1))
    write_table(tmp_path / "m.parquet", table, SupportRecord)
    assert read_table(tmp_path / "m.parquet", SupportRecord, CLASSES.sha256) == table


def test_tars_are_those_of_webdataset(tmp_path: Path) -> None:
    from webdataset import TarWriter

    images = {**IMAGES, "a/" + "long" * 60: image_bytes(colour_of(1, 8), seed=9)}
    write_images(tmp_path / "ours.tar", images.items())
    settings = {"user": "susx", "group": "susx", "mtime": 0, "encoder": False}
    with (tmp_path / "theirs.tar").open("wb") as stream, TarWriter(stream, **settings) as writer:
        for key, data in images.items():
            writer.write({"__key__": key, "png": data})

    assert (tmp_path / "ours.tar").read_bytes() == (tmp_path / "theirs.tar").read_bytes()
