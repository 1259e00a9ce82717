"""Every stage has a version, and its code does not change without anybody thinking of it."""

import ast
import json
from pathlib import Path

import pytest

from susx.artifacts.stages import STAGES, version_of
from susx.core.errors import InputError
from tests.stage_code import NOTED, REPO, closure, data_beside, now, parsed

UNVERSIONED = {"check_dataset", "demo_images", "demo_pool"}
"""A check looks anew whenever it is asked for; what the demo has drawn is a source."""


def test_every_rule_with_a_script_has_a_version() -> None:
    scripts = {path.stem for path in (REPO / "workflow_scripts").glob("*.py")} - {"susx_job"}

    assert scripts == {*STAGES} | UNVERSIONED


def test_code_behind_stages_is_what_it_was_when_their_versions_were_set() -> None:
    noted, found = json.loads(NOTED.read_text("utf-8")), now()
    changed = [stage for stage in found if found[stage] != noted.get(stage)]

    assert changed == [], (
        "the code behind these stages changed; raise the version in susx/artifacts/stages.py of "
        "those whose numbers can change by it, then run `make stages`"
    )


def test_comments_and_docstrings_are_no_code(tmp_path: Path) -> None:
    texts = ['"""One."""\nx = 1\n', '"""Two."""\n# why\nx = 1\n', "x = 2\n"]
    digests = []
    for number, text in enumerate(texts):
        file = tmp_path / f"{number}.py"
        file.write_text(text)
        digests.append(parsed(file)[0])

    assert digests[0] == digests[1] != digests[2]


def test_modules_behind_a_script_are_found_to_the_bottom() -> None:
    names = closure(REPO / "workflow_scripts/embed_text.py")

    assert {
        "susx.embeddings.cache",
        "susx.embeddings.embed",
        "susx.encoders.base",
        "susx.core.files",
    } <= {*names}
    assert "susx.report.page" not in names and "susx.methods.fusion" not in names


def test_what_lies_beside_a_module_and_is_named_in_it_is_code(tmp_path: Path) -> None:
    file, folder = tmp_path / "module.py", tmp_path / "templates"
    file.write_text('TABLE, PAGES = "figures.csv", "templates"\n')
    folder.mkdir()
    digests = []
    for path, text in [("figures.csv", "1"), ("figures.csv", "2"), ("templates/a.html", "3")]:
        (tmp_path / path).write_text(text)
        parsed.cache_clear()
        digests.append(parsed(file)[0])

    assert len(set(digests)) == 3
    tree = ast.parse((REPO / "susx/report/render.py").read_text("utf-8"))
    names = {path.name for path in data_beside(REPO / "susx/report/render.py", tree)}
    assert {"base.html.j2", "style.css"} <= names


def test_a_rule_of_another_name_is_told() -> None:
    with pytest.raises(InputError, match=r'rule "susx_evaluate" is no stage .* use rule \* from'):
        version_of("susx_evaluate")
