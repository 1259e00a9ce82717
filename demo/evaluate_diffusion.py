"""Measure the demo's text-to-image model and draw its contact sheet.

`python -m demo.evaluate_diffusion`: the share of drawn images that the demo's CLIP takes for their
class, with the texts of CuPL+e. No image of the test or validation stream is read.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from demo.captions import attributes
from demo.evaluate_model import TEMPLATES, Encoder, Features, class_weights
from demo.flags import COUNTRIES
from demo.render import SIZE, render
from demo.samples import generator
from demo.world import class_names, slug
from susx.config.synthesis import PRESETS, Synthesis
from susx.support.sampler import DiffusionSampler, Shot, pipeline_folder
from susx.support.synthesis import image_seed, image_text

_HERE: Final = Path(__file__).resolve().parent
SEED: Final = 301
COLUMNS: Final = 5
_GAP: Final = 6
_LINE: Final = 14

Pixels = NDArray[np.uint8]


def draw(settings: Synthesis, texts: Sequence[Sequence[str]]) -> list[Pixels]:
    """Per class, images (size, 64, 64, 3) drawn from its texts as the pipeline draws them."""
    sampler = DiffusionSampler(settings, pipeline_folder(settings))
    images = []
    for name, own in zip(class_names(), texts, strict=True):
        shots = [
            Shot(
                image_text(own, settings.seed, slug(name), i),
                image_seed(settings.seed, slug(name), i),
            )
            for i in range(settings.size)
        ]
        images.append(np.stack([np.asarray(image) for image in sampler.draw(shots)]))
    return images


def rendered(per_class: int, domain: str) -> list[Pixels]:
    """Per class, the renderer's images (per_class, 64, 64, 3)."""
    return [
        np.stack(
            [
                render(country.spec, domain, generator(SEED, "train", label, i), cached=True)
                for i in range(per_class)
            ]
        )
        for label, country in enumerate(COUNTRIES)
    ]


def complete_texts(per_class: int) -> list[list[str]]:
    """Per class, descriptions of its true flag that leave nothing out."""
    rng = np.random.default_rng(SEED)
    return [
        [f"A flag with {attributes(country.spec, rng)}." for _ in range(per_class)]
        for country in COUNTRIES
    ]


def recognised(encoder: Encoder, weights: Features, images: Sequence[Pixels]) -> float:
    """Per cent of the images whose nearest class text is that of their class."""
    features = encoder.images(images)
    labels = np.repeat(np.arange(len(images)), [len(own) for own in images])
    return round(100 * float(((features @ weights.T).argmax(axis=1) == labels).mean()), 1)


def contact_sheet(blocks: Sequence[tuple[str, Pixels]]) -> Image.Image:
    """Named rows of images (n, 64, 64, 3), in columns; the first image of each stands apart."""
    count = len(blocks[0][1])
    width, height = count * SIZE + 3 * _GAP, SIZE + _LINE + _GAP
    rows = -(-len(blocks) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width + _GAP, rows * height + _GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for place, (name, images) in enumerate(blocks):
        x, y = _GAP + place % COLUMNS * width, _GAP + place // COLUMNS * height
        pen.text((x, y), name, fill="black")
        for number, image in enumerate(images):
            left = x + number * SIZE + (_GAP if number else 0)
            sheet.paste(Image.fromarray(image), (left, y + _LINE))
    return sheet


def evaluate(settings: Synthesis, clip: Path, descriptions: Path) -> tuple[dict[str, Any], Any]:
    """Shares of recognised images by origin, and the contact sheet.

    Returns:
        The record, and the sheet: a printed flag per class, then images drawn from descriptions.
    """
    encoder, names = Encoder(clip), class_names()
    sentences: dict[str, list[str]] = json.loads(descriptions.read_text())
    told = [sentences[name] for name in names]
    weights = class_weights(
        encoder,
        [[t.format(n) for t in TEMPLATES] + own for n, own in zip(names, told, strict=True)],
    )
    started = time.perf_counter()
    described = draw(settings, told)
    seconds = time.perf_counter() - started
    prints = rendered(settings.size, "print")
    sources = {
        "drawn from descriptions": described,
        "drawn from complete descriptions": draw(settings, complete_texts(settings.size)),
        "rendered, `print` domain": prints,
        "rendered, `web` domain": rendered(settings.size, "web"),
    }
    record = {
        "recognised": {k: recognised(encoder, weights, images) for k, images in sources.items()},
        "per_class": settings.size,
        "steps": settings.steps,
        "guidance": settings.guidance,
        "seed": settings.seed,
        "seconds_per_image": round(seconds / (len(names) * settings.size), 3),
    }
    blocks = [
        (name, np.concatenate([real[:1], drawn[:3]]))
        for name, real, drawn in zip(names, prints, described, strict=True)
    ]
    return record, contact_sheet(blocks)


def main() -> None:
    """Command line: print the record, add it to `training.json`, and write the contact sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=_HERE / "diffusion_model")
    parser.add_argument("--clip", type=Path, default=_HERE / "model")
    parser.add_argument("--descriptions", type=Path, default=_HERE / "descriptions.json")
    parser.add_argument("--sheet", type=Path, default=_HERE.parent / "docs" / "demo_synthesis.png")
    parser.add_argument("--per-class", type=int, default=8)
    parser.add_argument("--steps", type=int, default=PRESETS["demo"]["steps"])
    parser.add_argument("--guidance", type=float, default=PRESETS["demo"]["guidance"])
    parser.add_argument("--no-record", action="store_true", help="only print")
    options = parser.parse_args()
    torch.set_num_threads(2)
    settings = Synthesis(
        source="synthesis",
        model=str(options.model),
        size=options.per_class,
        steps=options.steps,
        guidance=options.guidance,
        seed=SEED,
        batch_size=options.per_class,
    )
    record, sheet = evaluate(settings, options.clip, options.descriptions)
    print(json.dumps(record, indent=2))
    sheet.save(options.sheet, optimize=True)
    path = options.model / "training.json"
    if path.exists() and not options.no_record:
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content | {"evaluation": record}, indent=2) + "\n")


if __name__ == "__main__":
    main()
