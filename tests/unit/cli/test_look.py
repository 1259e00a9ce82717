"""`susx run` tells what is wrong before it imports Snakemake, and no more than that would tell."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from susx.cli import app, look
from susx.cli.look import PlainCall, plain_call
from susx.core.pipeline import PIPELINE, SNAKEFILE

RUN = CliRunner()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, where Snakemake cannot be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    monkeypatch.delenv("SUSX_DATA", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "snakemake"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "snakemake", None)
    return tmp_path


def refusal(*arguments: str) -> str:
    done = RUN.invoke(app, ["run", *arguments])
    assert done.exit_code == 2, (done.output, done.exception)
    (line,) = [line for line in done.stderr.splitlines() if line]
    return line.removeprefix("error: ")


def test_missing_images_are_told() -> None:
    says = "config.yaml: datasets.{0}.images.root: folder not found: data/{0}; "
    for arguments in ([], ["--cores", "8", "-n"], ["-j", "2", "results/report.html"]):
        assert refusal("results/imagenet.json", *arguments).startswith(says.format("imagenet"))
    done = RUN.invoke(app, ["run", "-c2", "results/imagenet.json", "results/dtd.json"])
    told = done.stderr.removeprefix("error: ").splitlines()
    for dataset, line in zip(("dtd", "imagenet"), told, strict=True):
        assert line.startswith(says.format(dataset))


def test_a_wrong_configuration_is_told() -> None:
    Path("config.yaml").write_text("seeds: 1\n", "utf-8")
    assert refusal().startswith('config.yaml: seeds: unknown key; did you mean "seed"?')
    Path("config.yaml").write_text("seed: 1\n", "utf-8")
    Path("my.yaml").write_text("datasets: {imagnet: {}}\n", "utf-8")
    assert refusal("results/imagnet.json", "--configfile", "my.yaml").endswith(
        'did you mean "imagenet"?'
    )


def test_a_missing_configuration_is_told_as_ever() -> None:
    said = refusal("results/pets.json", "--configfile", "my.yaml")
    assert said.startswith("--configfile my.yaml: file not found; everything up to the next opti")


def test_what_files_say_is_merged_as_snakemake_does() -> None:
    shipped = yaml.safe_load((PIPELINE / "config.yaml").read_text("utf-8"))
    entry = {"card": "dtd", "images": {"root": "mine"}}
    text = yaml.safe_dump({**shipped, "datasets": {"dtd": entry}})
    Path("config.yaml").write_text(text, "utf-8")
    for file, root in (("a.yaml", "a"), ("b.yaml", "b")):
        text = yaml.safe_dump({"datasets": {"dtd": {"images": {"root": root}}}})
        Path(file).write_text(text, "utf-8")
    assert "not found: mine" in refusal("results/dtd.json")
    assert "not found: a" in refusal("results/dtd.json", "--configfile", "a.yaml")
    assert "not found: b" in refusal("results/dtd.json", "--configfile", "a.yaml", "b.yaml")


def test_an_empty_call_asks_for_what_is_there() -> None:
    assert "none of the built-in ones is in data" in refusal()
    Path("data/cifar10").mkdir(parents=True)
    assert refusal().startswith("config.yaml: datasets.cifar10.images.root: data/cifar10 has none")


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        ([], PlainCall()),
        (["a", "--cores", "2", "b"], PlainCall(["a", "b"])),
        (["--jobs=all", "-c", "4", "-kn", "a"], None),
        (["-j8", "a", "--configfiles", "x", "y", "-n"], PlainCall(["a"], ["x", "y"])),
        (["--configfile=x", "a", "-k"], PlainCall(["a"], ["x"])),
        (["a", "--config", "seed=1"], None),
        (["a", "--directory", "elsewhere"], None),
        (["a", "--unlock"], None),
        (["a", "--cores"], None),
        (["a", "--configfile"], None),
    ],
)
def test_only_calls_of_known_words_are_looked_at(
    arguments: list[str], call: PlainCall | None
) -> None:
    assert plain_call(arguments) == call


def test_other_workflows_and_profiles_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("Snakefile").write_text("", "utf-8")
    assert plain_call(["a"]) is None
    Path("Snakefile").unlink()
    Path("Snakefile").symlink_to(SNAKEFILE)
    assert plain_call(["a"]) == PlainCall(["a"])
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "mine")
    assert plain_call(["a"]) is None


@pytest.mark.parametrize("changed", [{"configfile": "mine.yaml"}, {"cores": 4}])
def test_a_profile_may_say_what_is_read(
    monkeypatch: pytest.MonkeyPatch, here: Path, changed: dict[str, Any]
) -> None:
    (here / "own/profiles/default").mkdir(parents=True)
    (here / "own/profiles/default/config.yaml").write_text(yaml.safe_dump(changed), "utf-8")
    monkeypatch.setattr(look, "PIPELINE", here / "own")
    assert (plain_call(["a"]) is None) == ("configfile" in changed)
