"""What JPEG draft mode saves, and what it changes.

    python -m tests.benchmarks.bench_draft [--model demo/model] [--side 224]

Decodes and preprocesses photos both ways, in turns, and prints the time per image, the difference
of the pixels that the encoder sees (levels of 0 to 255), and the cosine of the embeddings by the
encoder that is named. Preprocessing is that of CLIP at `--side` pixels for the pixels, the
encoder's own for the cosine.
"""

import argparse
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.nn.functional import cosine_similarity
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from susx.config.schema import EncoderSettings
from susx.core.compute import limit_threads
from susx.encoders import load_encoder
from susx.images.decode import decode
from tests.benchmarks.bench_embedding import photos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("demo/model"))
    parser.add_argument("--side", type=int, default=224)
    chosen = parser.parse_args()
    limit_threads(1)
    images, what = photos()
    side = {"height": chosen.side, "width": chosen.side}
    processor = CLIPImageProcessorPil(size={"shortest_edge": chosen.side}, crop_size=side)

    def pixels(data: bytes, draft: int | None) -> tuple[np.ndarray, float]:
        start = time.perf_counter()
        done = processor(decode(data, draft), do_rescale=False, do_normalize=False)
        return done["pixel_values"][0].astype(np.int16), time.perf_counter() - start

    exact, draft = ([pixels(data, d) for data in images] for d in (None, chosen.side))
    changed = [np.abs(a - b) for (a, _), (b, _) in zip(exact, draft, strict=True)]
    smaller = [decode(data, chosen.side).size != decode(data).size for data in images]
    print(f"{what}, {sum(smaller)} of them large enough for {chosen.side} pixels by half the scale")
    for name, made in (("exact", exact), ("draft", draft)):
        print(f"{name}: {1000 * median(seconds for _, seconds in made):.2f} ms per image")
    of_smaller = [c.mean() for c, small in zip(changed, smaller, strict=True) if small]
    if of_smaller:
        print(f"levels of those differ by {np.mean(of_smaller):.2f} on average")

    encoder = load_encoder(
        EncoderSettings(library="transformers", model=str(chosen.model), device="cpu")
    )
    drafts = (None, encoder.image_size)
    one, other = (
        encoder.encode_images(torch.stack([encoder.preprocess(decode(i, d)) for i in images]))
        for d in drafts
    )
    cosines = cosine_similarity(one, other)
    print(
        f"cosine of the embeddings by {chosen.model} ({encoder.image_size} pixels): "
        f"median {cosines.median():.4f}, least {cosines.min():.4f}"
    )


if __name__ == "__main__":
    main()
