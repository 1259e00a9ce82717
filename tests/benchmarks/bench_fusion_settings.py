"""Fusion against text, itself without the support set, tuned TIP-X and ProKeR, in many settings.

    python -m tests.benchmarks.bench_fusion_settings --caches cache/flag-clip/flags
    python -m tests.benchmarks.bench_fusion_settings --features FOLDER --dataset ucf101

Settings change the support set (size, foreign pictures, wrong labels, another domain), the images
(batches of few classes as StatA draws them, few images, few or unequally frequent classes, images
of unknown classes) and the logit scale. Foreign pictures are the support's own, turned at random
about their mean. `--seeds` draws everything anew. TIP-X is tuned on the validation images.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from susx.methods import METHODS, Images
from susx.search.grid import search
from tests.benchmarks.bench_fusion import (
    Problem,
    command_line,
    drawn,
    mislabelled,
    problem_of,
    shown,
    with_support,
)

BATCHES = ((64, 1, 4), (64, 2, 10), (64, 5, 25), (1000, 5, 25), (1000, 25, 50), (1000, 50, 100))
"""Images per batch, least and most classes in it: with the whole set, StatA's seven settings."""
DRAWS = {1: 60, 5: 20, 20: 10, 64: 8, 100: 4, 1000: 2}
"""Batches per seed, by their size: about as many images each, but few enough to take minutes."""
METHOD_NAMES = ("zero-shot", "fusion-text", "fusion", "tip-x", "proker")


@dataclass(frozen=True)
class Setting:
    """A problem whose test images come in batches that know nothing of each other."""

    name: str
    problem: Problem
    batches: list[Tensor]


@dataclass(frozen=True)
class Draw:
    """A problem from which settings are drawn."""

    problem: Problem
    random: torch.Generator

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.problem.context.n_classes

    @property
    def everything(self) -> list[Tensor]:
        """All test images at once."""
        return [torch.arange(len(self.problem.labels))]

    def noise(self, *shape: int) -> Tensor:
        """Rows of length about one."""
        return torch.randn(*shape, generator=self.random) / shape[-1] ** 0.5

    def supported(self, support: Tensor) -> Problem:
        """The problem with other support images of the same classes."""
        context = replace(self.problem.context, support=normalize(support, dim=1))
        return replace(self.problem, context=context)

    def foreign(self, share: float) -> Problem:
        """The problem with a share of the support images turned about their mean."""
        support = self.problem.context.required_support
        turn = torch.linalg.qr(torch.randn(2 * support.shape[1:], generator=self.random)).Q
        mean = support.mean(dim=0)
        turned = mean + (support - mean)[self.order(len(support))] @ turn
        chosen = torch.rand(len(support), generator=self.random) < share
        return self.supported(torch.where(chosen[:, None], turned, support))

    def moved(self) -> Problem:
        """The problem with its support images in another domain."""
        support = self.problem.context.required_support
        d = support.shape[1]
        return self.supported(support + 0.5 * support @ self.noise(d, d) + 0.5 * self.noise(1, d))

    def near(self, share: float) -> Problem:
        """The problem with a share of the support images given the class most like their own."""
        context = self.problem.context
        labels = context.required_labels
        shares = one_hot(labels, self.classes).to(context.text)
        means = normalize(shares.T @ context.required_support, dim=1)
        cosines = means @ means.T
        nearest = cosines.fill_diagonal_(-2).argmax(dim=1)
        chosen = torch.rand(len(labels), generator=self.random) < share
        labels = torch.where(chosen, nearest[labels], labels)
        return with_support(self.problem, torch.arange(len(labels)), labels)

    def order(self, count: int) -> Tensor:
        """A random order."""
        return torch.randperm(count, generator=self.random)

    def batches(self, size: int) -> list[Tensor]:
        """Random batches of the test images."""
        parts = self.order(len(self.problem.labels)).split(size)
        return [rows for rows in parts if len(rows) == size][: DRAWS[size]]

    def few_classes(self, size: int, least: int, most: int) -> list[Tensor]:
        """Batches drawn from all images of a few classes, as StatA draws them."""
        made = []
        for _ in range(DRAWS[size]):
            count = int(torch.randint(least, most + 1, (1,), generator=self.random))
            rows = self.of_classes(self.order(self.classes)[:count])
            made.append(rows[self.order(len(rows))[:size]])
        return made

    def of_classes(self, classes: Tensor) -> Tensor:
        """Test images of some classes."""
        return torch.isin(self.problem.labels, classes).nonzero()[:, 0]

    def zipf(self) -> list[Tensor]:
        """Test images of which class number k of a random order keeps one in k."""
        share = 1 / torch.arange(1, self.classes + 1)[self.order(self.classes)]
        chances = torch.rand(len(self.problem.labels), generator=self.random)
        return [(chances < share[self.problem.labels]).nonzero()[:, 0]]

    def unknown(self) -> Setting:
        """A third of the classes is unknown to text and support; their images stay."""
        known = self.order(self.classes)[self.classes // 3 :].sort().values
        context = self.problem.context
        index = torch.full((self.classes,), -1)
        index[known] = torch.arange(len(known))
        support = torch.isin(context.required_labels, known)
        less = replace(
            context,
            text=context.text[known],
            support=context.required_support[support],
            support_labels=index[context.required_labels[support]],
        )
        problem = replace(self.problem, context=less, labels=index[self.problem.labels])
        assert problem.validation is not None
        features, labels = problem.validation
        keep = torch.isin(labels, known)
        problem = replace(problem, validation=(features[keep], index[labels[keep]]))
        return Setting("a third of the classes unknown", problem, self.everything)

    def scaled(self, factor: float) -> Problem:
        """The problem at another logit scale."""
        context = self.problem.context
        return replace(
            self.problem, context=replace(context, logit_scale=factor * context.logit_scale)
        )


def settings(problem: Problem, seed: int) -> Iterator[Setting]:
    """Named variations of a problem."""
    draw = Draw(problem, torch.Generator().manual_seed(seed))
    whole = draw.everything
    yield Setting("as given", problem, whole)
    for size, least, most in BATCHES:
        rows = draw.few_classes(size, least, most)
        yield Setting(f"batches of {size}, {least} to {most} classes", problem, rows)
    for size in (1, 5, 20, 100):
        yield Setting(f"batches of {size}", problem, draw.batches(size))
    for share in (0.1, 0.3, 0.5):
        chosen = draw.order(draw.classes)[: round(share * draw.classes)]
        yield Setting(f"{share:.0%} of the classes", problem, [draw.of_classes(chosen)])
    yield Setting("Zipf shares", problem, draw.zipf())
    for share in (0.1, 0.25, 0.5, 1.0):
        yield Setting(f"{share:.0%} foreign", draw.foreign(share), whole)
    for share in (0.5, 1.0):
        rows = draw.few_classes(64, 2, 10)
        yield Setting(f"{share:.0%} foreign, 64, 2 to 10", draw.foreign(share), rows)
    yield Setting("50% foreign, batches of 20", draw.foreign(0.5), draw.batches(20))
    for share in (0.25, 0.5):
        yield Setting(f"{share:.0%} mislabelled", mislabelled(problem, share, seed), whole)
    yield Setting("50% with the nearest class", draw.near(0.5), whole)
    for shots in (1, 2, 4, 8):
        yield Setting(f"{shots}-shot", drawn(problem, shots, seed), whole)
    yield Setting("1-shot, 64, 2 to 10", drawn(problem, 1, seed), draw.few_classes(64, 2, 10))
    yield Setting("another domain", draw.moved(), whole)
    yield Setting("another domain, batches of 20", draw.moved(), draw.batches(20))
    yield draw.unknown()
    for factor in (4.0, 0.25):
        yield Setting(f"logit scale x {factor:g}", draw.scaled(factor), whole)


def hyperparameters(problem: Problem, name: str) -> dict[str, float]:
    """Those of the smallest validation error, or the published ones."""
    method, context = METHODS[name], problem.context
    if name == "proker" or problem.validation is None:
        return method.scaled(method.fixed, context.logit_scale)
    grid = {axis: points.values(context.logit_scale) for axis, points in method.grid.items()}
    features, labels = problem.validation
    return dict(search(method.terms(context, Images(features)), labels, grid).hyperparameters)


def accuracies(setting: Setting) -> list[float]:
    """Per cent of right images of known classes, by method, as a mean over batches."""
    made = []
    for name in METHOD_NAMES:
        if name not in METHODS:
            made.append(float("nan"))
            continue
        values = hyperparameters(setting.problem, name) if METHODS[name].grid else {}
        fitted, right = METHODS[name].fit(setting.problem.context, values), []
        for rows in setting.batches:
            labels = setting.problem.labels[rows]
            classes = fitted.logits(Images(setting.problem.test[rows])).argmax(dim=1)
            right.append(float((classes == labels)[labels >= 0].double().mean()))
        made.append(100 * float(np.mean(right)))
    return made


def main() -> None:
    """Command line."""
    options = command_line(__doc__).parse_args()
    problem = problem_of(options)
    rows: dict[str, list[list[float]]] = {}
    for seed in range(options.seeds):
        for setting in settings(problem, seed):
            rows.setdefault(setting.name, []).append(accuracies(setting))
    report(problem.name, {name: np.mean(found, axis=0) for name, found in rows.items()})


def report(title: str, rows: dict[str, np.ndarray]) -> None:
    """Print the table and what fusion loses at worst."""
    table = Table("setting", *METHOD_NAMES, title=title)
    for name, row in rows.items():
        table.add_row(name, *map(shown, row))
    text, plain, fused, tip_x, proker = np.array(list(rows.values())).T
    gaps = fused - np.fmax(text, plain)
    Console().print(table)
    for name, difference in (("tip-x", fused - tip_x), ("proker", fused - proker)):
        ahead = np.sum(difference > 0)
        Console().print(f"fusion {np.mean(difference):+.1f} points from {name}, ahead in {ahead}")
    Console().print(
        f"{len(gaps)} settings: {np.mean(gaps):+.1f} points from the better of text and "
        f"fusion-text, more than 1 behind in {np.sum(gaps < -1)}, at worst {np.min(gaps):+.1f}"
    )


if __name__ == "__main__":
    main()
