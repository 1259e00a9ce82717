"""What commands print for programs, and what they keep to themselves."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from susx.cli import app
from susx.cli.printing import print_json
from susx.core.files import write_json
from susx.evaluation.schema import read_result
from tests.made.project import RESULT, finished
from tests.made.result import full_result

ROOT = Path(__file__).parents[3]
RUN = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})


def called(*words: str, code: int = 0) -> str:
    done = RUN.invoke(app, words)
    assert done.exit_code == code, done.output
    return done.stdout


def command(name: str) -> Any:
    found: Any = typer.main.get_command(app)
    for word in name.split():
        found = found.commands[word]
    return found


def commands() -> list[str]:
    named = [name for name in command("").commands if name != "cache"]
    return named + [f"cache {name}" for name in command("cache").commands]


@pytest.mark.parametrize(("option", "begin"), [("--json", "All but"), ("--quiet", "or `--quiet`,")])
def test_the_page_names_the_commands_of_an_option(option: str, begin: str) -> None:
    having = {n for n in commands() if any(option in p.opts for p in command(n).params)}
    page = (ROOT / "docs/running.md").read_text("utf-8")
    (stated,) = re.findall(rf"{begin} (.+?) print ", page, re.DOTALL)
    expected = set(commands()) - having if begin == "All but" else having
    assert set(re.findall(r"`susx ([a-z -]+)`", stated)) == expected


def test_json_is_ascii_and_its_numbers_are_finite(capsys: pytest.CaptureFixture[str]) -> None:
    odd = {"image": os.fsdecode(b"caf\xe9 \x9b.png") + "\x1b"}
    print_json(odd)
    said = capsys.readouterr().out
    assert said.isascii() and "\x1b" not in said
    assert json.loads(said) == odd
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json({"share": float("nan")})


def test_rows_for_clip_benchmark(tmp_path: Path) -> None:
    write_json(tmp_path / "pets.json", full_result())
    words = "clip-benchmark", str(tmp_path / "pets.json"), str(tmp_path / "out")
    assert called(*words, "-q") == ""
    files = json.loads(called(*words, "--json"))["files"]
    assert sorted(map(Path, files)) == sorted((tmp_path / "out").iterdir())


def test_a_result_is_shown_as_in_its_file(tmp_path: Path) -> None:
    path = tmp_path / "pets.json"
    write_json(path, full_result())
    said = json.loads(called("show", str(path), "--json"))
    assert (said["file"], said["kind"]) == (str(path), "result")
    assert said["result"] == json.loads(read_result(path).model_dump_json(by_alias=True))
    assert said["result"]["schema"] == json.loads(path.read_text("utf-8"))["schema"]


def test_verdicts_on_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(tmp_path, monkeypatch)
    assert called("verify", RESULT, "--quiet") == ""
    verdict = json.loads(called("verify", RESULT, "--json"))
    counts = {"sources": 4, "stages": 3}
    assert verdict == {"file": RESULT, "follows": True, "changes": [], "notes": [], **counts}
    Path("photos/boxer/c.png").unlink()
    verdict = json.loads(called("verify", RESULT, "--json", code=1))
    assert not verdict["follows"] and "c.png" in verdict["changes"][0]
    assert "c.png" in called("verify", RESULT, "--quiet", code=1)


def test_stores_are_looked_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(tmp_path, monkeypatch)
    intact = json.loads(called("cache", "verify", "--json"))
    assert [(s["objects"] > 0, s["faults"]) for s in intact["stores"]] == [(True, [])] * 2
    assert called("cache", "verify", "-q") == ""
    planned = json.loads(called("cache", "prune", "--older-than", "0", "--dry-run", "--json"))
    assert planned["dry_run"] and planned["bytes_left"] == 0
    assert planned["bytes_freed"] == sum(one["bytes"] for one in planned["removed"]) > 0
    assert called("cache", "prune", "--older-than", "0", "--dry-run", "-q") == ""
    Path(planned["removed"][0]["path"], "receipt.json").unlink()
    fault = "incomplete: " + planned["removed"][0]["path"]
    assert called("cache", "verify", "-q", code=1).startswith(fault)
    found = json.loads(called("cache", "verify", "--remove", "--json", code=1))
    (removed,) = (one for store in found["stores"] for one in store["faults"])
    assert removed["kind"] == "incomplete"
    assert removed["bytes_removed"] == found["bytes_freed"] > 0
