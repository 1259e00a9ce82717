"""Exact search over TIP-X's full grid (200,000 points) in float32, timed.

`python -m tests.benchmarks.bench_search` compares it with the loop that the paper's authors
released, and with one that computes nothing twice. Both are timed on a few (alpha, beta) pairs with
all values of gamma and extrapolated to the whole grid. Sizes default to N = 2,000, M = 1,000,
C = 100, d = 512; `--pairs 0` leaves the loops out.

`--growth` times 1, 2 and 4 times as many images, then support images. `--imagenet` times 1,000 and
3,000 images with 100 support images for each of 1,000 classes, d = 1,024, beside the matrix
products that the search cannot do without, and extrapolates to 50,000 images; with `--n 50000` it
runs these in full. `--scales 20` weighs support images by scores at 20 scales, instead of the
penalty: 4,000 nonlinear points. `--continuous` finds the optimum between values of the last
hyper-parameter too.
"""

import argparse
import time
from dataclasses import dataclass

import torch

from susx.core.compute import peak_mib
from susx.methods import METHODS, Context, Images, Terms
from susx.methods.tip_adapter import cache_votes
from susx.methods.tip_x import TEMPERATURE
from susx.search.grid import SearchResult, search

IMAGENET = {"m": 100_000, "c": 1000, "d": 1024}
IMAGENET_ROWS = 50_000
PRODUCT_COLUMNS = 20_000
"""Of a product at once; of 2,000 images no other number was faster."""
GRID = {name: axis.values(100.0) for name, axis in METHODS["tip-x"].grid.items()}


@dataclass(frozen=True)
class Problem:
    context: Context
    features: torch.Tensor
    labels: torch.Tensor


def unit(
    n: int, d: int, centres: torch.Tensor, labels: torch.Tensor, spread: float
) -> torch.Tensor:
    rows = centres[labels] + spread * torch.randn(n, d) / d**0.5
    return torch.nn.functional.normalize(rows, dim=1)


def make(n: int, m: int, c: int, d: int, device: str = "cpu") -> Problem:
    """CLIP-like features: noisy copies of class centres that share a common direction."""
    torch.manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(c, d) / d**0.5 + 0.07, dim=1)
    labels, support_labels = torch.randint(c, (n,)), torch.arange(m) % c
    text = unit(c, d, centres, torch.arange(c), 1.0)
    support = unit(m, d, centres, support_labels, 2.5)
    features = unit(n, d, centres, labels, 3.0)
    text, support, features, labels, support_labels = (
        part.to(device) for part in (text, support, features, labels, support_labels)
    )
    return Problem(Context(text, 100.0, support, support_labels), features, labels)


@dataclass(frozen=True)
class Timing:
    found: SearchResult
    seconds: float
    processor_seconds: float


def timed(problem: Problem, arguments: argparse.Namespace) -> Timing:
    """Time terms and search."""
    context, features = problem.context, problem.features
    started, used = time.perf_counter(), time.process_time()
    if arguments.scales:
        scores = torch.rand(len(context.required_support)).to(features)
        votes = cache_votes(context, features, scores)
        zero_shot = context.logit_scale * features @ context.text.T
        terms = Terms(zero_shot, votes, ("beta", "scale"))
        scales = [2 * i / arguments.scales for i in range(arguments.scales)]
        grid = {"alpha": GRID["alpha"], "beta": GRID["beta"], "scale": scales}
    else:
        terms, grid = METHODS["tip-x"].terms(context, Images(features)), GRID
    found = search(
        terms,
        problem.labels,
        grid,
        memory_mib=arguments.memory,
        continuous=arguments.continuous,
    )
    if features.device.type == "cuda":
        torch.cuda.synchronize()
    return Timing(found, time.perf_counter() - started, time.process_time() - used)


def describe(problem: Problem, timing: Timing) -> None:
    """Print times, memory and the optimum."""
    n, found = len(problem.labels), timing.found
    peak = peak_mib(problem.features.device.type) / 1024
    print(
        f"N = {n:,}, M = {len(problem.context.required_support):,}, {found.counts.size:,} points: "
        f"{timing.seconds:.2f} s ({timing.processor_seconds:.2f} s of processor time), "
        f"peak {peak:.2f} GiB"
    )
    print(f"  best {found.hyperparameters}: {found.correct:,} of {n:,} correct")
    if found.continuous is not None:
        optimum = found.continuous
        print(f"  continuous {optimum.hyperparameters}: {optimum.correct:,} correct")


@dataclass(frozen=True)
class Loop:
    """A loop over the grid, some of whose pairs of alpha and beta were run.

    Attributes:
        seconds: processor time of the whole grid, extrapolated.
        counts: right images by place in the grid, of the points that were run.
    """

    seconds: float
    counts: dict[tuple[int, int, int], int]


def loop(problem: Problem, pairs: int, hoisted: bool) -> Loop:
    """Time TIP-X's search as a loop over all points of the grid, in float32.

    Divergences are computed before and not timed. As released, every pair of alpha and beta then
    multiplies images and support images, votes and labels, images and texts, rescales the
    divergences and multiplies them with the labels, and every gamma adds up the three terms and
    sorts out the best five classes of every image. `hoisted`, what does not depend on alpha and
    beta is computed once, votes once per pair, and every gamma looks for the best class only.
    """
    context, f = problem.context, problem.features
    support, text, labels = context.required_support, context.text, problem.labels
    one_hot = torch.nn.functional.one_hot(context.required_labels, context.n_classes).to(f)
    log_p, log_q = log_distributions(problem)
    divergence = (log_p.exp() * log_p).sum(1, keepdim=True) - log_p.exp() @ log_q.T

    def penalty(affinity: torch.Tensor) -> torch.Tensor:
        scaled = (divergence - divergence.min()) / (divergence.max() - divergence.min())
        scaled = affinity.min() + scaled * (affinity.max() - affinity.min())
        return scaled @ one_hot

    affinity = f @ support.T
    zero_shot, penalties = context.logit_scale * f @ text.T, penalty(affinity)
    counts = {}
    started = time.process_time()
    for i in range(pairs):
        alpha, beta = GRID["alpha"][i], GRID["beta"][7 * i]
        if not hoisted:
            affinity = f @ support.T
            zero_shot, penalties = context.logit_scale * f @ text.T, penalty(affinity)
        votes = alpha * (torch.exp(beta * (affinity - 1)) @ one_hot)
        for k, gamma in enumerate(GRID["gamma"]):
            logits = zero_shot + votes - gamma * penalties
            best = logits.argmax(1) if hoisted else logits.topk(5, dim=1).indices[:, 0]
            counts[i, 7 * i, k] = int((best == labels).sum())
    taken = (time.process_time() - started) / pairs
    return Loop(taken * len(GRID["alpha"]) * len(GRID["beta"]), counts)


def compare(arguments: argparse.Namespace) -> None:
    """Search once, and print how much faster it is than loops."""
    a = arguments
    problem = make(a.n, a.m, a.c, a.d, a.device)
    timing = timed(problem, a)
    describe(problem, timing)
    if not a.pairs or a.scales:
        return
    for name, hoisted in (("the authors' loop", False), ("with hoisted terms", True)):
        slow = loop(problem, a.pairs, hoisted)
        worst = max(abs(int(timing.found.counts[at]) - n) for at, n in slow.counts.items())
        print(
            f"{name}, extrapolated from {a.pairs} of 4,000 pairs: {slow.seconds:,.0f} s "
            f"of processor time, {slow.seconds / timing.processor_seconds:,.0f} times as much; "
            f"largest difference of a count: {worst}"
        )


def growth(arguments: argparse.Namespace) -> None:
    """Print times at 1, 2 and 4 times the images, then the support images."""
    a = arguments
    for name in ("n", "m"):
        first = None
        for factor in (1, 2, 4):
            sizes = {key: getattr(a, key) * (factor if key == name else 1) for key in "nmcd"}
            timing = timed(make(**sizes, device=a.device), a)
            first = first or timing
            print(
                f"{name.upper()} = {sizes[name]:,}: {timing.seconds:.2f} s, "
                f"{timing.seconds / first.seconds:.2f} times the first "
                f"(processor time {timing.processor_seconds / first.processor_seconds:.2f} times)"
            )


def imagenet(arguments: argparse.Namespace) -> None:
    """Time two numbers of images, and extrapolate the line through them."""
    times, bounds = [], []
    rows = (1000, 3000)
    for n in rows:
        problem = make(n, **IMAGENET, device=arguments.device)
        timing = timed(problem, arguments)
        describe(problem, timing)
        times.append(timing)
        bounds.append(products(problem))
    for name in ("seconds", "processor_seconds"):
        low, high = (getattr(timing, name) for timing in times)
        slope = (high - low) / (rows[1] - rows[0])
        total = low + slope * (IMAGENET_ROWS - rows[0])
        print(
            f"{name.replace('_', ' ')}: {1000 * slope:.1f} per 1,000 images, extrapolated to "
            f"{IMAGENET_ROWS:,} images: {total:,.0f} ({total / 60:.1f} min)"
        )
    taken = times[1].processor_seconds - times[0].processor_seconds
    bound = bounds[1] - bounds[0]
    print(f"an image more costs {taken / bound:.2f} times its part of the matrix products")


def products(problem: Problem) -> float:
    """Processor seconds of what no search of TIP-X can do without.

    That is two products, of images and support images and of their class distributions.
    """
    context, features = problem.context, problem.features
    pairs = (features, context.required_support), log_distributions(problem)
    started = time.process_time()
    for left, right in pairs:
        out = left.new_empty(len(left), PRODUCT_COLUMNS)
        for start in range(0, len(right), PRODUCT_COLUMNS):
            part = right[start : start + PRODUCT_COLUMNS]
            torch.mm(left, part.T, out=out[:, : len(part)])
    return time.process_time() - started


def log_distributions(problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
    """Logarithms of the class distributions of images and support images."""
    context = problem.context
    of_images, of_support = (
        (rows @ context.text.T / TEMPERATURE).log_softmax(dim=1)
        for rows in (problem.features, context.required_support)
    )
    return of_images, of_support


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in (("m", 1000), ("c", 100), ("d", 512), ("pairs", 3), ("scales", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--n", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", type=int, help="working memory of the search in MiB")
    parser.add_argument("--device", default="cpu")
    for name in ("growth", "imagenet", "continuous"):
        parser.add_argument(f"--{name}", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.imagenet and arguments.n is None:
        imagenet(arguments)
        return
    if arguments.imagenet:
        vars(arguments).update(IMAGENET, pairs=0)
    arguments.n = arguments.n or 2000
    growth(arguments) if arguments.growth else compare(arguments)


if __name__ == "__main__":
    main()
