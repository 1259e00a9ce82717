"""Pictures of a page stay within its budget."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from susx.images.rgb import UnreadableImage
from susx.report.thumbnails import BUDGET, LEAST, PREFIX, plan_gallery, thumbnail
from tests.helpers import image_bytes
from tests.made.report import made_report, names_of

MEGABYTE = 1_000_000


def noise(size: tuple[int, int]) -> bytes:
    """The hardest image to compress."""
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@given(
    st.integers(1, 30_000),
    st.integers(0, 6),
    st.integers(0, 500),
    st.integers(1, 50),
    st.integers(1, 512),
)
def test_a_plan_keeps_within_the_budget_and_shows_something(
    n_classes: int, n_sets: int, n_others: int, per_class: int, side: int
) -> None:
    made = plan_gallery(n_classes, n_sets, n_others, per_class, side)

    pictures = made.n_classes * n_sets * made.per_class + n_others
    assert pictures * made.limit <= BUDGET
    assert made.limit >= LEAST
    assert 1 <= made.per_class <= per_class
    assert 1 <= made.n_classes <= n_classes
    assert made.side <= max(side, 8)


def test_few_classes_are_shown_in_full() -> None:
    made = plan_gallery(50, 3, 48, 4, 96)

    assert (made.n_classes, made.per_class, made.side) == (50, 4, 96)


def test_many_classes_have_fewer_and_smaller_pictures_before_any_is_left_out() -> None:
    made = plan_gallery(1000, 3, 48, 4, 96)

    assert made.n_classes == 1000
    assert made.per_class == 3
    assert 48 <= made.side < 96
    assert plan_gallery(20_000, 3, 48, 4, 96).n_classes < 20_000


@pytest.mark.parametrize("size", [(500, 375), (96, 96), (10, 3), (1, 1), (4000, 2)])
@pytest.mark.parametrize("limit", [300, 1200, 20_000])
def test_a_picture_fits_its_side_and_its_limit(size: tuple[int, int], limit: int) -> None:
    made = thumbnail(noise(size), 96, limit)

    assert len(made.uri) <= max(limit, 300)
    data = base64.b64decode(made.uri.removeprefix(PREFIX))
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "WEBP"
        assert image.size == (made.width, made.height)
        assert max(image.size) <= min(96, max(size))


def test_the_shape_and_colour_of_an_image_are_kept() -> None:
    made = thumbnail(image_bytes((200, 30, 30), (400, 200), format="JPEG"), 96, 20_000)

    assert (made.width, made.height) == (96, 48)
    data = base64.b64decode(made.uri.removeprefix(PREFIX))
    with Image.open(io.BytesIO(data)) as image:
        colour = np.asarray(image.convert("RGB")).mean(axis=(0, 1))
    assert np.abs(colour - [200, 30, 30]).max() < 12


def test_bytes_that_are_no_image_are_refused() -> None:
    with pytest.raises(UnreadableImage):
        thumbnail(b"no image", 96, 1000)


def test_a_page_of_a_thousand_classes_stays_small_and_says_what_is_left_out(tmp_path: Path) -> None:
    made = made_report(tmp_path / "files", names_of(1000), (64, 48))

    text = made.write(tmp_path / "report.html")

    assert len(text.encode()) < 30 * MEGABYTE
    strip = 2  # one image that became right, and one that became wrong
    assert text.count("<img") == 1000 * 3 * 3 + 2 * 4 + strip
    assert "all but 3 of the 4 images per class and source" in text
    assert "the 200 of 1&nbsp;000 classes that changed most" in text
    assert text.count('<details class="group" open>') == 1
    assert text.count('<details class="group">') == 19
