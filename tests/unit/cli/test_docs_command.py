"""`susx docs` prints the pages that messages name."""

import re

import pytest
from typer.testing import CliRunner

from susx.cli import app
from susx.core.pipeline import PIPELINE

RUN = CliRunner()
NAMED = re.compile(r"docs/(\w+)\.md")


def test_all_pages_are_listed_with_their_titles() -> None:
    done = RUN.invoke(app, ["docs"])
    assert done.exit_code == 0
    listed = [line.strip().split(maxsplit=1) for line in done.output.splitlines()]
    assert [name for name, _ in listed] == sorted(p.stem for p in (PIPELINE / "docs").glob("*.md"))
    assert ["pools", "Pools"] in listed


@pytest.mark.parametrize("page", ["pools", "docs/pools.md", "pools.md#by-an-index"])
def test_a_page_is_printed_as_it_is_written(page: str) -> None:
    done = RUN.invoke(app, ["docs", page])
    assert done.exit_code == 0
    assert done.output == (PIPELINE / "docs/pools.md").read_text("utf-8")


def test_a_page_is_utf8_whatever_standard_output_is() -> None:
    page = (PIPELINE / "docs/methods.md").read_bytes()
    assert not page.isascii()
    done = CliRunner(charset="ascii").invoke(app, ["docs", "methods"])
    assert (done.exit_code, done.stdout_bytes) == (0, page), done.exception


def test_a_person_sees_a_page_without_its_marks() -> None:
    done = RUN.invoke(app, ["docs", "pools"], env={"FORCE_COLOR": "1"})
    assert done.exit_code == 0
    assert "Pools" in done.output and "# Pools" not in done.output


def test_a_page_that_is_not_there_is_an_error_that_names_the_nearest() -> None:
    done = RUN.invoke(app, ["docs", "pool"])
    assert done.exit_code == 2
    assert done.stderr == 'error: pool: no page; did you mean "pools"?; `susx docs` lists all\n'


def test_pages_that_messages_name_are_there() -> None:
    files = [*(PIPELINE / "susx").rglob("*.py"), *(PIPELINE / "rules").rglob("*.rst")]
    named = {name for file in files for name in NAMED.findall(file.read_text("utf-8"))}
    assert len(named) > 10
    assert named <= {path.stem for path in (PIPELINE / "docs").glob("*.md")}
