"""The code of docs/extending.md does what the page says, as it stands."""

import base64
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from susx.config.cards import Card, load_card
from susx.config.datasets import ImageSettings
from susx.config.encoders import encoder_section
from susx.config.pools import POOLS
from susx.datasets.sources import list_split, locate
from susx.encoders import load_encoder
from susx.evaluation.arrays import LabelledImages
from susx.evaluation.tuning import TuningSettings, tune
from susx.manifests.classes import ClassManifest, class_manifest
from susx.manifests.tables import SupportRecord, read_table, write_table
from susx.pools.shards import Sample, Shard, pool_shards, read_shard
from susx.prompts.strategies import SOURCES, build_prompts
from tests.closeness import assert_close, random_walk
from tests.helpers import context_of, images_of, make_problem, write_class_folders
from tests.pages import ROOT, blocks
from tests.small_package import write_dist_info

PAGE = "docs/extending.md"
SUITE = ROOT / "tests/contract/test_method_contract.py"


def code(defined: str) -> str:
    """The block of Python that defines something."""
    (found,) = [block for block in blocks(PAGE, "python") if f"{defined}" in block]
    return found


def names(defined: str) -> dict[str, Any]:
    """What the block of Python that defines something leaves behind."""
    module: dict[str, Any] = {"__name__": "page"}
    exec(compile(code(defined), PAGE, "exec"), module)  # noqa: S102
    return module


def entry_points(group: str) -> dict[str, dict[str, str]]:
    """The entry points of a group that a block of TOML names."""
    (found,) = [block for block in blocks(PAGE, "toml") if group in block]
    entries: dict[str, dict[str, str]] = tomllib.loads(found)["project"]["entry-points"]
    return entries


@pytest.fixture
def classes() -> ClassManifest:
    return class_manifest([{"name": "ant", "aliases": ["Formica"]}, {"name": "bee"}])


def test_every_block_of_python_is_run_by_a_test_of_this_file() -> None:
    run = (
        *("class TabLists", "class ColourEncoder", "COLOURS = ", "PROTOTYPES = "),
        *("class LinesPool", "def aliases", "def pick_support"),
    )
    assert [code(defined) for defined in run] == blocks(PAGE, "python")


class Passed:
    """A plugin of pytest that counts."""

    def __init__(self) -> None:
        self.number = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.number += report.when == "call" and report.passed


def test_the_method_keeps_the_contract(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "susx_prototypes.py").write_text(code("PROTOTYPES = "), "utf-8")
    write_dist_info(tmp_path, "susx-prototypes", "1.0", entry_points("susx.methods"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, SUITE.stem, raising=False)  # lists methods as it is imported
    passed, alone = Passed(), ("-p", "no:cacheprovider", "-p", "no:xdist")
    ended = pytest.main([str(SUITE), "-k", "prototypes", "-q", *alone], plugins=[passed])
    assert ended == pytest.ExitCode.OK
    assert passed.number > 20


def test_the_method_is_tuned_like_the_others() -> None:
    method = names("PROTOTYPES = ")["PROTOTYPES"]
    problem = make_problem(0, n=200)
    labels = torch.from_numpy(problem.labels)
    shown = LabelledImages(images_of(problem), labels)
    tuned = tune(method, context_of(problem), "validation", TuningSettings(), shown)
    fitted = method.fit(context_of(problem), tuned.hyperparameters)
    right = int((fitted.logits(shown.images).argmax(dim=1) == labels).sum())
    by_text = int(
        ((shown.images.features @ context_of(problem).text.T).argmax(dim=1) == labels).sum()
    )
    assert tuned.correct == right > by_text


def test_the_encoder_classifies_colours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "susx_colours"
    package.mkdir()
    (package / "__init__.py").write_text(code("COLOURS = "), "utf-8")
    (package / "encoder.py").write_text(code("class ColourEncoder"), "utf-8")
    write_dist_info(tmp_path, "susx-colours", "1.0", entry_points("susx.encoders"))
    monkeypatch.syspath_prepend(tmp_path)
    encoder = load_encoder(encoder_section(library="colours", model="none", device="cpu"))

    shown = [Image.new("RGB", (20, 10), name) for name in ("red", "lime", "navy")]
    images = encoder.encode_images(torch.stack([encoder.preprocess(image) for image in shown]))
    texts = encoder.encode_texts(["a photo of a red.", "a photo of a lime.", "a photo of a navy."])
    assert_close(images, texts, random_walk(64))  # mean of the patches
    assert encoder.provenance["library"] == "colours"
    patches = encoder.encode_patches(torch.stack([encoder.preprocess(image) for image in shown]))
    assert patches.shape == (3, 64, 3)
    assert torch.equal(patches.mean(dim=1), images)


def test_the_layout_lists_images(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, classes: ClassManifest
) -> None:
    (tmp_path / "susx_tabs.py").write_text(code("class TabLists"), "utf-8")
    write_dist_info(tmp_path, "susx-tabs", "1.0", entry_points("susx.layouts"))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "test.txt").write_text("a.png\tbee\n\nb.png\tFormica\n", "utf-8")
    source = {"name": "own", "layout": "tabs", "splits": {"test": "test.txt"}}
    card = Card.model_validate({"title": "Insects", "classes": ["x"], "sources": [source]})
    place = locate(ImageSettings(root=str(tmp_path)), card, "images")
    found = list_split(place.settings("test"), classes, "images.test")
    assert [(image.key, image.label) for image in found.images] == [("b.png", 0), ("a.png", 1)]
    assert place.files("test") == [tmp_path / "test.txt", tmp_path]


def test_the_pool_streams_samples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "susx_lines.py").write_text(code("class LinesPool"), "utf-8")
    entries = {"susx.pools": {"lines": "susx_lines:LINES"}}
    assert 'lines = "susx_lines:LINES"' in (ROOT / PAGE).read_text("utf-8")
    write_dist_info(tmp_path, "susx-lines", "1.0", entries)
    monkeypatch.syspath_prepend(tmp_path)
    row = {"image": base64.b64encode(b"png").decode(), "said": "an ant"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row), "utf-8")
    section = POOLS["lines"].section(layout="lines", path=str(tmp_path), text="said")
    (shard,) = pool_shards(section).values()
    assert [*read_shard(Shard(**shard.settings))] == [Sample("000000000", b"png", "an ant")]


def test_the_prompt_source_fills_a_template(
    monkeypatch: pytest.MonkeyPatch, classes: ClassManifest
) -> None:
    monkeypatch.setitem(SOURCES, "aliases", names("def aliases")["aliases"])
    made = build_prompts("named", {"aliases": "aliases"}, classes, {"aliases": "a {}."})
    assert made.texts == [["a ant.", "a Formica."], ["a bee."]]
    assert made.provenance == {"aliases": "a {}."}


def test_the_support_source_makes_a_support_set(tmp_path: Path, classes: ClassManifest) -> None:
    write_class_folders(tmp_path / "picked", ["ant", "bee"], 3)
    (tmp_path / "picked/ant/000.png").write_text("no image", "utf-8")
    pick = names("def pick_support")["pick_support"]
    table = pick(tmp_path / "picked", classes, 2, tmp_path / "images.tar")
    write_table(tmp_path / "manifest.parquet", table, SupportRecord)
    read = read_table(tmp_path / "manifest.parquet", SupportRecord, classes.sha256)
    assert [(r.label, r.rank, Path(r.location).name) for r in read.records] == [
        (0, 0, "001.png"), (0, 1, "002.png"), (1, 0, "000.png"), (1, 1, "001.png")
    ]  # fmt: skip
    kept = list(read_shard(Shard("webdataset", str(tmp_path / "images.tar"))))
    assert [sample.key for sample in kept] == [record.key for record in read.records]
    assert read.meta["n_kept"] == 4


def test_the_card_is_a_card(tmp_path: Path) -> None:
    (tmp_path / "birds.yaml").write_text(blocks(PAGE, "yaml")[0], "utf-8")
    card = load_card(tmp_path / "birds.yaml")
    assert isinstance(card, Card)
    assert [source.layout for source in card.sources] == ["class-folders"]
