"""Perceptual hashes, near duplicates and leaks."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from susx.evaluation.arrays import EncoderData, LabelledImages
from susx.evaluation.case import Case
from susx.evaluation.leakage import find_leaks
from susx.evaluation.protocol import run_case
from susx.images.decode import decode
from susx.images.fingerprints import MAX_DISTANCE, Pair, distance, fingerprint, nearest_duplicates
from susx.manifests.tables import ImageRecord, SupportRecord
from susx.methods import Images
from susx.support.duplicates import Originals
from tests.helpers import image_bytes
from tests.made.evaluation import encoder_data, plan

RANDOM = np.random.default_rng(0)


def scene(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Smooth random blobs, as low frequencies dominate in photographs."""
    noise = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return decode(stream.getvalue())


SCENES = [scene(seed) for seed in range(20)]
PRINTS = [fingerprint(image) for image in SCENES]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: recompressed(image, 30),
        lambda image: image.resize((80, 60)),
        lambda image: image.resize((400, 300)),
        lambda image: ImageEnhance.Brightness(image).enhance(0.8),
        lambda image: image.convert("L").convert("RGB"),
    ],
    ids=["recompressed", "smaller", "larger", "darker", "grey"],
)
def test_copies_are_near_and_other_scenes_far(change: Any) -> None:
    for place, image in enumerate(SCENES):
        found = [distance(fingerprint(change(image)), other) for other in PRINTS]
        assert found[place] <= MAX_DISTANCE
        assert min(d for index, d in enumerate(found) if index != place) > MAX_DISTANCE


def test_originals_are_repeated_by_their_look_or_by_their_embedding() -> None:
    rows = np.eye(3)
    near = np.array([0.96, 0.28, 0.0])
    originals = Originals(max_cosine=0.95)
    assert not originals.repeated_by(PRINTS[0], rows[0])
    originals.add(PRINTS[0], rows[0])
    assert len(originals) == 1
    assert originals.repeated_by(PRINTS[0], rows[1])
    assert originals.repeated_by(PRINTS[1], near)
    assert not originals.repeated_by(PRINTS[1], rows[1])
    assert not originals.repeated_by("", rows[1])
    blind = Originals()
    blind.add(PRINTS[0], rows[0])
    assert not blind.repeated_by(PRINTS[1], rows[0])


def test_distance_counts_bits() -> None:
    assert len(PRINTS[0]) == 64
    assert distance(PRINTS[0], PRINTS[0]) == 0
    flipped = f"{int(PRINTS[0], 16) ^ 0b1011:064x}"
    assert distance(PRINTS[0], flipped) == 3
    assert distance(PRINTS[0], "") == distance("", "") == 256


def test_nearest_is_the_smallest_distance_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    first = [f"{int(p, 16) ^ int(RANDOM.integers(2**40)):064x}" for p in PRINTS] + [""]
    second = [*PRINTS[::-1], "", PRINTS[3]]
    expected = []
    for index, value in enumerate(first):
        distances = [distance(value, other) for other in second]
        if min(distances) <= MAX_DISTANCE:
            expected.append(Pair(index, int(np.argmin(distances)), min(distances)))
    assert len(expected) == 20
    assert nearest_duplicates(first, second) == expected
    monkeypatch.setattr("susx.images.fingerprints.BLOCK", 3)
    assert nearest_duplicates(first, second) == expected


def test_unknown_fingerprints_match_nothing() -> None:
    assert nearest_duplicates(["", PRINTS[0]], ["", ""]) == []
    assert nearest_duplicates([""], PRINTS) == []
    assert nearest_duplicates([], PRINTS) == nearest_duplicates(PRINTS, []) == []


def support_record(key: str, look: str, kept: bool = True) -> SupportRecord:
    return SupportRecord(
        key, 1, "ant", 0, 0.5, "web", f"pool#{key}", "", "0" * 64, 4, 3, kept, fingerprint=look
    )


def image_record(key: str, look: str) -> ImageRecord:
    return ImageRecord(key, f"photos/{key}", 0, "zebra", "0" * 64, 4, 3, "", look)


def test_leaks_are_kept_support_images_that_nearly_equal_a_test_image() -> None:
    copy = fingerprint(recompressed(SCENES[1], 40))
    support = [
        support_record("a", PRINTS[0]),
        support_record("b", copy),
        support_record("c", PRINTS[2], kept=False),
    ]
    test = [image_record("x.png", PRINTS[2]), image_record("y.png", PRINTS[1])]
    (leak,) = find_leaks(support, test)
    assert (leak.key, leak.location, leak.class_name, leak.image) == ("b", "pool#b", "ant", "y.png")
    assert leak.distance == distance(copy, PRINTS[1])


def leaking(rows: list[int]) -> EncoderData:
    """An evaluation of whose support set the given rows are copies of test images."""
    data = encoder_data()
    support = data.supports["lc"]
    features = support.images.features.clone()
    features[rows] = data.test.images.features[: len(rows)]
    leaked = torch.zeros(len(features), dtype=torch.bool)
    leaked[rows] = True
    supports = {"lc": LabelledImages(Images(features), support.labels)}
    return replace(data, supports=supports, leaked={"lc": leaked})


CASE = Case(method="tip-adapter", text="cupl+e", support="lc", protocol="fixed")


def test_accuracy_without_leaks_is_that_of_the_support_set_without_them() -> None:
    data = leaking([0, 2, 7, 9])
    keep = ~data.leaked["lc"]
    support = data.supports["lc"]
    smaller = LabelledImages(support.images[keep], support.labels[keep])

    row, _, _ = run_case(data, plan(), CASE)
    expected, _, _ = run_case(replace(data, supports={"lc": smaller}, leaked={}), plan(), CASE)

    assert row["top1_without_leaks"] == expected["top1"]
    assert expected["top1_without_leaks"] is None


def test_leaks_may_be_all_that_a_class_has_but_not_all_that_there_is() -> None:
    labels = encoder_data().supports["lc"].labels.numpy()
    some = np.flatnonzero(labels == 1).tolist()
    assert run_case(leaking(some), plan(), CASE)[0]["top1_without_leaks"] is not None
    everything = list(range(len(labels)))
    assert run_case(leaking(everything), plan(), CASE)[0]["top1_without_leaks"] is None


def test_text_only_methods_have_no_leaks() -> None:
    case = Case(method="zero-shot", text="ensemble", support=None, protocol="none")
    assert run_case(leaking([0]), plan(), case)[0]["top1_without_leaks"] is None


def test_tiny_and_uniform_images_have_fingerprints(tmp_path: Path) -> None:
    black, white = (Image.new("RGB", (1, 1), colour) for colour in ("black", "white"))
    for image in (black, white, decode(image_bytes((9, 9, 9), (3, 200)))):
        assert len(fingerprint(image)) == 64
