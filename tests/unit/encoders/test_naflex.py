"""SigLIP 2 for images of any aspect, compared with the library."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, Siglip2Config, Siglip2Model
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

from susx.classifier.onnx_file import graph_encoder
from susx.config.schema import EncoderSettings
from susx.core.errors import InputError
from susx.encoders import load_encoder
from susx.encoders.protocol import Encoder
from susx.images.decode import decode
from tests.closeness import LANES, assert_close, random_walk
from tests.encoder_cases import (
    CASES,
    SIGLIP_CONTEXT,
    SIGLIP_TEXT,
    SIGLIP_TOWER,
    canonical,
    case_sensitive_tokenizer,
    widen,
)
from tests.helpers import WIDTH, colour_of, image_bytes

TEXTS = ["a photo of a cat.", "dog"]
SIZES = [(40, 30), (30, 40), (1, 1), (3, 200), (32, 32)]
IMAGES = [decode(image_bytes(colour_of(i, 5), size, seed=i)) for i, size in enumerate(SIZES)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("naflex")
    vision = SIGLIP_TOWER | {"num_patches": 16, "patch_size": 8}
    model = Siglip2Model(Siglip2Config(text_config=SIGLIP_TEXT, vision_config=vision))
    widen(model.eval())
    model.save_pretrained(folder)
    case_sensitive_tokenizer(SIGLIP_CONTEXT, ["input_ids"]).save_pretrained(folder)
    Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16).save_pretrained(folder)
    return folder


def load(folder: Path, precision: str = "float32") -> Encoder:
    settings = EncoderSettings(
        library="transformers", model=str(folder), device="cpu", precision=precision
    )
    return load_encoder(settings)


@pytest.fixture(scope="module")
def pixels(folder: Path) -> torch.Tensor:
    encoder = load(folder)
    return torch.stack([encoder.preprocess(image) for image in IMAGES])


def test_images_of_different_aspect_are_embedded_as_by_the_library(
    folder: Path, pixels: torch.Tensor
) -> None:
    model = Siglip2Model.from_pretrained(folder, dtype=torch.float32).eval()
    inputs = Siglip2ImageProcessorPil.from_pretrained(folder)(images=IMAGES, return_tensors="pt")
    assert len({tuple(shape.tolist()) for shape in inputs["spatial_shapes"]}) > 2
    assert torch.equal(pixels[:, :-1], inputs["pixel_values"])
    with torch.no_grad():
        expected = model.get_image_features(**inputs).pooler_output
    encoder = load(folder)
    assert (encoder.dim, encoder.image_size) == (WIDTH, 32)
    made = encoder.encode_images(pixels)
    assert (made.dtype, made.shape) == (torch.float32, (len(IMAGES), WIDTH))
    assert_close(made, expected, random_walk(CASES["siglip"].image_terms, LANES))
    assert made.std(dim=0).max() > 0.01


def test_texts_are_embedded_as_by_the_library(folder: Path) -> None:
    model = Siglip2Model.from_pretrained(folder, dtype=torch.float32).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(
        [canonical(text) for text in TEXTS],
        padding="max_length",
        max_length=SIGLIP_CONTEXT,
        return_tensors="pt",
    )
    with torch.no_grad():
        expected = model.get_text_features(input_ids=tokens["input_ids"]).pooler_output
    made = load(folder).encode_texts(TEXTS)
    assert_close(made, expected, random_walk(CASES["siglip"].text_terms, LANES))


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_shapes_survive_low_precision(folder: Path, pixels: torch.Tensor, precision: str) -> None:
    made, exact = (load(folder, p).encode_images(pixels) for p in (precision, "float32"))
    assert torch.cosine_similarity(made, exact, dim=1).min() > 0.999


def test_patches_are_refused(folder: Path, pixels: torch.Tensor) -> None:
    with pytest.raises(InputError, match=r"another number of patches .*leave `calip` out"):
        load(folder).encode_patches(pixels)


def test_no_onnx_file_takes_images_of_any_aspect(folder: Path) -> None:
    meta = SimpleNamespace(encoder_name="naflex")
    classifier: Any = SimpleNamespace(encoder=load(folder), meta=meta)
    with pytest.raises(InputError, match="encoder naflex: takes images of any aspect, no pixels"):
        graph_encoder(classifier)
