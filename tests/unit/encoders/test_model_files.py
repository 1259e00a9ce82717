"""What shows of a model before it is loaded: whether it is there, and for which library."""

import json
from pathlib import Path
from typing import Any

import pytest

from susx.config.schema import EncoderSettings
from susx.encoders.model_files import LARGEST, model_config, model_problem


def problem(model: object, library: str = "transformers", **settings: Any) -> str | None:
    found = model_problem(EncoderSettings(library=library, model=str(model), **settings))
    return found and ": ".join(found)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), "utf-8")
    return folder


@pytest.mark.parametrize(
    "model",
    ["models/nowhere", "./clip", "/clip", "a/b/c", "RN50.pt", "a/epoch_3.PT", "hf-hub:a/b/c"],
)
def test_what_can_only_be_a_path_must_be_there(model: str) -> None:
    assert problem(model) == f"model: {model}: not found"
    assert problem("owner/name", "blip", tokenizer=model) == f"tokenizer: {model}: not found"


@pytest.mark.parametrize(
    "model", ["openai/clip-vit-base-patch32", "hf-hub:timm/resnet50_clip.openai", "gpt2", "a/b.c"]
)
def test_what_may_be_on_the_hub_is_left_to_it(model: str) -> None:
    assert problem(model) is None


def test_a_mistyped_folder_is_shown_its_neighbour(here: Path) -> None:
    written(here / "models/clip-vit")
    said = problem("models/clip-vti")
    assert said == 'model: models/clip-vti: not found; did you mean "clip-vit"?'


CLIP, BLIP = {"model_type": "clip"}, {"model_type": "blip"}
OWN = {"model_cfg": {}, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}


@pytest.mark.parametrize(
    ("files", "library", "other"),
    [
        ({"config": CLIP}, "transformers", None),
        ({"config": CLIP}, "open-clip", "transformers"),
        ({"config": CLIP}, "blip", "transformers"),
        ({"config": BLIP}, "transformers", "blip"),
        ({"config": BLIP}, "open-clip", "blip"),
        ({"config": BLIP}, "blip", None),
        ({"config": BLIP}, "tcl", "blip"),
        ({"open_clip_config": OWN}, "open-clip", None),
        ({"open_clip_config": OWN}, "transformers", "open-clip"),
        ({"open_clip_config": OWN}, "tcl", "open-clip"),
        ({"open_clip_config": OWN, "config": CLIP}, "open-clip", None),
        ({"open_clip_config": OWN, "config": CLIP}, "transformers", None),
        ({"open_clip_config": OWN, "config": {}}, "transformers", "open-clip"),
        ({"config": {"model_type": "bert"}}, "open-clip", None),
        ({}, "transformers", None),
        ({}, "blip", None),
    ],
)
def test_folder_of_another_library_is_named(
    here: Path, files: dict[str, object], library: str, other: str | None
) -> None:
    folder = written(here / "model", **files)
    said = problem(folder, library)
    if other is None:
        assert said is None
    else:
        assert said is not None
        assert said.endswith(f"in the format of another library; set `library: {other}`")


@pytest.mark.parametrize(
    ("library", "settings", "says"),
    [
        ("transformers", {}, "set `library: open-clip` and `architecture`"),
        ("open-clip", {}, "is a checkpoint file; set `architecture`"),
        ("open-clip", {"architecture": "RN50"}, None),
        ("blip", {}, None),
    ],
)
def test_file_is_for_libraries_that_read_files(
    here: Path, library: str, settings: dict[str, Any], says: str | None
) -> None:
    (here / "model.pt").touch()
    said = problem("model.pt", library, **settings)
    assert said is None if says is None else says in str(said)


def test_folder_has_its_own_architecture(here: Path) -> None:
    folder = written(here / "model", open_clip_config=OWN)
    assert "remove `architecture`" in str(problem(folder, "open-clip", architecture="RN50"))


@pytest.mark.parametrize("content", ["", "[1]", "{", "[" * 10**5, '{"model_type": 3}'])
def test_broken_configuration_says_nothing(here: Path, content: str) -> None:
    written(here / "model")
    (here / "model/config.json").write_text(content, "utf-8")
    assert model_config(here / "model").get("model_type") in (None, 3)
    assert problem(here / "model") is None


def test_configuration_is_bounded(here: Path) -> None:
    written(here / "model", config={"model_type": "clip", "more": "x" * LARGEST})
    assert model_config(here / "model") == {}


def test_a_folder_that_does_not_say_how_images_are_normalised_is_told_while_planning(
    here: Path,
) -> None:
    folder = written(here / "model", open_clip_config={"model_cfg": {}})
    said = problem(folder, "open-clip")
    assert said is not None
    assert 'open_clip_config.json lacks "mean", "std" in `preprocess_cfg`' in said
