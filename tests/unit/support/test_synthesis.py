"""Synthesised support sets: what an image depends on, flagged images, resuming."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from susx.core.errors import InputError
from susx.core.files import atomic
from susx.manifests.classes import class_manifest
from susx.manifests.tables import SupportRecord, Table, read_table, write_table
from susx.pools.shards import Shard, read_shard
from susx.support import synthesis
from susx.support.account import FLAGGED
from susx.support.drawings import png
from susx.support.sampler import Shot
from susx.support.synthesis import (
    ATTEMPTS,
    GenerationJob,
    Progress,
    chunk_of,
    draw_class,
    forget_finished,
    image_seed,
    image_text,
    images_depend_on,
    join_chunks,
    synthesise,
)

CLASSES = class_manifest(["zebra", "ant", "café", "a/b", "owl"])
TEXTS = [[f"{name} {i}" for i in range(3)] for name in CLASSES.names]
JOB = GenerationJob(
    size=4, seed=0, source="synthesis with a painter", generator={"model": "painter"}
)


class Painter:
    """Paints noise of the shot's seed; refuses shots as told, and counts them."""

    def __init__(self, refuse: Sequence[int] = (), broken_after: int | None = None) -> None:
        self.shots: list[Shot] = []
        self.refuse, self.broken_after = set(refuse), broken_after

    def draw(self, shots: Sequence[Shot]) -> Iterator[Image.Image | None]:
        for shot in shots:
            if self.broken_after == len(self.shots):
                raise KeyboardInterrupt
            self.shots.append(shot)
            pixels = np.random.default_rng(shot.seed).integers(0, 256, (8, 8, 3), np.uint8)
            yield None if shot.seed in self.refuse else Image.fromarray(pixels)


def run(
    folder: Path,
    painter: Painter,
    labels: Sequence[int] = range(len(CLASSES)),
    job: GenerationJob = JOB,
    texts: Sequence[Sequence[str]] = TEXTS,
    earlier: Sequence[Path] = (),
) -> tuple[Table, dict[str, bytes]]:
    """The manifest, and the images of the tar by key; both stay in the folder."""
    entries = [CLASSES.classes[label] for label in labels]
    progress = Progress(folder / "finished", job)
    tar = folder / "images.tar"
    known = [{"manifest": e / "manifest.parquet", "images": e / "images.tar"} for e in earlier]
    table = synthesise(CLASSES, entries, texts, job, lambda: painter, progress, tar, known)
    write_table(folder / "manifest.parquet", table, SupportRecord)
    return table, images_of(tar)


def images_of(tar: Path) -> dict[str, bytes]:
    return {sample.key: sample.image for sample in read_shard(Shard("webdataset", str(tar)))}


def test_manifest_and_tar_fit_together(tmp_path: Path) -> None:
    table, images = run(tmp_path, Painter())

    assert [r.label for r in table.records] == [label for label in range(5) for _ in range(4)]
    assert {r.key: r.sha256 for r in table.records} == {
        key: hashlib.sha256(data).hexdigest() for key, data in images.items()
    }
    first = table.records[0]
    assert (first.key, first.class_name, first.source) == ("00000-00000", "zebra", JOB.source)
    assert first.location == f"seed {image_seed(0, 'zebra', 0)}"
    assert first.caption in TEXTS[0]
    assert (first.width, first.height, first.kept, first.reason) == (8, 8, True, "")
    write_table(tmp_path / "m.parquet", table, SupportRecord)
    assert read_table(tmp_path / "m.parquet", SupportRecord, CLASSES.sha256) == table


def test_images_do_not_depend_on_chunk_order_or_size(tmp_path: Path) -> None:
    _, whole = run(tmp_path / "whole", Painter())
    _, reversed_ = run(tmp_path / "reversed", Painter(), [4, 3, 2, 1, 0])
    _, alone = run(tmp_path / "alone", Painter(), [3])
    larger = GenerationJob(9, JOB.seed, JOB.source, JOB.generator)
    _, more = run(tmp_path / "more", Painter(), job=larger)

    assert reversed_ == whole
    assert alone == {key: data for key, data in whole.items() if key.startswith("00003")}
    assert whole.items() < more.items()


def test_seed_and_class_change_every_image() -> None:
    seeds = {image_seed(*key) for key in ((0, "ant", 0), (1, "ant", 0), (0, "owl", 0))}
    seeds |= {image_seed(0, "ant", 1), image_seed(0, "ant", 0, 1)}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert image_seed(0, "ant", 0) == 6724698823495475063  # the same on every machine


def test_texts_are_used_evenly_in_an_order_of_the_seed() -> None:
    texts = [str(i) for i in range(5)]
    drawn = [image_text(texts, 0, "ant", i) for i in range(20)]
    for turn in range(4):
        assert sorted(drawn[5 * turn : 5 * turn + 5]) == texts
    others = [
        [image_text(texts, s, slug, i) for i in range(20)] for s, slug in ((1, "ant"), (0, "b"))
    ]
    assert drawn not in others
    assert {image_text(["one"], 0, "ant", i) for i in range(4)} == {"one"}


def test_flagged_images_are_replaced_by_the_next_seed(tmp_path: Path) -> None:
    bad = [image_seed(0, "ant", 2), image_seed(0, "ant", 2, 1)]
    table, images = run(tmp_path, Painter(bad))
    _, clean = run(tmp_path / "clean", Painter())

    flagged = [r for r in table.records if not r.kept]
    assert [(r.key, r.reason) for r in flagged] == [
        ("00001-00002-0", FLAGGED), ("00001-00002-1", FLAGGED)
    ]  # fmt: skip
    assert len(images) == 20
    assert {key for key in images if images[key] != clean[key]} == {"00001-00002"}
    replaced = next(r for r in table.records if r.key == "00001-00002")
    assert replaced.location == f"seed {image_seed(0, 'ant', 2, 2)}"


def test_a_class_that_stays_flagged_is_short_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = [image_seed(0, "ant", i, attempt) for i in (1, 3) for attempt in range(ATTEMPTS)]
    table, images = run(tmp_path, Painter(bad))
    joined = join_chunks([table], [tmp_path / "images.tar"], CLASSES, 4, tmp_path / "all.tar")

    assert len(images) == 18
    assert joined.meta["short_classes"] == {"ant": 2}
    assert joined.meta["fates"] == {"kept": 18, "flagged": 2 * ATTEMPTS}
    assert '"ant" has 2 of 4 images' in caplog.text


def test_a_class_without_any_image_leaves_a_readable_tar(tmp_path: Path) -> None:
    bad = [image_seed(0, "ant", i, attempt) for i in range(4) for attempt in range(ATTEMPTS)]
    table, images = run(tmp_path, Painter(bad), [1])
    assert images == {}
    assert len(table.records) == 4 * ATTEMPTS
    again = Painter()
    assert run(tmp_path, again, [1]) == (table, {})
    assert again.shots == []


@pytest.mark.parametrize("broken_after", [0, 3, 4, 11])
def test_finished_classes_outlive_a_kill(tmp_path: Path, broken_after: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Painter(broken_after=broken_after))
    assert not (tmp_path / "images.tar").exists()

    second = Painter()
    result = run(tmp_path, second)

    assert len(second.shots) == 20 - broken_after // 4 * 4
    assert result == run(tmp_path / "whole", Painter())


@pytest.mark.parametrize("damage", ["tar cut", "tar gone", "notes cut", "notes gone", "notes odd"])
def test_damaged_classes_are_drawn_again(tmp_path: Path, damage: str) -> None:
    whole = run(tmp_path, Painter())
    what, how = damage.split()
    path = tmp_path / "finished" / f"ant.{ {'tar': 'tar', 'notes': 'json'}[what] }"
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:700] if how == "cut" else b'{"records": [{}]}')

    second = Painter()
    assert run(tmp_path, second) == whole
    assert len(second.shots) == 4


def test_other_settings_or_texts_draw_again(tmp_path: Path) -> None:
    run(tmp_path, Painter())
    other = Painter()
    run(tmp_path, other, job=GenerationJob(4, 0, JOB.source, {"model": "another"}))
    assert len(other.shots) == 20
    other = Painter()
    run(
        tmp_path,
        other,
        job=GenerationJob(4, 0, JOB.source, {"model": "another"}),
        texts=[["x"], *TEXTS[1:]],
    )
    assert len(other.shots) == 4


def test_a_full_disk_corrupts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def full(path: Path, *rest: object) -> None:
        if len(written) == 2:
            with atomic(path) as temporary:
                temporary.write_bytes(b"half")
                raise OSError(28, "No space left on device")
        written.append(path)
        original(path, *rest)

    original = synthesis.write_images
    monkeypatch.setattr(synthesis, "write_images", full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        run(tmp_path, Painter())
    monkeypatch.undo()
    kept = sorted(path.name for path in (tmp_path / "finished").iterdir())
    assert kept == ["ant.json", "ant.tar", "zebra.json", "zebra.tar"]
    second = Painter()
    assert run(tmp_path, second) == run(tmp_path / "whole", Painter())
    assert len(second.shots) == 12


def test_more_images_draw_only_the_new_ones(tmp_path: Path) -> None:
    bad = [image_seed(0, "ant", 2), image_seed(0, "ant", 5)]
    larger = GenerationJob(9, JOB.seed, JOB.source, JOB.generator)
    run(tmp_path / "few", Painter(bad))
    second = Painter(bad)
    more = run(tmp_path / "more", second, job=larger, earlier=[tmp_path / "few"])
    assert more == run(tmp_path / "fresh", Painter(bad), job=larger)
    assert len(second.shots) == 5 * 5 + 1
    third = Painter()
    fewer = run(tmp_path / "fewer", third, job=JOB, earlier=[tmp_path / "more"])
    assert fewer == run(tmp_path / "few", Painter(bad))
    assert third.shots == []


def test_other_chunks_draw_nothing(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", Painter())
    for number in range(3):
        run(tmp_path / str(number), Painter(), range(2 * number, min(5, 2 * number + 2)))

    def unneeded() -> Painter:
        raise AssertionError("the model is loaded, though all images are there")

    parts = [
        {"manifest": tmp_path / f"{n}/manifest.parquet", "images": tmp_path / f"{n}/images.tar"}
        for n in range(3)
    ]
    progress = Progress(tmp_path / "finished", JOB)
    tar = tmp_path / "images.tar"
    assert (
        synthesise(CLASSES, list(CLASSES), TEXTS, JOB, unneeded, progress, tar, parts) == whole[0]
    )
    assert images_of(tar) == whole[1]


@pytest.mark.parametrize("damage", ["table cut", "tar cut", "tar gone", "image changed", "model"])
def test_damaged_or_other_images_are_drawn_again(tmp_path: Path, damage: str) -> None:
    earlier, painter = tmp_path / "earlier", Painter()
    other = GenerationJob(4, 0, JOB.source, {"model": "another"})
    run(earlier, Painter(), job=other if damage == "model" else JOB)
    table, tar = earlier / "manifest.parquet", earlier / "images.tar"
    if damage == "table cut":
        table.write_bytes(table.read_bytes()[:99])
    elif damage == "tar cut":
        tar.write_bytes(tar.read_bytes()[:99])
    elif damage == "tar gone":
        tar.unlink()
    elif damage == "image changed":
        tar.write_bytes(tar.read_bytes().replace(b"IHDR", b"IHDD", 1))
    again = run(tmp_path / "again", painter, earlier=[earlier])
    assert again == run(tmp_path / "fresh", Painter())
    assert len(painter.shots) == (1 if damage == "image changed" else 20)


def test_settings_that_images_do_not_depend_on_are_left_out() -> None:
    settings = {"settings": {"seed": 1, "size": 16, "chunk": 25, "preset": "fast"}, "chunk": 3}
    assert images_depend_on(settings) == {"settings": {"seed": 1}, "chunk": None}


def test_chunks_cover_all_classes_once() -> None:
    chunks = [chunk_of(CLASSES, i, 2) for i in range(3)]
    assert [len(chunk) for chunk in chunks] == [2, 2, 1]
    assert [entry for chunk in chunks for entry in chunk] == list(CLASSES)


def test_joined_chunks_equal_one(tmp_path: Path) -> None:
    whole, images = run(tmp_path / "whole", Painter())
    parts = [
        run(tmp_path / str(i), Painter(), range(2 * i, min(5, 2 * i + 2)))[0] for i in range(3)
    ]
    tars = [tmp_path / str(i) / "images.tar" for i in range(3)]
    joined = join_chunks(parts, tars, CLASSES, 4, tmp_path / "images.tar")

    assert joined.records == whole.records
    assert images_of(tmp_path / "images.tar") == images
    assert joined.meta["generator"] == {"model": "painter"}
    assert joined.meta["n_kept"] == 20


def test_chunks_of_different_models_are_refused(tmp_path: Path) -> None:
    first, _ = run(tmp_path / "0", Painter(), [0, 1])
    other = GenerationJob(4, 0, JOB.source, {"model": "another"})
    second, _ = run(tmp_path / "1", Painter(), [2, 3, 4], job=other)
    tars = [tmp_path / name / "images.tar" for name in "01"]
    with pytest.raises(InputError, match="generated by different models or settings"):
        join_chunks([first, second], tars, CLASSES, 4, tmp_path / "images.tar")


def test_forget_removes_only_its_classes(tmp_path: Path) -> None:
    run(tmp_path, Painter())
    forget_finished(tmp_path / "finished", list(CLASSES)[:4])
    assert sorted(path.name for path in (tmp_path / "finished").iterdir()) == [
        "owl.json",
        "owl.tar",
    ]
    forget_finished(tmp_path / "finished", CLASSES)
    assert not (tmp_path / "finished").exists()


def test_progress_counts_settled_images() -> None:
    bad = [image_seed(0, "ant", 1, attempt) for attempt in range(ATTEMPTS)]
    steps: list[int] = []
    draw_class(CLASSES.classes[1], TEXTS[1], JOB, Painter(bad), steps.append)
    assert sum(steps) == 4


def test_images_are_lossless() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    again = Image.open(io.BytesIO(png(image)))
    assert np.array_equal(np.asarray(image), np.asarray(again))
