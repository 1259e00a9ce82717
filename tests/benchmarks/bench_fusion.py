"""What calibrated fusion gains, loses and needs, on cached, published or synthetic features.

    python -m tests.benchmarks.bench_fusion --caches cache/flag-clip/flags
    python -m tests.benchmarks.bench_fusion --features FOLDER --dataset ucf101
    python -m tests.benchmarks.bench_fusion --synthetic 1000

FOLDER holds `{dataset}_f_test_m{backbone}.pt` and its companions, as the authors of SuS-X publish
them. Accuracies are per cent of test images; drawn subsets are averaged over `--seeds`.
"""

import argparse
import math
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor

from susx.embeddings.cache import read_cache
from susx.embeddings.text_classifier import text_classifier
from susx.methods import METHODS, Context, Images, fusion
from susx.methods.fusion import gaussians, labelled
from susx.search.grid import search

SHOTS = (1, 2, 4, 8, 16, 32, 64)
WRONG = (0.0, 0.25, 0.5, 0.75)
TARGETS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10000)
SYNTHETIC_SCALE = 60.0
"""Logit scale of the synthetic encoder: its text posteriors are about calibrated."""
BATCHES = 100
"""Most batches of target images that an accuracy is averaged over."""


@dataclass(frozen=True)
class Problem:
    """Test images with classes, and validation images for the tuned references, if any."""

    name: str
    context: Context
    test: Tensor
    labels: Tensor
    validation: tuple[Tensor, Tensor] | None = None


def cached(folder: Path, text: str, support: str) -> Problem:
    """The caches of one encoder and dataset that the pipeline wrote."""
    texts = read_cache(folder / f"text-{text}.h5")
    classes = [str(index) for index in range(int(texts.labels.max()) + 1)]

    def read(name: str) -> tuple[Tensor, Tensor]:
        part = read_cache(folder / f"{name}.h5")
        return torch.from_numpy(part.features).float(), torch.from_numpy(part.labels).long()

    weights = torch.from_numpy(text_classifier(texts, classes).weights)
    context = Context(weights, texts.meta["logit_scale"], *read(f"support-{support}"))
    validation = None
    if (folder / "images-validation.h5").exists():
        validation = read("images-validation")
    return Problem(f"{folder.name} {text} {support}", context, *read("images-test"), validation)


def published(folder: Path, dataset: str, text: str, support: str, backbone: str) -> Problem:
    """Features in the layout of the authors' files."""

    def load(name: str, extra: str = "") -> Tensor:
        loaded: Tensor = torch.load(folder / f"{name}_m{backbone}{extra}.pt", weights_only=True)
        return loaded.float()

    unit = torch.nn.functional.normalize
    context = Context(
        unit(load(f"{dataset}_zeroshot_text_weights", f"_pt{text}").T),
        100.0,
        unit(load(f"{support}_{dataset}_f").T),
        load(f"{support}_{dataset}_t").argmax(dim=1),
    )
    test, validation = (
        (unit(load(f"{dataset}_f_{split}")), load(f"{dataset}_t_{split}").long())
        for split in ("test", "val")
    )
    return Problem(f"{dataset} {text} {support}", context, *test, validation)


def synthetic(
    classes: int, dimension: int, per_class: int, shots: int, bunching: float = 0.0
) -> Problem:
    """Images around related class directions, text beside them, a web support with a gap.

    A quarter of the support labels is wrong. `bunching` adds a common direction to all images, as
    encoders with high cosines throughout have it; the logit scale makes up for it.
    """
    random = np.random.default_rng(0)
    families = random.normal(size=(-(-classes // 10), dimension))
    centres = 0.6 * families[np.arange(classes) // 10]
    centres += 0.8 * random.normal(size=(classes, dimension))
    mixing = np.eye(dimension)
    mixing += 0.5 * random.normal(size=(dimension, dimension)) / np.sqrt(dimension)
    for_images, for_text, gap = random.normal(size=(3, dimension))
    offset = (1.5 + bunching) * for_images

    def unit(rows: NDArray[np.float64]) -> Tensor:
        return torch.nn.functional.normalize(torch.from_numpy(rows).float(), dim=1)

    def images(count: int, wrong: float, shift: float) -> tuple[Tensor, Tensor]:
        labels = np.repeat(np.arange(classes), count)
        shown = np.where(random.random(len(labels)) < wrong, random.permutation(labels), labels)
        parts = []
        for rows in np.array_split(shown, max(1, len(shown) // 10000)):
            noise = 4 * np.sqrt(dimension / 256) * random.normal(size=(len(rows), dimension))
            parts.append(unit(centres[rows] + noise @ mixing + offset + shift * gap))
        return torch.cat(parts), torch.from_numpy(labels)

    described = centres + random.normal(size=(classes, dimension))
    described -= np.outer(described @ for_images, for_images) / (for_images @ for_images)
    text = unit(described + 1.5 * for_text)
    name = f"synthetic, {classes} classes" + (", bunched" if bunching else "")
    scale = SYNTHETIC_SCALE * np.hypot(3, 1.5 + bunching) / np.hypot(3, 1.5)
    context = Context(text, float(scale), *images(shots, 0.25, 0.5))
    return Problem(name, context, *images(per_class, 0, 0), images(2, 0, 0))


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Per cent of rows whose largest logit is the label's."""
    return 100 * float((logits.argmax(dim=1) == labels).double().mean())


def fused(problem: Problem, method: str = "fusion") -> float:
    """Accuracy of a method without hyper-parameters, all test images together."""
    fitted = METHODS[method].fit(problem.context, {})
    return accuracy(fitted.logits(Images(problem.test)), problem.labels)


def tuned(problem: Problem, method: str) -> float | None:
    """Accuracy of a method tuned on the validation images."""
    if problem.validation is None:
        return None
    chosen = METHODS[method]
    grid = {name: axis.values(problem.context.logit_scale) for name, axis in chosen.grid.items()}
    features, labels = problem.validation
    found = search(chosen.terms(problem.context, Images(features)), labels, grid).hyperparameters
    fitted = chosen.fit(problem.context, found)
    return accuracy(fitted.logits(Images(problem.test)), problem.labels)


def text_only(problem: Problem) -> float:
    """Accuracy of the text classifier."""
    return accuracy(problem.test @ problem.context.text.T, problem.labels)


def drawn(problem: Problem, shots: int, seed: int) -> Problem:
    """The problem with at most `shots` support images per class."""
    labels = problem.context.required_labels
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    keep = [order[labels[order] == c][:shots] for c in range(problem.context.n_classes)]
    return with_support(problem, torch.cat(keep), labels[torch.cat(keep)])


def mislabelled(problem: Problem, share: float, seed: int) -> Problem:
    """The problem with the classes of a share of the support images drawn anew from the others."""
    random = torch.Generator().manual_seed(seed)
    labels, classes = problem.context.required_labels, problem.context.n_classes
    steps = torch.randint(1, classes, (len(labels),), generator=random)
    steps[torch.rand(len(labels), generator=random) >= share] = 0
    return with_support(problem, torch.arange(len(labels)), (labels + steps) % classes)


def with_support(problem: Problem, rows: Tensor, labels: Tensor) -> Problem:
    support = problem.context.required_support[rows]
    return replace(
        problem, context=replace(problem.context, support=support, support_labels=labels)
    )


def in_batches(problem: Problem, size: int, seed: int) -> float:
    """Accuracy where the test images come in random batches that know nothing of each other."""
    order = torch.randperm(len(problem.labels), generator=torch.Generator().manual_seed(seed))
    batches = [rows for rows in order.split(size) if len(rows) == size][:BATCHES]
    fitted = METHODS["fusion"].fit(problem.context, {})
    hits = [
        fitted.logits(Images(problem.test[rows])).argmax(1) == problem.labels[rows]
        for rows in batches
    ]
    return 100 * float(torch.cat(hits).double().mean())


def in_sample(features: Tensor, shares: Tensor, model: gaussians.Gaussians) -> gaussians.Scores:
    """Scores from means and a covariance that contain the image itself, their noise ignored."""
    nothing = replace(model, noise=0 * model.noise, freedom=math.inf)
    scores = gaussians.left_out_scores(features, 0 * shares, nothing)
    return replace(scores, noise=0.0, borrowed=0.0)


def equal_shares(shares: Tensor, _: object) -> Tensor:
    """No frequencies."""
    return 0 * shares


def variants() -> Iterator[tuple[str, AbstractContextManager[object]]]:
    """Fusion with one part replaced."""

    def without(name: str, value: object, module: object = gaussians) -> AbstractContextManager:
        return patch.object(module, name, value)

    yield "fusion", nullcontext()
    yield "support counted in full", without("support_worth", lambda _, __, counts, *rest: counts)
    yield "support not moved", without("support_shift", lambda t, *_: 0 * t.sums[0])
    yield "target counted in full", without("target_trust", lambda counts, *_: 0 * counts + 1)
    yield "images not left out", without("left_out_scores", in_sample, fusion)
    yield "no frequencies", without("log_frequencies", equal_shares, fusion)
    yield "no bound", without("bounded", lambda _, logits: logits, fusion)
    yield "support weighed in one round", without("ROUNDS", 1, labelled)
    for count in (1, 3, 12):
        yield f"updates: {count}", without("UPDATES", count, fusion)


def ablation(problem: Problem, _: Sequence[int]) -> Table:
    """Every source added, every part left out, and the references."""
    table = Table("", "accuracy", "expected", title=problem.name)
    whole = fusion.fuse(problem.context, problem.test)
    expected = whole.expected_accuracies()
    rows = (("text", whole.text), ("support", whole.pooled), ("images", whole.logits))
    for name, logits in rows:
        found = shown(accuracy(logits, problem.labels)), shown(100 * expected[name])
        table.add_row(f"with {name}", *found)
    for name, changed in variants():
        with changed:
            table.add_row(name, shown(fused(problem)))
    for name in ("fusion-text", "transclip"):
        table.add_row(f"{name} (no support set)", shown(fused(problem, name)))
    for name in ("tip-x", "gda"):
        table.add_row(f"{name}, tuned on validation", shown(tuned(problem, name)))
    return table


def rows_of_supports(
    problem: Problem,
    seeds: Sequence[int],
    column: str,
    points: Sequence[float],
    make: Callable[[Problem, float, int], Problem],
) -> Table:
    table = Table(column, "text", "fusion", "tip-x tuned", "gda tuned", title=problem.name)
    for point in points:
        made = [make(problem, point, seed) for seed in seeds]
        rows = [[text_only(p), fused(p), tuned(p, "tip-x"), tuned(p, "gda")] for p in made]
        table.add_row(f"{point:g}", *(shown(*values) for values in zip(*rows, strict=True)))
    return table


def shots(problem: Problem, seeds: Sequence[int]) -> Table:
    """Support images per class."""
    largest = int(problem.context.required_labels.bincount().max())
    points = [k for k in SHOTS if k <= largest]
    return rows_of_supports(
        problem, seeds, "shots", points, lambda p, k, seed: drawn(p, int(k), seed)
    )


def noise(problem: Problem, seeds: Sequence[int]) -> Table:
    """Share of support images with a wrong class, besides those that are wrong already."""
    return rows_of_supports(problem, seeds, "wrong", WRONG, mislabelled)


def targets(problem: Problem, seeds: Sequence[int]) -> Table:
    """Target images classified together."""
    table = Table("images", "per class", "fusion", title=problem.name)
    sizes = [n for n in TARGETS if n < len(problem.labels)] + [len(problem.labels)]
    for n in sizes:
        found = shown(*(in_batches(problem, n, seed) for seed in seeds))
        table.add_row(str(n), f"{n / problem.context.n_classes:.2g}", found)
    table.add_row("text", "", shown(text_only(problem)))
    return table


def cost(problem: Problem, _: Sequence[int]) -> Table:
    """Seconds of one classification, and the most memory that this process has held."""
    table = Table("images", "support", "seconds", "peak GiB", title=problem.name)
    started = time.perf_counter()
    fused(problem)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sizes = len(problem.labels), len(problem.context.required_labels)
    table.add_row(*map(str, sizes), f"{seconds:.2f}", f"{peak:.1f}")
    return table


def shown(*values: float | None) -> str:
    """Mean of accuracies, or a dash."""
    return f"{np.mean(values):.1f}" if None not in values else "–"  # type: ignore[arg-type]


TABLES = {f.__name__: f for f in (ablation, shots, noise, targets, cost)}


def problem_of(options: argparse.Namespace) -> Problem:
    """The problem that the command line names."""
    if options.caches:
        support = options.support or "lc-photo"
        return cached(options.caches, options.text or "cupl+e", support)
    if options.features:
        support, text = options.support or "sus_lc_photo", options.text or "combined"
        return published(options.features, options.dataset, text, support, options.backbone)
    size = options.dimension, options.per_class, options.shots
    return synthetic(options.synthetic, *size, options.bunching)


def command_line(description: str | None) -> argparse.ArgumentParser:
    """Options that name a problem."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--caches", type=Path, help="folder cache/{encoder}/{dataset}")
    source.add_argument("--features", type=Path, help="folder of published features")
    source.add_argument("--synthetic", type=int, metavar="CLASSES")
    parser.add_argument("--dataset", default="caltech101", help="with --features")
    parser.add_argument("--backbone", default="ViT-B32", help="with --features")
    for name, default in (("dimension", 256), ("per-class", 10), ("shots", 8)):
        parser.add_argument(f"--{name}", type=int, default=default, help="with --synthetic")
    parser.add_argument("--bunching", type=float, default=0.0, help="with --synthetic")
    parser.add_argument("--text", help="prompt strategy, or ensemble / combined")
    parser.add_argument("--support", help="support set, or the prefix of its files")
    parser.add_argument("--seeds", type=int, default=3)
    return parser


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    options = parser.parse_args()
    problem = problem_of(options)
    for name in options.tables:
        Console().print(TABLES[name](problem, range(options.seeds)))


if __name__ == "__main__":
    main()
