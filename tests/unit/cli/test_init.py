"""`susx init` makes a folder to work in, and `susx snakefile` tells where the workflow is."""

import errno
import json
import sys
from pathlib import Path

import jsonschema
import pytest
import typer
from typer.testing import CliRunner

from susx.cli import app
from susx.cli.editors import SCHEMA_FILE, modeline
from susx.cli.errors import NO_PIPELINE, reported_errors
from susx.config import parse_config
from susx.config.schema import Config
from susx.core.pipeline import PIPELINE, SNAKEFILE
from susx.core.yaml_files import load_config

RUN = CliRunner()


def test_a_new_folder_has_the_shipped_settings(tmp_path: Path) -> None:
    folder = tmp_path / "my work/pets"
    done = RUN.invoke(app, ["init", str(folder)])
    assert done.exit_code == 0, done.output
    assert f"cd '{folder}'" in done.output
    profile = "profiles/slurm/config.yaml"
    assert (folder / profile).read_bytes() == (PIPELINE / profile).read_bytes()
    assert load_config(folder / "config.yaml") == load_config(PIPELINE / "config.yaml")
    parse_config(load_config(folder / "config.yaml"))


@pytest.mark.parametrize("place", ["made", "checkout"])
def test_editors_find_the_schema_of_a_configuration(place: str, tmp_path: Path) -> None:
    folder = {"made": tmp_path / "made", "checkout": PIPELINE}[place]
    if place == "made":
        RUN.invoke(app, ["init", str(folder)])
    text = (folder / "config.yaml").read_text("utf-8")
    line, _ = text.split("\n", 1)
    schema = json.loads((folder / line.removeprefix(modeline(""))).read_text("utf-8"))
    assert schema == Config.model_json_schema()
    jsonschema.validate(load_config(folder / "config.yaml"), schema)


def test_this_folder_may_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = RUN.invoke(app, ["init", "."])
    assert done.exit_code == 0 and "cd " not in done.output
    assert Path("config.yaml").is_file()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mine", "utf-8")
    done = RUN.invoke(app, ["init", str(tmp_path)])
    assert done.exit_code == 2
    assert f'error: exists already: "{tmp_path}/config.yaml"' in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_the_schema_alone_is_written_anew(tmp_path: Path) -> None:
    RUN.invoke(app, ["init", str(tmp_path)])
    text = (tmp_path / "config.yaml").read_text("utf-8")
    (tmp_path / SCHEMA_FILE).write_text("{}", "utf-8")
    done = RUN.invoke(app, ["init", str(tmp_path), "--schema"])
    assert done.exit_code == 0 and done.output.split() == ["wrote", f"{tmp_path / SCHEMA_FILE}"]
    assert json.loads((tmp_path / SCHEMA_FILE).read_text("utf-8")) == Config.model_json_schema()
    assert (tmp_path / "config.yaml").read_text("utf-8") == text


@pytest.mark.parametrize("text", ["datasets: {}\n", modeline("../other.json") + "\n"])
def test_a_schema_that_no_line_names_is_pointed_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    done = RUN.invoke(app, ["init", str(tmp_path), "--schema"])
    assert done.exit_code == 0
    assert done.output.splitlines()[1] == (
        f"editors find it by the first line of {tmp_path / 'config.yaml'}: {modeline(SCHEMA_FILE)}"
    )
    assert (tmp_path / "config.yaml").read_text("utf-8") == text
    assert RUN.invoke(app, ["init", str(tmp_path), "--schema", "-q"]).output == ""


def test_a_schema_needs_a_configuration(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["init", str(tmp_path), "--schema"])
    assert done.exit_code == 2 and "no config.yaml" in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_snakefile_is_named() -> None:
    done = RUN.invoke(app, ["snakefile"])
    assert Path(done.stdout.strip()) == SNAKEFILE


@pytest.mark.parametrize("call", [["run", "x", "--unlock"], ["plan"]], ids=lambda call: call[0])
def test_without_snakemake_commands_say_what_installs_it(
    call: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "snakemake"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "snakemake", None)
    done = RUN.invoke(app, call)
    assert done.exit_code == 2, (done.output, done.exception)
    assert done.stderr.strip() == f"error: {NO_PIPELINE.format('snakemake')}"


@pytest.mark.parametrize("call", [["init"], ["show"], ["classify", "--classifier", "c"]])
def test_a_path_that_the_system_refuses_is_one_message(call: list[str]) -> None:
    name = "a" * 300  # file systems take 255 bytes
    done = RUN.invoke(app, [*call, name])
    assert done.exit_code == 2, (done.output, done.exception)
    assert done.stderr == f"error: {name}: File name too long\n"


def test_a_pipe_that_nobody_reads_is_no_bad_input() -> None:
    with pytest.raises(BrokenPipeError), reported_errors():
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_other_modules_that_are_missing_stay_errors(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), reported_errors():
        raise ModuleNotFoundError(name="pyarrow.parquet")
    assert "pyarrow is not installed: pip install 'susx[pipeline]'" in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError), reported_errors():
        raise ModuleNotFoundError(name="json.nothing")
