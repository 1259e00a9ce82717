"""What went wrong on the way to a result: everything that was left out, cut or doubtful."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from susx.core.rounding import decimal
from susx.evaluation.facts import IndexSearch, SupportCounts
from susx.evaluation.schema import Result
from susx.support.account import SEARCHED, is_left_out
from susx.support.fate import Fate

MOST_DETAILS = 50


@dataclass(frozen=True)
class Loss:
    """Something that was left out, cut or doubtful.

    Attributes:
        where: split, support set or text.
        what: what happened.
        n: how often.
        details: which ones and why, at most `MOST_DETAILS`.
    """

    where: str
    what: str
    n: int
    details: tuple[str, ...] = ()


def losses(
    result: Result, test: Mapping[str, Any] | None = None, n_lost: int = 0
) -> Iterator[Loss]:
    """List what went wrong.

    Args:
        result: the result.
        test: what the listing of the test images says beside them.
        n_lost: test images of this page that are gone or changed since they were listed.
    """
    found = [
        *_of_images(result),
        *_of_listing(test or {}),
        Loss("test images", "gone or changed since they were listed, not shown here", n_lost),
    ]
    for name, counts in result.supports.items():
        found += _of_support(f"support set {name}", counts)
    found += _of_texts(result)
    yield from (loss for loss in found if loss.n)


def _of_images(result: Result) -> Iterator[Loss]:
    for split, counts in result.images.items():
        reasons = (f"{key}: {reason}" for key, reason in counts.unreadable.items())
        yield Loss(f"{split} images", "unreadable, left out", counts.n_unreadable, _few(reasons))
        names = counts.classes_without_images
        yield Loss(f"{split} images", "classes without images", len(names), _few(names))


def _of_listing(meta: Mapping[str, Any]) -> Iterator[Loss]:
    names = meta.get("classes_without_folder") or ()
    yield Loss("test images", "classes without a folder", len(names), _few(names))
    yield Loss("test images", "other files, ignored", meta.get("n_other_files", 0))


LOST: dict[Fate, str] = {
    "failed": "candidates that failed: not downloaded, unreadable or of a wrong size",
    "refused": "candidates refused for what their pool says of them",
    "flagged": "generated images refused by the safety checker",
    "disagrees": "candidates left out because the text classifier disagrees",
    "duplicate": "near copies of better candidates, left out",
}


def _of_support(where: str, counts: SupportCounts) -> Iterator[Loss]:
    for fate, what in LOST.items():
        n, of = counts.fates.get(fate, 0), counts.n_candidates
        by_reason = counts.failed if fate == "failed" else {}
        reasons = (f"{reason}: {number}" for reason, number in by_reason.items())
        yield Loss(where, f"{what} (of {of})", n, _few(reasons))
    for reason, n in counts.pool.items():
        if reason != SEARCHED:
            done = "rows of the pool left out: " if is_left_out(reason) else ""
            yield Loss(where, f"{done}{reason}", n)
    what = "parts of the pool that an approximate index was searched in"
    yield Loss(where, what, len(counts.index), _few(map(_searched, counts.index.items())))
    short = (f"{name}: {n} of {counts.size}" for name, n in counts.short_classes.items())
    what = "classes with fewer images than wanted"
    yield Loss(where, what, len(counts.short_classes), _few(short))
    done = "left out" if counts.leaks_dropped else "kept"
    leaks = counts.leaks or ()
    pairs = (
        f"{leak.class_name}: {leak.key} from {leak.location} nearly equals {leak.image} "
        f"({leak.distance} of 256 bits differ)"
        for leak in leaks
    )
    yield Loss(where, f"images that nearly equal a test image, {done}", len(leaks), _few(pairs))


def _searched(part: tuple[str, IndexSearch]) -> str:
    name, found = part
    if found.recall is None:
        return f"{name}: recall not measured: {found.reason}"
    return (
        f"{name}: {decimal(100 * found.recall)} % of the {found.k} nearest per query found, "
        f"as measured on {found.rows:,} of {found.of:,} rows"
    )


def _of_texts(result: Result) -> Iterator[Loss]:
    for encoder, made in result.encoders.items():
        for text, n in made.texts_truncated.items():
            yield Loss(f"text {text}", f"sentences longer than {encoder} reads, cut", n or 0)


def _few(details: Iterable[str]) -> tuple[str, ...]:
    listed = list(details)
    more = len(listed) - MOST_DETAILS
    return (*listed[:MOST_DETAILS], *([f"and {more} more"] if more > 0 else []))
