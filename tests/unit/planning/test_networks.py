"""Operations of models, by their files or their names."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from susx.config.encoders import EncoderSettings
from susx.config.synthesis import Synthesis
from susx.planning.networks import drawing_of, encoder_passes, token_operations

ROOT = Path(__file__).parents[3]


def encoder(model: str, **more: Any) -> EncoderSettings:
    return EncoderSettings(library="transformers", model=model, **more)


def drawer(**settings: Any) -> Synthesis:
    return Synthesis(source="synthesis", **settings).resolved()


def write_config(folder: str, name: str, config: Any) -> None:
    Path(folder).mkdir()
    Path(folder, name).write_text(json.dumps(config), "utf-8")


@pytest.mark.parametrize(
    ("vision", "published"),
    [
        ({"patch_size": 32}, 8.8e9),
        ({"patch_size": 16}, 35.1e9),
        ({"patch_size": 14, "hidden_size": 1024, "num_hidden_layers": 24}, 162e9),
    ],
)
def test_a_configuration_gives_what_is_published(vision: dict[str, int], published: float) -> None:
    write_config("vit", "config.json", {"vision_config": vision, "projection_dim": 512})
    passes = encoder_passes(encoder("vit"))
    assert passes.image == pytest.approx(published, rel=0.05)  # heads and embeddings are left out
    assert passes.dim == 512


def test_a_folder_of_open_clip_is_read_too() -> None:
    vision = {"layers": 12, "width": 768, "patch_size": 32, "image_size": 224}
    config = {"model_cfg": {"embed_dim": 512, "vision_cfg": vision}}
    write_config("vit", "open_clip_config.json", config)
    assert encoder_passes(encoder("vit")).image == pytest.approx(8.8e9, rel=0.05)
    vision["layers"] = [3, 4, 6, 3]
    write_config("rn50", "open_clip_config.json", config)
    assert encoder_passes(encoder("rn50")).image == 12.2e9


@pytest.mark.parametrize(
    ("model", "image"),
    [
        ("hf-hub:timm/resnet50_clip.openai", 12.2e9),
        ("openai/clip-vit-base-patch32", 8.8e9),
        ("google/siglip2-base-patch16-224", 35e9),
        ("owner/unheard-of", 35e9),
    ],
)
def test_what_is_not_here_is_known_by_its_name(model: str, image: float) -> None:
    assert encoder_passes(encoder(model)).image == image


@pytest.mark.parametrize("config", [[], {"vision_config": 3}, {"vision_config": {"patch_size": 0}}])
def test_a_strange_configuration_is_guessed(config: Any) -> None:
    write_config("strange", "config.json", config)
    assert encoder_passes(encoder("strange")).image == 35e9


def test_a_language_model_reads_all_weights_for_a_token() -> None:
    save_file({"a": np.zeros((30, 4)), "b": np.zeros(5)}, "writer/model.safetensors")
    assert token_operations("writer", None) == 250
    assert token_operations("Qwen/Qwen3-1.7B", None) == 3.4e9
    assert token_operations("owner/name", None) is None


def test_stable_diffusion_takes_what_its_publishers_counted() -> None:
    paper, fast = drawer(preset="paper"), drawer(preset="fast")
    # 339 GMAC per pass, and 1,240 for the decoder, within a tenth
    assert drawing_of(paper).operations == pytest.approx(2 * (170 * 339e9 + 1240e9), rel=0.1)
    assert drawing_of(fast).operations == pytest.approx(2 * (4 * 339e9 + 1240e9), rel=0.1)
    assert drawing_of(fast).side == 512
    small = drawer(preset="fast", image_size=256)
    assert drawing_of(small).operations == drawing_of(fast).operations / 4


def test_a_pipeline_that_is_here_is_counted() -> None:
    found = drawing_of(drawer(preset="demo", model=str(ROOT / "demo/diffusion_model")))
    assert found.side == 64
    assert 1e9 < found.operations < 1e10
