"""What bfloat16 changes in the embeddings and predictions of a trained encoder.

    python -m tests.benchmarks.bench_precision [--per-class 40] [--precision bfloat16]

Embeds the demo's test photos, its texts and, where they are at hand, photos of things, with the
demo's encoder, in float32 and in another precision. Prints the least and median cosine between both
embeddings, and how many of the demo's photos are predicted otherwise, zero-shot.
"""

import argparse
from pathlib import Path

import torch
from PIL.Image import fromarray
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from demo.world import class_names, split_image
from susx.config.encoders import encoder_section
from susx.core.compute import limit_threads
from susx.encoders import load_encoder
from susx.encoders.protocol import Encoder
from susx.images.decode import decode
from tests.benchmarks.bench_embedding import PHOTOS

MODEL = Path(__file__).parents[2] / "demo/model"
BATCH = 250
"""Images at once, so that memory stays small."""


def load(precision: str) -> Encoder:
    return load_encoder(
        encoder_section(library="transformers", model=str(MODEL), device="cpu", precision=precision)
    )


def embedded(encoder: Encoder, pixels: Tensor) -> Tensor:
    return torch.cat([encoder.encode_images(part) for part in pixels.split(BATCH)])


def texts(names: list[str]) -> list[str]:
    return [f"a photo of the flag of {name}." for name in names]


def flags(encoder: Encoder, per_class: int) -> tuple[Tensor, Tensor]:
    """Pixels of the demo's test photos, and their classes."""
    labels = torch.arange(len(class_names())).repeat_interleave(per_class)
    images = [
        split_image("test", int(label), number % per_class, 0)
        for number, label in enumerate(labels)
    ]
    return torch.stack([encoder.preprocess(fromarray(image)) for image in images]), labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-class", type=int, default=40)
    parser.add_argument("--precision", default="bfloat16")
    chosen = parser.parse_args()
    limit_threads(2)
    exact, other = load("float32"), load(chosen.precision)
    pixels, labels = flags(exact, chosen.per_class)
    sets = {f"{len(labels)} photos of flags": pixels}
    if paths := sorted(PHOTOS.glob("*.JPEG")):
        photos = [exact.preprocess(decode(path.read_bytes())) for path in paths]
        sets[f"{len(paths)} photos of things"] = torch.stack(photos)
    rows = {what: (embedded(exact, p), embedded(other, p)) for what, p in sets.items()}
    names = texts(class_names())
    rows[f"{len(names)} texts"] = exact.encode_texts(names), other.encode_texts(names)
    for what, (one, two) in rows.items():
        cosines = cosine_similarity(one, two)
        print(f"{what}: cosine at least {cosines.min():.5f}, in the median {cosines.median():.5f}")
    images, *_, of_texts = rows.values()
    found = [
        (normalize(image) @ normalize(text).T).argmax(dim=1)
        for image, text in zip(images, of_texts, strict=True)
    ]
    right = [int((best == labels).sum()) for best in found]
    changed = int((found[0] != found[1]).sum())
    print(f"{changed} of {len(labels)} predictions differ; right are {right[0]} and {right[1]}")


if __name__ == "__main__":
    main()
