"""Results of several datasets whose classifiers have ranks, as many as a test asks for."""

import numpy as np

from susx.evaluation.schema import Result
from tests.made.result import result, run

METHODS = ("tip-x", "tip-adapter", "neural-priming", "transclip-fs", "real-linear-exact", "gda")
SUPPORTS = ("lc-photo", "sd-cupl", "few-shot-of-training-images")
SKILLS, LUCK = 6.0, 2.0
"""Deviation of classifiers, and of one on a dataset, in points: some differ, and others do not."""


def ranked_results(n_classifiers: int, n_datasets: int) -> list[Result]:
    """A result per dataset, zero-shot first; names are as long as those of configurations."""
    random = np.random.default_rng(n_classifiers)
    skills = 60 + SKILLS * random.normal(size=n_classifiers)
    settings = [{}, *map(_setting, range(n_classifiers - 1))]
    results = []
    for number in range(n_datasets):
        found = np.clip(skills + LUCK * random.normal(size=n_classifiers), 0, 100)
        rows = [
            run(**setting, top1=top1, ci95=[max(top1 - 2, 0.0), min(top1 + 2, 100.0)])
            for setting, top1 in zip(settings, found.tolist(), strict=True)
        ]
        results.append(Result.model_validate(result(*rows, dataset=f"dataset {number}")))
    return results


def _setting(number: int) -> dict[str, str]:
    place, protocol = divmod(number, 2)
    support, method = divmod(place, len(METHODS))
    tuned = ("validation", "support")[protocol]
    return {
        "method": METHODS[method],
        "support": SUPPORTS[support % len(SUPPORTS)],
        "text": ("cupl+e", "ensemble")[support // len(SUPPORTS)],
        "protocol": tuned,
        "tuned_on": tuned,
    }
