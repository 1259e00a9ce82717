"""`susx run` looks at configuration files before Snakemake does."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from susx.cli import app

RUN = CliRunner()
REFUSED = {
    "a list": ("- a\n", "my.yaml: not a mapping of sections to settings"),
    "nothing": ("", "my.yaml: not a mapping of sections to settings"),
    "a tab": ("datasets:\n\tpets: 1\n", "my.yaml: line 2: not valid YAML"),
    "a key twice": ("seed: 1\nseed: 2\n", 'my.yaml: line 2: key "seed" stands there twice'),
    "a key twice in JSON": (
        '{\n\t"a": {"seed": 1, "seed": 2}}',
        'my.yaml: key "seed" stands there twice',
    ),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a workflow that must never be read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").write_text("raise AssertionError('read')\n", "utf-8")
    return tmp_path


def refusal(*arguments: str) -> str:
    done = RUN.invoke(app, ["run", *arguments])
    assert done.exit_code == 2, done.output
    (line,) = [line for line in done.stderr.splitlines() if line]
    return line.removeprefix("error: ")


@pytest.mark.parametrize("option", ["--configfile", "--configfiles"])
def test_a_missing_configuration_is_one_line(option: str) -> None:
    assert refusal("results/pets.json", option, "missing.yaml").startswith(
        "--configfile missing.yaml: file not found; "
    )


def test_a_result_behind_a_configuration_is_told_apart(here: Path) -> None:
    (here / "my.yaml").write_text("seed: 1\n", "utf-8")
    said = refusal("--configfile", "my.yaml", "results/pets.json")
    assert said.startswith("--configfile results/pets.json: file not found; ")
    assert said.endswith("so name results before it")


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED)
def test_a_broken_configuration_names_the_file(here: Path, text: str, said: str) -> None:
    (here / "my.yaml").write_text(text, "utf-8")
    assert refusal("-n", "--configfile", "my.yaml").startswith(said)


def test_a_folder_is_no_configuration(here: Path) -> None:
    (here / "my.yaml").mkdir()
    assert refusal("--configfile", "my.yaml").startswith("--configfile my.yaml: file not found")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cores", "many"], "Error parsing number of cores"),
        (["--config", "seed"], "Invalid config definition"),
        (["--profile", "nowhere"], "profile directory given (nowhere)"),
        (["--colour", "red"], "unrecognized arguments: --colour"),
        (["--executor", "pbs"], "argument --executor/-e: invalid choice: 'pbs'"),
    ],
)
def test_a_wrong_option_is_one_line(arguments: list[str], said: str) -> None:
    assert refusal(*arguments).startswith(said)
