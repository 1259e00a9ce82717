"""Downloads in waves until every class has its quota."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings
from susx.manifests.classes import class_manifest
from susx.manifests.tables import SupportRecord, Table, read_table, write_table
from susx.pools.shards import Shard, read_shard
from susx.support import download
from susx.support.download import ImageQuota, collect_downloads, download_images
from susx.support.judge import Judge
from susx.support.retrieval import Candidate
from susx.support.strategies import Selection
from susx.support.waves import DownloadRules
from tests.web import Web, photo, serving

CLASSES = class_manifest(["zebra", "ant", "mouse"])
RULES = DownloadRules(8, 2, 0, "susx-test", ["noai"], True, 5, True, 1, 16, 10.0)
WANTED = ImageQuota(size=2, quota=2, wave_factor=1.0, source="test")


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


def ranked(web: Web, label: int, *paths: str) -> list[Candidate]:
    return [
        Candidate(label, label, 1 - i / 10, "s", str(i), f"{web.url}/{path}", f"no. {path}", "{}")
        for i, path in enumerate(paths)
    ]


def rankings(web: Web) -> list[list[Candidate]]:
    photos = [f"photo/{i}.png" for i in range(9)]
    return [
        ranked(web, 0, "status/404", photos[1], photos[1] + "?copy", "html", photos[2], photos[3]),
        ranked(web, 1, photos[4], photos[5], photos[6]),
        ranked(web, 2, "status/404", photos[7]),
    ]


def run(web: Web, folder: Path, wanted: ImageQuota = WANTED, rules: DownloadRules = RULES) -> Table:
    ranking = rankings(web)
    outcomes = download_images(ranking, wanted, rules, folder / "downloads")
    return collect_downloads(ranking, outcomes, CLASSES, wanted, folder / "images.tar")


def reasons(table: Table, label: int) -> list[str]:
    return [record.reason or "kept" for record in table.records if record.label == label]


def test_waves_go_on_until_the_quota_is_reached(web: Web, tmp_path: Path) -> None:
    table = run(web, tmp_path)
    gone, text = "HTTP Error 404: Not Found", "not readable: not an image of a known format"
    assert reasons(table, 0) == [gone, "kept", "duplicate", text, "kept", "not tried"]
    assert reasons(table, 1) == ["kept", "kept", "not tried"]
    assert reasons(table, 2) == [gone, "kept"]
    stored = {s.key: s.image for s in read_shard(Shard("webdataset", f"{tmp_path}/images.tar"))}
    assert list(stored) == [
        "00000-00001",
        "00000-00004",
        "00001-00000",
        "00001-00001",
        "00002-00001",
    ]
    assert stored["00000-00004"] == photo(2)
    assert table.meta["short_classes"] == {"mouse": 1}
    assert table.meta["n_candidates"] == 11
    assert table.meta["fates"] == {"kept": 5, "duplicate": 1, "failed": 3, "not tried": 2}
    assert table.meta["failed"] == {gone: 2, text: 1}
    assert table.meta["classes"]["ant"] == {"kept": 2, "not tried": 1}
    assert web.asked["/status/404"] == 1
    assert "/photo/6.png" not in web.asked
    write_table(tmp_path / "m.parquet", table, SupportRecord)
    assert read_table(tmp_path / "m.parquet", SupportRecord) == table


@pytest.mark.parametrize("factor", [1.5, 10.0])
def test_the_support_set_does_not_depend_on_the_waves(
    web: Web, tmp_path: Path, factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    one = run(web, first)
    monkeypatch.setattr(download, "WAVE_SIZE", 3)
    other = run(web, second, replace(WANTED, wave_factor=factor))
    assert (first / "images.tar").read_bytes() == (second / "images.tar").read_bytes()
    kept = [[r for r in table.records if r.kept] for table in (one, other)]
    assert kept[0] == kept[1]


def test_a_second_run_asks_nothing_and_a_larger_one_only_what_is_new(
    web: Web, tmp_path: Path
) -> None:
    table = run(web, tmp_path)
    web.asked.clear()
    assert run(web, tmp_path) == table
    assert not web.asked
    larger = run(web, tmp_path, replace(WANTED, size=3, quota=3))
    assert set(web.asked) == {"/photo/3.png", "/photo/6.png"}
    assert larger.meta["n_kept"] == 7
    web.asked.clear()
    run(web, tmp_path, rules=replace(RULES, min_size=17))
    assert web.asked["/photo/1.png"] == 1


def test_the_account_is_that_of_a_fresh_run_whatever_was_asked_before(
    web: Web, tmp_path: Path
) -> None:
    old, fresh = tmp_path / "old", tmp_path / "fresh"
    run(web, old, replace(WANTED, size=3, quota=3, wave_factor=10.0))
    run(web, old, rules=replace(RULES, min_size=17))
    web.asked.clear()
    again = run(web, old)
    assert not web.asked
    assert again == run(web, fresh)
    assert again.meta["fates"]["not tried"] == 2
    assert sum(again.meta["fates"].values()) == again.meta["n_candidates"]


def test_an_address_counts_once_with_its_latest_outcome(web: Web, tmp_path: Path) -> None:
    ranking = [ranked(web, 0, "flaky/77.png", "photo/1.png", "photo/2.png", "photo/3.png"), [], []]

    def counted(folder: Path) -> Table:
        outcomes = download_images(ranking, WANTED, RULES, folder)
        return collect_downloads(ranking, outcomes, CLASSES, WANTED, tmp_path / "images.tar")

    assert counted(tmp_path / "old").meta["fates"] == {"kept": 2, "failed": 1, "not tried": 1}
    later = counted(tmp_path / "old")
    assert later.meta["fates"] == {"kept": 2, "not tried": 2}
    assert later == counted(tmp_path / "fresh")  # where the address works at once


def test_another_contact_fetches_nothing_again_and_another_name_all(
    web: Web, tmp_path: Path
) -> None:
    table = run(web, tmp_path, rules=replace(RULES, user_agent="susx-test (me@example.org)"))
    web.asked.clear()
    assert run(web, tmp_path, rules=replace(RULES, user_agent="susx-test/2 (+you)")) == table
    assert not web.asked
    run(web, tmp_path, rules=replace(RULES, user_agent="other"))
    assert web.asked["/photo/1.png"] == 1


def test_the_next_run_takes_up_what_may_have_passed_and_nothing_else(
    web: Web, tmp_path: Path
) -> None:
    photos = [f"photo/{i}.png" for i in range(30, 36)]
    nowhere = Candidate(0, 0, 1.0, "s", "x", "http://nowhere.invalid/1.png")
    ranking = [[nowhere, *ranked(web, 0, "status/404", "flaky/36.png", *photos)], [], []]
    arguments = ranking, WANTED, RULES, tmp_path
    first = download_images(*arguments)
    assert {o.reason for o in first.values()} >= {"HTTP Error 503: Service Unavailable"}
    before = web.asked.copy()
    second = download_images(
        ranking, WANTED, replace(RULES, timeout=3, retries=1, patience=9), tmp_path
    )
    assert web.asked - before == {"/flaky/36.png": 1}
    assert not second[f"{web.url}/flaky/36.png"].reason
    table = collect_downloads(ranking, second, CLASSES, WANTED, tmp_path / "images.tar")
    assert [r.url for r in table.records if r.kept] == [
        f"{web.url}/flaky/36.png", f"{web.url}/{photos[0]}"
    ]  # fmt: skip


def test_a_crash_costs_the_wave_that_it_hit(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = download.fetch_wave, []

    def crashing(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(download, "fetch_wave", crashing)
    with pytest.raises(KeyboardInterrupt):
        run(web, tmp_path)
    first = dict(web.asked)
    run(web, tmp_path)
    again = {path: n for path, n in web.asked.items() if n > first.get(path, 0) and path in first}
    assert set(again) <= {"/photo/1.png"}  # another address of the same image


def test_a_network_that_is_down_spoils_nothing(web: Web, tmp_path: Path) -> None:
    dead = "http://127.0.0.1:9/photo/1.png"
    ranking = [[Candidate(0, 0, 1.0, "s", "0", dead)], [], []]
    for _ in range(2):
        match = r"none of 1 addresses could be reached \(http://127.*Connection refused\); see"
        with pytest.raises(InputError, match=match):
            download_images(ranking, WANTED, RULES, tmp_path)
        assert list(tmp_path.rglob("0*")) == []


def judge_of(angles: list[float], selection: Selection, **classifiers: np.ndarray) -> Judge:
    """A judge to whom downloaded images point to angles, in degrees."""

    def embed(table: Table, images: Path) -> Embeddings:
        keys = [sample.key for sample in read_shard(Shard("webdataset", str(images)))]
        assert keys == [record.key for record in table.records if record.kept]
        radians = np.deg2rad(angles)
        rows = np.stack([np.cos(radians), np.sin(radians), 0 * radians], axis=1)
        return Embeddings(rows, np.zeros(len(keys), np.int32), keys, {})

    return Judge(embed, selection, **classifiers)


def judged(web: Web, folder: Path, judge: Judge) -> Table:
    ranking = [ranked(web, 0, *(f"photo/{i}.png" for i in range(6))), [], []]
    wanted = ImageQuota(size=2, quota=4, wave_factor=1.0, source="test")
    outcomes = download_images(ranking, wanted, RULES, folder / "d")
    return collect_downloads(ranking, outcomes, CLASSES, wanted, folder / "i.tar", judge)


REST = ["not tried", "not tried"]


def test_ranking_anew_keeps_the_best_of_what_was_downloaded(web: Web, tmp_path: Path) -> None:
    table = judged(web, tmp_path, judge_of([80, 10, 60, 30], Selection(2), ranking=np.eye(3)))
    assert reasons(table, 0) == ["outranked", "kept", "outranked", "kept", *REST]
    scores = [record.score for record in table.records if record.kept]
    assert scores == pytest.approx([np.cos(np.deg2rad(10)), np.cos(np.deg2rad(30))])
    samples = list(read_shard(Shard("webdataset", str(tmp_path / "i.tar"))))
    assert [sample.image for sample in samples] == [photo(1), photo(3)]
    assert table.meta["short_classes"] == {"ant": 0, "mouse": 0}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(2), ["kept", "kept", "outranked", "outranked"]),
        (Selection(2, "agree"), ["kept", "disagrees", "kept", "outranked"]),
        (Selection(2, "diverse"), ["kept", "kept", "outranked", "outranked"]),
        (Selection(2, max_cosine=0.99), ["kept", "kept", "duplicate", "outranked"]),
        (Selection(2, "diverse", max_cosine=0.1), ["kept", "duplicate", "duplicate", "duplicate"]),
    ],
)
def test_published_ranks_stay_where_embeddings_only_choose(
    web: Web, tmp_path: Path, selection: Selection, expected: list[str]
) -> None:
    table = judged(web, tmp_path, judge_of([0, 70, 2, 40], selection, agreeing=np.eye(3)))
    assert reasons(table, 0) == [*expected, *REST]
    assert [record.score for record in table.records] == [1 - i / 10 for i in range(6)]
    assert (table.meta["fates"]["not tried"], table.meta["failed"]) == (2, {})


def test_refused_candidates_are_not_even_tried(web: Web, tmp_path: Path) -> None:
    unsafe = ranked(web, 0, "photo/1.png", "photo/2.png", "photo/3.png")
    unsafe[0] = replace(unsafe[0], metadata='{"punsafe": 0.7}')
    wanted = replace(WANTED, refuse={"punsafe": 0.5})
    outcomes = download_images([unsafe, [], []], wanted, RULES, tmp_path / "d")
    table = collect_downloads([unsafe, [], []], outcomes, CLASSES, wanted, tmp_path / "i.tar")
    assert "/photo/1.png" not in web.asked
    assert reasons(table, 0) == ["refused: punsafe", "kept", "kept"]
    assert table.meta["fates"] == {"kept": 2, "refused": 1}
    assert table.meta["pool"] == {"kept, though the pool does not tell punsafe": 2}
