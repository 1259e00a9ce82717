"""Fusion against the text classifier and tuned TIP-X on settings derived from one set of features.

    python -m tests.benchmarks.bench_fusion_settings --caches cache/flag-clip/flags
    python -m tests.benchmarks.bench_fusion_settings --features FOLDER --dataset ucf101

Texts of three strengths (as given, noisy, helped by validation images) meet supports of several
sizes, mislabelled, moved, unbalanced and retrieved ones, and small or lopsided sets of target
images. `--seeds` draws everything anew. TIP-X is tuned on the validation images.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.functional import normalize

from tests.benchmarks.bench_fusion import (
    Problem,
    command_line,
    drawn,
    fused,
    mislabelled,
    problem_of,
    shown,
    text_only,
    tuned,
    with_support,
)


@dataclass(frozen=True)
class Draw:
    """A problem from which settings are drawn."""

    problem: Problem
    random: torch.Generator

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.problem.context.n_classes

    def noise(self, *shape: int) -> Tensor:
        """Rows of length about one."""
        return torch.randn(*shape, generator=self.random) / shape[-1] ** 0.5

    def targets(self, rows: Tensor) -> Problem:
        """The problem with some of its test images."""
        test, labels = self.problem.test[rows], self.problem.labels[rows]
        return replace(self.problem, test=test, labels=labels)

    def lopsided(self, rarest: float) -> Tensor:
        """Test images of which a random order of classes keeps shares from 1 to `rarest`."""
        share = rarest ** torch.linspace(0, 1, self.classes)
        share = share[torch.randperm(self.classes, generator=self.random)]
        chances = torch.rand(len(self.problem.labels), generator=self.random)
        return (chances < share[self.problem.labels]).nonzero()[:, 0]

    def moved(self, problem: Problem) -> Problem:
        """The problem with its support images in another domain."""
        context = problem.context
        support = context.required_support
        d = support.shape[1]
        support = support + 0.5 * support @ self.noise(d, d) + 0.5 * self.noise(1, d)
        return replace(problem, context=replace(context, support=normalize(support, dim=1)))

    def retrieved(self, shots: int) -> Problem:
        """The problem with the images nearest to the text, from its support and half the others."""
        context = self.problem.context
        assert self.problem.validation is not None
        features, labels = self.problem.validation
        order = torch.randperm(len(labels), generator=self.random)
        half, rest = order.chunk(2)
        pool = torch.cat([context.required_support, features[half]])
        best = (context.text @ pool.T).topk(shots, dim=1).indices.flatten()
        context = replace(
            context,
            support=pool[best],
            support_labels=torch.arange(self.classes).repeat_interleave(shots),
        )
        return replace(self.problem, context=context, validation=(features[rest], labels[rest]))

    def unbalanced(self) -> Problem:
        """The problem with one to all of every class's support images."""
        labels = self.problem.context.required_labels
        share = torch.rand(self.classes, generator=self.random)[labels]
        keep = torch.rand(len(labels), generator=self.random) < share
        first = torch.stack([(labels == c).nonzero()[0, 0] for c in labels.unique()])
        keep[first] = True
        return with_support(self.problem, keep.nonzero()[:, 0], labels[keep])


def texts(problem: Problem, random: torch.Generator) -> Iterator[tuple[str, Problem]]:
    """The problem with its text classifier, a worse one, and a better one."""
    text = problem.context.text
    spread = (text - text.mean(dim=0)).norm(dim=1).mean()
    noise = normalize(torch.randn(text.shape, generator=random), dim=1)
    assert problem.validation is not None
    features, labels = problem.validation
    means = torch.zeros_like(text).index_add_(0, labels, features)
    means = normalize(means, dim=1)
    means -= means.mean(dim=0)
    helped = text + spread * means / means.norm(dim=1).mean()
    for name, rows in (("given", text), ("noisy", text + spread * noise), ("helped", helped)):
        context = replace(problem.context, text=normalize(rows, dim=1))
        yield name, replace(problem, context=context)


def settings(problem: Problem, seed: int) -> Iterator[tuple[str, Problem]]:
    """Named variations of a problem."""
    draw = Draw(problem, torch.Generator().manual_seed(seed))
    yield "as given", problem
    for shots in (1, 2, 4):
        yield f"{shots}-shot", drawn(problem, shots, seed)
        yield f"{shots}-shot, moved", draw.moved(drawn(problem, shots, seed))
    yield "moved", draw.moved(problem)
    for share in (0.25, 0.5):
        yield f"{share:.0%} mislabelled", mislabelled(problem, share, seed)
    yield "4-shot, 50% mislabelled", mislabelled(drawn(problem, 4, seed), 0.5, seed)
    yield "unbalanced", draw.unbalanced()
    for shots in (2, 8):
        yield f"{shots} retrieved", draw.retrieved(shots)
        yield f"{shots} retrieved, moved", draw.moved(draw.retrieved(shots))
    order = torch.randperm(len(problem.labels), generator=draw.random)
    for n in (100, 300):
        yield f"{n} targets", draw.targets(order[:n])
    yield "long tail", draw.targets(draw.lopsided(0.02))
    third = torch.randperm(draw.classes, generator=draw.random)[: draw.classes // 3]
    yield "a third of the classes", draw.targets(torch.isin(problem.labels, third).nonzero()[:, 0])


def main() -> None:
    """Command line."""
    options = command_line(__doc__).parse_args()
    problem = problem_of(options)
    table = Table("text", "setting", "text only", "tip-x tuned", "fusion", title=problem.name)
    scores: list[tuple[float, ...]] = []
    for seed in range(options.seeds):
        for text, given in texts(problem, torch.Generator().manual_seed(seed)):
            for name, made in settings(given, seed):
                row = text_only(made), tuned(made, "tip-x") or 0.0, fused(made)
                scores.append(row)
                table.add_row(text, name, *map(shown, row))
    console = Console()
    console.print(table)
    plain, peer, own = np.array(scores).T
    console.print(
        f"{len(own)} settings: fusion {np.mean(own - peer):+.1f} points from tip-x, ahead in "
        f"{np.sum(own > peer)}; {np.mean(own - plain):+.1f} from text only, behind in "
        f"{np.sum(own < plain)}, at worst {np.min(own - plain):+.1f}"
    )


if __name__ == "__main__":
    main()
