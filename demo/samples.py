"""Which flag, in which domain: the random streams of the demo world and its training pool."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from demo.flags import COUNTRIES, Spec, random_country, random_spec
from demo.render import SIZE, render

STREAMS: Final = {"train": 0, "pool": 1, "validation": 2, "test": 3}
REAL_SHARE: Final = 0.06
NAMED_SHARE: Final = 0.3
NAMED_WEB_SHARE: Final = 0.85
_CHUNK: Final = 1000


@dataclass(frozen=True)
class Sample:
    """A training image before it is rendered; `country` is None for an invented flag.

    Only a `named` sample is captioned with its country's name.
    """

    spec: Spec
    country: int | None
    named: bool
    domain: str


def generator(seed: int, stream: str, *key: int) -> np.random.Generator:
    """Independent random generator for one item of one stream."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAMS[stream], *key)))


def draw_sample(rng: np.random.Generator) -> Sample:
    """A random item of the training pool."""
    country = random_country(rng) if rng.random() < REAL_SHARE else None
    named = country is not None and rng.random() < NAMED_SHARE
    web = rng.random() < (NAMED_WEB_SHARE if named else 0.5)
    spec = random_spec(rng) if country is None else COUNTRIES[country].spec
    return Sample(spec, country, named, "web" if web else "photo")


def training_sample(seed: int, index: int) -> Sample:
    """What training image `index` shows, without rendering it."""
    return draw_sample(generator(seed, "train", index))


def _render_chunk(job: tuple[str, int, str | None, int, int]) -> int:
    path, seed, domain, start, stop = job
    pool = np.lib.format.open_memmap(path, mode="r+")
    for index in range(start, stop):
        rng = generator(seed, "train", index)
        sample = draw_sample(rng)
        seen = domain or sample.domain
        pool[index] = render(sample.spec, seen, rng, cached=sample.country is not None)
    pool.flush()
    return stop - start


def training_pool(
    path: Path, size: int, seed: int, workers: int = 2, domain: str | None = None
) -> NDArray[np.uint8]:
    """Memory-mapped training images (size, 64, 64, 3), rendered unless `path` holds them.

    All are of one `domain` if it is given, else each is of its sample's.
    """
    stamp = path.with_suffix(".json")
    wanted = {"size": size, "seed": seed} | ({"domain": domain} if domain else {})
    if not (path.exists() and stamp.exists() and json.loads(stamp.read_text()) == wanted):
        path.parent.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(size, SIZE, SIZE, 3))
        jobs = [(str(path), seed, domain, i, min(i + _CHUNK, size)) for i in range(0, size, _CHUNK)]
        if workers > 1 and len(jobs) > 1:
            # Forking a process that already runs torch threads can hang.
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
                list(executor.map(_render_chunk, jobs))
        else:
            list(map(_render_chunk, jobs))
        stamp.write_text(json.dumps(wanted) + "\n")
    return np.lib.format.open_memmap(path, mode="r")
