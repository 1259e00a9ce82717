"""What became of the candidates of a support set: one account, in all and per class, that adds up.

Every candidate has exactly one fate. The reasons of failures are grouped, since those of the web
hold addresses and numbers of their own.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from http.client import responses
from typing import Any, Final, get_args

from susx.core.plain import is_garbled
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import SupportRecord
from susx.support.fate import Fate
from susx.support.refusal import REFUSED

FATES: Final[tuple[Fate, ...]] = get_args(Fate)
OUTRANKED: Final = "outranked"
SURPLUS: Final = "surplus"
DUPLICATE: Final = "duplicate"
DISAGREES: Final = "disagrees"
UNTRIED: Final = "not tried"
FLAGGED: Final = "flagged by the safety checker"
BY_REASON: Final[dict[str, Fate]] = {
    "": "kept", OUTRANKED: "outranked", SURPLUS: "surplus", DUPLICATE: "duplicate",
    DISAGREES: "disagrees", UNTRIED: "not tried", FLAGGED: "flagged",
}  # fmt: skip
"""Fates of candidates whose reason is one of these; others are refused or failed."""

STATUS = re.compile(r"HTTP Error (\d{3})")
OWN = re.compile(r"\s*\([^()]*\)|\s*'[^']*'|\s*\"[^\"]*\"|\S*://\S*|\S*\w\.\w\S*|\S*:\S*:\S*")
"""What is of one failure only: what stands in brackets or quotes, and addresses."""
NUMBER = re.compile(r"\b\d+\b")
MOST_REASONS: Final = 50
"""Reasons that are told apart: more than any run of ours has met, and a list that can be read."""
OTHERS: Final = "other reasons"
SEARCHED: Final = "searched"
"""Rows of a pool that could become candidates; others are counted by why they could not."""
NO_ADDRESS: Final = "no address"
NO_CAPTION: Final = "no caption"
NO_DIRECTION: Final = "embedding zero or not finite"
UNREADABLE: Final = "image unreadable"
GARBLED_ROWS: Final = "searched, though their caption is garbled"
"""Of pools that are searched by captions, in place of `SEARCHED`."""
GARBLED_CANDIDATES: Final = "candidates whose caption is garbled"
UNREAD_CANDIDATES: Final = "candidates whose metadata are unreadable"
DOUBTFUL: Final = (GARBLED_ROWS, GARBLED_CANDIDATES, UNREAD_CANDIDATES)
UNLIMITED: Final = "kept, though the pool does not tell "
"""What stands before the column of a limit that images could not be held to."""


def is_left_out(reason: str) -> bool:
    """Whether rows of a pool that are counted by a reason could not become candidates."""
    return reason != SEARCHED and reason not in DOUBTFUL and not reason.startswith(UNLIMITED)


def fate_of(reason: str) -> Fate:
    """What became of a candidate, by the `reason` of its record."""
    return BY_REASON.get(reason) or ("refused" if reason.startswith(REFUSED) else "failed")


def grouped(reason: str) -> str:
    """A reason without what is of one failure only."""
    if status := STATUS.match(reason):
        return f"{status[0]}: {responses.get(int(status[1]), '')}".rstrip(": ")
    return (
        " ".join(NUMBER.sub("N", OWN.sub("", reason)).split()).rstrip(" :,;") or "no reason given"
    )


def grouped_counts(reasons: Iterable[str]) -> dict[str, int]:
    """Number of failures by grouped reason, most frequent first; the rarest are added up."""
    counts = Counter(map(grouped, reasons))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    found = dict(ordered[:MOST_REASONS])
    if rest := sum(n for _, n in ordered[MOST_REASONS:]):
        found[OTHERS] = found.get(OTHERS, 0) + rest
    return found


def support_account(
    records: Sequence[SupportRecord],
    classes: ClassManifest,
    size: int,
    pool: Mapping[str, int] | None = None,
    limits: Iterable[str] = (),
) -> dict[str, Any]:
    """Account for all candidates: the `SupportCounts` of a result.

    Args:
        records: one per candidate.
        classes: class manifest.
        size: images wanted per class.
        pool: rows of the pool that were searched, or left out, by reason, if there is a pool; with
            them stands how many candidates have a caption that was not read as it was meant.
        limits: columns of the pool that may refuse a candidate; how many images were kept without
            them is counted.
    """
    fates: dict[int, Counter[Fate]] = defaultdict(Counter)
    for record in records:
        fates[record.label][fate_of(record.reason)] += 1
    total = sum(fates.values(), Counter[Fate]())
    failures = (r.reason for r in records if fate_of(r.reason) == "failed")
    kept = {entry.name: fates[entry.index]["kept"] for entry in classes}
    garbled = Counter({GARBLED_CANDIDATES: sum(is_garbled(r.caption) for r in records)})
    return {
        "size": size,
        "n_candidates": len(records),
        "n_kept": total["kept"],
        "fates": _ordered(total),
        "failed": grouped_counts(failures),
        "classes": {entry.name: _ordered(fates[entry.index]) for entry in classes},
        "pool": {**(pool or {}), **+garbled, **_unlimited(records, limits)},
        "short_classes": {name: n for name, n in kept.items() if n < size},
    }


def _unlimited(records: Iterable[SupportRecord], limits: Iterable[str]) -> dict[str, int]:
    """Images that were kept although they lack a column, under one of its names in any case."""
    spellings: dict[str, set[str]] = defaultdict(set)
    for column in sorted(limits):
        spellings[column.casefold()].add(column)
    known = [json.loads(record.metadata or "{}") for record in records if record.kept]
    lacking = {
        f"{UNLIMITED}{' or '.join(sorted(names))}": sum(names.isdisjoint(told) for told in known)
        for names in spellings.values()
    }
    return {said: n for said, n in lacking.items() if n}


def _ordered(counts: Counter[Fate]) -> dict[str, int]:
    return {fate: counts[fate] for fate in FATES if counts[fate]}
