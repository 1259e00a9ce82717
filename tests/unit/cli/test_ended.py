"""What a run says at its end."""

import time
from pathlib import Path

import pytest

from susx.cli.ended import print_ended, print_tables
from susx.core.files import write_json
from susx.planning.setup import Setup
from tests.made.result import full_result

ENCODERS = {"encoders": {"clip": {"library": "transformers", "model": "hub-owner/clip"}}}


@pytest.mark.parametrize(
    ("others", "command"),
    [
        ((), "susx run results/oxfordpets/report.html --configfile a.yaml"),
        (
            ("report.html",),
            "susx run results/oxfordpets/classifier/ENCODER.safetensors --configfile a",
        ),
        (
            ("classifier/x.safetensors",),
            "susx classify --classifier results/oxfordpets/classifier/x.s",
        ),
    ],
)
def test_the_files_made_and_the_next_command_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    others: tuple[str, ...],
    command: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    made = full_result()
    write_json(Path("results/oxfordpets.json"), made)
    for name in others:
        path = Path("results/oxfordpets") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    setup = Setup.of({"datasets": {"oxfordpets": {"images": {"test": "images"}}}, **ENCODERS})
    print_ended(setup, time.time() - 60, ["a.yaml"])
    lines = capsys.readouterr().err.splitlines()
    assert max(len(line) for line in lines if ": " not in line) <= 80
    assert "made: results/oxfordpets.json" in lines
    assert all(f"made: results/oxfordpets/{name}" in lines for name in others)
    expected = command.replace("ENCODER", made["runs"][0]["encoder"])
    assert lines[-1].startswith(f"next: {expected}")


def test_published_features_go_on_to_no_classifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_json(Path("results/shared.json"), full_result())
    Path("results/shared").mkdir()
    Path("results/shared/report.html").touch()
    features = {"layout": "susx", "root": "features", "backbone": "RN50"}
    section = {"classes": ["cat", "dog"], "features": features}
    print_ended(Setup.of({"datasets": {"shared": section}, **ENCODERS}), 0)
    said = capsys.readouterr().err
    assert "made: results/shared/report.html" in said
    assert "next:" not in said


def test_what_earlier_runs_made_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_json(Path("results/oxfordpets.json"), full_result())
    setup = Setup.of({"datasets": {"oxfordpets": {"images": {"test": "images"}}}, **ENCODERS})
    print_ended(setup, time.time() + 60)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("later", "is_told"), [(-60, True), (60, False)])
def test_snakemake_prints_whole_tables_and_where_reports_are(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    later: float,
    is_told: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_json(Path("results/oxfordpets.json"), full_result())
    for path in (Path("results/oxfordpets/report.html"), Path("results/report.html")):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    setup = Setup.of({"datasets": {"oxfordpets": {"images": {"test": "images"}}}, **ENCODERS})
    print_tables(setup, time.time() + later)
    told = capsys.readouterr()
    reports = ["report: results/oxfordpets/report.html", "report: results/report.html"]
    assert told.out.splitlines() == (reports if is_told else [])
    assert ("results/oxfordpets.json" in told.err and "Holm p" in told.err) is is_told
