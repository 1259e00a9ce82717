"""Calibration error with a temperature of 1, of the support set, and of validation images.

After `make demo`, `python -m tests.benchmarks.bench_calibration cache/flag-clip/flags lc-photo
sd-cupl` prints a row per support set and method, with fixed hyper-parameters: accuracy, the
calibration error in points with T = 1, with the T of held-out support images and with that of
validation images, and these two.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from susx.embeddings.cache import read_cache
from susx.embeddings.text_classifier import text_classifier
from susx.evaluation.arrays import LabelledImages
from susx.evaluation.calibration import (
    calibration_error,
    fit_temperature,
    held_out_logits,
    probabilities,
)
from susx.evaluation.inputs import labelled
from susx.methods import METHODS, Context

NAMES = ("tip-adapter", "tip-x", "ape", "gda")
"""Methods whose votes depend on the support set, and that classify single images."""


def context_of(folder: Path, text: str, support: LabelledImages) -> Context:
    """What methods know, from the caches of a folder."""
    texts = read_cache(folder / f"text-{text}.h5")
    classes = [str(index) for index in range(int(texts.labels.max()) + 1)]
    weights = torch.from_numpy(text_classifier(texts, classes).weights)
    scale: float = texts.meta["logit_scale"]
    return Context(weights, scale, support.images.features, support.labels)


def row(name: str, context: Context, test: LabelledImages, seen: LabelledImages) -> list[str]:
    """Cells of one method."""
    method = METHODS[name]
    values = method.scaled(method.fixed, context.logit_scale)
    if method.calibrate is not None:
        context = replace(context, constants=method.calibrate(context, test.images))
    fitted = method.fit(context, values)
    logits = fitted.logits(test.images)
    correct = (logits.argmax(dim=1) == test.labels).double().mean()
    of_support = fit_temperature(*held_out_logits(method, context, values))
    of_validation = fit_temperature(fitted.logits(seen.images), seen.labels)
    errors = [
        calibration_error(probabilities(logits, t), test.labels)
        for t in (1.0, of_support, of_validation)
    ]
    cells = [100 * float(correct), *errors]
    return [*(f"{cell:.1f}" for cell in cells), f"{of_support:.2f}", f"{of_validation:.2f}"]


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="caches of an encoder and dataset")
    parser.add_argument("supports", nargs="+", help="support sets")
    parser.add_argument("--text", default="cupl+e")
    parser.add_argument("--test", default="test", help="split that is classified")
    a = parser.parse_args()
    test, seen = (
        labelled(read_cache(a.folder / f"images-{split}.h5"), "cpu")
        for split in (a.test, "validation")
    )
    print("| support | method | top-1 | T = 1 | of support | of validation | T | T |")
    print("|---|---|---|---|---|---|---|---|")
    for name in a.supports:
        support = labelled(read_cache(a.folder / f"support-{name}.h5"), "cpu")
        context = context_of(a.folder, a.text, support)
        for method in NAMES:
            print(f"| {name} | {method} | {' | '.join(row(method, context, test, seen))} |")


if __name__ == "__main__":
    main()
