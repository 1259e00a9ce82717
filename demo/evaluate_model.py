"""Measure the demo model on validation streams: `python -m demo.evaluate_model`.

The test stream is never read. Accuracies are per cent over photo-domain images.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers import AutoTokenizer, CLIPModel

from demo.clip import CONTEXT, normalise
from demo.world import class_names, pool_item, split_image
from susx.config.cards import load_card

_HERE: Final = Path(__file__).resolve().parent
_CARD: Final = load_card(_HERE / "flags.yaml")
TEMPLATES: Final = tuple(_CARD.ensemble)
PHOTO: Final = _CARD.template
MEASURED_SEED: Final = 101
TUNING_SEED: Final = 102
POOL_SEED: Final = 103
SHOTS: Final = 16
_ALPHAS: Final = np.geomspace(0.25, 256.0, 41)
_BETAS: Final = np.geomspace(0.5, 32.0, 25)
_COSINE_SCALE: Final = 100.0

Features = NDArray[np.float32]
Labels = NDArray[np.int64]


class Encoder:
    """The saved model with unit-length float32 features."""

    def __init__(self, folder: Path) -> None:
        self.model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    @torch.inference_mode()
    def images(self, batches: Iterable[NDArray[np.uint8]]) -> Features:
        """Features (n, d) of batches of (b, 64, 64, 3) images."""
        parts = [
            self.model.get_image_features(pixel_values=normalise(torch.from_numpy(b))).pooler_output
            for b in batches
        ]
        return functional.normalize(torch.cat(parts), dim=-1).numpy()

    @torch.inference_mode()
    def texts(self, sentences: Sequence[str]) -> Features:
        """Features (n, d) of sentences."""
        tokens = self.tokenizer(
            list(sentences),
            padding=True, truncation=True, max_length=CONTEXT, return_tensors="pt",
        )  # fmt: skip
        features = self.model.get_text_features(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).pooler_output
        return functional.normalize(features, dim=-1).numpy()


@dataclass(frozen=True)
class Support:
    """Retrieved images: features (m, d), assigned labels (m,) and the share that is right."""

    features: Features
    labels: Labels
    purity: float


def unit(rows: Features) -> Features:
    """Rows (n, d) scaled to length one."""
    scaled: Features = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return scaled


def class_weights(encoder: Encoder, prompts: Sequence[Sequence[str]]) -> Features:
    """Unit mean feature of each class's prompts, (classes, d)."""
    return unit(np.stack([encoder.texts(sentences).mean(axis=0) for sentences in prompts]))


def accuracy(logits: Features, labels: Labels) -> float:
    """Per cent of rows (n, classes) whose largest logit is the label's."""
    return 100.0 * float((logits.argmax(axis=1) == labels).mean())


def validation(encoder: Encoder, seed: int, per_class: int) -> tuple[Features, Labels]:
    """Features (n, d) and labels (n,) of a validation stream."""
    classes = range(len(class_names()))
    batches = (
        np.stack([split_image("validation", label, i, seed) for i in range(per_class)])
        for label in classes
    )
    return encoder.images(batches), np.repeat(np.arange(len(classes)), per_class)


def pool(encoder: Encoder, size: int, seed: int, shard_size: int = 500) -> tuple[Features, Labels]:
    """Features (n, d) and true classes (n,), -1 for invented flags, of a web pool."""
    truth: list[int] = []

    def batches() -> Iterable[NDArray[np.uint8]]:
        for shard in range(size // shard_size):
            items = [pool_item(shard, i, seed) for i in range(shard_size)]
            truth.extend(-1 if country is None else country for _, _, country in items)
            yield np.stack([image for image, _, _ in items])

    features = encoder.images(batches())
    return features, np.array(truth)


def retrieve(weights: Features, features: Features, truth: Labels, shots: int) -> Support:
    """The `shots` pool images nearest to each class weight."""
    nearest = np.argsort(-(weights @ features.T), axis=1, kind="stable")[:, :shots]
    labels = np.repeat(np.arange(len(weights)), shots)
    chosen = nearest.ravel()
    return Support(features[chosen], labels, float((truth[chosen] == labels).mean()))


def adapter_logits(
    features: Features, weights: Features, support: Support, alpha: float, beta: float
) -> Features:
    """Tip-Adapter: zero-shot logits (n, classes) plus the support's votes."""
    votes = np.exp(beta * (features @ support.features.T - 1.0))
    onehot = np.eye(len(weights), dtype=np.float32)[support.labels]
    logits: Features = _COSINE_SCALE * features @ weights.T + alpha * votes @ onehot
    return logits


def tune_adapter(
    features: Features, labels: Labels, weights: Features, support: Support
) -> tuple[float, float]:
    """The (alpha, beta) with the best accuracy on labelled features; the first of equals."""
    best = (-1.0, 0.0, 0.0)
    text = _COSINE_SCALE * features @ weights.T
    onehot = np.eye(len(weights), dtype=np.float32)[support.labels]
    affinity = features @ support.features.T - 1.0
    for beta in _BETAS:
        votes = np.exp(beta * affinity) @ onehot
        for alpha in _ALPHAS:
            score = accuracy(text + alpha * votes, labels)
            if score > best[0]:
                best = (score, float(alpha), float(beta))
    return best[1], best[2]


def evaluate(
    folder: Path, descriptions: Path, per_class: int, tuning_per_class: int, pool_size: int
) -> dict[str, Any]:
    """Accuracies of text classifiers and of Tip-Adapter with a retrieved support set."""
    encoder = Encoder(folder)
    names = class_names()
    sentences: dict[str, list[str]] = json.loads(descriptions.read_text())
    named = [[t.format(name) for t in TEMPLATES] for name in names]
    described = [sentences[name] for name in names]
    texts = {
        "photo template": class_weights(encoder, [[PHOTO.format(name)] for name in names]),
        "zero-shot (7 templates)": class_weights(encoder, named),
        "CuPL": class_weights(encoder, described),
        "CuPL+e (all prompts)": class_weights(
            encoder, [a + b for a, b in zip(named, described, strict=True)]
        ),
    }
    texts["CuPL+e (mean of means)"] = unit(texts["zero-shot (7 templates)"] + texts["CuPL"])
    features, labels = validation(encoder, MEASURED_SEED, per_class)
    tuning = validation(encoder, TUNING_SEED, tuning_per_class)
    table = {name: accuracy(features @ weights.T, labels) for name, weights in texts.items()}
    pooled = pool(encoder, pool_size, POOL_SEED)
    base = texts["CuPL+e (all prompts)"]
    purities, chosen = {}, {}
    for source in ("photo template", "CuPL"):
        support = retrieve(texts[source], *pooled, SHOTS)
        alpha, beta = tune_adapter(*tuning, base, support)
        row = f"Tip-Adapter ({source} support)"
        table[row] = accuracy(adapter_logits(features, base, support, alpha, beta), labels)
        purities[row] = round(support.purity, 3)
        chosen[row] = {"alpha": round(alpha, 3), "beta": round(beta, 3)}
    by_name = (features @ texts["zero-shot (7 templates)"].T).argmax(axis=1) == labels
    thirds = np.array_split(by_name, 3)
    return {
        "accuracy": {name: round(value, 2) for name, value in table.items()},
        "zero_shot_common_middle_rare": [round(100 * float(t.mean()), 1) for t in thirds],
        "support_purity": purities,
        "tuned": chosen,
        "images": len(labels),
        "tuning_images": len(tuning[1]),
        "pool_images": pool_size,
        "shots": SHOTS,
        "seeds": {"measured": MEASURED_SEED, "tuning": TUNING_SEED, "pool": POOL_SEED},
        "platform": f"{platform.system()} {platform.machine()}, float32",
    }


def main() -> None:
    """Command line: print the table and add it to the model's `training.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=_HERE / "model")
    parser.add_argument("--descriptions", type=Path, default=_HERE / "descriptions.json")
    parser.add_argument("--per-class", type=int, default=40)
    parser.add_argument("--tuning-per-class", type=int, default=10)
    parser.add_argument("--pool-size", type=int, default=10_000)
    parser.add_argument("--no-record", action="store_true", help="only print")
    options = parser.parse_args()
    torch.set_num_threads(2)
    result = evaluate(
        options.model, options.descriptions,
        options.per_class, options.tuning_per_class, options.pool_size,
    )  # fmt: skip
    for name, value in result["accuracy"].items():
        print(f"{name:36s} {value:6.2f}")
    print(json.dumps({k: v for k, v in result.items() if k != "accuracy"}, indent=2))
    record = options.model / "training.json"
    if record.exists() and not options.no_record:
        content = json.loads(record.read_text())
        record.write_text(json.dumps(content | {"evaluation": result}, indent=2) + "\n")


if __name__ == "__main__":
    main()
