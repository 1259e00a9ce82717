"""A small result file, made by hand."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from susx.evaluation.schema import SCHEMA

BREEDS = ["Pug", "Boxer", *(f"breed {i}" for i in range(35))]


def difference(
    mean: float = 0.5, low: float = -1.0, high: float = 2.0, holm_p: float | None = 0.9062
) -> dict[str, Any]:
    return {
        "reference": "zero-shot",
        "protocol": "none",
        "mean": mean,
        "ci95": [low, high],
        "corrected": 5,
        "broken": 2,
        "mcnemar_p": 0.4531,
        "holm_p": holm_p,
    }


def case(**changes: Any) -> dict[str, Any]:
    names = {"encoder": "clip", "method": "zero-shot", "text": "ensemble", "support": None}
    return {**names, "protocol": "none", **changes}


def run(**changes: Any) -> dict[str, Any]:
    values = {
        "seed": None,
        "tuned_on": "nothing",
        "transductive": False,
        "top1": 61.24,
        "correct": 61,
        "top5": 90.0,
        "mean_per_class": 60.0,
        "ci95": [55.04, 67.46],
        "calibration": {"temperature": 0.8, "on": "validation", "ece": 4.25, "brier": 0.4321},
        "hyperparameters": {},
        "tuning_correct": None,
        "support_size": 0,
        "per_class": [60.0] * 36 + [None],
        "seconds": 0.1,
        "peak_mib": 10.0,
    }
    return case(**values) | changes


def spread(**changes: Any) -> dict[str, Any]:
    values = {"tuned_on": "nothing", "n_seeds": 3, "support_size": 592, "top1_mean": 71.5}
    names = {"method": "tip-x", "support": "few", "protocol": "fixed"}
    return case(**names, **values, top1_std=0.613) | changes


def result(*runs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    values = {
        "schema": SCHEMA,
        "dataset": "pets",
        "classes": BREEDS,
        "n_classes": len(BREEDS),
        "n_test": 3669,
        "n_validation": 0,
        "images": {"test": image_counts(3669)},
        "texts": {"ensemble": {"n": 111, "sources": {"ensemble": ["{}", "a {}", "the {}"]}}},
        "supports": {},
        "encoders": {"clip": {"library": "transformers", "logit_scale": 100.0}},
        "methods": {"zero-shot": {"paper": "CLIP", "units": {}}},
        "provenance": {},
        "runs": list(runs or [run()]),
    }
    return values | changes


def image_counts(n: int, n_classes: int = len(BREEDS), **changes: Any) -> dict[str, Any]:
    """Counts of a split of n images, which are spread over the classes."""
    unreadable = changes.get("unreadable", {})
    of_class = [n // n_classes + (label < n % n_classes) for label in range(n_classes)]
    values = {"n_read": n, "n_per_class": of_class, "n_unreadable": len(unreadable)}
    return values | {"unreadable": unreadable} | changes


def support_counts(
    size: int, classes: Mapping[str, Mapping[str, int]], **changes: Any
) -> dict[str, Any]:
    """Counts of a support set, and where it comes from."""
    origin = {"entry": "lc", "seed": None, "source": "retrieval from web"}
    return origin | account(size, classes) | changes


def account(size: int, classes: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """What became of the candidates of a support set, by class and in all."""
    fates = dict(sum(map(Counter, classes.values()), Counter()))
    failed = {"HTTP Error 404: Not Found": fates["failed"]} if "failed" in fates else {}
    return {
        "size": size,
        "n_candidates": sum(fates.values()),
        "n_kept": fates.get("kept", 0),
        "fates": fates,
        "failed": failed,
        "classes": {name: dict(own) for name, own in classes.items()},
        "short_classes": {
            name: own.get("kept", 0) for name, own in classes.items() if own.get("kept", 0) < size
        },
    }


def full_result() -> dict[str, Any]:
    """A result that uses every part of the schema."""
    compared = {f"delta_vs_{name}": difference() for name in ("zero_shot", "best_text")}
    pair = {"true": "Pug", "predicted": "Boxer", "zero_shot": 9, "now": 2}
    few = run(
        method="tip-x",
        support="few",
        protocol="support",
        seed=1,
        tuned_on="support",
        hyperparameters={"alpha": 1.5, "beta": 5.5, "gamma": 0.25},
        tuning_correct=31,
        support_size=592,
        changed_pairs=[pair],
        delta_vs_tip_adapter=difference() | {"reference": "tip-adapter", "protocol": "fixed"},
        **compared,
    )
    return result(
        run(),
        few,
        prompt_names={"Pug": "pug dog"},
        supports={"few-seed1": support_counts(16, {"Pug": {"kept": 14, "failed": 1}}, seed=1)},
        methods={"tip-x": {"paper": "SuS-X", "units": {"alpha": "logits", "beta": "1"}}},
        skipped=[{**case(method="calip"), "seed": None, "reason": "needs patch embeddings"}],
        seeds=[spread()],
    )
