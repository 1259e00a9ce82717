"""Text-to-image pipelines: determinism, safety checker, memory, bad folders."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image

from susx.config.synthesis import Synthesis
from susx.core.errors import InputError
from susx.support.sampler import (
    DiffusionSampler,
    Shot,
    description,
    pipeline_folder,
    pipeline_sha256,
)
from tests.diffusion import SIDE, save_tiny_pipeline
from tests.long import long

SHOTS = [Shot(f"a photo of a {name}.", seed) for seed, name in enumerate(("ant", "owl", "yak"))]
FIVE_SHOTS = [Shot("ant", seed) for seed in range(5)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pipeline")
    save_tiny_pipeline(path, checker=True)
    return path


@pytest.fixture(scope="module")
def plain(folder: Path) -> list[np.ndarray]:
    """Images that nothing disturbed."""
    return drawn(settings_of(folder))


def settings_of(folder: Path, **changes: Any) -> Synthesis:
    plain = {"source": "synthesis", "model": str(folder), "steps": 2, "guidance": 3.0}
    return Synthesis(**{**plain, "device": "cpu", **changes})


def drawn(settings: Synthesis, shots: list[Shot] = SHOTS) -> list[np.ndarray]:
    images = DiffusionSampler(settings, pipeline_folder(settings)).draw(shots)
    return [np.asarray(image).astype(int) for image in images if image is not None]


def farthest(one: list[np.ndarray], other: list[np.ndarray]) -> int:
    """Largest difference of a pixel's value, of 255."""
    return max(int(abs(a - b).max()) for a, b in zip(one, other, strict=True))


def test_the_same_shots_give_the_same_images(folder: Path, plain: list[np.ndarray]) -> None:
    assert all(image.shape == (SIDE, SIDE, 3) for image in plain)
    assert farthest(plain, drawn(settings_of(folder))) == 0
    assert farthest(plain[:1], plain[1:2]) > 10
    other = [Shot(shot.prompt, shot.seed + 7) for shot in SHOTS]
    assert farthest(plain, drawn(settings_of(folder), other)) > 10


@pytest.mark.parametrize("batch_size", [1, 2])
def test_batches_change_an_image_by_rounding_at_most(
    folder: Path, plain: list[np.ndarray], batch_size: int
) -> None:
    assert farthest(plain, drawn(settings_of(folder, batch_size=batch_size))) <= 1


def test_order_changes_an_image_by_rounding_at_most(folder: Path, plain: list[np.ndarray]) -> None:
    assert farthest(plain[::-1], drawn(settings_of(folder), SHOTS[::-1])) <= 1


@pytest.mark.parametrize("threads", [3, long(1), long(2)])
def test_threads_change_an_image_by_rounding_at_most(
    folder: Path, plain: list[np.ndarray], threads: int
) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        assert farthest(plain, drawn(settings_of(folder))) <= 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("changes", [{"steps": 3}, {"guidance": 0.0}, {"negative_prompt": "blue"}])
def test_settings_reach_the_pipeline(
    folder: Path, plain: list[np.ndarray], changes: dict[str, Any]
) -> None:
    assert farthest(plain, drawn(settings_of(folder, **changes))) > 0


def test_image_size_reaches_the_pipeline(folder: Path) -> None:
    assert drawn(settings_of(folder, image_size=32))[0].shape == (32, 32, 3)


def test_flagged_images_are_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flag(self: Any, clip_input: torch.Tensor, images: Any) -> tuple[Any, list[bool]]:
        return images, [i == 1 for i in range(len(clip_input))]

    monkeypatch.setattr(StableDiffusionSafetyChecker, "forward", flag)
    settings = settings_of(folder)
    images = list(DiffusionSampler(settings, folder).draw(SHOTS))
    assert [image is None for image in images] == [False, True, False]


class Cramped(DiffusionSampler):
    """Runs out of memory above `room` images per pass."""

    room, passes = 1, 0

    def _draw_batch(self, batch: Any) -> list[Image.Image | None]:
        type(self).passes += 1
        if len(batch) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return super()._draw_batch(batch)


@pytest.fixture(scope="module")
def five(folder: Path) -> list[np.ndarray]:
    """Images of as many shots as a batch has."""
    return drawn(settings_of(folder), FIVE_SHOTS)


@pytest.mark.parametrize(("room", "passes"), [(5, 1), (2, 4), (1, 7)])
def test_out_of_memory_halves_the_batch(
    folder: Path,
    five: list[np.ndarray],
    room: int,
    passes: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: Any,
) -> None:
    monkeypatch.setattr(Cramped, "room", room)
    monkeypatch.setattr(Cramped, "passes", 0)
    sampler = Cramped(settings_of(folder, batch_size=5), folder)
    with caplog.at_level(logging.WARNING):
        images = [np.asarray(image).astype(int) for image in sampler.draw(FIVE_SHOTS)]
    assert farthest(images, five) <= 1
    assert Cramped.passes == passes
    assert sampler.batch_size == room
    assert ("out of memory" in caplog.text) == (room < 5)


def test_too_little_memory_for_one_image_is_an_input_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cramped, "room", 0)
    with pytest.raises(InputError, match="memory does not suffice for one image"):
        list(Cramped(settings_of(folder), folder).draw(SHOTS))


def test_other_errors_pass_through(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, batch: Any) -> Any:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(DiffusionSampler, "_draw_batch", broken)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        list(DiffusionSampler(settings_of(folder), folder).draw(SHOTS))


def test_description_tells_what_images_depend_on(folder: Path) -> None:
    told = description(settings_of(folder), folder)
    assert told["scheduler"]["_class_name"] == "DDIMScheduler"
    assert (told["steps"], told["guidance"], told["precision"]) == (2, 3.0, "float32")
    assert told["weights_sha256"] == pipeline_sha256(folder)
    json.dumps(told)


def test_weights_tell_models_apart(folder: Path, tmp_path: Path) -> None:
    save_tiny_pipeline(tmp_path, seed=1)
    assert pipeline_sha256(tmp_path) != pipeline_sha256(folder)


def test_a_missing_folder_is_one_clear_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="no such folder, and not to be had from the hub"):
        pipeline_folder(settings_of(tmp_path / "missing"))


def test_a_folder_without_pipeline_is_one_clear_message(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"no pipeline of diffusers \(no model_index.json\)"):
        pipeline_folder(settings_of(tmp_path))


@pytest.mark.parametrize("damage", ["pickle", "cut", "class", "code", "not json"])
def test_a_broken_folder_is_one_clear_message(tmp_path: Path, damage: str) -> None:
    save_tiny_pipeline(tmp_path)
    weights = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
    index = tmp_path / "model_index.json"
    if damage == "pickle":
        weights.rename(weights.with_suffix(".bin"))
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "class":
        index.write_text(json.dumps(json.loads(index.read_text()) | {"_class_name": "Magic"}))
    elif damage == "code":
        (tmp_path / "unet" / "mine.py").write_text("raise SystemExit('ran')")
        index.write_text(json.dumps(json.loads(index.read_text()) | {"unet": ["mine", "Mine"]}))
    else:
        index.write_text("{")
    settings = settings_of(tmp_path)
    with pytest.raises(InputError, match="cannot be loaded by diffusers") as caught:
        DiffusionSampler(settings, pipeline_folder(settings))
    assert "\n" not in str(caught.value)
