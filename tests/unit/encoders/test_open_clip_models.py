"""How models of open_clip are named, and what is wrong where they do not load."""

import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from susx.config.schema import EncoderSettings
from susx.core.errors import InputError
from susx.encoders import load_encoder
from susx.encoders.open_clip_models import WEIGHTS, preprocessing
from susx.encoders.protocol import Encoder
from tests.open_clip_cases import RESNET, TEXT, VIT, save
from tests.torchvision_stand_in import import_open_clip, stand_in


@pytest.fixture(scope="module")
def open_clip() -> ModuleType:
    return import_open_clip()


@pytest.fixture
def folder(open_clip: ModuleType, tmp_path: Path) -> Path:
    save(VIT, tmp_path / "vit")
    return tmp_path / "vit"


def load(model: Any, **settings: Any) -> Encoder:
    return load_encoder(
        EncoderSettings(library="open-clip", model=str(model), device="cpu", **settings)
    )


def edit(folder: Path, part: str, **changes: Any) -> None:
    path = folder / "open_clip_config.json"
    config = json.loads(path.read_text("utf-8"))
    config["model_cfg"].update({part: config["model_cfg"].get(part, {}) | changes})
    path.write_text(json.dumps(config), "utf-8")


@pytest.fixture
def tiny_architecture(open_clip: ModuleType, tmp_path: Path) -> str:
    config = {"embed_dim": 16, "vision_cfg": RESNET, "text_cfg": TEXT}
    (tmp_path / "tiny-resnet.json").write_text(json.dumps(config), "utf-8")
    open_clip.add_model_config(tmp_path / "tiny-resnet.json")
    return "tiny-resnet"


def test_file_is_loaded_by_the_name_of_its_architecture(
    tiny_architecture: str, tmp_path: Path
) -> None:
    save(RESNET, tmp_path / "resnet")
    weights = load_file(tmp_path / "resnet/open_clip_model.safetensors")
    torch.save({"state_dict": weights, "epoch": 3}, tmp_path / "epoch_3.pt")
    made = load(tmp_path / "epoch_3.pt", architecture=tiny_architecture)
    assert made.provenance["architecture"] == "tiny-resnet"
    expected = load(tmp_path / "resnet").encode_texts(["a cat", "a dog"])
    assert torch.equal(made.encode_texts(["a cat", "a dog"]), expected)


def test_tag_decides_on_the_activation(
    open_clip: ModuleType, tiny_architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(RESNET, tmp_path / "quick", quick_gelu=True)
    tag = {"file": str(tmp_path / "quick/open_clip_model.safetensors"), "quick_gelu": True}
    known = open_clip.pretrained._PRETRAINED
    monkeypatch.setitem(known, tiny_architecture, {"openai": tag})
    made = load("openai", architecture=tiny_architecture).encode_texts(["a cat"])
    assert torch.equal(made, load(tmp_path / "quick").encode_texts(["a cat"]))
    monkeypatch.setitem(tag, "quick_gelu", False)
    other = load("openai", architecture=tiny_architecture).encode_texts(["a cat"])
    assert (made - other).abs().max() > 1e-4


INCEPTION = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
OPENAI = {
    "mean": (0.48145466, 0.4578275, 0.40821073),
    "std": (0.26862954, 0.26130258, 0.27577711),
}
BICUBIC = {"interpolation": "bicubic"}


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("ViT-B-16-SigLIP", INCEPTION | BICUBIC | {"resize_mode": "squash"}),
        ("ViT-B-16-SigLIP2", INCEPTION | BICUBIC | {"resize_mode": "squash"}),
        ("RN50", OPENAI | BICUBIC | {"resize_mode": "shortest"}),
        ("ViT-L-14", {}),  # its tags differ
        ("ViT-M-32-alt", {}),  # it has none
    ],
)
def test_preprocessing_of_a_file_is_that_of_all_tags(
    open_clip: ModuleType, architecture: str, expected: dict[str, Any]
) -> None:
    assert preprocessing(architecture, open_clip) == expected


def test_a_file_is_preprocessed_as_its_architecture_is(
    open_clip: ModuleType, tiny_architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(RESNET, tmp_path / "resnet")
    file = tmp_path / "resnet/open_clip_model.safetensors"
    made = load(file, architecture=tiny_architecture).provenance["preprocessing"]
    assert (made["mean"], made["resize_mode"]) == (list(OPENAI["mean"]), "shortest")
    tag = {"hf_hub": "x/", "mean": (0.5,) * 3, "std": (0.4,) * 3, "resize_mode": "squash"}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, tiny_architecture, {"webli": tag})
    made = load(file, architecture=tiny_architecture).provenance["preprocessing"]
    assert (made["mean"], made["std"]) == ([0.5] * 3, [0.4] * 3)
    assert made["resize_mode"] == "squash"


@pytest.mark.parametrize("prefix", ["hf-hub:", ""])
def test_hub_model_is_a_folder_at_the_pinned_revision(
    folder: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    asked = []

    def snapshot(model: str, revision: str | None, patterns: list[str]) -> Path:
        asked.append((model, revision, patterns[-1]))
        return folder

    monkeypatch.setattr("susx.encoders.open_clip_models.folder_of", snapshot)
    made = load(f"{prefix}owner/name", revision="abc")
    assert asked == [("owner/name", "abc", WEIGHTS[0])]
    assert made.provenance["revision"] == "abc"
    assert torch.equal(made.encode_texts(["cat"]), load(folder).encode_texts(["cat"]))


def test_pickled_weights_of_the_hub_are_the_second_choice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load(folder).encode_texts(["cat"])
    weights = load_file(folder / "open_clip_model.safetensors")
    (folder / "open_clip_model.safetensors").unlink()
    torch.save(weights, folder / "open_clip_pytorch_model.bin")
    monkeypatch.setattr("susx.encoders.open_clip_models.folder_of", lambda *arguments: folder)
    assert torch.equal(load("owner/name").encode_texts(["cat"]), expected)
    (folder / "open_clip_pytorch_model.bin").unlink()
    with pytest.raises(InputError, match="owner/name: has no weights of open_clip"):
        load("owner/name")


def test_missing_hub_model_is_named(open_clip: ModuleType) -> None:
    with pytest.raises(InputError, match=r"encoder model owner/name: .*HF_HUB_OFFLINE is set"):
        load("owner/name")


@pytest.mark.parametrize(
    ("model", "settings", "says"),
    [
        ("openai", {"architecture": "RN5"}, 'no architecture "RN5"; did you mean "RN50"?'),
        ("openia", {"architecture": "RN50"}, 'neither a file nor a tag of RN50; .*"openai"'),
        ("openai", {"architecture": "RN50", "revision": "abc"}, "remove `revision`"),
        ("openai", {"architecture": "RN50"}, "openai: cannot be loaded .*HF_HUB_OFFLINE is set"),
        (__file__, {}, "is a checkpoint file; set `architecture`"),
        (__file__, {"architecture": "RN50"}, "cannot be read as data only: they are broken, or a"),
    ],
)
def test_model_that_cannot_be_found_is_named(
    open_clip: ModuleType, model: str, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=rf"encoder model .*{says}") as caught:
        load(model, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["open_clip_config.json", "open_clip_model.safetensors"])
def test_folder_without_one_of_its_files_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InputError, match="vit: cannot be loaded with open_clip"):
        load(folder)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    edit(folder, "vision_cfg", width=64)
    with pytest.raises(InputError, match="vit: cannot be loaded with open_clip: RuntimeError"):
        load(folder)


class Trap:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def test_code_in_a_pickle_is_not_run(folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "open_clip_model.safetensors")
    (folder / "open_clip_model.safetensors").unlink()
    torch.save({"state_dict": weights, "x": Trap(tmp_path / "trace")}, folder / "model.pth")
    with pytest.raises(InputError, match=r"vit: its weights cannot be read as data only"):
        load(folder)
    assert not (tmp_path / "trace").exists()


def test_code_of_a_tokenizer_is_not_run(folder: Path) -> None:
    edit(folder, "text_cfg", tokenizer_kwargs={"trust_remote_code": True})
    with pytest.raises(InputError, match="asks for `trust_remote_code`, which is never granted"):
        load(folder)


def test_tower_without_patch_tokens_says_so(folder: Path) -> None:
    vision = {**VIT, "attentional_pool": True, "attn_pooler_heads": 2, "attn_pooler_queries": 4}
    save(vision, folder.parent / "pooled")
    encoder = load(folder.parent / "pooled")
    pixels = torch.zeros(1, 3, 32, 32)
    with pytest.raises(InputError, match=r"no patch tokens .*leave `calip` out"):
        encoder.encode_patches(pixels)


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(InputError, match=r"open_clip is not installed: pip install 'susx"):
        load("owner/name")


def test_torchvision_of_another_torch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> ModuleType:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr("susx.encoders.open_clip_models.import_module", broken)
    with pytest.raises(InputError, match=r"nms does not exist\); install the torchvision that"):
        load("owner/name")


def test_stand_in_for_torchvision_leaves_nothing_behind() -> None:
    before = dict(sys.modules)
    with stand_in():
        assert sys.modules["torchvision"] is not before.get("torchvision")
    assert {name for name in sys.modules if name.startswith("torchvision")} == {
        name for name in before if name.startswith("torchvision")
    }


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        (None, '"mean", "std"'),
        ({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}, '"mean", "std"'),
        ({"mean": [0.5] * 3, "std": None}, '"std"'),
    ],
)
def test_a_folder_says_itself_how_images_are_normalised(
    folder: Path, said: dict[str, Any] | None, missing: str
) -> None:
    file = folder / "open_clip_config.json"
    config = json.loads(file.read_text("utf-8"))
    rest = {"model_cfg": config["model_cfg"]}
    file.write_text(json.dumps(rest if said is None else {**rest, "preprocess_cfg": said}), "utf-8")
    with pytest.raises(InputError, match=rf"open_clip_config\.json lacks {missing} in `preproc"):
        load(folder)
