"""Accuracies that others have reported, for comparison with measured ones.

`reported.csv` holds them with their sources. What a source leaves open, mostly the prompts, is not
compared.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from susx.evaluation.schema import Result, Run, SeedSpread

TABLE = Path(__file__).with_name("reported.csv")
NAME_ONLY, FEW_SHOT = "name-only", "few-shot"
PUBLISHED_SUPPORTS = ("lc-", "sd-")
"""How support sets of published features are called that need class names only."""


@dataclass(frozen=True)
class Setting:
    """What tells reported accuracies apart.

    Attributes:
        dataset: name of its card.
        backbone: of the encoder, as papers call it.
        method: method.
        text: prompt strategy, or nothing if the source does not tell.
        support: `name-only`, `few-shot` or nothing.
        shots: images per class of a few-shot support set, or nothing.
    """

    dataset: str
    backbone: str
    method: str
    text: str = ""
    support: str = ""
    shots: str = ""


@dataclass(frozen=True)
class ReportedAccuracy:
    """A top-1 accuracy in percent, and who reported it."""

    top1: float
    source: str


@cache
def reported_accuracies() -> Mapping[Setting, ReportedAccuracy]:
    """All of them."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return {
            Setting(**{field.name: row[field.name] for field in fields(Setting)}): ReportedAccuracy(
                float(row["top1"]), row["source"]
            )
            for row in csv.DictReader(stream)
        }


def reported_for(run: Run | SeedSpread, result: Result) -> ReportedAccuracy | None:
    """What others report for the setting of a run, if anything.

    Only runs that are tuned as papers tune them, or not at all, have a counterpart.
    """
    config = result.provenance.get("config", {})
    setting = _setting(run, config)
    if setting is None or run.protocol not in ("none", "validation"):
        return None
    known = reported_accuracies()
    return known.get(setting) or known.get(replace(setting, text=""))


def _setting(run: Run | SeedSpread, config: Mapping[str, Any]) -> Setting | None:
    dataset = config.get("dataset", {})
    features = dataset.get("features")
    encoders = config.get("encoders", {})
    backbone = features["backbone"] if features else encoders.get(run.encoder, {}).get("backbone")
    if not dataset.get("card") or not backbone:
        return None
    support = shots = ""
    if run.support is not None:
        entry = config.get("supports", {}).get(run.support, {})
        support = _kind(run.support, entry, published=bool(features))
        shots = str(entry["size"]) if support == FEW_SHOT else ""
    return Setting(dataset["card"], backbone, run.method, run.text, support, shots)


def _kind(name: str, entry: Mapping[str, Any], published: bool) -> str:
    """Whether a support set needs labelled images, or class names only."""
    if published:
        return NAME_ONLY if name.startswith(PUBLISHED_SUPPORTS) else "unknown"
    kinds = {"few-shot": FEW_SHOT, "retrieval": NAME_ONLY, "synthesis": NAME_ONLY}
    return kinds.get(entry.get("source", ""), "unknown")
