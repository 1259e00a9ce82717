"""Configuration, commands and Python of README and docs are valid, block by block."""

import ast
import importlib
import re
import runpy
import shlex
import sys
import tomllib
from argparse import ArgumentParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
import yaml
from PIL import Image
from snakemake.cli import get_argument_parser

import susx.classifier.file
from susx.classifier.head import ROUNDINGS, UNIT
from susx.classifier.onnx_file import write_onnx
from susx.cli import app
from susx.config import parse_config
from susx.config.cards import Card, load_card
from susx.config.datasets import with_card
from susx.config.texts import Descriptions
from susx.core.errors import InputError
from susx.core.yaml_files import load_yaml
from susx.methods import METHODS
from susx.planning.setup import Setup
from tests.made.photos import photos_classifier
from tests.pages import PAGES, ROOT, WRITTEN, blocks, commands, text_of

PROGRAMS = ("make", "snakemake", "susx", "python", "pip")
IMAGES = {"card", "features", "images"}
OTHERS = {"source .venv/bin/activate"}
PAGE = pytest.mark.parametrize("page", WRITTEN)


def merged(base: Any, example: Any) -> Any:
    """Put a fragment of configuration over a whole one, and one of a dataset over its namesake."""
    whole = dict(base)
    for section, entries in example.items():
        known = base.get(section, {})
        if section == "datasets":
            entries = {
                name: entry if IMAGES & set(entry) else {**known.get(name, {}), **entry}
                for name, entry in entries.items()
            }
        whole[section] = {**known, **entries} if isinstance(entries, dict) else entries
    return whole


def known_names() -> Any:
    """The shipped configuration with what the examples of the docs refer to."""
    (pets, *_) = map(yaml.safe_load, blocks("README.md", "yaml"))
    large = {"library": "transformers", "model": "openai/clip-vit-large-patch14"}
    return merged(
        merged(load_yaml(ROOT / "config.yaml"), pets), {"encoders": {"clip-vit-l14": large}}
    )


@pytest.mark.parametrize("page", [*WRITTEN, "docs/config.md"])
def test_configuration_is_valid(page: str) -> None:
    for example in map(yaml.safe_load, blocks(page, "yaml")):
        if "title" in example:
            assert Card.model_validate(example).classes
            continue
        config = parse_config(merged(known_names(), example))
        assert all(with_card(dataset) for dataset in config.datasets.values())


def test_a_misspelt_key_of_a_fragment_is_noticed() -> None:
    for wrong in ({"poools": {}}, {"supports": {"lc": {"source": "retrieval", "sise": 3}}}):
        with pytest.raises(InputError, match="did you mean"):
            parse_config(merged(known_names(), wrong))


def test_blocks_name_a_language_that_is_tested_or_plain_text() -> None:
    for page in PAGES:
        fences = re.findall(r"^ *```(.*)$", text_of(page), re.MULTILINE)
        assert set(fences[::2]) <= {"yaml", "toml", "python", "bash", "math", "text"}, page
        assert set(fences[1::2]) <= {""}, page


def program_calls(page: str) -> list[list[str]]:
    """Every call of a program on a page, as words."""
    shell = [line for block in blocks(page, "bash") for line in block.splitlines()]
    parts = [part.strip() for line in shell for part in line.split("&&") if part.strip()]
    strange = [p for p in parts if p.split()[0] not in PROGRAMS and p not in OTHERS]
    assert strange == [], page
    calls = [part for part in commands(page) for part in part.split(" && ")]
    return [shlex.split(call) for call in calls if call.split(" ")[0] in PROGRAMS]


def grammar() -> re.Pattern[str]:
    """The paths of the Snakefile's header, with any name for a wildcard."""
    header = (ROOT / "Snakefile").read_text("utf-8").split("\n\n")[0]
    paths = re.findall(r"\b(?:results|check|cache|work)/[^\s,;]+", header)
    assert len(paths) > 10
    return re.compile("|".join(re.sub(r"\\{\w+\\}", r"[\\w.+-]+", re.escape(p)) for p in paths))


def check_make(words: list[str]) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(words) <= set(targets)


def check_snakemake(words: list[str]) -> None:
    asked = get_argument_parser().parse_args(words)
    assert [target for target in asked.targets if not grammar().fullmatch(target)] == []
    assert all((ROOT / profile / "config.yaml").is_file() for profile in asked.profile or [])


def check_susx(words: list[str]) -> None:
    if words[:1] in (["run"], ["plan"]):
        return check_snakemake([word for word in words[1:] if word != "--json"])
    command: Any = typer.main.get_command(app)
    for word in words:
        if word.startswith("-") or not hasattr(command, "commands"):
            break
        command = command.commands[word]
    valid = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= valid


def check_python(words: list[str]) -> None:
    assert words[0] == "-m"
    assert find_spec(words[1])
    if words[1] == "pytest":
        assert all((ROOT / word).exists() for word in words if word.startswith("tests/"))
    elif words[1].startswith("tests.benchmarks."):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ArgumentParser, "parse_args", parsed)
            patch.setattr(sys, "argv", words[1:])
            with pytest.raises(Parsed):
                runpy.run_module(words[1], run_name="__main__")


class Parsed(Exception):
    """Arguments that a benchmark accepts."""


def parsed(parser: ArgumentParser) -> None:
    """Parse the command line, and go no further."""
    _, unknown = parser.parse_known_args()
    raise AssertionError(unknown) if unknown else Parsed


def check_pip(words: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = re.findall(r"(?:\.|susx|whl)\[(.+)\]", " ".join(words))
    assert named or any("susx" in word for word in words)
    assert {name for found in named for name in found.split(",")} <= set(
        extras["optional-dependencies"]
    )


CHECKS = {
    "make": check_make,
    "snakemake": check_snakemake,
    "susx": check_susx,
    "python": check_python,
    "pip": check_pip,
}


@PAGE
@pytest.mark.filterwarnings("ignore:.*found in sys.modules after import:RuntimeWarning")
def test_commands_can_be_called(page: str) -> None:
    for program, *words in program_calls(page):
        CHECKS[program](words)


def test_commands_are_found_and_wrong_ones_are_noticed() -> None:
    calls = [call for page in WRITTEN for call in program_calls(page)]
    assert {call[0] for call in calls} == set(PROGRAMS)
    assert len(calls) > 60
    for wrong in (
        "make sight",
        "snakemake results/pets.jsn",
        "susx clasify",
        "susx run results/pets.jsn",
        "susx show --row 3",
        "susx cache prun",
        "susx cache prune --older 3",
        "python -m tests.benchmarks.bench_sarch",
        "python -m tests.benchmarks.bench_search --image-net",
        "python -m pytest tests/nowhere",
        "pip install '.[gpu]'",
    ):
        program, *words = shlex.split(wrong)
        with pytest.raises((AssertionError, KeyError)):
            CHECKS[program](words)


def test_the_numbers_of_imagenet_follow_from_configuration_and_card() -> None:
    page = text_of("docs/imagenet.md")
    setup = Setup.of(load_yaml(ROOT / "config.yaml"))
    card, written = load_card("imagenet"), setup.datasets["imagenet"]
    n_classes, n_test = len(card.classes), card.expected["test"]
    described, listed = written.descriptions, written.descriptors
    assert isinstance(described, Descriptions) and isinstance(listed, Descriptions)
    sentences = n_classes * len(described.questions) * described.samples
    lists = n_classes * len(listed.questions) * listed.samples
    assert f"{n_classes:,} names, {n_test:,} images listed" in page
    assert f"{sentences:,} sentences and {lists:,} lists of features" in page
    config = setup.config
    lc, sd = setup.retrieved["lc"], setup.synthesised["sd"]
    kept, tried = n_classes * lc.size, n_classes * lc.size * config.download.rerank
    assert f"at most {tried:,} images downloaded, {kept:,} kept" in page
    assert f"{n_classes * sd.size:,} images generated by SD-Turbo in {sd.steps} steps" in page
    assert f"{len(config.evaluation.methods)} methods" in page
    assert f"in {setup.synthesised['sd-paper'].steps} steps" in page
    pets = len(load_card("oxfordpets").classes)
    assert f"the {pets} breeds" in page and f"{pets * lc.size} retrieved images" in page


@PAGE
def test_python_compiles_and_imports_what_exists(page: str) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module or "")
                assert all(hasattr(module, alias.name) for alias in node.names)
            elif isinstance(node, ast.Import):
                assert all(find_spec(alias.name) for alias in node.names)


def test_the_classifier_is_used_as_shown(
    tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block, *_ = blocks("docs/classifier.md", "python")
    path = tmp_path / "results/pets/classifier/clip-vit-b32.safetensors"
    path.parent.mkdir(parents=True)
    susx.classifier.file.write_classifier(path, photos_classifier(tiny_clip, tmp_path))
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (9, 9), "red").save("one.jpg")
    Image.new("RGB", (9, 9), "blue").save("two.png")
    left: dict[str, Any] = {}
    exec(compile(block, "classifier.md", "exec"), left)  # noqa: S102
    assert len(left["names"]) == 2
    assert left["probabilities"].sum(axis=1) == pytest.approx([1, 1])


def test_onnx_files_are_used_as_shown(
    tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, rows = (b for b in blocks("docs/classifier.md", "python") if "import onnxruntime" in b)
    classifier = photos_classifier(tiny_clip, tmp_path)
    monkeypatch.chdir(tmp_path)
    Image.effect_mandelbrot((64, 48), (-2, -1.2, 1, 1.2), 9).convert("RGB").save("one.jpg")
    fading = Image.new("RGB", (48, 64), "red")
    fading.putalpha(Image.linear_gradient("L").resize(fading.size))
    fading.save("two.png")
    whole = write_onnx("pets-images.onnx", classifier, with_encoder=True)
    head = write_onnx("pets.onnx", classifier)
    found = classifier.embed(["one.jpg", "two.png"])
    np.save("embeddings.npy", 7 * found.features)
    expected = classifier.predict(["one.jpg", "two.png"])
    for block, file in ((images, whole), (rows, head)):
        known: dict[str, Any] = {}
        exec(compile(block, "classifier.md", "exec"), known)  # noqa: S102
        assert known["names"] == expected.names
        # Logits may move by as much, and a probability by a factor of exp of twice that.
        apart = np.expm1(2 * file.tolerance) + ROUNDINGS * UNIT
        assert np.abs(known["probabilities"] - expected.probabilities).max() <= apart


def test_the_estimator_is_used_as_shown(
    tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, block = blocks("docs/classifier.md", "python")
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (9, 9), "red").save("one.jpg")
    Image.new("RGB", (9, 9), "blue").save("two.png")
    rows = np.eye(4, dtype=np.float32)
    known: dict[str, Any] = {"texts": rows[:2], "support": rows, "labels": list("abba")}
    known["images"] = rows[:3]
    code = block.replace("openai/clip-vit-base-patch32", str(tiny_clip))
    exec(compile(code, "classifier.md", "exec"), known)  # noqa: S102
    assert known["names"].classes_.tolist() == ["apple", "kiwi"]
    assert known["drawn"].classes_.tolist() == ["a", "b"]


def test_every_method_has_a_formula_and_its_source() -> None:
    text = text_of("docs/methods.md")
    rows = dict(re.findall(r"^\| `([\w+-]+)` \| (.+) \|$", text, re.MULTILINE))
    papers = " ".join(text.split("## Papers\n")[1].split())
    assert list(rows) == list(METHODS)
    for method in METHODS.values():
        formula, tuned, _, source = rows[method.name].split(" | ")
        assert "`" in formula or "the same" in formula
        assert [name for name in tuned.split(", ") if name != "–"] == list(method.grid)
        assert f"- `{method.name}`: {method.paper}" in papers
        venue = re.findall(r"[A-Z]\w+ 20\d\d", method.paper)
        assert all(name in source for name in venue)
