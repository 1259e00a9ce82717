"""What every registered encoder promises."""

import io
import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import cosine_similarity

from susx.config.encoders import LIBRARIES, EncoderSettings, encoder_section
from susx.core.errors import InputError
from susx.embeddings.prepare import Item, prepared
from susx.encoders import load_encoder
from susx.encoders.protocol import Encoder
from susx.images.decode import decode
from tests import blip_cases, encoder_cases, open_clip_cases
from tests.closeness import LANES, assert_close, close, random_walk
from tests.contract.cases import EncoderCase, Reference, added
from tests.helpers import colour_of, image_bytes

CASES = (
    encoder_cases.CASES | blip_cases.CASES | open_clip_cases.CASES | added("encoder", EncoderCase)
)
TEXTS = ["a photo of a cat.", "dog", "the large, small and very odd animal: a zebra", "dog"]
SIZES = [(40, 30), (30, 40), (1, 1), (3, 200), (32, 32)]
IMAGES = [decode(image_bytes(colour_of(i, 5), size, seed=i)) for i, size in enumerate(SIZES)]


def image_roundings(case: EncoderCase) -> float:
    return random_walk(case.image_terms, LANES)


def text_roundings(case: EncoderCase) -> float:
    return random_walk(case.text_terms, LANES)


@dataclass(frozen=True)
class Loaded:
    """A case on disk."""

    case: EncoderCase
    settings: EncoderSettings
    said: dict[str, Any]


@pytest.fixture(scope="module", params=list(CASES))
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    case = CASES[request.param]
    with torch.random.fork_rng():  # what `widen` leaves alone must not depend on earlier tests
        torch.manual_seed(0)
        said = case.save(tmp_path_factory.mktemp("contract") / request.param)
    return Loaded(case, encoder_section(library=case.library, device="cpu", **said), said)


@pytest.fixture(scope="module")
def case(loaded: Loaded) -> EncoderCase:
    return loaded.case


@pytest.fixture(scope="module")
def settings(loaded: Loaded) -> EncoderSettings:
    return loaded.settings


@pytest.fixture(scope="module")
def encoder(settings: EncoderSettings) -> Encoder:
    return load_encoder(settings)


@pytest.fixture(scope="module")
def reference(loaded: Loaded) -> Reference:
    return loaded.case.reference(loaded.said, IMAGES, TEXTS)


def test_every_library_is_held_to_the_contract() -> None:
    assert {case.library for case in CASES.values()} == set(LIBRARIES)


def pixels_of(encoder: Encoder, images: list[Image.Image]) -> Tensor:
    return torch.stack([encoder.preprocess(image) for image in images])


def test_attributes_describe_the_checkpoint(
    encoder: Encoder, settings: EncoderSettings, case: EncoderCase
) -> None:
    assert encoder.name == settings.model
    assert (encoder.dim, encoder.image_size) == (case.dim, case.image_size)
    assert encoder.logit_scale == pytest.approx(case.logit_scale, rel=1e-4)
    assert isinstance(encoder.logit_scale, float)


def test_provenance_is_complete_and_fits_into_json(
    encoder: Encoder, settings: EncoderSettings, case: EncoderCase
) -> None:
    provenance = json.loads(json.dumps(encoder.provenance))
    assert provenance["library"] == settings.library
    assert provenance["model"] == settings.model
    assert provenance["precision"] == "float32"
    assert len(provenance["weights_sha256"]) == 64
    assert list(case.mean) in provenance["preprocessing"].values()


def similarities(rows: Tensor) -> Tensor:
    """Cosines of all pairs of rows."""
    return cosine_similarity(rows[:, None], rows[None], dim=2)


def test_features_are_float32_rows_on_the_cpu_that_are_not_normalised(
    encoder: Encoder, case: EncoderCase
) -> None:
    pixels = pixels_of(encoder, IMAGES)
    n, d, patches = len(IMAGES), encoder.dim, case.patches
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


def test_image_features_are_those_of_the_library(
    encoder: Encoder, reference: Reference, case: EncoderCase
) -> None:
    made = encoder.encode_images(pixels_of(encoder, IMAGES))
    assert_close(made, reference.images, image_roundings(case))
    assert similarities(made).min() < 0.9


def test_patch_features_are_projected_as_the_image_is(
    encoder: Encoder, reference: Reference, case: EncoderCase
) -> None:
    made = encoder.encode_patches(pixels_of(encoder, IMAGES))
    assert_close(made, reference.patches, image_roundings(case))
    assert made[0].std(dim=0).max() > 0.01
    assert similarities(made[:, 0]).min() < 0.9


def test_text_features_are_those_of_the_library(
    encoder: Encoder, reference: Reference, case: EncoderCase
) -> None:
    made = encoder.encode_texts(TEXTS)
    assert_close(made, reference.texts, text_roundings(case))
    assert not close(made[0], made[1], 100 * text_roundings(case))


def test_preprocessing_is_that_of_the_library(
    encoder: Encoder, reference: Reference, case: EncoderCase
) -> None:
    levels, side = pixels_of(encoder, IMAGES), case.image_size
    assert (levels.shape, levels.dtype) == ((len(IMAGES), 3, side, side), torch.uint8)
    made = encoder.scale(levels)
    assert made.dtype == torch.float32
    assert torch.equal(made, reference.pixels)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_images_are_preprocessed_as_by_the_library(
    encoder: Encoder, loaded: Loaded, mode: str
) -> None:
    stored = Image.new(mode, (40, 30), 60)
    stored.paste(200, (5, 5, 20, 25))
    stored.save(stream := io.BytesIO(), "PNG", **({"transparency": 60} if mode == "P" else {}))
    shown = Image.open(stream)
    on_white = loaded.case.library == "transformers"  # loaders of the others convert at once
    given = shown if on_white else shown.convert("RGB")
    expected = loaded.case.reference(loaded.said, [given], TEXTS).pixels
    ((_, batch),) = prepared([("", [Item("a", -1, "", stream.getvalue())])], encoder, 1, False)
    assert batch.pixels is not None
    assert torch.equal(encoder.scale(batch.pixels), expected)
    assert encoder.transparency == ("white" if on_white else "dropped")


@pytest.mark.parametrize("size", [(40, 30), (30, 40), (64, 64), (32, 32), (17, 90)])
def test_preprocessing_resizes_crops_and_normalises(
    encoder: Encoder, case: EncoderCase, size: tuple[int, int]
) -> None:
    image, side = decode(image_bytes((200, 100, 30), size)), case.image_size
    factors = [side / min(size)] * 2 if case.resize == "crop" else [side / s for s in size]
    wide, high = (int(f * s) for f, s in zip(factors, size, strict=True))
    resized = image.resize((wide, high), Image.Resampling.BICUBIC)
    left, top = ((length - side) // 2 for length in resized.size)
    cropped = np.asarray(resized.crop((left, top, left + side, top + side)), dtype=np.float64)
    expected = ((cropped / 255 - case.mean) / case.std).transpose(2, 0, 1)
    made = encoder.scale(encoder.preprocess(image)[None])[0]
    # A level and a mean of up to 1 with three roundings, one of a constant, over the deviation.
    assert_close(made, expected, 3, scale=1 / min(case.std))


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_images_without_colour_work(encoder: Encoder, mode: str) -> None:
    image = decode(image_bytes((200, 100, 30), mode=mode))
    features = encoder.encode_images(encoder.preprocess(image)[None])
    assert features.isfinite().all()


@pytest.mark.parametrize("function", ["encode_images", "encode_patches"])
def test_batch_size_changes_nothing(encoder: Encoder, case: EncoderCase, function: str) -> None:
    pixels, encode = pixels_of(encoder, IMAGES), getattr(encoder, function)
    singly = torch.cat([encode(row[None]) for row in pixels])
    assert_close(encode(pixels), singly, image_roundings(case))


def test_texts_do_not_depend_on_their_neighbours(encoder: Encoder, case: EncoderCase) -> None:
    singly = torch.cat([encoder.encode_texts([text]) for text in TEXTS])
    assert_close(encoder.encode_texts(TEXTS), singly, text_roundings(case))


def test_long_texts_are_cut_to_the_context_and_counted(encoder: Encoder, case: EncoderCase) -> None:
    fits = case.unit * case.fits
    long = fits + case.unit * 400
    assert encoder.count_truncated([fits, long, case.unit, fits + case.unit]) == 2
    made = encoder.encode_texts([fits, long])
    assert_close(made[0], made[1], text_roundings(case))


@pytest.mark.parametrize("text", ["", "日本 😀", "line\nbreak"])
def test_any_text_can_be_embedded(encoder: Encoder, text: str) -> None:
    features = encoder.encode_texts([text, "cat"])
    assert features.isfinite().all()
    assert features.norm(dim=1).min() > 0


def test_special_token_in_a_text_is_refused(encoder: Encoder, case: EncoderCase) -> None:
    for text in (f"a cat {case.mark} or a dog", f"cat{case.mark.upper()}"):
        says = rf'text "cat|"a cat .* holds "{re.escape(case.mark)}", a special token of encoder'
        with pytest.raises(InputError, match=says):
            encoder.encode_texts(["a cat", text])
        with pytest.raises(InputError, match=says):
            encoder.count_truncated([text])


def test_loading_twice_gives_the_same_encoder(encoder: Encoder, settings: EncoderSettings) -> None:
    again = load_encoder(settings)
    assert again.provenance == encoder.provenance
    assert torch.equal(again.encode_texts(TEXTS), encoder.encode_texts(TEXTS))


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_lower_precision_returns_float32_rows(
    encoder: Encoder, settings: EncoderSettings, precision: str
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
        assert cosines.min() > {"float16": 0.999, "bfloat16": 0.99}[precision]
        assert made.norm(dim=-1).numpy() == pytest.approx(exact.norm(dim=-1).numpy(), rel=0.02)


def test_whatever_runs_is_compiled_on_demand(
    encoder: Encoder, settings: EncoderSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return lambda inputs: 2 * function(inputs)

    stances: list[str] = []

    def stance(name: str) -> AbstractContextManager[None]:
        stances.append(name)
        return nullcontext()

    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr(torch.compiler, "set_stance", stance)
    load_encoder(settings)
    assert stances == []  # which would import the compiler
    fast = load_encoder(settings.model_copy(update={"compile": True}))
    assert fast.provenance == encoder.provenance | {"compiled": True}
    assert stances == ["force_eager"]
    pixels = pixels_of(encoder, IMAGES)
    for function, batch in (
        ("encode_texts", TEXTS),
        ("encode_images", pixels),
        ("encode_patches", pixels),
    ):
        made, expected = (getattr(e, function)(batch) for e in (fast, encoder))
        assert torch.equal(made, 2 * expected)


def test_missing_device_is_named(
    settings: EncoderSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match='device "cuda" is not available here; set `device: auto`'):
        load_encoder(settings.model_copy(update={"device": "cuda"}))
