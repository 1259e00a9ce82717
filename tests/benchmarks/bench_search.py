"""Exact search against the plain loop, timed in one run: `python -m tests.benchmarks.bench_search`.

The plain loop evaluates the formula as written, in float64, at every grid point. It is timed on a
few (alpha, beta) pairs with all values of gamma and extrapolated to the whole grid; cosines and
divergences are computed once, outside the timing. The search runs in float32. Sizes default to
N = 2,000, M = 1,000, C = 100, d = 512; `--pairs 0` leaves the loop out.
"""

import argparse
import resource
import time

import torch

from susx.methods import METHODS, Context, Images
from susx.methods.tip_x import TEMPERATURE
from susx.search import search


def unit(n: int, d: int, centres: torch.Tensor, labels: torch.Tensor, spread: float):  # type: ignore[no-untyped-def]
    rows = centres[labels] + spread * torch.randn(n, d) / d**0.5
    return torch.nn.functional.normalize(rows, dim=1)


def make(n: int, m: int, c: int, d: int) -> tuple[Context, torch.Tensor, torch.Tensor]:
    """CLIP-like features: noisy copies of class centres that share a common direction."""
    torch.manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(c, d) / d**0.5 + 0.07, dim=1)
    labels, support_labels = torch.randint(c, (n,)), torch.arange(m) % c
    text = unit(c, d, centres, torch.arange(c), 1.0)
    support = unit(m, d, centres, support_labels, 2.5)
    return Context(text, 100.0, support, support_labels), unit(n, d, centres, labels, 3.0), labels


def loop_seconds(context: Context, features: torch.Tensor, labels: torch.Tensor, grid, pairs: int):  # type: ignore[no-untyped-def]
    """Seconds of the plain float64 loop per (alpha, beta) pair, and the counts it found."""
    f, support, text = features.double(), context.required_support.double(), context.text.double()
    affinity = f @ support.T
    log_p = (f @ text.T / TEMPERATURE).log_softmax(1)
    log_q = (support @ text.T / TEMPERATURE).log_softmax(1)
    divergence = (log_p.exp() * log_p).sum(1, keepdim=True) - log_p.exp() @ log_q.T
    scaled = (divergence - divergence.min()) / (divergence.max() - divergence.min())
    scaled = affinity.min() + scaled * (affinity.max() - affinity.min())
    zero_shot = context.logit_scale * f @ text.T
    one_hot = torch.nn.functional.one_hot(context.required_labels, context.n_classes).double()
    counts = {}
    started = time.perf_counter()
    for i in range(pairs):
        alpha, beta = grid["alpha"][i], grid["beta"][7 * i]
        for gamma in grid["gamma"]:
            vote = torch.exp(-beta * (1 - affinity)) @ one_hot
            logits = zero_shot + alpha * vote - gamma * (scaled @ one_hot)
            counts[i, 7 * i, gamma] = int((logits.argmax(1) == labels).sum())
    return (time.perf_counter() - started) / pairs, counts


def main() -> None:
    """Print both times, their ratio, the largest difference of counts, and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("n", 2000), ("m", 1000), ("c", 100), ("d", 512), ("pairs", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    context, features, labels = make(arguments.n, arguments.m, arguments.c, arguments.d)
    method = METHODS["tip-x"]
    grid = {name: axis.values(100.0) for name, axis in method.grid.items()}

    started = time.perf_counter()
    found = search(method.terms(context, Images(features)), labels, grid)
    fast = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"exact search, {found.counts.size:,} points: {fast:.2f} s, peak {peak:.2f} GiB")
    print(f"best {found.hyperparameters}: {found.correct} of {arguments.n} correct")
    if arguments.pairs:
        per_pair, counts = loop_seconds(context, features, labels, grid, arguments.pairs)
        slow = per_pair * len(grid["alpha"]) * len(grid["beta"])
        gammas = {gamma: k for k, gamma in enumerate(grid["gamma"])}
        worst = max(abs(found.counts[i, j, gammas[g]] - n) for (i, j, g), n in counts.items())
        print(f"plain loop, extrapolated from {arguments.pairs} of 4,000 pairs: {slow:,.0f} s")
        print(f"ratio {slow / fast:,.0f}; largest difference of a count: {worst}")


if __name__ == "__main__":
    main()
