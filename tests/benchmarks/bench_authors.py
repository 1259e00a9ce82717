"""Right test images of methods beside those of their authors' code, on the same features.

`python -m tests.benchmarks.bench_authors FEATURES ucf101 EXPECTED.json --methods tda oga` reads
features in SuS-X's layout and a file `{"results": {key: {"correct": n, "tolerance": n}}}` of what
the authors' code made of them: of streams in the order `torch.randperm` with seed 1, of which `dmn`
and `dmn-fs` see the first 600, of all others with the constants that are the same for all datasets.
Methods that take several texts of a class get five, unit rows from the ensemble to the combined
text in equal steps.

`frolic, disturbed` is the same with noise in the sum of its proxies' logits, five times; the range
tells how far its rounds carry differences that two implementations may have.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from susx.methods import METHODS, Context, Images, dmn, frolic, oga, onzeta, tda
from tests.benchmarks.bench_fusion import Problem, published

TEXTS = 5
STREAMS: dict[str, Callable[[Context, Tensor, Tensor], Tensor]] = {
    "tda": tda.adapted,
    "oga": oga.updated,
    "onzeta": onzeta.mixed,
    "dmn": dmn.without_support,
    "dmn-fs": dmn.summed,
}
FIRST = {"dmn": 600, "dmn-fs": 600}
"""Images of a stream, where that is not all of them."""
KEYS: dict[str, tuple[str, dict[str, float]]] = {
    "zero-shot": ("zero_shot", {}),
    "real-linear-exact": ("mixed_half", {"alpha": 0.5}),
    "real-linear-exact, W alone": ("head_alone", {"alpha": 1.0}),
    "inmap": ("inmap/gamma=0", {}),
    "frolic": ("frolic/debiased_after_11", {}),
    "otter": ("otter/uniform", {}),
    "adapt-gda": ("adapt/transductive,bank=6,gda_alone", {}),
    "tda": ("tda/randperm_seed_1,alpha=2,beta=5", {}),
    "oga": ("oga/randperm_seed_1,batches_of_32,tau=0.05", {}),
    "onzeta": ("onzeta/randperm_seed_1,full", {}),
    "dmn": ("dmn/first_600_of_randperm_seed_1,1+1", {}),
    "dmn-fs": ("dmn/first_600_of_randperm_seed_1,few_shot,1+1+1", {}),
}
"""End or start of the keys of a file, several being seeds, and hyper-parameters."""


def with_texts(context: Context, ensemble: Tensor) -> Context:
    """The context with five texts per class."""
    shares = torch.linspace(0, 1, TEXTS)[None, :, None]
    rows = (1 - shares) * ensemble[:, None] + shares * context.text[:, None]
    owners = torch.arange(context.n_classes).repeat_interleave(TEXTS)
    rows = torch.nn.functional.normalize(rows.flatten(0, 1), dim=1)
    return replace(context, texts=rows, text_labels=owners)


DISTURBED = "frolic, disturbed"
NOISE = 0.01
"""Standard deviation of the noise, in logits of about 200: 2**-14 of them, an eighth of a rounding
to float16, in which features are published."""


def disturbed(context: Context, features: Tensor, labels: Tensor) -> list[int]:
    """Right images of `frolic` with noise, by seeds."""
    exact, found = frolic.proxy_logits(context, Images(features)), []
    for seed in range(5):
        noise = torch.randn(exact.shape, generator=torch.Generator().manual_seed(seed))
        made = exact + NOISE * noise
        for _ in range(frolic.ROUNDS):
            made = frolic.corrected(made)
        found.append(int((made.argmax(dim=1) == labels).sum()))
    return found


def right(row: str, context: Context, problem: Problem) -> int:
    """Right images of a row."""
    name = row.partition(",")[0]
    features, labels = problem.test, problem.labels
    if name in STREAMS:
        order = torch.randperm(len(features), generator=torch.Generator().manual_seed(1))
        order = order[: FIRST.get(name)]
        features, labels = features[order], labels[order]
        made = STREAMS[name](context, features, torch.arange(len(order)))
    else:
        made = METHODS[name].fit(context, KEYS[row][1]).logits(Images(features))
    return int((made.argmax(dim=1) == labels).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", type=Path)
    parser.add_argument("dataset")
    parser.add_argument("expected", type=Path)
    parser.add_argument("--methods", nargs="*", default=[*METHODS])
    parser.add_argument("--support", default="sus_lc_photo")
    parser.add_argument("--backbone", default="ViT-B32")
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(options.expected.read_text())["results"]
    texts = {
        text: published(options.features, options.dataset, text, options.support, options.backbone)
        for text in ("ensemble", "combined")
    }
    problem = texts["combined"]
    context = with_texts(problem.context, texts["ensemble"].context.text)
    table = Table(title=f"{problem.name}, {len(problem.labels)} images")
    for column in ("row", "right", "authors", "tolerance"):
        table.add_column(column, justify="right" if table.columns else "left")
    for row in KEYS:
        if row.partition(",")[0] not in options.methods:
            continue
        found = [entry for key, entry in results.items() if key.endswith(KEYS[row][0])]
        ours = str(right(row, context, problem))
        theirs = ", ".join(str(entry["correct"]) for entry in found)
        table.add_row(row, ours, theirs, str(found[0]["tolerance"]))
        print(row, ours, theirs, flush=True)
        if row == "frolic":
            spread = disturbed(context, problem.test, problem.labels)
            table.add_row(DISTURBED, f"{min(spread)} to {max(spread)}", theirs, "")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
