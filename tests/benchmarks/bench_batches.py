"""Transductive methods in the batches and streams of StatA (Zanella et al., CVPR 2025).

    python -m tests.benchmarks.bench_batches --features FOLDER --dataset ucf101

prints accuracies of the text and of methods that see one batch at a time, as means of tasks, on
features as `bench_fusion` reads them. `--tasks` batches of 64 images are drawn, a tenth of them of
1,000, and a fiftieth of streams; the paper takes 1,000 and 100. Draws are those of an evaluation.

With `--gap` images and texts are moved apart as CLIP has them: every cosine becomes 0.2 and a fifth
of what it was, and images share a direction. The text takes each image for the same class as
before, with the same probabilities.
"""

from dataclasses import replace

import torch
from rich.console import Console
from rich.table import Table

from susx.evaluation.batches import batch_draws
from susx.methods import METHODS, Images
from tests.benchmarks.bench_fusion import Problem, command_line, problem_of, shown

METHOD_NAMES = ("zero-shot", "zlap", "transclip", "stata")
"""Those that the paper has figures of; `bench_fusion_settings` has such batches for fusion."""
FEW = {
    "64: 1-4": (64, [1, 4]),
    "64: 2-10": (64, [2, 10]),
    "64: 5-25": (64, [5, 25]),
    "1000: 5-25": (1000, [5, 25]),
    "1000: 25-50": (1000, [25, 50]),
    "1000: 50-100": (1000, [50, 100]),
}
"""Images per batch, least and most classes in it: the settings of the paper."""

COSINE, SPREAD = 0.2, 0.2
"""What is added to cosines of images and texts, and what part of them is left: CLIP's are 0.15 to
0.3 where those of features without a gap are -0.2 to 0.6."""
IMAGES_SHARE = 0.5
"""What an image has of the direction that all share; a cosine of two images is 0.25 at least."""


def protocols(tasks: int) -> dict[str, dict[str, object]]:
    """Settings of `evaluation.batches`, with fewer tasks the larger the batches are."""
    few = {
        name: {
            "draw": "few-classes",
            "size": size,
            "classes": classes,
            "tasks": max(1, tasks if size == 64 else tasks // 10),
        }
        for name, (size, classes) in FEW.items()
    }
    orders = {"tasks": max(1, tasks // 50)}
    return few | {
        "stream 0.1": {"draw": "correlated", "concentration": 0.1, **orders},
        "separate": {"draw": "separate", **orders},
    }


def apart(problem: Problem) -> Problem:
    """The problem with CLIP's modality gap: in two dimensions more, one of which images lack."""
    context = problem.context

    def moved(rows: torch.Tensor, length: float, shared: float) -> torch.Tensor:
        rest = (1 - length**2 - shared**2) ** 0.5
        ones = rows.new_ones(len(rows), 1)
        return torch.cat([length * rows, shared * ones, rest * ones], dim=1)

    image, text = (1 - IMAGES_SHARE**2) ** 0.5, SPREAD / (1 - IMAGES_SHARE**2) ** 0.5
    texts = moved(context.text, text, COSINE / IMAGES_SHARE)
    return replace(
        problem,
        context=replace(
            context,
            text=texts,
            logit_scale=context.logit_scale / SPREAD,
            support=moved(context.required_support, image, IMAGES_SHARE),
        ),
        test=moved(problem.test, image, IMAGES_SHARE),
    )


def accuracy(problem: Problem, method: str, tasks: list[list[torch.Tensor]]) -> float:
    """Per cent of right images, as a mean of tasks; every batch is classified anew."""
    fitted = METHODS[method].fit(problem.context, {})
    means = []
    for task in tasks:
        right = [
            fitted.logits(Images(problem.test[rows])).argmax(dim=1) == problem.labels[rows]
            for rows in task
        ]
        means.append(float(torch.cat(right).double().mean()))
    return 100 * sum(means) / len(means)


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--gap", action="store_true")
    options = parser.parse_args()
    problem = problem_of(options)
    if options.gap:
        problem = apart(problem)
    drawn = batch_draws(problem.labels.numpy(), protocols(options.tasks))
    everything = torch.arange(len(problem.labels))
    settings = {
        name: [[torch.from_numpy(rows) for rows in task] for task in draw.tasks]
        for name, draw in drawn.items()
    } | {"all": [[everything]]}
    table = Table("method", *settings, title=problem.name)
    for method in METHOD_NAMES:
        cells = [shown(accuracy(problem, method, tasks)) for tasks in settings.values()]
        table.add_row(method, *cells)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
