"""Checkpoints that are missing, broken, of another kind, or up to something."""

import json
import os
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError
from safetensors.torch import load_file, save_file
from transformers import CLIPModel

from susx.config.schema import EncoderSettings
from susx.core.errors import InputError
from susx.encoders import load_encoder, transformers_models
from susx.encoders.protocol import Encoder
from tests.closeness import LANES, assert_close, random_walk
from tests.encoder_cases import CLIP_TEXT_TERMS
from tests.helpers import PROJECTION, save_tiny_clip
from tests.pages import ROOT

TEXTS = ["a photo of a cat.", "dog"]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_tiny_clip(tmp_path / "clip")
    return tmp_path / "clip"


def load(folder: Path | str) -> Encoder:
    return load_encoder(EncoderSettings(library="transformers", model=str(folder), device="cpu"))


def test_other_weights_have_another_hash(checkpoint: Path, tmp_path: Path) -> None:
    save_tiny_clip(tmp_path / "same")
    save_tiny_clip(tmp_path / "other", seed=1)
    hashes = [
        load(folder).provenance["weights_sha256"]
        for folder in (checkpoint, tmp_path / "same", tmp_path / "other")
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_loading_says_nothing(checkpoint: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load(checkpoint)
    assert capfd.readouterr() == ("", "")


def test_compiled_encoder_gives_the_same_features(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced = partial(torch.compile, backend="eager")
    monkeypatch.setattr(torch, "compile", lambda function: traced(function))
    settings = EncoderSettings(
        library="transformers", model=str(checkpoint), device="cpu", compile=True
    )
    made = load_encoder(settings).encode_texts(TEXTS)
    expected = load(checkpoint).encode_texts(TEXTS)
    assert_close(made, expected, random_walk(CLIP_TEXT_TERMS, LANES))


def test_half_precision_checkpoint_is_loaded(checkpoint: Path) -> None:
    model = CLIPModel.from_pretrained(checkpoint).half()
    model.save_pretrained(checkpoint)
    made = load(checkpoint).encode_texts(TEXTS)
    assert made.dtype == torch.float32
    model.float().save_pretrained(checkpoint)
    assert torch.equal(made, load(checkpoint).encode_texts(TEXTS))


@pytest.mark.parametrize(
    ("model", "says"),
    [("no/such/folder", "not found"), ("nobody/no-such-model", ".*give a folder that save_")],
)
def test_missing_model_is_named(model: str, says: str) -> None:
    with pytest.raises(InputError, match=rf"(?s)encoder model {model}: {says}"):
        load(model)


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"]
)
def test_checkpoint_without_one_of_its_files_is_refused(checkpoint: Path, name: str) -> None:
    (checkpoint / name).unlink()
    with pytest.raises(InputError, match="clip: cannot be loaded with transformers"):
        load(checkpoint)


@pytest.mark.parametrize("key", ["logit_scale", "visual_projection.weight"])
def test_checkpoint_without_one_of_its_weights_is_refused(checkpoint: Path, key: str) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    del weights[key]
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=rf"clip: weights are missing \({key}, \.\.\.\)"):
        load(checkpoint)


def test_weights_of_more_layers_than_the_configuration_counts_are_refused(
    checkpoint: Path,
) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    first = "vision_model.encoder.layers.0."
    more = {
        key.replace(first, first.replace("0", "99")): value.clone()
        for key, value in weights.items()
        if key.startswith(first)
    }
    other = {"text_model.embeddings.position_ids": torch.arange(9), "head.bias": torch.ones(2)}
    file = checkpoint / "model.safetensors"
    save_file(weights | other, file, metadata={"format": "pt"})
    assert load(checkpoint).dim == PROJECTION
    save_file(weights | more, file, metadata={"format": "pt"})
    problem = r"clip: has weights of layers that its configuration does not count \(vision.*99"
    with pytest.raises(InputError, match=problem):
        load(checkpoint)


@pytest.mark.parametrize("key", ["image_mean", "image_std"])
def test_normalisation_is_not_guessed(checkpoint: Path, key: str) -> None:
    edit(checkpoint / "preprocessor_config.json", **{key: None})
    with pytest.raises(InputError, match=rf'clip: the configuration .* lacks "{key}", for which'):
        load(checkpoint)


def test_a_preprocessing_that_leaves_images_their_shape_is_refused(checkpoint: Path) -> None:
    edit(checkpoint / "preprocessor_config.json", do_center_crop=False)
    with pytest.raises(InputError, match="clip: an image cannot be embedded"):
        load(checkpoint)


def test_a_tokenizer_without_its_unknown_token_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "demo/model", tmp_path / "model")
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(InputError, match=r"model: texts cannot be embedded .*not found in the voc"):
        load(folder)


def test_truncated_weights_are_refused(checkpoint: Path) -> None:
    data = (checkpoint / "model.safetensors").read_bytes()
    (checkpoint / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="clip: cannot be loaded with transformers"):
        load(checkpoint)


def edit(path: Path, **changes: object) -> None:
    data = {**json.loads(path.read_text("utf-8")), **changes}
    path.write_text(json.dumps(data), "utf-8")


@pytest.mark.parametrize("kind", ["bert", "siglip", "nonsense"])
def test_another_kind_of_model_is_refused(checkpoint: Path, kind: str) -> None:
    edit(checkpoint / "config.json", model_type=kind, architectures=["OtherModel"])
    weights = load_file(checkpoint / "model.safetensors")
    renamed = {f"encoder.{key}": value for key, value in weights.items()}
    save_file(renamed, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="clip: "):
        load(checkpoint)


def test_weights_of_another_shape_are_refused(checkpoint: Path) -> None:
    edit(checkpoint / "config.json", projection_dim=PROJECTION + 1)
    with pytest.raises(InputError, match="clip: "):
        load(checkpoint)


def test_pickled_weights_are_read_as_data(checkpoint: Path) -> None:
    expected = load(checkpoint)
    weights = load_file(checkpoint / "model.safetensors")
    torch.save(weights, checkpoint / "pytorch_model.bin")
    (checkpoint / "model.safetensors").unlink()
    made = load(checkpoint)
    assert made.provenance["weights_sha256"] == expected.provenance["weights_sha256"]
    assert torch.equal(made.encode_texts(TEXTS), expected.encode_texts(TEXTS))


def test_safetensors_are_preferred(checkpoint: Path) -> None:
    (checkpoint / "pytorch_model.bin").write_bytes(b"broken")
    load(checkpoint)


class Trap:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def test_code_in_a_pickle_is_not_run(checkpoint: Path, tmp_path: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    (checkpoint / "model.safetensors").unlink()
    torch.save(weights | {"x": Trap(tmp_path / "trace")}, checkpoint / "pytorch_model.bin")
    with pytest.raises(InputError, match="clip: its weights cannot be read as data only"):
        load(checkpoint)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ({"model.safetensors"}, True),
        ({"model.safetensors.index.json", "pytorch_model.bin"}, True),
        ({"pytorch_model.bin"}, False),
        (set(), False),
    ],
)
def test_hub_is_asked_for_safetensors_first(
    monkeypatch: pytest.MonkeyPatch, there: set[str], asked: bool
) -> None:
    def download(model: str, name: str, revision: str | None) -> str:
        assert (model, revision) == ("owner/name", "abc")
        if name not in there:
            raise EntryNotFoundError(name)
        return name

    monkeypatch.setattr(transformers_models, "hf_hub_download", download)
    assert transformers_models._has_safetensors("owner/name", "abc") is asked


@pytest.mark.parametrize(
    ("stored", "shown"),
    [(100.0, "inf"), (14.0, "1.2026e+06"), (float("nan"), "nan"), (0.0, "1")],
)
def test_logit_scale_that_cannot_be_one_is_refused(
    checkpoint: Path, stored: float, shown: str
) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    weights["logit_scale"].fill_(stored)
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=rf"clip: its logit scale is {re.escape(shown)}, but"):
        load(checkpoint)


def test_image_std_of_zero_is_refused(checkpoint: Path) -> None:
    edit(checkpoint / "preprocessor_config.json", image_std=[0.25, 0, 0.25])
    with pytest.raises(InputError, match=r"clip: its preprocessing .* correct `image_std`"):
        load(checkpoint)


@pytest.mark.parametrize(
    "changes",
    [
        {"image_mean": [123.0, 116.0, 103.0]},
        {"image_mean": [123.0, 116.0, 103.0], "image_std": [58.0, 57.0, 57.0]},
        {"do_rescale": False},
    ],
)
def test_levels_of_another_range_are_refused(checkpoint: Path, changes: dict[str, object]) -> None:
    edit(checkpoint / "preprocessor_config.json", **changes)
    with pytest.raises(InputError, match=r"clip: its preprocessing turns black to white into"):
        load(checkpoint)


def test_levels_that_are_normalised_without_division_are_taken(checkpoint: Path) -> None:
    stated = {"image_mean": [123.0, 116.0, 103.0], "image_std": [58.0, 57.0, 57.0]}
    edit(checkpoint / "preprocessor_config.json", do_rescale=False, **stated)
    assert load(checkpoint).dim == PROJECTION


def test_weights_of_whole_numbers_are_refused(checkpoint: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    key = "visual_projection.weight"
    weights[key] = (weights[key] * 100).to(torch.int8)
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=rf"clip: its weights {key} are whole numbers, as quant"):
        load(checkpoint)


def test_size_of_another_checkpoint_is_refused(checkpoint: Path) -> None:
    size = {"height": 64, "width": 64}
    edit(checkpoint / "preprocessor_config.json", crop_size=size, size={"shortest_edge": 64})
    with pytest.raises(InputError, match=r"clip: an image cannot be embedded \(.*64"):
        load(checkpoint)


@pytest.mark.parametrize("value", [float("nan"), 0.0])
def test_weights_that_embed_nothing_are_refused(checkpoint: Path, value: float) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    weights["visual_projection.weight"].fill_(value)
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="clip: an image: the embedding is not finite, or zero"):
        load(checkpoint)


def test_end_token_that_the_tokenizer_never_writes_is_refused(checkpoint: Path) -> None:
    text = json.loads((checkpoint / "config.json").read_text("utf-8"))["text_config"]
    edit(checkpoint / "config.json", text_config={**text, "eos_token_id": 49})
    with pytest.raises(InputError, match=r'"a green tree" are the same to it.*`eos_token_id`'):
        load(checkpoint)


def test_code_in_a_checkpoint_is_not_run(checkpoint: Path) -> None:
    trace = checkpoint / "trace"
    (checkpoint / "extra.py").write_text(f"open({str(trace)!r}, 'w').close()\n")
    names = ("AutoModel", "AutoTokenizer", "AutoImageProcessor", "AutoConfig")
    for file in ("config.json", "tokenizer_config.json", "preprocessor_config.json"):
        edit(checkpoint / file, auto_map={name: "extra.Extra" for name in names})
    try:
        load(checkpoint)
    except InputError as error:
        assert "clip" in str(error)
    assert not trace.exists()
