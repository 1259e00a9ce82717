"""The pages that people look at."""

from pathlib import Path

import pytest

from tests.html_page import Page
from tests.workflow.project import NAMES, RESULT, Project

REPORT = "results/tiny/report.html"
SUMMARY = "results/report.html"

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def reported(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a report; copy it before changing it."""
    project = finished.copy(tmp_path_factory.mktemp("reported") / "project")
    outcome = project.run(SUMMARY)
    assert outcome.rules == {"analyse", "report", "summary"}
    return project


def read(project: Project, name: str = REPORT) -> Page:
    return Page(project.path(name).read_text("utf-8"))


def test_a_report_shows_the_result_figures_and_images(reported: Project) -> None:
    page = read(reported)

    rows = page.table("Accuracy in percent").rows()
    assert len(rows) == len(reported.read_json(RESULT)["runs"])
    (gallery,) = [e for e in page.all("div") if e.attributes.get("class") == "gallery"]
    assert [heading.text for heading in gallery.all("h3")] == NAMES
    assert len(list(gallery.all("img"))) == len(NAMES) * (3 + 4)
    figures = page.all("figure")
    assert len(figures) >= 6
    assert all(list(figure.all("svg")) for figure in figures)
    rules = [row[0] for row in page.table("Jobs of this dataset").rows()]
    assert {"evaluate", "embed_shard", "embed_images", "select_support"} <= {*rules}
    assert not reported.hidden_files() - {"results/tiny/figures/.snakemake_timestamp"}


def test_figures_are_files_as_well(reported: Project) -> None:
    folder = reported.path("results/tiny/figures")

    files = {path.name for path in folder.iterdir() if path.name[0] != "."}
    assert {"methods.png", "methods.svg"} <= files
    assert {Path(name).stem for name in files if name.endswith(".png")} == {
        Path(name).stem for name in files if name.endswith(".svg")
    }
    assert len(files) == 2 * len(read(reported).all("figure"))


def test_the_summary_links_to_the_reports(reported: Project) -> None:
    page = read(reported, SUMMARY)

    links = [a.attributes["href"] for a in page.table("Accuracies in percent").all("a")]
    assert links == ["tiny/report.html"]
    assert (reported.path(SUMMARY).parent / links[0]).is_file()


def test_a_second_call_does_nothing(reported: Project) -> None:
    assert reported.plan(RESULT, REPORT, SUMMARY).jobs == []


def test_only_what_the_page_shows_makes_it_again(reported: Project, tmp_path: Path) -> None:
    project = reported.copy(tmp_path / "project")

    project.change_config(lambda c: c.update(report={"images_per_class": 1, "thumbnail": 24}))
    assert project.run(REPORT).rules == {"report"}
    page = read(project)
    (gallery,) = [e for e in page.all("div") if e.attributes.get("class") == "gallery"]
    assert len(list(gallery.all("img"))) == 2 * len(NAMES)
    assert all(int(image.attributes["width"]) <= 24 for image in page.all("img"))

    project.change_config(lambda c: c.update(seed=1))
    assert {"evaluate", "collate", "analyse", "report"} == project.plan(REPORT).rules
