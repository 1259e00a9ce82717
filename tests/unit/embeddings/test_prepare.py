"""Preprocessing ahead of the encoder, by threads and by processes."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from susx.config.schema import EncoderSettings
from susx.core.errors import InputError
from susx.datasets.manifest import image_manifest
from susx.embeddings.prepare import Batch, Item, prepared
from susx.embeddings.views import random_view
from susx.encoders import load_encoder
from susx.encoders.protocol import Encoder
from susx.images.decode import decode
from susx.manifests.classes import class_manifest
from tests.helpers import image_bytes, write_class_folders

KINDS = pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
N = 30


@pytest.fixture(scope="module")
def encoder(tiny_clip: Path) -> Encoder:
    return load_encoder(EncoderSettings(library="transformers", model=str(tiny_clip), device="cpu"))


def item(number: int, data: bytes | None = None, **changes: object) -> Item:
    data = image_bytes((number * 8, 20, 90), (40, 30), seed=number) if data is None else data
    return replace(Item(f"k{number}", number, f"h{number}", data), **changes)  # type: ignore[arg-type]


def batches(items: Sequence[Item], size: int) -> list[tuple[str, Sequence[Item]]]:
    starts = range(0, len(items), size)
    return [(f"from {start}", items[start : start + size]) for start in starts]


@KINDS
@pytest.mark.parametrize("size", [1, 7, 20])
@pytest.mark.parametrize("workers", [1, 2])
def test_order_and_pixels_are_those_of_one_after_the_other(
    encoder: Encoder, processes: bool, size: int, workers: int
) -> None:
    items = [item(number) for number in range(N)]
    made = list(prepared(batches(items, size), encoder, workers, processes))
    assert [tag for tag, _ in made] == [f"from {start}" for start in range(0, N, size)]
    assert [key for _, batch in made for key in batch.keys] == [f"k{i}" for i in range(N)]
    assert [label for _, batch in made for label in batch.labels] == list(range(N))
    assert [name for _, batch in made for name in batch.hashes] == [f"h{i}" for i in range(N)]
    assert sum(batch.size for _, batch in made) == N
    pixels = torch.cat([batch.pixels for _, batch in made if batch.pixels is not None])
    expected = [encoder.preprocess(decode(i.source)) for i in items]  # type: ignore[arg-type]
    assert torch.equal(pixels, torch.stack(expected))
    assert pixels.dtype == torch.uint8


@KINDS
def test_unreadable_images_are_named_and_shift_nothing(encoder: Encoder, processes: bool) -> None:
    items = [item(i, b"broken" if i % 10 == 3 else None) for i in range(N)]
    items[8:16] = [item(i, b"") for i in range(8, 16)]
    made = [batch for _, batch in prepared(batches(items, 16), encoder, 2, processes)]
    failed = {key: reason for batch in made for key, reason in batch.failed.items()}
    assert list(failed) == ["k3", *(f"k{i}" for i in range(8, 16)), "k23"]
    assert failed["k3"] == failed["k23"] == "not an image of a known format"
    assert failed["k8"] == "empty file"
    left = [i for i in range(N) if f"k{i}" not in failed]
    assert [label for batch in made for label in batch.labels] == left
    assert [name for batch in made for name in batch.hashes] == [f"h{i}" for i in left]
    assert [0 if batch.pixels is None else len(batch.pixels) for batch in made] == [7, 13]
    assert [batch.size for batch in made] == [16, 14]


@KINDS
def test_batch_without_any_readable_image_has_no_pixels(encoder: Encoder, processes: bool) -> None:
    items = [item(0, b""), item(1, b"x")]
    ((tag, batch),) = prepared([("all", items)], encoder, 1, processes)
    assert (tag, batch.pixels, batch.size, len(batch.failed)) == ("all", None, 2, 2)
    ((tag, batch),) = prepared([("none", [])], encoder, 1, processes)
    assert (tag, batch) == ("none", Batch([], [], [], None, {}, 0))
    assert list(prepared([], encoder, 1, processes)) == []


@KINDS
def test_changed_file_ends_the_job_with_its_name(
    encoder: Encoder, processes: bool, tmp_path: Path
) -> None:
    write_class_folders(tmp_path / "photos", ["ant"], 2)
    table = image_manifest(tmp_path / "photos", class_manifest(["ant"]))
    items = [Item(r.key, r.label, r.sha256, r) for r in table.records]
    (whole,) = [batch for _, batch in prepared([("", items)], encoder, 1, processes)]
    assert (whole.keys, whole.failed) == (["ant/000.png", "ant/001.png"], {})
    Path(table.records[1].path).write_bytes(b"other")
    with pytest.raises(InputError, match=r"^\S+001\.png: changed or gone since the image manifest"):
        list(prepared([("", items)], encoder, 1, processes))


@KINDS
def test_error_of_whoever_lists_the_images_comes_through(encoder: Encoder, processes: bool) -> None:
    def broken() -> Iterator[tuple[int, list[Item]]]:
        yield 0, [item(0)]
        raise InputError("shard.tar: cut")

    with pytest.raises(InputError, match=r"^shard\.tar: cut$"):
        list(prepared(broken(), encoder, 1, processes))


@KINDS
def test_views_are_those_of_their_seeds(encoder: Encoder, processes: bool) -> None:
    items = [item(1, seed=(5, view)) for view in range(9)]
    ((_, batch),) = prepared([("", items)], encoder, 2, processes)
    image = decode(items[0].source)  # type: ignore[arg-type]
    for view, pixels in enumerate(batch.pixels):  # type: ignore[arg-type]
        chosen = random_view(image, encoder.image_size, np.random.default_rng((5, view)))
        assert torch.equal(pixels, encoder.preprocess(chosen))


def test_processes_work_apart_from_this_one_and_end(encoder: Encoder) -> None:
    class Telling:
        image_size = 32
        transparency = "dropped"

        def preprocess(self, image: object) -> torch.Tensor:
            return torch.tensor([os.getpid()])

    items = [item(number) for number in range(N)]
    told = [b for _, b in prepared(batches(items, 30), Telling(), 2, True)]  # type: ignore[arg-type]
    workers = set(torch.cat([b.pixels for b in told if b.pixels is not None]).flatten().tolist())
    assert len(workers) == 2
    assert os.getpid() not in workers
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def test_images_are_not_prepared_far_ahead_of_their_use(encoder: Encoder) -> None:
    asked = []

    def listed() -> Iterator[tuple[int, list[Item]]]:
        for number in range(200):
            asked.append(number)
            yield number, [item(number)]

    for processes, most in ((False, 1), (True, 2 * 2 + 2)):
        asked.clear()
        stream = prepared(listed(), encoder, 2, processes)
        for number in range(5):
            assert next(stream)[0] == number
        assert len(asked) <= 5 + most


@KINDS
def test_draft_decodes_large_jpegs_at_a_smaller_scale(encoder: Encoder, processes: bool) -> None:
    data = image_bytes((200, 100, 30), (400, 300), seed=1, format="JPEG")
    side = encoder.image_size
    assert min(decode(data, side).size) < 2 * side <= min(decode(data).size)
    draft, exact, view = (
        next(prepared([("", [item(0, data, seed=seed)])], encoder, 1, processes, draft))[1].pixels
        for draft, seed in ((True, None), (False, None), (True, (0, 0)))
    )
    assert torch.equal(draft[0], encoder.preprocess(decode(data, side)))  # type: ignore[index]
    assert torch.equal(exact[0], encoder.preprocess(decode(data)))  # type: ignore[index]
    whole = random_view(decode(data), side, np.random.default_rng((0, 0)))
    assert torch.equal(view[0], encoder.preprocess(whole))  # type: ignore[index]
    assert not torch.equal(draft, exact)  # type: ignore[arg-type]
    assert (draft.float() - exact.float()).abs().mean() < 3  # type: ignore[union-attr]
