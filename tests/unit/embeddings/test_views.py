"""Random views of few-shot images."""

import numpy as np
import pytest
from PIL import Image

from susx.embeddings.views import crop_box, mean_view, random_view
from tests.closeness import assert_close, random_walk

SIZES = [(640, 480), (30, 40), (1, 1), (3, 200), (1000, 10)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_crops_lie_in_the_image(size: tuple[int, int]) -> None:
    for seed in range(50):
        left, upper, right, lower = crop_box(*size, np.random.default_rng(seed))
        assert 0 <= left < right <= size[0]
        assert 0 <= upper < lower <= size[1]


def test_crops_cover_the_range_of_areas_and_ratios() -> None:
    random = np.random.default_rng(0)
    boxes = np.array([crop_box(640, 480, random) for _ in range(2000)])
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    areas, ratios = widths * heights / (640 * 480), widths / heights
    assert 0.49 < areas.min() < 0.53
    assert 0.95 < areas.max() <= 1
    assert 0.74 < ratios.min() < 0.8
    assert 1.28 < ratios.max() < 1.35


def test_a_view_is_the_crop_resized_and_mirrored_half_of_the_time() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    mirrored = 0
    for seed in range(40):
        box = crop_box(80, 60, np.random.default_rng(seed))
        plain = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC, box=box))
        view = np.asarray(random_view(image, 32, np.random.default_rng(seed)))
        flipped = bool((view == plain[:, ::-1]).all())
        assert flipped or (view == plain).all()
        mirrored += flipped
    assert 10 < mirrored < 30


def test_views_of_an_image_are_averaged() -> None:
    raw = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    means = mean_view(raw, 3)
    assert_close(means[1], (raw[3] + raw[4] + raw[5]) / 3, random_walk(3))
    assert means.shape == (2, 4)
