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
from susx.report.thumbnails import (
    BUDGET,
    LARGE,
    LARGE_BUDGET,
    LEAST,
    PREFIX,
    WORTH,
    GalleryPlan,
    LargePlan,
    Thumbnail,
    both_sizes,
    plan_gallery,
    thumbnail,
)
from tests.helpers import image_bytes
from tests.html_page import Page
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
    if made.large:
        # A picture that is shown beside answers may also be among those of its class.
        enlarged = pictures if made.large.of_all else 2 * n_others
        assert enlarged * made.large.limit <= LARGE_BUDGET
        assert WORTH * made.side <= made.large.side <= LARGE


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


@pytest.mark.parametrize(
    ("n_classes", "least", "of_all"),
    [(10, LARGE, True), (50, LARGE, True), (200, 2 * 84, True), (1000, LARGE, False)],
)
def test_dialogs_have_large_pictures_as_far_as_there_is_room(
    n_classes: int, least: int, of_all: bool
) -> None:
    large = plan_gallery(n_classes, 3, 103, 4, 96).large

    assert large is not None
    assert (large.side >= least, large.of_all) == (True, of_all)


def test_where_nothing_is_shown_beside_answers_many_classes_have_no_large_pictures() -> None:
    assert plan_gallery(1000, 3, 0, 4, 96).large is None


def plan(large: LargePlan | None) -> GalleryPlan:
    return GalleryPlan(10, 4, 96, 20_000, large)


def opened(picture: Thumbnail) -> Image.Image:
    data = base64.b64decode(picture.uri.removeprefix(PREFIX))
    return Image.open(io.BytesIO(data))


def test_a_picture_has_two_sizes_of_the_same_image() -> None:
    data = image_bytes((200, 30, 30), (400, 200), format="JPEG")

    small, large = both_sizes(data, plan(LargePlan(320, 30_000, of_all=True)), is_other=False)

    assert large is not None
    assert [opened(size).size for size in (small, large)] == [(96, 48), (320, 160)]
    assert (large.width, large.height) == (320, 160)
    colours = [np.asarray(opened(size).convert("RGB")).mean(axis=(0, 1)) for size in (small, large)]
    assert np.abs(colours[0] - colours[1]).max() < 6  # WebP keeps colours at half the resolution


@pytest.mark.parametrize(
    ("large", "is_other", "found"),
    [
        (None, True, False),
        (LargePlan(320, 30_000, of_all=False), False, False),
        (LargePlan(320, 30_000, of_all=False), True, True),
    ],
)
def test_only_planned_pictures_have_a_large_one(
    large: LargePlan | None, is_other: bool, found: bool
) -> None:
    data = image_bytes((200, 30, 30), (400, 200), format="JPEG")

    assert (both_sizes(data, plan(large), is_other)[1] is not None) == found


@pytest.mark.parametrize(("longer", "found"), [(143, False), (144, True)])
def test_an_image_that_is_hardly_larger_is_kept_once(longer: int, found: bool) -> None:
    data = image_bytes((200, 30, 30), (longer, 90), format="PNG")

    large = both_sizes(data, plan(LargePlan(320, 30_000, of_all=True)), is_other=False)[1]

    assert (large is not None) == found
    assert large is None or large.longer == longer  # images are not enlarged


def test_a_large_picture_keeps_its_limit_or_is_left_out() -> None:
    hard = noise((500, 375))

    for limit in (500, 5_000, 30_000):
        large = both_sizes(hard, plan(LargePlan(320, limit, of_all=True)), is_other=False)[1]
        assert large is None or (len(large.uri) <= limit and large.longer >= WORTH * 96)
    assert large is not None


def test_a_page_holds_large_pictures_where_only_dialogs_show_them(tmp_path: Path) -> None:
    text = made_report(tmp_path / "files", names_of(12), (400, 300)).write(tmp_path / "page.html")

    page = Page(text)
    pictures = [span for span in page.all("span") if "pic" in span.attributes.get("class", "")]
    assert len(pictures) == 12 * 3 * 4 + 2 * 4
    for picture in pictures:
        (shown,) = next(picture.all("button")).all("img")
        (large,) = next(picture.all("template")).all("img")
        assert (shown.attributes["width"], large.attributes["width"]) == ("96", "320")
    assert len(page.all("img")) == 2 * len(pictures) + 2  # and those at the top of the page
    assert "larger pictures" not in text


def test_a_page_of_a_thousand_classes_stays_small_and_says_what_is_left_out(tmp_path: Path) -> None:
    made = made_report(tmp_path / "files", names_of(1000), (64, 48))

    text = made.write(tmp_path / "report.html")

    assert len(text.encode()) < 30 * MEGABYTE
    strip = 2  # one image that became right, and one that became wrong
    assert text.count("<img") == 1000 * 3 * 3 + 2 * 4 + strip
    assert "all but 3 of the 4 images per class and source" in text
    assert "larger pictures in dialogs, but for changed answers" in text
    assert "the 200 of 1&nbsp;000 classes that changed most" in text
    assert text.count('<details class="group" open>') == 1
    assert text.count('<details class="group">') == 19
