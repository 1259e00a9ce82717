"""The code of docs/extending.md does what the page says, as it stands."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from susx.config.cards import Card, load_card
from susx.config.encoders import LIBRARIES
from susx.config.encoders import Encoder as Settings
from susx.encoders import load_encoder
from susx.evaluation.arrays import Labelled
from susx.evaluation.tuning import Settings as TuningSettings
from susx.evaluation.tuning import tune
from susx.manifests.classes import ClassManifest, class_manifest
from susx.manifests.tables import SupportRecord, read_table, write_table
from susx.pools.shards import Shard, read_shard
from susx.prompts.strategies import SOURCES, build_prompts
from tests.closeness import assert_close, random_walk
from tests.helpers import context_of, images_of, make_problem, write_class_folders
from tests.pages import ROOT, blocks

PAGE = "docs/extending.md"
PLUGIN = "from susx.methods import METHODS\nMETHODS[PROTOTYPES.name] = PROTOTYPES\n"


def code(defined: str) -> str:
    """The block of Python that defines something."""
    (found,) = [block for block in blocks(PAGE, "python") if f"{defined}" in block]
    return found


def names(defined: str) -> dict[str, Any]:
    """What the block of Python that defines something leaves behind."""
    module: dict[str, Any] = {"__name__": "page"}
    exec(compile(code(defined), PAGE, "exec"), module)  # noqa: S102
    return module


@pytest.fixture
def classes() -> ClassManifest:
    return class_manifest([{"name": "ant", "aliases": ["Formica"]}, {"name": "bee"}])


def test_every_block_of_python_is_run_by_a_test_of_this_file() -> None:
    run = ("class ColourEncoder", "PROTOTYPES = ", "def aliases", "def pick_support")
    assert [code(defined) for defined in run] == blocks(PAGE, "python")


def test_the_method_keeps_the_contract(tmp_path: Path) -> None:
    (tmp_path / "page_method.py").write_text(code("PROTOTYPES = ") + PLUGIN, "utf-8")
    suite = "tests/contract/test_method_contract.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "page_method", suite, "-k", "prototypes", "-q"],
        cwd=ROOT,
        env={"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    (passed,) = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) > 20


def test_the_method_is_tuned_like_the_others() -> None:
    method = names("PROTOTYPES = ")["PROTOTYPES"]
    problem = make_problem(0, n=200)
    labels = torch.from_numpy(problem.labels)
    shown = Labelled(images_of(problem), labels)
    tuned = tune(method, context_of(problem), "validation", TuningSettings(), shown)
    fitted = method.fit(context_of(problem), tuned.hyperparameters)
    right = int((fitted.logits(shown.images).argmax(dim=1) == labels).sum())
    by_text = int(
        ((shown.images.features @ context_of(problem).text.T).argmax(dim=1) == labels).sum()
    )
    assert tuned.correct == right > by_text


def test_the_encoder_classifies_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    page = names("class ColourEncoder")
    monkeypatch.setattr("susx.encoders.import_module", lambda name: page[name])
    monkeypatch.setitem(page, "page", type("Module", (), {"load": staticmethod(page["load"])}))
    monkeypatch.setitem(LIBRARIES, "colours", "page:load")
    encoder = load_encoder(Settings(library="colours", model="none", device="cpu"))

    shown = [Image.new("RGB", (20, 10), name) for name in ("red", "lime", "navy")]
    images = encoder.encode_images(torch.stack([encoder.preprocess(image) for image in shown]))
    texts = encoder.encode_texts(["a photo of a red.", "a photo of a lime.", "a photo of a navy."])
    assert_close(images, texts, random_walk(64))  # mean of the patches
    assert encoder.provenance["library"] == "colours"
    patches = encoder.encode_patches(torch.stack([encoder.preprocess(image) for image in shown]))
    assert patches.shape == (3, 64, 3)
    assert torch.equal(patches.mean(dim=1), images)


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
