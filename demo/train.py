"""Train the demo world's tiny CLIP from scratch: `python -m demo.train`."""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers import CLIPModel, PreTrainedTokenizerFast

from demo.captions import caption
from demo.clip import CONTEXT, Shape, build_model, build_tokenizer, normalise, save_folder
from demo.samples import Sample, training_pool, training_sample

LOG: Final = logging.getLogger("demo.train")
_HERE: Final = Path(__file__).resolve().parent
_MAX_SCALE: Final = math.log(100.0)


@dataclass(frozen=True)
class Settings:
    """Everything that determines a training run."""

    steps: int = 1600
    batch: int = 256
    pool: int = 130_000
    seed: int = 0
    threads: int = 2
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warm_up: int = 100
    clip_norm: float = 1.0
    precision: str = "bfloat16"
    attention: str = "eager"
    checkpoint_every: int = 400
    shape: Shape = field(default_factory=Shape)


def batches(size: int, batch: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Endless batches (batch,) of pool indices, in sorted order; each pass is shuffled anew."""
    while True:
        order = rng.permutation(size)
        for start in range(0, size - batch + 1, batch):
            yield np.sort(order[start : start + batch])


class _Loop(Protocol):
    """How far the steps of a training loop go."""

    @property
    def steps(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def warm_up(self) -> int: ...


def learning_rate(step: int, settings: _Loop) -> float:
    """Linear warm-up, then a cosine to zero."""
    if step < settings.warm_up:
        return settings.learning_rate * (step + 1) / settings.warm_up
    progress = (step - settings.warm_up) / max(1, settings.steps - settings.warm_up)
    return settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))


def optimizer_for(model: torch.nn.Module, settings: _Loop) -> torch.optim.AdamW:
    """AdamW; weight decay only for matrices."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    rest = [p for p in model.parameters() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98))


def text_features(
    model: CLIPModel, tokenizer: PreTrainedTokenizerFast, texts: list[str], parts: int = 4
) -> torch.Tensor:
    """Features (n, d) of captions, encoded in `parts` groups of like length to save padding."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    features = []
    for group in np.array_split(order, min(parts, len(texts))):
        tokens = tokenizer(
            [texts[i] for i in group],
            padding=True, truncation=True, max_length=CONTEXT, return_tensors="pt",
        )  # fmt: skip
        features.append(
            model.get_text_features(
                input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
            ).pooler_output
        )
    return torch.cat(features)[torch.from_numpy(np.argsort(order))]


def contrastive_loss(
    images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Symmetric cross-entropy of matching pairs; features (n, d)."""
    images = functional.normalize(images.float(), dim=-1)
    texts = functional.normalize(texts.float(), dim=-1)
    logits = scale.exp() * images @ texts.T
    target = torch.arange(len(logits))
    by_image = functional.cross_entropy(logits, target)
    return (by_image + functional.cross_entropy(logits.T, target)) / 2


def training_step(
    model: CLIPModel,
    tokenizer: PreTrainedTokenizerFast,
    optimizer: torch.optim.Optimizer,
    images: NDArray[np.uint8],
    captions: list[str],
    settings: Settings,
) -> float:
    """One update on images (n, 64, 64, 3) and their captions; returns the loss."""
    pixels = normalise(torch.from_numpy(images))
    with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bfloat16"):
        seen = model.get_image_features(pixel_values=pixels).pooler_output
        read = text_features(model, tokenizer, captions)
    loss = contrastive_loss(seen, read, model.logit_scale)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
    optimizer.step()
    with torch.no_grad():
        model.logit_scale.clamp_(max=_MAX_SCALE)
    return float(loss.detach())


def train(settings: Settings, out: Path, data: Path) -> dict[str, Any]:
    """Train, save the model to `out` and return the record of the run.

    `data` keeps the rendered pool and the checkpoints. Until the end, `out` holds the newest
    checkpoint.
    """
    torch.set_num_threads(settings.threads)
    tokenizer = build_tokenizer()
    model = build_model(settings.shape, len(tokenizer), settings.seed, settings.attention)
    save_folder(model, out)
    started = time.perf_counter()
    pool = training_pool(data / f"pool-{settings.pool}.npy", settings.pool, settings.seed)
    samples: list[Sample] = [training_sample(settings.seed, i) for i in range(settings.pool)]
    rendered = time.perf_counter() - started
    optimizer = optimizer_for(model, settings)
    order = batches(settings.pool, settings.batch, np.random.default_rng((settings.seed, 1)))
    rng = np.random.default_rng((settings.seed, 2))
    model.train()
    losses: list[float] = []
    started = lap = time.perf_counter()
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, settings)
        chosen = next(order)
        captions = [caption(samples[i], rng) for i in chosen]
        losses.append(training_step(model, tokenizer, optimizer, pool[chosen], captions, settings))
        if (step + 1) % 20 == 0:
            now = time.perf_counter()
            rate = 20 * settings.batch / (now - lap)
            lap = now
            LOG.info("step %d loss %.3f, %.0f images/s", step + 1, np.mean(losses[-20:]), rate)
        if (step + 1) % settings.checkpoint_every == 0:
            save_folder(model, data / "checkpoints" / f"step-{step + 1:05d}")
            save_folder(model, out)
    seconds = time.perf_counter() - started
    save_folder(model, out)
    return {
        "settings": asdict(settings),
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": len(tokenizer),
        "logit_scale": round(float(model.logit_scale.detach().exp()), 3),
        "first_loss": round(losses[0], 3),
        "last_loss": round(float(np.mean(losses[-50:])), 3),
        "seconds_pool": round(rendered, 1),
        "seconds_training": round(seconds, 1),
        "images_per_second": round(settings.steps * settings.batch / seconds, 1),
        "torch": torch.__version__,
    }


def main() -> None:
    """Command line."""
    default = Settings()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=default.steps)
    parser.add_argument("--batch", type=int, default=default.batch)
    parser.add_argument("--pool", type=int, default=default.pool, help="training images to render")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--threads", type=int, default=default.threads)
    parser.add_argument("--precision", choices=("bfloat16", "float32"), default=default.precision)
    parser.add_argument("--out", type=Path, default=_HERE / "model")
    parser.add_argument("--data", type=Path, default=_HERE / "data")
    options = vars(parser.parse_args())
    out, data = options.pop("out"), options.pop("data")
    data.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        handlers=[logging.StreamHandler(), logging.FileHandler(data / "train.log", mode="w")],
    )
    record = train(Settings(**options), out, data)
    (out / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    LOG.info("saved %s", out)


if __name__ == "__main__":
    main()
