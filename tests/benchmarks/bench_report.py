"""How large a report is, and how long it takes to make and to open.

    python -m tests.benchmarks.bench_report [--classes 10 50 100 1000] [--openings 5] [PAGE ...]

Makes reports of pictures with as much detail as photographs, without figures, and opens them, and
pages that are named, in a fresh Chromium each time: prints size, processor time to make, and the
median of the times from the start of navigation to the first content and to the end of the load
event.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from susx.core.compute import limit_threads
from susx.report.thumbnails import both_sizes
from tests.browser.chromium import Browser, start
from tests.made import report as made_report
from tests.made.report import names_of

SIZE = (500, 375)
"""That of most photographs of ImageNet."""
TIMES = """
const [page] = performance.getEntriesByType("navigation");
const [paint] = performance.getEntriesByName("first-contentful-paint");
return [paint ? paint.startTime : NaN, page.loadEventEnd, document.images.length];
"""


def photo(seed: int) -> bytes:
    """An image with detail at all scales, which takes the bytes that photographs take."""
    import io

    from PIL import Image

    random = np.random.default_rng(seed)
    pixels = np.zeros((SIZE[1], SIZE[0], 3))
    for scale in (4, 16, 64, 256):
        field = random.normal(size=(scale * 3 // 4, scale, 3)) * scale**0.1
        layers = [Image.fromarray(field[..., c].astype(np.float32)).resize(SIZE) for c in range(3)]
        pixels += np.stack([np.asarray(layer) for layer in layers], axis=-1)
    scaled = 128 + 90 * pixels / np.abs(pixels).max()
    stream = io.BytesIO()
    Image.fromarray(scaled.astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def photos(n: int, per_class: int, _: tuple[int, int], seed: int) -> list[list[bytes]]:
    """Images per class; classes share them where there are many."""
    kinds = [[photo(1000 * seed + 10 * i + j) for j in range(per_class)] for i in range(min(n, 40))]
    return [kinds[i % len(kinds)] for i in range(n)]


def opened(page: Path) -> tuple[float, float, int]:
    """Milliseconds to the first content and to the end of the load event, and images."""
    with tempfile.TemporaryDirectory() as folder:
        browser: Browser = start(Path(folder))
        try:
            browser.driver.get(page.resolve().as_uri())
            first, loaded, images = browser.run(TIMES)
        finally:
            browser.driver.quit()
    return first, loaded, images


def report(page: Path, what: str, openings: int) -> None:
    """Open a page several times and print what came of it."""
    firsts, loads, images = zip(*(opened(page) for _ in range(openings)), strict=True)
    print(
        f"{what}: {page.stat().st_size / 1e6:.1f} MB, {images[0]} images, first content after "
        f"{median(firsts):.0f} ms, loaded after {median(loads):.0f} ms "
        f"({min(loads):.0f} to {max(loads):.0f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--classes", nargs="*", type=int, default=[10, 50, 100, 1000])
    parser.add_argument("--openings", type=int, default=5)
    chosen = parser.parse_args()
    limit_threads(1)
    made_report.pictures = photos
    made_report.shrunk = both_sizes  # every picture is made, as in a real report
    for page in chosen.pages:
        report(page, str(page), chosen.openings)
    for n in chosen.classes:
        with tempfile.TemporaryDirectory() as folder:
            made = made_report.made_report(Path(folder) / "files", names_of(n), SIZE)
            page = Path(folder) / "report.html"
            begin = time.process_time()
            made.write(page)
            seconds = time.process_time() - begin
            what = f"{n} classes, made in {seconds:.1f} s of processor time"
            report(page, what, chosen.openings)


if __name__ == "__main__":
    main()
