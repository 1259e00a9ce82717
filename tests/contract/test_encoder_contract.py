"""What every registered encoder promises."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import cosine_similarity, layer_norm
from transformers import AutoTokenizer, CLIPModel, CLIPVisionModelWithProjection
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from susx.config import Encoder as Settings
from susx.encoders import LIBRARIES, Encoder, load_encoder
from susx.errors import InputError
from susx.images import decode
from tests.helpers import CONTEXT, PROJECTION, colour_of, image_bytes, save_tiny_clip

TEXTS = ["a photo of a cat.", "dog", "the large, small and very odd animal: a zebra", "dog"]
SIZES = [(40, 30), (30, 40), (1, 1), (3, 200), (32, 32)]
IMAGES = [decode(image_bytes(colour_of(i, 5), size, seed=i)) for i, size in enumerate(SIZES)]


@dataclass(frozen=True)
class Reference:
    """Pixels and raw features by the library's own means."""

    pixels: Tensor
    images: Tensor
    patches: Tensor
    texts: Tensor


def transformers_reference(folder: Path, images: list[Image.Image], texts: list[str]) -> Reference:
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    processor = CLIPImageProcessorPil.from_pretrained(folder)
    pixels = processor(images=images, return_tensors="pt")["pixel_values"]
    tokens = AutoTokenizer.from_pretrained(folder)(
        texts, padding=True, truncation=True, return_tensors="pt"
    )
    with torch.no_grad():
        image = model.get_image_features(pixel_values=pixels).pooler_output
        text = model.get_text_features(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).pooler_output
        tower = CLIPVisionModelWithProjection.from_pretrained(folder, dtype=torch.float32).eval()
        tokens = tower.vision_model(pixel_values=pixels).last_hidden_state[:, 1:]
        norm = tower.vision_model.post_layernorm
        normed = layer_norm(tokens, tokens.shape[-1:], norm.weight, norm.bias, norm.eps)
        patches = normed @ tower.visual_projection.weight.T
    return Reference(pixels, image, patches, text)


SAVERS: dict[str, Callable[[Path], None]] = {"transformers": save_tiny_clip}
REFERENCES = {"transformers": transformers_reference}


@pytest.fixture(scope="module", params=list(LIBRARIES))
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("contract") / request.param
    SAVERS[request.param](folder)
    return Settings(library=request.param, model=str(folder), device="cpu")


@pytest.fixture(scope="module")
def encoder(settings: Settings) -> Encoder:
    return load_encoder(settings)


@pytest.fixture(scope="module")
def reference(settings: Settings) -> Reference:
    return REFERENCES[settings.library](Path(settings.model), IMAGES, TEXTS)


def pixels_of(encoder: Encoder, images: list[Image.Image]) -> Tensor:
    return torch.stack([encoder.preprocess(image) for image in images])


def test_attributes_describe_the_checkpoint(encoder: Encoder, settings: Settings) -> None:
    assert (encoder.name, encoder.dim, encoder.image_size) == (settings.model, PROJECTION, 32)
    assert encoder.logit_scale == pytest.approx(math.exp(2.6592))
    assert isinstance(encoder.logit_scale, float)


def test_provenance_is_complete_and_fits_into_json(encoder: Encoder, settings: Settings) -> None:
    provenance = json.loads(json.dumps(encoder.provenance))
    assert provenance["library"] == settings.library
    assert provenance["model"] == settings.model
    assert provenance["precision"] == "float32"
    assert len(provenance["weights_sha256"]) == 64
    assert provenance["preprocessing"]["image_mean"] == [0.5, 0.5, 0.5]


def similarities(rows: Tensor) -> Tensor:
    """Cosines of all pairs of rows."""
    return cosine_similarity(rows[:, None], rows[None], dim=2)


def test_features_are_float32_rows_on_the_cpu_that_are_not_normalised(encoder: Encoder) -> None:
    pixels = pixels_of(encoder, IMAGES)
    n, d, patches = len(IMAGES), encoder.dim, (32 // 8) ** 2
    for features, shape in (
        (encoder.encode_images(pixels), (n, d)),
        (encoder.encode_patches(pixels), (n, patches, d)),
        (encoder.encode_texts(TEXTS), (len(TEXTS), d)),
    ):
        assert (features.shape, features.dtype) == (shape, torch.float32)
        assert features.device.type == "cpu"
        assert not features.requires_grad
        lengths = features.norm(dim=-1)
        assert lengths.max() - lengths.min() > 0.01


def test_image_features_are_those_of_the_library(encoder: Encoder, reference: Reference) -> None:
    made = encoder.encode_images(pixels_of(encoder, IMAGES))
    assert made.numpy() == pytest.approx(reference.images.numpy(), abs=1e-5)
    assert similarities(made).min() < 0.9


def test_patch_features_are_projected_as_the_image_is(
    encoder: Encoder, reference: Reference
) -> None:
    made = encoder.encode_patches(pixels_of(encoder, IMAGES))
    assert made.numpy() == pytest.approx(reference.patches.numpy(), abs=1e-5)
    assert made[0].std(dim=0).max() > 0.01
    assert similarities(made[:, 0]).min() < 0.9


def test_text_features_are_those_of_the_library(encoder: Encoder, reference: Reference) -> None:
    made = encoder.encode_texts(TEXTS)
    assert made.numpy() == pytest.approx(reference.texts.numpy(), abs=1e-5)
    assert made[0].numpy() != pytest.approx(made[1].numpy(), abs=1e-2)


def test_preprocessing_is_that_of_the_library(encoder: Encoder, reference: Reference) -> None:
    made = pixels_of(encoder, IMAGES)
    assert (made.shape, made.dtype) == ((len(IMAGES), 3, 32, 32), torch.float32)
    assert torch.equal(made, reference.pixels)


@pytest.mark.parametrize("size", [(40, 30), (30, 40), (64, 64), (32, 32), (17, 90)])
def test_preprocessing_resizes_crops_and_normalises(
    encoder: Encoder, size: tuple[int, int]
) -> None:
    image = decode(image_bytes((200, 100, 30), size))
    short = min(size)
    resized = image.resize(tuple(int(32 * side / short) for side in size), Image.Resampling.BICUBIC)
    left, top = ((side - 32) // 2 for side in resized.size)
    cropped = np.asarray(resized.crop((left, top, left + 32, top + 32)), dtype=np.float64)
    expected = ((cropped / 255 - 0.5) / 0.25).transpose(2, 0, 1)
    assert encoder.preprocess(image).numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_images_without_colour_work(encoder: Encoder, mode: str) -> None:
    image = decode(image_bytes((200, 100, 30), mode=mode))
    features = encoder.encode_images(encoder.preprocess(image)[None])
    assert features.isfinite().all()


@pytest.mark.parametrize("function", ["encode_images", "encode_patches"])
def test_batch_size_changes_nothing(encoder: Encoder, function: str) -> None:
    pixels, encode = pixels_of(encoder, IMAGES), getattr(encoder, function)
    singly = torch.cat([encode(row[None]) for row in pixels])
    assert encode(pixels).numpy() == pytest.approx(singly.numpy(), abs=1e-5)


def test_texts_do_not_depend_on_their_neighbours(encoder: Encoder) -> None:
    singly = torch.cat([encoder.encode_texts([text]) for text in TEXTS])
    assert encoder.encode_texts(TEXTS).numpy() == pytest.approx(singly.numpy(), abs=1e-5)


def test_long_texts_are_cut_to_the_context_and_counted(encoder: Encoder) -> None:
    fits, long = "x" * (CONTEXT - 2), "x" * (CONTEXT - 2) + "yz" * 200
    assert encoder.count_truncated([fits, long, "short", fits + "y"]) == 2
    made = encoder.encode_texts([fits, long])
    assert made[0].numpy() == pytest.approx(made[1].numpy(), abs=1e-6)


@pytest.mark.parametrize("text", ["", "日本 😀", "[PAD][EOS]", "line\nbreak"])
def test_any_text_can_be_embedded(encoder: Encoder, text: str) -> None:
    features = encoder.encode_texts([text, "cat"])
    assert features.isfinite().all()
    assert features.norm(dim=1).min() > 0


def test_loading_twice_gives_the_same_encoder(encoder: Encoder, settings: Settings) -> None:
    again = load_encoder(settings)
    assert again.provenance == encoder.provenance
    assert torch.equal(again.encode_texts(TEXTS), encoder.encode_texts(TEXTS))


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_lower_precision_returns_float32_rows(
    encoder: Encoder, settings: Settings, precision: str
) -> None:
    low = load_encoder(settings.model_copy(update={"precision": precision}))
    assert low.provenance["precision"] == precision
    assert low.provenance["weights_sha256"] == encoder.provenance["weights_sha256"]
    pixels = pixels_of(low, IMAGES)
    for function, batch in (
        ("encode_texts", TEXTS),
        ("encode_images", pixels),
        ("encode_patches", pixels),
    ):
        made, exact = (getattr(e, function)(batch) for e in (low, encoder))
        assert made.dtype == torch.float32
        cosines = cosine_similarity(made, exact, dim=-1)
        assert cosines.min() > 0.999
        assert made.norm(dim=-1).numpy() == pytest.approx(exact.norm(dim=-1).numpy(), rel=0.02)


def test_missing_device_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match='device "cuda" is not available here; set `device: auto`'):
        load_encoder(settings.model_copy(update={"device": "cuda"}))


# Broken checkpoints of the transformers library


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_tiny_clip(tmp_path / "clip")
    return tmp_path / "clip"


def load(folder: Path | str) -> Encoder:
    return load_encoder(Settings(library="transformers", model=str(folder), device="cpu"))


def test_other_weights_have_another_hash(checkpoint: Path, tmp_path: Path) -> None:
    save_tiny_clip(tmp_path / "same")
    save_tiny_clip(tmp_path / "other", seed=1)
    hashes = [
        load(folder).provenance["weights_sha256"]
        for folder in (checkpoint, tmp_path / "same", tmp_path / "other")
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_half_precision_checkpoint_is_loaded(checkpoint: Path) -> None:
    before = load(checkpoint).encode_texts(TEXTS)
    CLIPModel.from_pretrained(checkpoint).half().save_pretrained(checkpoint)
    after = load(checkpoint).encode_texts(TEXTS)
    assert after.dtype == torch.float32
    assert (before - after).abs().max() < 0.01


@pytest.mark.parametrize("model", ["no/such/folder", "nobody/no-such-model", ""])
def test_missing_model_is_named(model: str) -> None:
    with pytest.raises(InputError, match=rf"(?s)encoder model {model}: .*give a folder that save_"):
        load(model)


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"]
)
def test_checkpoint_without_one_of_its_files_is_refused(checkpoint: Path, name: str) -> None:
    (checkpoint / name).unlink()
    with pytest.raises(InputError, match="clip: cannot be loaded as a CLIP model"):
        load(checkpoint)


@pytest.mark.parametrize("key", ["logit_scale", "visual_projection.weight"])
def test_checkpoint_without_one_of_its_weights_is_refused(checkpoint: Path, key: str) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    del weights[key]
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=rf"clip: weights are missing \({key}, \.\.\.\)"):
        load(checkpoint)


def test_truncated_weights_are_refused(checkpoint: Path) -> None:
    data = (checkpoint / "model.safetensors").read_bytes()
    (checkpoint / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="clip: cannot be loaded as a CLIP model"):
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


def test_pickled_weights_are_not_loaded(checkpoint: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    torch.save(weights, checkpoint / "pytorch_model.bin")
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(InputError, match="clip: cannot be loaded as a CLIP model"):
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
