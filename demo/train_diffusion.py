"""Train the demo's tiny text-to-image model from scratch: `python -m demo.train_diffusion`.

First an autoencoder, then a denoiser of its latents (Rombach et al., CVPR 2022) that predicts
velocity (Salimans & Ho, ICLR 2022). Flags and captions are the training stream of the demo's CLIP,
whose text encoder is used as it is; images are in the `print` domain.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from diffusers.training_utils import EMAModel
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch.nn import functional

from demo.captions import attribute_caption, name_caption
from demo.diffusion import (
    Shape,
    build_codec,
    build_denoiser,
    build_scheduler,
    save_pipeline,
    text_states,
    text_tower,
)
from demo.samples import Sample, training_pool, training_sample
from demo.train import batches, learning_rate, optimizer_for

LOG: Final = logging.getLogger("demo.train_diffusion")
_HERE: Final = Path(__file__).resolve().parent
DROP: Final = 0.1
WRONG: Final = 0.02


@dataclass(frozen=True)
class Stage:
    """One training loop."""

    steps: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.01
    warm_up: int = 100
    clip_norm: float = 1.0


@dataclass(frozen=True)
class Settings:
    """Everything that determines a training run.

    `blur` is the noise on latents that the decoder learns to bear, `untold` the share of images
    without caption, for classifier-free guidance; a `shift` above one spends more of the training
    on strong noise, where the layout is decided (Esser et al., ICML 2024).
    """

    pool: int = 100_000
    seed: int = 0
    threads: int = 2
    blur: float = 0.1
    untold: float = 0.1
    shift: float = 3.0
    average: float = 0.999
    codec: Stage = field(default_factory=lambda: Stage(1200, 32, 2e-3))
    denoiser: Stage = field(default_factory=lambda: Stage(3200, 64, 1e-3))
    shape: Shape = field(default_factory=Shape)


def pixels(images: NDArray[np.uint8]) -> torch.Tensor:
    """uint8 images (n, 64, 64, 3) as the pipeline's values (n, 3, 64, 64) in [-1, 1]."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def steps_of(
    module: torch.nn.Module, stage: Stage, size: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], torch.optim.Optimizer]]:
    """Indices of each batch and the optimizer that takes the step, with its learning rate set."""
    optimizer = optimizer_for(module, stage)
    order = batches(size, stage.batch, np.random.default_rng((seed, 1)))
    for step in range(stage.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, stage)
        yield next(order), optimizer


def update(
    module: torch.nn.Module, optimizer: torch.optim.Optimizer, loss: torch.Tensor, clip_norm: float
) -> float:
    """One step down the gradient of `loss`; returns its value."""
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(module.parameters(), clip_norm)
    optimizer.step()
    return float(loss.detach())


class Progress:
    """Losses of a training loop and its speed, logged now and then."""

    def __init__(self, name: str, stage: Stage, every: int = 50) -> None:
        self.losses: list[float] = []
        self._name, self._stage, self._every = name, stage, every
        self._started = time.perf_counter()

    def add(self, loss: float) -> None:
        """Count one step."""
        self.losses.append(loss)
        if len(self.losses) % self._every == 0:
            recent, rate = np.mean(self.losses[-self._every :]), self.record()["images_per_second"]
            LOG.info(
                "%s step %d loss %.4f, %s images/s", self._name, len(self.losses), recent, rate
            )

    def record(self) -> dict[str, float]:
        """What the run's record keeps."""
        seconds = time.perf_counter() - self._started
        return {
            "last_loss": round(float(np.mean(self.losses[-50:])), 4),
            "seconds": round(seconds, 1),
            "images_per_second": round(len(self.losses) * self._stage.batch / seconds, 1),
        }


def train_codec(
    codec: AutoencoderTiny, images: NDArray[np.uint8], settings: Settings
) -> dict[str, float]:
    """Train the autoencoder on images (n, 64, 64, 3); its latents are kept near unit scale."""
    stage, progress = settings.codec, Progress("autoencoder", settings.codec)
    torch.manual_seed(settings.seed)
    codec.train()
    for chosen, optimizer in steps_of(codec, stage, len(images), settings.seed):
        wanted = pixels(images[chosen])
        latents = codec.encode(wanted).latents
        noisy = latents + settings.blur * torch.randn_like(latents)
        error = codec.decode(noisy).sample - wanted
        loss = error.square().mean() + 0.2 * error.abs().mean() + 1e-3 * latents.square().mean()
        progress.add(update(codec, optimizer, loss, stage.clip_norm))
    codec.eval()
    return progress.record()


def trained_codec(
    images: NDArray[np.uint8], settings: Settings, folder: Path
) -> tuple[AutoencoderTiny, dict[str, float]]:
    """The autoencoder and its record, from a folder of an earlier run with the same settings."""
    ignored = ("denoiser", "threads", "untold", "shift", "average")
    wanted = {k: v for k, v in asdict(settings).items() if k not in ignored}
    wanted["shape"] = {k: wanted["shape"][k] for k in ("latent", "codec_width")}
    path, weights = folder / "training.json", folder / "weights.safetensors"
    codec = build_codec(settings.shape, settings.seed)
    if path.exists():
        known = json.loads(path.read_text())
        if known["settings"] == wanted:
            codec.load_state_dict(load_file(weights))
            return codec.eval(), known["record"]
    record = train_codec(codec, images, settings)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(codec.state_dict(), weights)
    path.write_text(json.dumps({"settings": wanted, "record": record}, indent=2) + "\n")
    return codec, record


@torch.inference_mode()
def latents_of(codec: AutoencoderTiny, images: NDArray[np.uint8], batch: int = 500) -> torch.Tensor:
    """Latents (n, latent, 8, 8) of images (n, 64, 64, 3), scaled to unit deviation.

    The scale is kept in the autoencoder's configuration, where the pipeline looks for it.
    """
    starts = range(0, len(images), batch)
    raw = torch.cat([codec.encode(pixels(images[i : i + batch])).latents for i in starts])
    scale = 1.0 / float(raw.std())
    codec.register_to_config(scaling_factor=scale)
    return raw * scale


def noise_levels(count: int, steps: int, shift: float) -> torch.Tensor:
    """Random time steps (count,) in [0, steps), more of them late for a `shift` above one."""
    even = torch.rand(count)
    late = shift * even / (1.0 + (shift - 1.0) * even)
    return (late * steps).long().clamp(max=steps - 1)


def text_of(sample: Sample, rng: np.random.Generator) -> str:
    """A fresh caption of a training image, more often complete and true than those of the CLIP."""
    if sample.named and sample.country is not None:
        return name_caption(sample.country, rng)
    return attribute_caption(sample.spec, rng, DROP, WRONG)


def train_denoiser(
    denoiser: UNet2DConditionModel,
    latents: torch.Tensor,
    settings: Settings,
    clip: Path,
    save: Any,
) -> dict[str, float]:
    """Train the denoiser on latents and fresh captions; it ends as the average of its weights."""
    stage, progress = settings.denoiser, Progress("denoiser", settings.denoiser)
    tokenizer, encoder = text_tower(clip)
    scheduler = build_scheduler()
    total = scheduler.config.num_train_timesteps
    samples = [training_sample(settings.seed, i) for i in range(len(latents))]
    rng = np.random.default_rng((settings.seed, 2))
    torch.manual_seed(settings.seed)
    denoiser.train()
    average = EMAModel(
        denoiser.parameters(), decay=settings.average, use_ema_warmup=True, power=0.8
    )
    for chosen, optimizer in steps_of(denoiser, stage, len(latents), settings.seed):
        told = [text_of(samples[i], rng) if rng.random() >= settings.untold else "" for i in chosen]
        clean = latents[torch.from_numpy(chosen)].contiguous(memory_format=torch.channels_last)
        noise = torch.randn_like(clean)
        times = noise_levels(len(clean), total, settings.shift)
        seen = denoiser(
            scheduler.add_noise(clean, noise, times), times, text_states(tokenizer, encoder, told)
        ).sample
        loss = functional.mse_loss(seen, scheduler.get_velocity(clean, noise, times))
        progress.add(update(denoiser, optimizer, loss, stage.clip_norm))
        average.step(denoiser.parameters())
        if len(progress.losses) % 500 == 0:
            average.store(denoiser.parameters())
            average.copy_to(denoiser.parameters())
            save()
            average.restore(denoiser.parameters())
    average.copy_to(denoiser.parameters())
    denoiser.eval()
    return progress.record()


def train(settings: Settings, clip: Path, out: Path, data: Path) -> dict[str, Any]:
    """Train both parts, save the pipeline to `out` and return the record of the run.

    `data` keeps the rendered images, and the autoencoder, which is not trained again with the same
    settings. Until the end, `out` holds the newest checkpoint.
    """
    torch.set_num_threads(settings.threads)
    images = training_pool(
        data / f"print-{settings.pool}.npy", settings.pool, settings.seed, domain="print"
    )
    record: dict[str, Any] = {"settings": asdict(settings), "torch": torch.__version__}
    codec, record["autoencoder"] = trained_codec(images, settings, data / "autoencoder")
    latents = latents_of(codec, images)
    _, encoder = text_tower(clip)
    width = encoder.config.hidden_size
    denoiser = build_denoiser(settings.shape, width, settings.seed)

    def save() -> None:
        save_pipeline(out, clip, codec, denoiser)

    save()
    record["denoiser"] = train_denoiser(denoiser, latents, settings, clip, save)
    save()
    parts = {"autoencoder": codec, "denoiser": denoiser, "text encoder": encoder}
    record["parameters"] = {
        name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()
    }
    return record


def main() -> None:
    """Command line."""
    default = Settings()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codec-steps", type=int, default=default.codec.steps)
    parser.add_argument("--steps", type=int, default=default.denoiser.steps)
    parser.add_argument("--pool", type=int, default=default.pool, help="training images to render")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--threads", type=int, default=default.threads)
    parser.add_argument("--clip", type=Path, default=_HERE / "model")
    parser.add_argument("--out", type=Path, default=_HERE / "diffusion_model")
    parser.add_argument("--data", type=Path, default=_HERE / "data")
    options = parser.parse_args()
    options.data.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        handlers=[
            logging.StreamHandler(),
            logging.FileHandler(options.data / "train_diffusion.log", mode="w"),
        ],
    )
    settings = Settings(
        pool=options.pool,
        seed=options.seed,
        threads=options.threads,
        codec=Stage(**{**asdict(default.codec), "steps": options.codec_steps}),
        denoiser=Stage(**{**asdict(default.denoiser), "steps": options.steps}),
    )
    record = train(settings, options.clip, options.out, options.data)
    (options.out / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    LOG.info("saved %s", options.out)


if __name__ == "__main__":
    main()
