"""What SigLIP does otherwise than CLIP: text clean-up, padding, bias."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from susx.config import Encoder as Settings
from susx.encoders import Encoder, load_encoder
from tests.encoder_cases import CASES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("siglip")
    CASES["siglip"].save(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return load_encoder(Settings(library="transformers", model=str(folder), device="cpu"))


def test_texts_are_read_in_lower_case(encoder: Encoder, folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer("CAT")["input_ids"] != tokenizer("cat")["input_ids"]
    made = encoder.encode_texts(["A Photo of a CAT", "a photo of a cat", "a photo of a dog"])
    assert torch.equal(made[0], made[1])
    assert (made[1] - made[2]).abs().max() > 0.01


def test_padding_takes_part_in_attention_as_in_training(
    encoder: Encoder, folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "changed")
    weights = load_file(folder / "model.safetensors")
    pad = AutoTokenizer.from_pretrained(folder).pad_token_id
    weights["text_model.embeddings.token_embedding.weight"][pad] *= -1
    save_file(weights, tmp_path / "changed/model.safetensors", metadata={"format": "pt"})
    changed = load_encoder(
        Settings(library="transformers", model=str(tmp_path / "changed"), device="cpu")
    )
    difference = changed.encode_texts(["cat"]) - encoder.encode_texts(["cat"])
    assert difference.abs().max() > 0.01


def test_bias_is_recorded_and_left_out_of_the_scale(encoder: Encoder) -> None:
    assert encoder.provenance["logit_bias"] == pytest.approx(-10.0)
    assert encoder.logit_scale == pytest.approx(7.3891, rel=1e-4)
