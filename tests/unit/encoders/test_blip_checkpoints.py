"""Checkpoints of BLIP and TCL: where they lie, what they may hold, what they must."""

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor
from transformers import BertTokenizer, BlipConfig, BlipForImageTextRetrieval

from susx.config.encoders import local_files
from susx.config.schema import EncoderSettings
from susx.core.errors import InputError
from susx.encoders import load_encoder
from susx.encoders.blip import BLIP, TCL
from susx.encoders.blip_weights import interpolated
from susx.encoders.protocol import Encoder
from susx.images.decode import decode
from tests.blip_cases import (
    DIM,
    IMAGE_TERMS,
    PATCH,
    SIDE,
    TOWER,
    VOCABULARY,
    caption,
    published,
    save,
    squashed,
    towers,
)
from tests.closeness import LANES, assert_close, random_walk
from tests.encoder_cases import widen
from tests.helpers import colour_of, image_bytes

TEXTS = ["a photo of a cat", "dog"]
IMAGES = [decode(image_bytes(colour_of(i, 3), (40, 30), seed=i)) for i in range(3)]


@pytest.fixture(scope="module", params=["blip", "tcl"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def said(kind: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return save(kind, tmp_path_factory.mktemp(kind))


def load(kind: str, said: dict[str, Any], **changes: Any) -> Encoder:
    return load_encoder(EncoderSettings(library=kind, device="cpu", **(said | changes)))


def saved(folder: Path, weights: dict[str, Tensor]) -> dict[str, str]:
    torch.save({"model": weights}, folder / "changed.pth")
    return {"model": str(folder / "changed.pth")}


def test_folder_with_one_checkpoint_is_as_good_as_the_file(
    kind: str, said: dict[str, Any], tmp_path: Path
) -> None:
    shutil.copy(said["model"], tmp_path / "checkpoint.pth")
    made = load(kind, said, model=str(tmp_path)).encode_texts(TEXTS)
    assert torch.equal(made, load(kind, said).encode_texts(TEXTS))


def test_safetensors_hold_the_same_model(kind: str, said: dict[str, Any], tmp_path: Path) -> None:
    save_file(published(kind), tmp_path / "model.safetensors")
    again = load(kind, said, model=str(tmp_path / "model.safetensors"))
    expected = load(kind, said).provenance["weights_sha256"]
    assert again.provenance["weights_sha256"] == expected


@pytest.fixture(scope="module")
def of_transformers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of BlipForImageTextRetrieval, which has every other weight drawn anew."""
    tower = {"hidden_size": TOWER, "intermediate_size": 2 * TOWER, "num_attention_heads": 2}
    config = BlipConfig(
        text_config=tower
        | {"num_hidden_layers": 3, "vocab_size": len(VOCABULARY) + 2, "max_position_embeddings": 48}
        | {"layer_norm_eps": 1e-12, "encoder_hidden_size": TOWER},
        vision_config=tower
        | {"num_hidden_layers": 2, "image_size": SIDE, "patch_size": PATCH, "layer_norm_eps": 1e-6},
        image_text_hidden_size=DIM,
        logit_scale_init_value=2.6592,
    )
    model = BlipForImageTextRetrieval(config)
    widen(model)
    folder = tmp_path_factory.mktemp("retrieval")
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("pickled", [False, True])
def test_folder_of_transformers_is_the_same_model(
    of_transformers: Path, said: dict[str, Any], tmp_path: Path, pickled: bool
) -> None:
    model = BlipForImageTextRetrieval.from_pretrained(of_transformers).eval()
    folder = of_transformers
    if pickled:
        folder = tmp_path / "pickled"
        folder.mkdir()
        shutil.copy(of_transformers / "config.json", folder)
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    encoder = load("blip", said, model=str(folder))
    assert encoder.logit_scale == pytest.approx(14.2849, rel=1e-4)
    assert encoder.provenance["logit_scale_from"] == "config.json: logit_scale_init_value"
    pixels = torch.stack([encoder.preprocess(image) for image in IMAGES])
    with torch.no_grad():
        hidden = model.vision_model(pixel_values=squashed(IMAGES, SIDE)).last_hidden_state
        images = model.vision_proj(hidden[:, 0])
        tokens = BertTokenizer.from_pretrained(said["tokenizer"])(
            TEXTS, padding=True, return_tensors="pt"
        )
        states = model.text_encoder(tokens["input_ids"], tokens["attention_mask"])
        texts = model.text_proj(states.last_hidden_state[:, 0])
    assert_close(encoder.encode_images(pixels), images, random_walk(IMAGE_TERMS, LANES))
    assert_close(encoder.encode_texts(TEXTS), texts, random_walk(IMAGE_TERMS, LANES))


def test_folder_of_transformers_without_a_temperature_is_refused(
    of_transformers: Path, said: dict[str, Any], tmp_path: Path
) -> None:
    shutil.copy(of_transformers / "model.safetensors", tmp_path)
    with pytest.raises(InputError, match=r"weights are missing \(temp"):
        load("blip", said, model=str(tmp_path))


def test_folder_with_two_checkpoints_is_ambiguous(tmp_path: Path, said: dict[str, Any]) -> None:
    for name in ("a.pth", "b.pth"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r'name one file of its folder: "a\.pth", "b\.pth"'):
        load("blip", said, model=str(tmp_path))


def test_folder_without_checkpoint_is_named(tmp_path: Path, said: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"has no checkpoint, a file in \"\.safetensors\""):
        load("blip", said, model=str(tmp_path))


def test_fine_tuned_tcl_has_shorter_names(tmp_path: Path) -> None:
    said = save("tcl", tmp_path / "pretrained")
    weights = {
        k.replace("text_encoder.bert.", "text_encoder."): v for k, v in published("tcl").items()
    }
    assert weights.keys() != published("tcl").keys()
    made = load("tcl", said, **saved(tmp_path, weights)).encode_texts(TEXTS)
    assert torch.equal(made, load("tcl", said).encode_texts(TEXTS))


def test_upper_half_of_tcl_is_for_fusion_and_not_read(tmp_path: Path) -> None:
    said = save("tcl", tmp_path / "tcl")
    weights = published("tcl")
    for key in weights:
        if ".layer.6." in key or ".layer.7." in key:
            weights[key] = torch.full_like(weights[key], torch.nan)
    made = load("tcl", said, **saved(tmp_path, weights)).encode_texts(TEXTS)
    assert torch.equal(made, load("tcl", said).encode_texts(TEXTS))


@pytest.mark.parametrize(
    "key",
    [
        "temp",
        "vision_proj.bias",
        "text_proj.weight",
        "visual_encoder.pos_embed",
        "visual_encoder.blocks.0.mlp.fc1.weight",
        "visual_encoder.blocks.1.attn.qkv.bias",
        "text_encoder.embeddings.word_embeddings.weight",
        "text_encoder.encoder.layer.1.output.dense.bias",
    ],
)
def test_missing_weight_is_named(tmp_path: Path, key: str) -> None:
    said = save("blip", tmp_path / "blip")
    weights = published("blip")
    del weights[key]
    with pytest.raises(InputError, match=rf"changed\.pth: weights are missing \({key}, \.\.\.\)"):
        load("blip", said, **saved(tmp_path, weights))


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        (
            "text_proj.weight",
            torch.zeros(24, 64),
            r"text_proj\.weight has shape \(24, 64\), but needs \(24, 128\)",
        ),
        ("visual_encoder.norm.weight", torch.zeros(3), r"visual_encoder\.norm\.weight has shape"),
        ("visual_encoder.pos_embed", torch.zeros(17), r"pos_embed has shape \(17,\), but needs 3"),
        ("visual_encoder.patch_embed.proj.weight", torch.zeros(96, 3, 8, 8), "width 96"),
        ("temp", torch.tensor(-1.0), "`temp` is -1, but a temperature is positive"),
        ("temp", torch.zeros(2), r"weights are missing \(temp"),
    ],
)
def test_weight_that_does_not_fit_is_named(
    tmp_path: Path, key: str, value: Tensor, says: str
) -> None:
    said = save("blip", tmp_path / "blip")
    with pytest.raises(InputError, match=rf"encoder model .*changed\.pth: .*{says}"):
        load("blip", said, **saved(tmp_path, published("blip") | {key: value}))


def test_the_other_format_is_recognised(kind: str, said: dict[str, Any]) -> None:
    other = {"blip": "tcl", "tcl": "blip"}[kind]
    with pytest.raises(InputError, match=f"token types; try `library: {kind}`"):
        load(other, said)


class Trap:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize(
    "write", [torch.save, lambda x, path: path.write_bytes(pickle.dumps(x, 2))]
)
def test_code_in_a_pickle_is_not_run(tmp_path: Path, said: dict[str, Any], write: Any) -> None:
    write({"model": published("blip"), "config": Trap(tmp_path / "trace")}, tmp_path / "bad.pth")
    with pytest.raises(InputError, match=r"bad\.pth: cannot be read as data only \(Unpickling"):
        load("blip", said, model=str(tmp_path / "bad.pth"))
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("content", [{"model": 3}, [1], {}, {"model": {"a": 1}}])
def test_file_without_tensors_is_refused(
    tmp_path: Path, said: dict[str, Any], content: Any
) -> None:
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(InputError, match=r"odd\.pth: holds no tensors by name"):
        load("blip", said, model=str(tmp_path / "odd.pth"))


def test_truncated_file_is_refused(tmp_path: Path, said: dict[str, Any]) -> None:
    data = Path(said["model"]).read_bytes()
    (tmp_path / "cut.pth").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"cut\.pth: cannot be read as data only"):
        load("blip", said, model=str(tmp_path / "cut.pth"))


def test_other_image_size_interpolates_the_positions(kind: str, said: dict[str, Any]) -> None:
    encoder = load(kind, said, image_size=48)
    assert encoder.image_size == 48
    pixels = torch.stack([encoder.preprocess(image) for image in IMAGES])
    scaled = encoder.scale(pixels)
    assert torch.equal(scaled, squashed(IMAGES, 48))
    vision, _, project, _ = towers(kind)
    with torch.no_grad():
        hidden = vision(pixel_values=scaled, interpolate_pos_encoding=True).last_hidden_state
        expected = project(hidden)
    made = encoder.encode_images(pixels)
    # Positions are means of 4 x 4 others, and there are 37 tokens instead of 17 in two layers.
    roundings = random_walk(IMAGE_TERMS + 16 + 2 * (37 - 17), LANES)
    assert_close(made, expected[:, 0], roundings)
    patches = encoder.encode_patches(pixels)
    assert_close(patches, expected[:, 1:], roundings)


def test_same_grid_keeps_the_positions() -> None:
    positions = torch.randn(1, 17, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(interpolated(positions, 4), positions)
    assert interpolated(positions, 6).shape == (1, 37, 8)
    assert torch.equal(interpolated(positions, 6)[:, 0], positions[:, 0])


def test_image_size_is_a_multiple_of_the_patches(said: dict[str, Any], kind: str) -> None:
    with pytest.raises(InputError, match="`image_size` 36 is no multiple of its patches' 8"):
        load(kind, said, image_size=SIDE + 4)


def test_tokenizer_of_another_vocabulary_is_refused(
    kind: str, tmp_path: Path, said: dict[str, Any]
) -> None:
    shutil.copytree(said["tokenizer"], tmp_path / "other")
    for name in ("tokenizer.json", "vocab.txt"):
        (tmp_path / "other" / name).unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"other: (has 5 tokens, but the model|cannot be loaded)"):
        load(kind, said, tokenizer=str(tmp_path / "other"))


def test_missing_tokenizer_is_named(said: dict[str, Any], kind: str) -> None:
    with pytest.raises(
        InputError, match=r"encoder tokenizer no/such: .*set `tokenizer` to a folder"
    ):
        load(kind, said, tokenizer="no/such")
    with pytest.raises(InputError, match="encoder tokenizer google-bert/bert-base-uncased: "):
        load_encoder(EncoderSettings(library=kind, device="cpu", model=said["model"]))


@pytest.mark.parametrize(
    "text",
    [
        "A photo of a Cat.",
        'salt-and-pepper, half/half; it\'s #1 (really?) ~ "quoted"',
        "a <Person> with a dog",
        "  two   spaces\tand a tab \n",
        " ".join(f"w{i}" for i in range(40)),
        "",
    ],
)
@pytest.mark.parametrize("form", [BLIP, TCL], ids=["blip", "tcl"])
def test_texts_are_cleaned_as_captions_were(form: Any, text: str) -> None:
    assert form.clean(text)[:30] == caption(form.library, text).split()


def test_tokenizer_files_are_inputs_as_well(said: dict[str, Any], kind: str) -> None:
    names = {Path(path).name for path in local_files(EncoderSettings(library=kind, **said))}
    assert {"model.pth", "tokenizer.json", "tokenizer_config.json"} <= names


@pytest.mark.parametrize(("key", "value"), [("tokenizer", "bert"), ("image_size", 384)])
def test_settings_of_another_library_are_refused(key: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=f"`{key}` is only for library `blip` and `tcl`"):
        EncoderSettings(library="transformers", model="m", **{key: value})
