"""What went wrong on the way to a result: everything that was left out, cut or doubtful."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from susx.schema import DownloadCounts, Result, SupportCounts

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


def _of_support(where: str, counts: SupportCounts) -> Iterator[Loss]:
    for n, what in (
        (counts.n_unreadable, "candidates unreadable or not downloaded, left out"),
        (counts.n_refused, "candidates refused for what their pool says of them"),
        (counts.n_flagged, "drawn images refused by the safety checker"),
        (counts.n_disagreeing, "candidates left out because the text classifier disagrees"),
        (counts.n_duplicates, "near copies of better candidates, left out"),
    ):
        yield Loss(where, what, n)
    short = (f"{name}: {n} of {counts.size}" for name, n in counts.short_classes.items())
    what = "classes with fewer images than wanted"
    yield Loss(where, what, len(counts.short_classes), _few(short))
    if counts.downloads:
        yield _of_downloads(where, counts.downloads)
    fate = "left out" if counts.leaks_dropped else "kept"
    leaks = counts.leaks or ()
    pairs = (
        f"{leak.class_name}: {leak.key} from {leak.location} nearly equals {leak.image} "
        f"({leak.distance} of 256 bits differ)"
        for leak in leaks
    )
    yield Loss(where, f"images that nearly equal a test image, {fate}", len(leaks), _few(pairs))


def _of_downloads(where: str, counts: DownloadCounts) -> Loss:
    reasons = (f"{reason}: {n}" for reason, n in counts.reasons.items())
    what = f"downloads that failed, of {counts.n_tried} tried"
    return Loss(where, what, counts.n_failed, _few(reasons))


def _of_texts(result: Result) -> Iterator[Loss]:
    for encoder, made in result.provenance.get("encoders", {}).items():
        for text, n in made.get("texts_truncated", {}).items():
            yield Loss(f"text {text}", f"sentences longer than {encoder} reads, cut", n or 0)


def _few(details: Iterable[str]) -> tuple[str, ...]:
    listed = list(details)
    more = len(listed) - MOST_DETAILS
    return (*listed[:MOST_DETAILS], *([f"and {more} more"] if more > 0 else []))
