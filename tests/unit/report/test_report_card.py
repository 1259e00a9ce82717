"""The share card: what it says, and that nothing on it leaves its place, however long names are."""

import io
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import vl_convert
from PIL import Image

from susx.evaluation.schema import Result
from susx.manifests.classes import class_manifest
from susx.report import card
from susx.report.card import (
    MARGIN,
    SIZE,
    CardLine,
    card_words,
    describe_card,
    drawn_card,
    share_card,
)
from susx.report.drawing import INK, specification
from susx.report.story import Story, story
from tests.made.report import analysis_of, made_report, names_of
from tests.made.result import difference, result, run

LONG = "W" * 120
"""The widest letter of a name, more often than any name has letters."""
Box = tuple[int, int, int, int]


def of(*runs: dict[str, object], **others: object) -> tuple[Result, Story]:
    found = Result.model_validate(result(*runs, **others))
    told_of = story(found, [])
    assert told_of is not None
    return found, told_of


def longest() -> tuple[Result, Story]:
    named = {"method": f"tip-x{LONG}", "text": LONG, "support": LONG, "encoder": LONG}
    numbers = {"top1": 100.0, "ci95": [99.96, 100.0], "transductive": True}
    gain = {"delta_vs_zero_shot": difference(-100.0, -100.0, 100.0)}
    before = run(encoder=LONG, text=LONG, top1=0.04, ci95=[0.0, 99.96])
    tuned = {"protocol": "validation", "tuned_on": "test"}
    rows = before, run(**named, **numbers, **gain, **tuned)
    many = {"dataset": LONG, "n_classes": 999_999, "n_test": 999_999_999}
    found = Result.model_validate(result(*rows)).model_copy(update=many)
    return found, Story(found.runs[1], LONG, found.runs[0], [], chosen=False)


def ink(picture: Image.Image) -> Box | None:
    """Left, top, right and bottom end of what is not white."""
    dark = np.argwhere((np.asarray(picture.convert("RGB")) < 250).any(axis=2))
    if not len(dark):
        return None
    (top, left), (bottom, right) = dark.min(axis=0).tolist(), dark.max(axis=0).tolist()
    return left, top, right, bottom


def drawn_words(words: CardLine) -> Box | None:
    chart = card._text(words).properties(width=SIZE[0], height=SIZE[1])
    spec = {**specification(chart, INK), "padding": 0, "autosize": "none"}
    return ink(Image.open(io.BytesIO(vl_convert.vegalite_to_png(spec, allowed_base_urls=[]))))


def meeting(boxes: Sequence[Box]) -> list[tuple[Box, Box]]:
    return [
        (a, b)
        for a, b in combinations(boxes, 2)
        if min(a[2], b[2]) >= max(a[0], b[0]) and min(a[3], b[3]) >= max(a[1], b[1])
    ]


def test_the_longest_names_stay_in_their_places() -> None:
    found, told_of = longest()
    words = list(card_words(found, told_of))
    assert sum(LONG in line.text for line in words) == 6
    card.card_chart(found, told_of).to_dict(validate=True)
    boxes = [box for line in words if (box := drawn_words(line))]
    assert len(boxes) == len(words)
    assert meeting(boxes) == []
    plot = (card.PLOT[0], card.ROWS["before"] - 12, sum(card.PLOT), card.ROWS["shown"] + 12)
    assert meeting([*boxes[2:10], plot]) == []
    picture = Image.open(io.BytesIO(drawn_card(found, told_of)))
    assert picture.size == SIZE
    left, top, right, bottom = ink(picture) or (0, 0, 0, 0)
    # Letters end up to a few pixels beside where their line does.
    assert left >= MARGIN - 6 and right <= SIZE[0] - MARGIN + 6
    assert top >= 40 and bottom <= SIZE[1] - 40


def test_geometry_is_noticed() -> None:
    assert meeting([(0, 0, 9, 9), (5, 5, 12, 12), (20, 0, 22, 9)]) == [
        ((0, 0, 9, 9), (5, 5, 12, 12))
    ]
    wide = CardLine(LONG, MARGIN, 300, 34, 10_000)
    box = drawn_words(wide)
    assert box is not None and box[2] == SIZE[0] - 1


def test_it_says_the_main_numbers_and_the_same_bytes_again() -> None:
    classes = class_manifest(names_of(3))
    analysis = analysis_of(classes)
    few = {"text": "ensemble", "support": "lc", "top1": 71.24, "ci95": [70.0, 72.5]}
    rows = [run(), run(method="tip-x", protocol="fixed", **few)]
    found = Result.model_validate(result(*rows))
    first, again = (share_card(found, [analysis]) for _ in range(2))
    assert first is not None and first == again
    assert first.caption == (
        "pets, 37 classes, clip; zero-shot 61.2 % top-1; tip-x (ensemble, lc, fixed values) "
        "71.2 %, 95 % interval 70.0 to 72.5; tuned on: fixed values; support set: lc; "
        "unlabelled data: none; the row that the configuration names."
    )
    assert first.address.startswith("data:image/png;base64,iVBOR")


@pytest.mark.parametrize("rows", [[run()], [run(method="cupl")]])
def test_one_row_is_enough(rows: list[dict[str, object]]) -> None:
    found, told_of = of(*rows)
    words = [line.text for line in card_words(found, told_of)]
    assert words.count("61.2 %") == 1 and "nothing to tune" in words
    assert ink(Image.open(io.BytesIO(drawn_card(found, told_of))))
    assert describe_card(found, told_of).endswith("the highest row, by its test accuracy.")


def test_without_rows_there_is_none() -> None:
    assert share_card(Result.model_validate(result()).model_copy(update={"runs": []}), []) is None


def test_the_page_shows_it(tmp_path: Path) -> None:
    made = made_report(tmp_path, names_of(2))
    drawn = share_card(made.result, [made.analysis])
    assert drawn is not None
    page = made.write(tmp_path / "report.html", card=drawn)
    assert page.count(drawn.address) == 1
    assert 'width="1200" height="630"' in page
    assert "Share card" not in made.write(tmp_path / "none.html")
