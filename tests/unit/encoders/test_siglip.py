"""What SigLIP does otherwise than CLIP: text clean-up, padding, bias."""

import io
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from susx.config.schema import EncoderSettings
from susx.core.errors import InputError
from susx.encoders import load_encoder
from susx.encoders.protocol import Encoder
from tests.encoder_cases import CASES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("siglip")
    CASES["siglip"].save(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return load_encoder(EncoderSettings(library="transformers", model=str(folder), device="cpu"))


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
        EncoderSettings(library="transformers", model=str(tmp_path / "changed"), device="cpu")
    )
    difference = changed.encode_texts(["cat"]) - encoder.encode_texts(["cat"])
    assert difference.abs().max() > 0.01


def test_bias_is_recorded_and_left_out_of_the_scale(encoder: Encoder) -> None:
    assert encoder.provenance["logit_bias"] == pytest.approx(-10.0)
    assert encoder.logit_scale == pytest.approx(7.3891, rel=1e-4)


def test_first_generation_reads_sentence_pieces_without_punctuation(
    folder: Path, tmp_path: Path
) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    from transformers import SiglipTokenizer

    pieces = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a photo of a cat or of a dog"] * 20),
        model_writer=pieces,
        vocab_size=40,
        hard_vocab_limit=False,
        pad_id=-1,
        bos_id=-1,
        unk_id=0,
        eos_id=1,
        minloglevel=2,
    )
    shutil.copytree(folder, tmp_path / "first", ignore=shutil.ignore_patterns("tokenizer*"))
    (tmp_path / "spiece.model").write_bytes(pieces.getvalue())
    SiglipTokenizer(str(tmp_path / "spiece.model")).save_pretrained(tmp_path / "first")
    settings = EncoderSettings(library="transformers", model=str(tmp_path / "first"), device="cpu")
    encoder = load_encoder(settings)
    made = encoder.encode_texts(["A photo, of a CAT!", "a photo of a cat", "a dog"])
    assert torch.equal(made[0], made[1])
    assert (made[1] - made[2]).abs().max() > 0.01


def test_missing_sentencepiece_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*arguments: object, **options: object) -> None:
        raise ImportError("SiglipTokenizer requires the SentencePiece library but it was not found")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lacking)
    with pytest.raises(InputError, match=r"needs the package sentencepiece: pip install"):
        load_encoder(EncoderSettings(library="transformers", model=str(folder), device="cpu"))
