"""Which figures a report has, in which order, and the files that they become."""

from pathlib import Path

import pytest

from susx.evaluation.schema import Result
from susx.report.card import ShareCard
from susx.report.drawn import Figure, drawings, save_all
from tests.made.analysis import analysis
from tests.made.result import full_result

OF_ENCODER = ["sizes", "shots", "classes", "confusions", "gap", "affinities"]
SURFACE = "surface-tip-x-cupl+e-lc-validation-alpha-beta"


@pytest.fixture(scope="module")
def made() -> Result:
    return Result.model_validate(full_result())


@pytest.fixture(scope="module")
def figures(made: Result) -> list[Figure]:
    return drawings(made, [analysis()])


def test_figures_stand_by_what_they_are_about(figures: list[Figure]) -> None:
    assert [figure.name for figure in figures] == ["methods", *OF_ENCODER, SURFACE]
    groups = [figure.group for figure in figures]
    assert list(dict.fromkeys(groups)) == ["Accuracy", "Classes", "Embeddings", "Hyper-parameters"]
    assert groups == sorted(groups)  # of one group together
    assert all(figure.caption for figure in figures)
    assert [figure.row for figure in figures if figure.row] == [
        ("clip", "tip-x", "cupl+e", "lc", "validation")
    ]


def test_figures_of_several_encoders_are_told_apart(made: Result) -> None:
    both = drawings(made, [analysis(), analysis(encoder="other")])
    names = [figure.name for figure in both]
    assert len(names) == len(set(names))
    # Few-shot draws are those of the result, which has none of the other encoder.
    of_other = [name.removesuffix("-other") for name in names if name.endswith("-other")]
    assert of_other == [name for name in [*OF_ENCODER, SURFACE] if name != "shots"]
    titles = {figure.title for figure in both if figure.name.startswith("gap")}
    assert titles == {"Modality gap, clip", "Modality gap, other"}


def test_figures_become_files_and_parts_of_a_page(figures: list[Figure], tmp_path: Path) -> None:
    gap = next(figure for figure in figures if figure.name == "gap")
    assert str(gap.svg).startswith("<svg") and gap.width > 0
    save_all([gap], ShareCard("in words", b"a picture"), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.png", "gap.png", "gap.svg"]
    assert (tmp_path / "card.png").read_bytes() == b"a picture"
    assert (tmp_path / "gap.png").read_bytes().startswith(b"\x89PNG")
    save_all([], None, tmp_path / "none")
    assert not (tmp_path / "none").exists()
