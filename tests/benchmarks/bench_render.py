"""Images per second and core of the demo renderer: `python -m tests.benchmarks.bench_render`."""

import argparse
import time

import numpy as np

from demo.flags import random_spec
from demo.render import DOMAINS, render


def images_per_second(domain: str, count: int, seed: int = 0) -> float:
    """Rate of drawing and rendering `count` invented flags on one core."""
    rng = np.random.default_rng(seed)
    specs = [random_spec(rng) for _ in range(count)]
    started = time.perf_counter()
    for spec in specs:
        render(spec, domain, rng)
    return count / (time.perf_counter() - started)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3000)
    options = parser.parse_args()
    for domain in DOMAINS:
        print(f"{domain:6s} {images_per_second(domain, options.count):8.0f} images/s per core")


if __name__ == "__main__":
    main()
