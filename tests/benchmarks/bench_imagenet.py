"""The mission's line with all classes, and the other datasets in full, on miniatures of all else.

`python -m tests.benchmarks.bench_imagenet` runs `snakemake --cores 2 results/imagenet.json` in a
fresh clone with the cards as shipped: 1,000 classes. `--small` cuts the cards as the tests do, and
with names of datasets these are run, all in one call. Models, images, the hub and the web are those
of the tests; so what is measured is what the pipeline itself takes, without any large model.
"""

import argparse
import shlex
import tempfile
import time
from pathlib import Path

from rich.console import Console

from susx.evaluation.schema import read_result
from tests.benchmarks.bench_demo import rule_table
from tests.e2e.clone import Clone, cloned
from tests.made.cards import shipped_cards, small_cards, write_images
from tests.made.hub_models import published_models
from tests.made.imagenet import SYNSETS, Synset, write_class_folders


def write_data(clone: Clone, name: str, small: bool) -> None:
    """Write the images of a dataset."""
    if name != "imagenet":
        write_images(clone.root / "data" / name, name)
        return
    wnids = shipped_cards()["imagenet"]["wnids"]
    every = [Synset(label, wnid, wnid) for label, wnid in enumerate(wnids)]
    write_class_folders(clone.root / "data/imagenet", SYNSETS if small else every)


def main() -> None:
    """Run, and print what each rule took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", nargs="*", default=["imagenet"], help="names of cards, or all")
    parser.add_argument("--small", action="store_true", help="few classes of each card")
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    names = sorted(small_cards()) if arguments.datasets == ["all"] else arguments.datasets
    small = arguments.small or names != ["imagenet"]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with cloned(root, published_models(root / "models"), small) as clone:
            for name in names:
                write_data(clone, name, small)
            results = [f"results/{name}.json" for name in names]
            started = time.perf_counter()
            clone.run(
                shlex.join(["snakemake", "--cores", str(arguments.cores), *results]), timeout=None
            )
            seconds = time.perf_counter() - started
            for path in results:
                result = read_result(clone.root / path)
                print(path, f"{result.n_classes} classes, {result.n_test} images,", end=" ")
                print(f"{len(result.runs)} rows, {len(result.skipped)} skipped")
            Console().print(f"{seconds:.0f} s", rule_table(clone.root, are_cold=False))


if __name__ == "__main__":
    main()
