"""Shards of image pools: enumeration and streaming."""

import tarfile
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.config.pools import Pool
from susx.core.errors import InputError
from susx.core.plain import LONGEST_CAPTION
from susx.pools.shards import Sample, Shard, pool_shards, read_shard
from tests.helpers import add_member, image_bytes, write_pool_tar

RED, BLUE = image_bytes((200, 30, 60)), image_bytes((20, 30, 200))


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Shard:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, data in members.items():
            add_member(tar, name, data)
    return Shard("webdataset", str(path))


def write_parquet(path: Path, **columns: object) -> Shard:
    pq.write_table(pa.table(columns), path)
    return Shard("parquet", str(path))


def names(path: str, layout: str = "webdataset") -> dict[str, str]:
    return {name: s.path for name, s in pool_shards(Pool(layout=layout, path=path)).items()}


# Enumeration


def test_braces_expand_without_looking_at_the_disk() -> None:
    assert names("no/where/{000..002}.tar") == {
        "000": "no/where/000.tar",
        "001": "no/where/001.tar",
        "002": "no/where/002.tar",
    }


def test_wildcards_expand_sorted(tmp_path: Path) -> None:
    for name in ("b.tar", "a.tar", "c.parquet"):
        (tmp_path / name).touch()
    assert names(f"{tmp_path}/*.tar") == {"a": f"{tmp_path}/a.tar", "b": f"{tmp_path}/b.tar"}


def test_braces_and_wildcards_combine(tmp_path: Path) -> None:
    for name in ("x/a1.tar", "y/b1.tar", "y/b2.tar", "z/c1.tar"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(names(f"{tmp_path}/{{x,y}}/*.tar")) == ["a1", "b1", "b2"]


def test_a_plain_path_is_one_shard() -> None:
    assert names("pool/Web Images (1).tar") == {"web-images-1": "pool/Web Images (1).tar"}


def test_shard_names_are_safe_in_paths() -> None:
    assert list(names("pool/{Straße,日本,…}.tar")) == ["strasse", "ri-ben", "shard"]


@pytest.mark.parametrize("path", ["{a,b}/0.tar", "{A,a}.tar", "{x y,x-y}.tar"])
def test_shards_of_the_same_name_are_refused(path: str) -> None:
    with pytest.raises(InputError, match=r'pools\.web\.path: .* would both be shard "') as caught:
        pool_shards(Pool(layout="webdataset", path=path), "pools.web")
    assert "give the files different names" in str(caught.value)


def test_a_pattern_without_match_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pools\.web\.path: no file matches .*\*\.tar"):
        pool_shards(Pool(layout="webdataset", path=f"{tmp_path}/*.tar"), "pools.web")


def test_a_folder_is_cut_into_numbered_shards() -> None:
    shards = pool_shards(Pool(layout="folder", path="pictures", shards=3))
    assert list(shards) == ["00000", "00001", "00002"]
    assert [(s.index, s.count) for s in shards.values()] == [(0, 3), (1, 3), (2, 3)]


def test_columns_of_the_pool_reach_its_shards() -> None:
    pool = Pool(layout="parquet", path="x.parquet", image_column="jpg", caption_column="alt")
    (shard,) = pool_shards(pool).values()
    assert (shard.image_column, shard.caption_column) == ("jpg", "alt")


def test_shards_survive_being_passed_as_plain_data() -> None:
    shard = Shard("folder", "pictures", 1, 3)
    assert Shard(**asdict(shard)) == shard


# Folders


def write_pictures(folder: Path, count: int) -> None:
    for i in range(count):
        path = folder / f"{i % 3}" / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(RED + bytes([i]))


@given(count=st.integers(0, 12), shards=st.integers(1, 15))
def test_shards_of_a_folder_are_a_partition_of_it(
    tmp_path_factory: pytest.TempPathFactory, count: int, shards: int
) -> None:
    folder = tmp_path_factory.mktemp("pool")
    write_pictures(folder, count)
    pool = Pool(layout="folder", path=str(folder), shards=shards)
    parts = [list(read_shard(shard)) for shard in pool_shards(pool).values()]
    images = sorted(sample.image for part in parts for sample in part)
    assert images == sorted(path.read_bytes() for path in folder.rglob("*.png"))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_folder_samples_have_relative_keys_and_captions_beside_them(tmp_path: Path) -> None:
    write_pictures(tmp_path, 2)
    (tmp_path / "0/00.txt").write_text(" a red square\n", "utf-8")
    (tmp_path / "notes.txt").write_text("x")
    assert list(read_shard(Shard("folder", str(tmp_path)))) == [
        Sample("0/00.png", RED + b"\0", "a red square"),
        Sample("1/01.png", RED + b"\1", ""),
    ]


def test_long_captions_are_cut_and_capital_suffixes_are_read(tmp_path: Path) -> None:
    write_pictures(tmp_path, 1)
    (tmp_path / "0/00.TXT").write_text("\ufeff" + "é" * 2_000_000, "utf-8")
    (sample,) = read_shard(Shard("folder", str(tmp_path)))
    assert sample.caption == "é" * LONGEST_CAPTION


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_captions_with_a_mark_are_read_and_others_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, encoding: str
) -> None:
    write_pictures(tmp_path, 4)
    (tmp_path / "0/00.txt").write_text("un café rouge", encoding)
    (tmp_path / "1/01.txt").write_text("un café rouge", "latin-1")
    (tmp_path / "2/02.txt").write_text("un os", "utf-16-le")
    captions = {s.caption for s in read_shard(Shard("folder", str(tmp_path)))}
    assert captions == {"", "un caf\ufffd rouge", "un café rouge", "u\0n\0 \0o\0s\0"}
    assert f"{tmp_path}: 2 captions are no UTF-8" in caplog.text


# Webdataset


@pytest.mark.parametrize("json_captions", [False, True])
def test_tar_samples_have_keys_images_and_captions(tmp_path: Path, json_captions: bool) -> None:
    write_pool_tar(tmp_path / "0.tar", 3, seed=4, json_captions=json_captions)
    samples = list(read_shard(Shard("webdataset", str(tmp_path / "0.tar"))))
    assert [sample.key for sample in samples] == ["00400000", "00400001", "00400002"]
    assert samples[1].caption == "an image of hue 1 of 3"
    assert len({sample.image for sample in samples}) == 3


@pytest.mark.parametrize(
    ("caption_file", "content", "caption"),
    [
        ("a.txt", b" red \n", "red"),
        ("a.txt", b"caf\xe9", "caf\ufffd"),
        ("a.json", b'{"caption": "red", "url": "x"}', "red"),
        ("a.json", b'{"url": "x"}', ""),
        ("a.json", b'{"caption": null}', ""),
        ("a.json", b'["caption"]', ""),
        ("a.json", b'{"caption": ["red", "blue"]}', ""),
        ("a.txt", b"\xef\xbb\xbfred", "red"),
        ("a.txt", b"x" * 20_000, "x" * LONGEST_CAPTION),
        ("a.cls", b"3", ""),
    ],
)
def test_captions_of_tar_samples(
    tmp_path: Path, caption_file: str, content: bytes, caption: str
) -> None:
    shard = write_tar(tmp_path / "0.tar", {"a.png": RED, caption_file: content})
    assert list(read_shard(shard)) == [Sample("a", RED, caption)]


@pytest.mark.parametrize("broken", [b"{broken", b"\xff\xfe", b"", b"[" * 100_000])
def test_broken_json_beside_an_image_is_told(
    tmp_path: Path, broken: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    members = {"a.png": RED, "a.json": broken, "b.png": BLUE, "b.json": broken, "b.txt": b"blue"}
    shard = write_tar(tmp_path / "0.tar", members)
    assert list(read_shard(shard)) == [Sample("a", RED, "", None), Sample("b", BLUE, "blue", None)]
    assert "0.tar: the JSON beside 2 images is broken" in caplog.text


def test_text_beats_json_and_groups_without_image_are_left_out(tmp_path: Path) -> None:
    members = {
        "a.txt": b"text",
        "a.JPG": RED,
        "a.json": b'{"caption": "json"}',
        "b.txt": b"no image",
        "c/d.e.png": BLUE,
        "__meta__": b"x",
    }
    shard = write_tar(tmp_path / "0.tar", members)
    assert list(read_shard(shard)) == [Sample("a", RED, "text"), Sample("c/d.e", BLUE, "")]


def test_compressed_tar_is_read(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "0.tar.gz", {"a.png": RED}, "w:gz")
    assert list(read_shard(shard)) == [Sample("a", RED, "")]


def test_tar_without_members_is_an_empty_shard(tmp_path: Path) -> None:
    assert list(read_shard(write_tar(tmp_path / "0.tar", {}))) == []


def test_two_files_of_one_name_in_a_tar_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        add_member(tar, "a.png", RED)
        add_member(tar, "a.png", BLUE)
    with pytest.raises(InputError, match=r"0\.tar: "):
        list(read_shard(Shard("webdataset", str(tmp_path / "0.tar"))))


@pytest.mark.parametrize("data", [b"", b"not a tar" * 200, b"\x1f\x8b\x08" + b"x" * 600])
def test_a_file_that_is_no_tar_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "0.tar").write_bytes(data)
    with pytest.raises(InputError, match=r"0\.tar: not a readable tar .*fetch or write it again"):
        list(read_shard(Shard("webdataset", str(tmp_path / "0.tar"))))


def member_starts(path: Path) -> list[int]:
    with tarfile.open(path) as tar:
        return [member.offset for member in tar]


@pytest.mark.parametrize(
    "extra",
    [0, 100, 512 + 100, 512 + 512],
    ids=["between images", "in a header", "in data", "between blocks"],
)
def test_cut_tar_is_refused(tmp_path: Path, extra: int) -> None:
    write_pool_tar(tmp_path / "0.tar", 4)
    data = (tmp_path / "0.tar").read_bytes()
    start = member_starts(tmp_path / "0.tar")[4]
    (tmp_path / "0.tar").write_bytes(data[: start + extra])
    with pytest.raises(InputError, match=r"0\.tar: not a readable tar"):
        list(read_shard(Shard("webdataset", str(tmp_path / "0.tar"))))


def test_cut_compressed_tar_is_refused(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "0.tar.gz", {f"{i}.png": RED for i in range(9)}, "w:gz")
    data = Path(shard.path).read_bytes()
    Path(shard.path).write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"0\.tar\.gz: not a readable tar"):
        list(read_shard(shard))


# Parquet


def test_parquet_rows_are_samples(tmp_path: Path) -> None:
    shard = write_parquet(
        tmp_path / "0.parquet", image=[RED, BLUE], caption=["red", None], key=["k0", "k1"]
    )
    assert list(read_shard(shard)) == [Sample("k0", RED, "red"), Sample("k1", BLUE, "")]


def test_parquet_with_nested_bytes_is_read(tmp_path: Path) -> None:
    rows = [{"bytes": RED, "path": "a.png"}, {"bytes": BLUE, "path": None}]
    shard = write_parquet(tmp_path / "0.parquet", image=rows)
    assert list(read_shard(shard)) == [Sample("000000000", RED, ""), Sample("000000001", BLUE, "")]


def test_parquet_row_without_image_stays_as_an_empty_one(tmp_path: Path) -> None:
    shard = write_parquet(tmp_path / "0.parquet", image=pa.array([None, RED], pa.binary()))
    assert [sample.image for sample in read_shard(shard)] == [b"", RED]


def test_parquet_keys_count_on_over_row_batches(tmp_path: Path) -> None:
    shard = write_parquet(tmp_path / "0.parquet", image=[b"%d" % i for i in range(600)])
    samples = list(read_shard(shard))
    assert [int(sample.key) for sample in samples] == list(range(600))
    assert samples[599].image == b"599"


def test_parquet_columns_can_be_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"jpg": [RED], "alt": ["red"]}), tmp_path / "0.parquet")
    path = str(tmp_path / "0.parquet")
    shard = Shard("parquet", path, image_column="jpg", caption_column="alt")
    assert list(read_shard(shard)) == [Sample("000000000", RED, "red")]


def test_captions_of_parquet_are_found_by_known_names_or_asked_for(tmp_path: Path) -> None:
    shard = write_parquet(tmp_path / "0.parquet", image=[RED], TEXT=["red"])
    assert [sample.caption for sample in read_shard(shard)] == ["red"]
    shard = write_parquet(tmp_path / "1.parquet", image=[RED], TEXT=["red"], Text=["blue"])
    with pytest.raises(InputError, match=r"several columns of texts .*; set caption_column"):
        list(read_shard(shard))
    with pytest.raises(InputError, match=r'no column "alt" .*; set caption_column'):
        list(read_shard(replace(shard, caption_column="alt")))


def test_missing_parquet_column_lists_those_there(tmp_path: Path) -> None:
    shard = write_parquet(tmp_path / "0.parquet", jpg=[RED], alt=["red"])
    match = r'0\.parquet: no column "image" \(has "jpg", "alt"\); set image_column of the pool'
    with pytest.raises(InputError, match=match):
        list(read_shard(shard))


@pytest.mark.parametrize(
    "column", [["http://x/y.jpg"], [3], [{"path": "a.png"}], [[1, 2]]], ids=str
)
def test_parquet_column_without_image_bytes_is_refused(tmp_path: Path, column: list) -> None:
    shard = write_parquet(tmp_path / "0.parquet", image=column)
    with pytest.raises(InputError, match=r'0\.parquet: .*"image"'):
        list(read_shard(shard))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_parquet_is_named(tmp_path: Path, share: float) -> None:
    shard = write_parquet(tmp_path / "0.parquet", image=[RED] * 20)
    data = Path(shard.path).read_bytes()
    Path(shard.path).write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"0\.parquet: not a readable Parquet file"):
        list(read_shard(shard))


# All layouts


@pytest.mark.parametrize("layout", ["folder", "webdataset", "parquet"])
def test_missing_shard_is_named(tmp_path: Path, layout: str) -> None:
    with pytest.raises(InputError, match="nowhere: pool shard not found"):
        read_shard(Shard(layout, str(tmp_path / "nowhere")))


@pytest.mark.parametrize("layout", ["webdataset", "parquet"])
def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path, layout: str) -> None:
    (tmp_path / "pool").mkdir()
    with pytest.raises(InputError, match="pool: "):
        list(read_shard(Shard(layout, str(tmp_path / "pool"))))


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "0.tar", {"a.png": RED})
    with pytest.raises(InputError, match=r"0\.tar: "):
        list(read_shard(Shard("folder", shard.path)))
