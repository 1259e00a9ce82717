"""Every number that a page says was measured stands in docs/measured.yaml, with its command."""

import re

import pytest

from docs import generate_demo
from susx.evaluation.schema import Result
from tests import measured
from tests.made.result import difference, result, run
from tests.pages import text_of


@pytest.mark.parametrize("page", measured.PAGES_WITH_NUMBERS)
def test_every_number_of_a_page_is_in_the_file(page: str) -> None:
    """Add it there: under `measured` with command and commit, or under `stated`."""
    assert list(measured.unexplained(page)) == []


def test_every_entry_of_the_file_is_on_its_page() -> None:
    lost = [
        (page, piece)
        for page in {*measured.stated(), *(entry.page for entry in measured.measurements())}
        for piece in measured.pieces_of(page)
        if piece not in measured.prose(page)
    ]
    assert lost == []


def test_measurements_name_a_command_that_the_docs_have_and_a_commit() -> None:
    said = " ".join(measured.prose(page) for page in measured.WRITTEN)
    for entry in measured.measurements():
        assert re.fullmatch(r"[0-9a-f]{7}", entry.commit), entry
        assert entry.command.split(" --")[0] in said, entry


def test_an_unknown_number_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    page = "A search took 3.5 s, and 95 % intervals\nare 12 to\n14 MiB. | a | 1 | 2 | 3 |"
    monkeypatch.setattr(measured, "text_of", lambda name: f"{page}\n\n| b | 4 | 5 | 6.5 |\n")
    monkeypatch.setattr(measured, "pieces_of", lambda name: [])
    found = list(measured.unexplained("any"))
    assert [text.split("took ")[-1] for text in found[:2]] == ["b | 4 | 5 | 6.5", "3.5 s"]
    assert found[2].endswith("are 12 to 14 MiB")
    monkeypatch.setattr(measured, "pieces_of", lambda name: ["took 3.5 s", "12 to 14 MiB", page])
    assert list(measured.unexplained("any")) == ["b | 4 | 5 | 6.5"]


def test_the_home_page_has_rows_of_the_readme() -> None:
    readme, home = (text_of(page) for page in ("README.md", "docs/index.md"))
    rows = generate_demo.table_rows(readme)
    assert generate_demo.with_rows(home, generate_demo.home_rows(rows)) == home
    assert len(generate_demo.home_rows(rows)) == len(generate_demo.AT_HOME)
    changed = [row.replace("86.7", "86.8") for row in rows]
    assert generate_demo.with_rows(home, generate_demo.home_rows(changed)) != home


def test_rows_of_the_demo_are_those_of_its_result() -> None:
    drawn = {"support": "sd-cupl", "protocol": "support", "tuned_on": "support"}
    made = Result.model_validate(
        result(
            run(),
            run(method="gda", **drawn),
            run(method="tip-x", **drawn, delta_vs_best_text=difference(-0.5, -2.0, 1.04)),
        )
    )
    rows = generate_demo.demo_rows(made)
    assert rows == [
        "zero-shot | ensemble | – | – | 61.2 | 55.0 to 67.5 | –",
        "tip-x | ensemble | sd-cupl | support | 61.2 | 55.0 to 67.5 | -0.5 (-2.0 to +1.0)",
    ]
    page = generate_demo.with_rows(text_of("README.md"), rows)
    assert f"|---|\n| {rows[0]} |\n| {rows[1]} |\n\n50 classes" in page
    text = generate_demo.with_measured(generate_demo.MEASURED.read_text("utf-8"), rows, "ab" * 20)
    before = generate_demo.MEASURED.read_text("utf-8")
    assert text.count("- command: make demo\n") == before.count("- command: make demo\n")
    assert "commit: 'abababa'\n" in text
    assert f"  - '{rows[1]}'\n\n# Limits" in text
