"""Tiny models under published names are what the pipeline takes the published ones for."""

import re
from pathlib import Path

import pytest
import torch

from susx.config.encoders import EncoderSettings
from susx.config.synthesis import Synthesis
from susx.config.texts import TransformersModel
from susx.encoders import load_encoder
from susx.prompts.language_models import Request, Sampling
from susx.prompts.language_models.transformers_causal import load
from susx.prompts.sentences import descriptions, descriptors
from susx.support.sampler import DiffusionSampler, Shot, pipeline_folder
from tests.made.hub_models import SIGLIP_CONTEXT, save_siglip2
from tests.made.qwen3 import save_qwen3
from tests.made.stable_diffusion import save_sd_1_4

SENTENCE = re.compile(r"It is [a-z]+ and [a-z]+ with [a-z]+ [a-z]+\.\n\n- ")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_siglip2_reads_texts_in_lower_case_up_to_its_mark_of_the_end(tmp_path: Path) -> None:
    save_siglip2(tmp_path)
    encoder = load_encoder(
        EncoderSettings(library="transformers", model=str(tmp_path), device="cpu")
    )
    (ids,) = encoder.tokens([encoder.clean("A photo of a Tench.")])["input_ids"].tolist()
    length = len("a photo of a tench")
    assert len(ids) == SIGLIP_CONTEXT
    assert ids[length:] == [1] + [0] * (SIGLIP_CONTEXT - length - 1)
    assert not {1, 3} & set(ids[:length])


@pytest.mark.parametrize("thinking", [0, 4])
def test_qwen3_writes_what_can_be_read_once_its_thoughts_are_switched_off(
    tmp_path: Path, thinking: int
) -> None:
    save_qwen3(tmp_path)
    settings = TransformersModel(
        backend="transformers", model=str(tmp_path), device="cpu", thinking_tokens=thinking
    )
    requests = [Request("What does a tench look like?", seed) for seed in range(8)]
    replies = load("qwen3", settings).answer(requests, Sampling(0.7, 1.0, 40))
    texts = [(reply.text, reply.finished) for reply in replies]
    assert all(finished for _, finished in texts)
    if thinking:
        assert {text for text, _ in texts} == {"<think>"}
        return
    assert all(SENTENCE.match(text) for text, _ in texts)
    assert len(set(texts)) > 4
    assert descriptions(texts, "tench").dropped.keys() <= {"duplicate"}
    assert len(descriptors(texts[:1], "tench").texts) == 3


def test_stable_diffusion_draws_by_the_settings_of_the_paper(tmp_path: Path) -> None:
    save_sd_1_4(tmp_path)
    said = Synthesis(source="synthesis", preset="paper", model=str(tmp_path), steps=2, device="cpu")
    settings = said.resolved()
    images = list(
        DiffusionSampler(settings, pipeline_folder(settings)).draw(
            [Shot("a tench", s) for s in (1, 2)]
        )
    )
    assert [image and image.size for image in images] == [(64, 64)] * 2
    first, second = (image.tobytes() for image in images if image)
    assert first != second
