"""How far perceptual hashes of copies, and of different images, lie apart.

`python -m tests.benchmarks.bench_duplicates FOLDER...` hashes the images below each folder and
prints, in bits of 256, the smallest distances between different ones and the largest distances of
altered copies. Folders must not hold copies.
"""

import argparse
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from susx.images.decode import decode
from susx.images.fingerprints import HASH_SIZE, MAX_DISTANCE, distance, fingerprint
from susx.images.listing import list_images


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    """A JPEG copy."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return decode(stream.getvalue())


def cropped(image: Image.Image, margin: float) -> Image.Image:
    """A copy that lacks a margin on every side."""
    width, height = image.size
    return image.crop(
        tuple(int(f * s) for f in (margin, 1 - margin) for s in (width, height))  # type: ignore[arg-type]
    )


COPIES: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG, quality 50": lambda image: recompressed(image, 50),
    "JPEG, quality 20": lambda image: recompressed(image, 20),
    "half the size": lambda image: image.resize([max(1, side // 2) for side in image.size]),
    "20 % brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "5 % cropped": lambda image: cropped(image, 0.05),
}


def measure(folder: Path, limit: int) -> None:
    """Print the distances of one folder."""
    paths = list(list_images(folder))
    images = [decode(p.read_bytes()) for p in paths[:: max(1, len(paths) // limit)]]
    prints = [fingerprint(image) for image in images]
    distances = [distance(a, b) for i, a in enumerate(prints) for b in prints[:i]]
    low, rare = min(distances), np.quantile(distances, 1e-4)
    print(f"{folder}: {len(images)} images, {HASH_SIZE**2} bits, limit {MAX_DISTANCE}")
    print(f"  different images: smallest {low}, 1 in 10,000 below {rare:.0f}")
    for name, change in COPIES.items():
        found = [distance(p, fingerprint(change(i))) for p, i in zip(prints, images, strict=True)]
        near = np.mean(np.array(found) <= MAX_DISTANCE)
        print(f"  {name}: 95 % below {np.quantile(found, 0.95):.0f}, {near:.1%} found")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--limit", type=int, default=500, help="images per folder")
    options = parser.parse_args()
    for folder in options.folders:
        measure(folder, options.limit)


if __name__ == "__main__":
    main()
