"""Images per second of a classifier file, against its encoder's bare forward pass.

`python -m tests.benchmarks.bench_classify`: a CLIP of random weights classifies made-up JPEG
photographs with TIP-X, once through `Classifier.predict`, which reads, decodes, preprocesses,
embeds and votes, and once only through the encoder, with all inputs ready in memory. Rounds take
turns, and the median of their ratios counts.
"""

import argparse
import io
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel

from susx.classifier.classifier import Classifier
from susx.core.compute import limit_threads
from susx.images.decode import decode
from tests.helpers import save_tiny_clip
from tests.made.photos import photos_classifier

TOWERS = {16: (768, 12, 12), 32: (768, 12, 12), 14: (1024, 24, 16)}
"""Width, layers and heads of the image towers of CLIP by the side of their patches."""


def save_clip(folder: Path, patch: int) -> None:
    """Save a CLIP with the image tower of a published one, and a tiny text tower."""
    save_tiny_clip(folder, image_size=224)
    config = CLIPConfig.from_pretrained(folder)
    width, layers, heads = TOWERS[patch]
    vision = config.vision_config
    vision.patch_size, vision.hidden_size, vision.intermediate_size = patch, width, 4 * width
    vision.num_hidden_layers, vision.num_attention_heads = layers, heads
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(folder)


def photographs(count: int, size: tuple[int, int]) -> list[bytes]:
    """JPEG files of smooth noise, which weigh about as much as photographs."""
    random = np.random.default_rng(0)
    files = []
    for _ in range(count):
        coarse = Image.fromarray(random.integers(0, 255, (60, 80, 3)).astype(np.uint8))
        stream = io.BytesIO()
        coarse.resize(size, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
        files.append(stream.getvalue())
    return files


def rates(
    classifier: Classifier, images: list[bytes], batch: int, threads: int
) -> tuple[float, float]:
    """Images per second of the classifier and of the bare forward pass."""
    encoder = classifier.encoder
    inputs = torch.stack([encoder.preprocess(decode(image)) for image in images])
    started = time.perf_counter()
    classifier.predict(images, batch, threads)
    predicted = time.perf_counter()
    for part in inputs.split(batch):
        encoder.encode_images(part)
    ended = time.perf_counter()
    return len(images) / (predicted - started), len(images) / (ended - predicted)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patch", type=int, choices=TOWERS, default=16)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    limit_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        save_clip(Path(folder, "model"), options.patch)
        classifier = photos_classifier(Path(folder, "model"), Path(folder))
        images = photographs(options.images, (500, 375))
        rates(classifier, images[: options.batch], options.batch, options.threads)
        ratios = []
        for _ in range(options.rounds):
            whole, bare = rates(classifier, images, options.batch, options.threads)
            ratios.append(whole / bare)
            print(f"predict {whole:.1f}/s, forward pass {bare:.1f}/s: {whole / bare:.1%}")
    kib = sum(map(len, images)) / len(images) / 1024
    print(f"median {median(ratios):.1%} of the forward pass; JPEG files of {kib:.0f} KiB")


if __name__ == "__main__":
    main()
