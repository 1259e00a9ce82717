"""Training of the demo's text-to-image model, its saved folder and the shipped one."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

import demo
from demo.diffusion import FACTOR, Shape, build_denoiser, text_states, text_tower
from demo.diffusion_card import render_card
from demo.evaluate_diffusion import complete_texts, contact_sheet, recognised, rendered
from demo.evaluate_model import Encoder, class_weights
from demo.flags import COUNTRIES
from demo.render import SIZE
from demo.samples import Sample, training_pool
from demo.train_diffusion import Settings, Stage, noise_levels, pixels, text_of, train
from susx.config.synthesis import PRESETS, Synthesis
from susx.support.sampler import DiffusionSampler, Shot
from tests.closeness import LANES, assert_close, random_walk
from tests.encoder_cases import terms_of_layers

DEMO = Path(demo.__file__).parent
CLIP, SHIPPED = DEMO / "model", DEMO / "diffusion_model"
TINY = Settings(
    pool=16, threads=1, codec=Stage(2, 4, 1e-3, warm_up=1), denoiser=Stage(2, 4, 1e-3, warm_up=1),
    shape=Shape(4, 8, (16, 16), 1, 2, 4),
)  # fmt: skip
MEBIBYTE = 2**20


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_training_saves_a_pipeline_that_draws_and_is_reproducible(tmp_path: Path) -> None:
    record = train(TINY, CLIP, tmp_path / "a", tmp_path / "data")
    assert np.isfinite([record["autoencoder"]["last_loss"], record["denoiser"]["last_loss"]]).all()
    assert set(record["parameters"]) == {"autoencoder", "denoiser", "text encoder"}
    (tmp_path / "data" / "autoencoder" / "training.json").unlink()
    train(TINY, CLIP, tmp_path / "b", tmp_path / "data")
    kept = train(TINY, CLIP, tmp_path / "c", tmp_path / "data")
    assert kept["autoencoder"] != record["autoencoder"]  # the times of the second training
    for part in ("vae", "unet", "text_encoder"):
        weights = {p.read_bytes() for p in tmp_path.glob(f"[abc]/{part}/*.safetensors")}
        assert len(weights) == 1, part
    settings = Synthesis(source="synthesis", model="x", steps=2, guidance=2.0, batch_size=2)
    shots = [Shot("a red flag", 1), Shot("a red flag", 2)]
    first, second = DiffusionSampler(settings, tmp_path / "a").draw(shots)
    assert first.size == (SIZE, SIZE)
    assert np.asarray(first).tolist() != np.asarray(second).tolist()


def test_texts_are_read_as_the_pipeline_reads_them() -> None:
    tokenizer, encoder = text_tower(CLIP)
    pipeline = StableDiffusionPipeline.from_pretrained(SHIPPED, dtype=torch.float32)
    for text in ("", "a red disc on a white field", "flag " * 100):
        expected, _ = pipeline.encode_prompt(text, "cpu", 1, False)
        found = text_states(tokenizer, encoder, [text])
        assert found.shape == (1, tokenizer.model_max_length, encoder.config.hidden_size)
        terms = terms_of_layers(3, 128, tokenizer.model_max_length, hidden=4) + 128
        assert_close(found, expected, random_walk(terms, LANES))


def test_strong_noise_is_trained_more_often_the_larger_the_shift() -> None:
    torch.manual_seed(0)
    for shift, expected in ((1.0, 0.5), (3.0, 0.75)):
        times = noise_levels(20_000, 1000, shift)
        assert times.min() >= 0
        assert times.max() <= 999
        late = (times >= 500).float().mean().item()
        assert late == pytest.approx(expected, abs=0.02)


def test_pixels_are_scaled_as_the_pipeline_scales_them() -> None:
    images = np.stack([np.full((SIZE, SIZE, 3), value, np.uint8) for value in (0, 255)])
    made = pixels(images)
    assert made.shape == (2, 3, SIZE, SIZE)
    assert made[:, 0, 0, 0].tolist() == [-1.0, 1.0]


def test_only_named_samples_are_told_by_name() -> None:
    rng = np.random.default_rng(0)
    japan = next(i for i, country in enumerate(COUNTRIES) if country.name == "Japan")
    texts = {
        named: [
            text_of(Sample(COUNTRIES[japan].spec, japan, named, "print"), rng) for _ in range(200)
        ]
        for named in (True, False)
    }
    assert 100 < sum("japan" in text for text in texts[True]) < 200
    assert not any("japan" in text for text in texts[False])
    assert sum("red" in text for text in texts[False]) > 150


def test_a_pool_of_one_domain_is_not_taken_for_another(tmp_path: Path) -> None:
    mixed = np.array(training_pool(tmp_path / "pool.npy", 6, 0, workers=1))
    printed = training_pool(tmp_path / "pool.npy", 6, 0, workers=1, domain="print")
    assert not np.array_equal(mixed, printed)
    corners = printed[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == 252).all()


def test_denoiser_works_on_the_latents_grid() -> None:
    model = build_denoiser(TINY.shape, 8, 0)
    side = SIZE // FACTOR
    noisy = torch.zeros(2, TINY.shape.latent, side, side)
    assert model(noisy, torch.tensor([5, 900]), torch.zeros(2, 3, 8)).sample.shape == noisy.shape


def test_contact_sheet_has_every_image() -> None:
    images = np.zeros((4, SIZE, SIZE, 3), np.uint8)
    sheet = np.asarray(contact_sheet([(f"class {i}", images) for i in range(7)]))
    assert (sheet == 0).all(axis=2).sum() >= 7 * 4 * SIZE * SIZE


def test_shipped_model_is_small_and_draws_what_it_is_told() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*")) <= 12 * MEBIBYTE
    settings = Synthesis(
        source="synthesis", **{k: v for k, v in PRESETS["demo"].items() if k != "model"}, model="x"
    )
    sampler = DiffusionSampler(settings, SHIPPED)
    colours = {"red": (206, 24, 38), "green": (0, 128, 62), "blue": (16, 52, 148)}
    shots = [Shot(f"a plain {colour} field", i) for i, colour in enumerate(colours)]
    for image, wanted in zip(sampler.draw(shots), colours.values(), strict=True):
        middle = np.asarray(image)[24:40, 16:48].reshape(-1, 3).mean(axis=0)
        nearest = min(colours.values(), key=lambda c: np.abs(middle - c).sum())
        assert nearest == wanted


def test_shipped_configuration_names_no_folder_of_the_machine_that_made_it() -> None:
    texts = [path.read_text() for path in SHIPPED.rglob("*.json")]
    assert len(texts) >= 6
    assert not any("_name_or_path" in text or '"/' in text for text in texts)


def test_recognition_counts_images_nearest_to_their_own_class() -> None:
    encoder = Encoder(CLIP)
    weights = class_weights(encoder, complete_texts(4))
    images = rendered(2, "print")
    right = recognised(encoder, weights, images)
    assert right > 60
    assert recognised(encoder, weights, images[1:] + images[:1]) < 10


def test_model_card_shows_the_recorded_numbers() -> None:
    record = json.loads((SHIPPED / "training.json").read_text())
    size = sum(path.stat().st_size for path in SHIPPED.rglob("*.safetensors"))
    assert (SHIPPED / "README.md").read_text() == render_card(record, size)
