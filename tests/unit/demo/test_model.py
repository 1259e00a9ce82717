"""Training loop, saved files and the shipped model folder."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

import demo
from demo.captions import vocabulary
from demo.card import render_card
from demo.clip import CONTEXT, EOS_ID, Shape, build_model, build_tokenizer, normalise
from demo.evaluate_model import Encoder, Support, adapter_logits, retrieve, unit
from demo.flags import COUNTRIES
from demo.samples import training_sample
from demo.train import (
    Settings,
    batches,
    learning_rate,
    optimizer_for,
    text_features,
    train,
    training_step,
)
from tests.closeness import LANES, assert_close, random_walk
from tests.encoder_cases import terms_of_layers

SHIPPED = Path(demo.__file__).parent / "model"
TINY = Settings(
    steps=2, batch=8, pool=16, threads=1, warm_up=1, precision="float32", checkpoint_every=1,
    shape=Shape(32, 1, 32, 1, 16, 16),
)  # fmt: skip


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_tokenizer_knows_the_vocabulary_and_marks_the_rest() -> None:
    tokenizer = build_tokenizer()
    ids = tokenizer("A zebra on the flag of Ivory Coast.")["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert ids[-1] == tokenizer.eos_token_id == EOS_ID != 2
    assert ids.count(tokenizer.unk_token_id) == 1
    assert len(tokenizer) == len(vocabulary()) + 4


def test_grouping_by_length_does_not_change_text_features() -> None:
    tokenizer = build_tokenizer()
    model = build_model(TINY.shape, len(tokenizer), 0, "eager").eval()
    texts = ["japan", "a flag with a red disc on a white field.", "red", "flag of cuba"]
    with torch.inference_mode():
        one, many = (text_features(model, tokenizer, texts, parts) for parts in (1, 3))
    terms = terms_of_layers(1, 32, CONTEXT, hidden=4) + 2 * 32
    assert_close(one, many, random_walk(terms, LANES))


def test_repeated_steps_on_one_batch_lower_the_loss() -> None:
    tokenizer = build_tokenizer()
    model = build_model(TINY.shape, len(tokenizer), 0, "eager")
    optimizer = optimizer_for(model, TINY)
    images = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
    texts = [country.name.lower() for country in COUNTRIES[:8]]
    losses = [training_step(model, tokenizer, optimizer, images, texts, TINY) for _ in range(12)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_training_saves_a_loadable_folder_and_is_reproducible(tmp_path: Path) -> None:
    for name in ("a", "b"):
        record = train(TINY, tmp_path / name, tmp_path / f"data-{name}")
        assert np.isfinite(record["last_loss"])
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b")]
    assert weights[0] == weights[1]
    assert (tmp_path / "data-a" / "checkpoints" / "step-00001" / "config.json").exists()
    encoder = Encoder(tmp_path / "a")
    assert encoder.texts(["flag of japan"]).shape == (1, TINY.shape.projection)


def test_every_pass_visits_each_image_once() -> None:
    order = batches(12, 4, np.random.default_rng(0))
    assert sorted(np.concatenate([next(order) for _ in range(3)])) == list(range(12))


def test_learning_rate_warms_up_and_ends_near_zero() -> None:
    settings = replace(Settings(), steps=1000)
    rates = [learning_rate(step, settings) for step in range(settings.steps)]
    assert max(rates) == pytest.approx(settings.learning_rate)
    assert rates.index(max(rates)) in (settings.warm_up - 1, settings.warm_up)
    assert rates[-1] < 1e-5


def test_shipped_model_loads_offline_and_is_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*")) <= 12 * 2**20
    model = CLIPModel.from_pretrained(SHIPPED, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED)
    processor = AutoImageProcessor.from_pretrained(SHIPPED)
    assert model.dtype == torch.float32
    assert model.config.text_config.eos_token_id == tokenizer.eos_token_id
    assert tokenizer.model_max_length == CONTEXT
    image = np.full((64, 64, 3), 200, np.uint8)
    pixels = processor(image, return_tensors="pt")["pixel_values"]
    # A level and a mean of up to 1 with three roundings, over a deviation.
    scale = 1 / min(processor.image_std)
    assert_close(pixels, normalise(torch.from_numpy(image[None])), 3, scale)
    assert set(vocabulary()) <= set(tokenizer.get_vocab())


def test_text_is_pooled_at_its_end_whatever_the_padding() -> None:
    encoder = Encoder(SHIPPED)
    alone = encoder.texts(["the flag of japan"])
    padded = encoder.texts(["the flag of japan", "a flag with a red disc on a white field"])[:1]
    terms = terms_of_layers(3, 128, CONTEXT, hidden=4) + 3 * 128
    assert_close(alone, padded, random_walk(terms, LANES))


def test_retrieval_and_adapter_prefer_the_right_class() -> None:
    weights = np.eye(3, 4, dtype=np.float32)
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2, -1], 5)
    centres = np.concatenate([weights, np.eye(4, dtype=np.float32)[3:]])
    noise = rng.normal(0, 0.05, (20, 4)).astype(np.float32)
    features = unit(centres[truth % 4] + noise)
    support = retrieve(weights, features, truth, 4)
    assert support.purity == 1.0
    shifted = Support(support.features, (support.labels + 1) % 3, 0.0)
    logits = adapter_logits(features[:15], weights, support, 1.0, 5.0)
    assert (logits.argmax(1) == truth[:15]).all()
    assert not (adapter_logits(features[:15], weights, shifted, 1e3, 5.0).argmax(1)
                == truth[:15]).any()  # fmt: skip


def test_training_sample_is_stable() -> None:
    assert training_sample(0, 17) == training_sample(0, 17)


def test_model_card_shows_the_recorded_numbers() -> None:
    record = json.loads((SHIPPED / "training.json").read_text())
    assert (SHIPPED / "README.md").read_text() == render_card(record)
