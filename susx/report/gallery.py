"""Support images beside real ones: what is shown of them, and where each comes from."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

from susx.core.errors import InputError
from susx.core.plain import plain
from susx.core.threads import in_threads
from susx.datasets.stored import read_listed
from susx.images.rgb import UnreadableImage
from susx.manifests.tables import ImageRecord, SupportRecord, Table
from susx.prompts.strategies import PromptSet
from susx.report.schema import Outlier, Outliers
from susx.report.thumbnails import GalleryPlan, Sizes, Thumbnail, both_sizes

LONGEST = 300
SEED = "seed "

PictureFact = tuple[str, str]
R = TypeVar("R", SupportRecord, ImageRecord)


@dataclass(frozen=True)
class Picture:
    """A thumbnail with what is known of its image.

    Attributes:
        thumbnail: the picture.
        alt: what it stands for, in words.
        facts: named facts about where it comes from.
        link: address of a page that may be linked, or None.
        is_outlier: whether it votes against its class.
        large: the picture of its dialog; None if that shows the thumbnail.
    """

    thumbnail: Thumbnail
    alt: str
    facts: tuple[PictureFact, ...]
    link: str | None = None
    is_outlier: bool = False
    large: Thumbnail | None = None


@dataclass(frozen=True)
class ImageSet:
    """Images of one source.

    Attributes:
        name: of the set.
        kind: what it is, in a word or two.
        pictures: by key.
        shown: keys by class index, the best ranked first.
        counts: images by class index, shown or not.
        n_lost: images that are gone or changed since they were listed.
        outliers: number of images that vote against their class, by class index; empty where
            nobody looked.
    """

    name: str
    kind: str
    pictures: Mapping[str, Picture]
    shown: Mapping[int, list[str]]
    counts: Mapping[int, int]
    n_lost: int = 0
    outliers: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SupportFacts:
    """What is known of the images of a support set beside their manifest.

    Attributes:
        queries: texts per class that found them, if any did.
        outliers: images that vote against their class, if anybody looked.
    """

    queries: PromptSet | None = None
    outliers: Outliers | None = None

    def query(self, record: SupportRecord) -> str:
        """The text that found an image; where that is not noted, among how many it is."""
        if self.queries is None:
            return ""
        texts = self.queries.texts[record.label]
        place = record.query - sum(map(len, self.queries.texts[: record.label]))
        if record.query < 0 and len(texts) > 1:
            return f"one of {len(texts)} texts of {self.queries.strategy}"
        place = max(place, 0)
        return texts[place] if place < len(texts) else ""


def support_set(
    name: str,
    table: Table,
    images: str,
    plan: GalleryPlan,
    others: Collection[str] = (),
    known: SupportFacts | None = None,
) -> ImageSet:
    """Shrink the best ranked images of a support set.

    Args:
        name: of the support set.
        table: its manifest.
        images: tar of its images.
        plan: how many, and how large.
        others: keys of further images.
        known: what else is known of them.

    Raises:
        InputError: if the tar does not fit the manifest.
    """
    from susx.support.selection import stored_images

    kept = [record for record in table.records if record.kept]
    by_class = _by_class(sorted(kept, key=lambda record: (record.label, record.rank)))
    shown = _shown(by_class, plan)
    wanted = {*others, *(key for keys in shown.values() for key in keys)}
    known = known or SupportFacts()
    records = {record.key: record for record in kept}
    against = {image.key: image for image in known.outliers.images} if known.outliers else {}
    pictures = {
        key: _support_picture(
            records[key], both_sizes(data, plan, key in others), known, against.get(key)
        )
        for key, data in stored_images(images, kept)
        if key in wanted
    }
    counts = {label: len(records) for label, records in by_class.items()}
    kind = _kind(kept[0].source) if kept else "empty"
    marked = Counter(records[key].label for key in against if key in records)
    numbers = {label: marked[label] for label in counts} if known.outliers else {}
    return ImageSet(name, kind, pictures, shown, counts, outliers=numbers)


def test_set(
    table: Table, plan: GalleryPlan, others: Collection[str], threads: int = 1
) -> ImageSet:
    """Shrink the first test images of every class; those that are gone are counted.

    Args:
        table: image manifest of the test split.
        plan: how many, and how large.
        others: keys of further images.
        threads: that read files.
    """
    readable = [record for record in table.records if not record.reason]
    by_class = _by_class(readable)
    shown = _shown(by_class, plan)
    wanted = {*others, *(key for keys in shown.values() for key in keys)}

    def small(record: ImageRecord) -> Picture | None:
        try:
            sizes = both_sizes(read_listed(record), plan, record.key in others)
        except (InputError, UnreadableImage):
            return None
        return _test_picture(record, sizes)

    chosen = [record for record in readable if record.key in wanted]
    made = zip(chosen, in_threads(small, chosen, threads), strict=True)
    pictures = {record.key: picture for record, picture in made if picture}
    there = {label: [key for key in keys if key in pictures] for label, keys in shown.items()}
    counts = {label: len(records) for label, records in by_class.items()}
    return ImageSet("test", "test images", pictures, there, counts, len(chosen) - len(pictures))


def _by_class(records: Iterable[R]) -> dict[int, list[R]]:
    found: dict[int, list[R]] = defaultdict(list)
    for record in records:
        found[record.label].append(record)
    return found


def _shown(by_class: Mapping[int, Sequence[R]], plan: GalleryPlan) -> dict[int, list[str]]:
    return {
        label: [record.key for record in records[: plan.per_class]]
        for label, records in by_class.items()
        if label < plan.n_classes
    }


def _kind(source: str) -> str:
    kinds = {"retrieval": "retrieved", "synthesis": "synthesised", "training": "few-shot"}
    return kinds.get(source.partition(" ")[0], source)


def _support_picture(
    record: SupportRecord, sizes: Sizes, known: SupportFacts, against: Outlier | None
) -> Picture:
    drawn = record.location.startswith(SEED)
    facts = [
        ("class", record.class_name),
        ("prompt" if drawn else "caption", record.caption),
        ("query", known.query(record)),
        ("nearest to images of", against.by_images if against else ""),
        ("nearest to the text of", against.by_text if against else ""),
        ("source", record.source),
        ("seed" if drawn else "place", record.location.removeprefix(SEED)),
        ("address", record.url),
        ("rank", str(record.rank + 1)),
        ("score", f"{record.score:.4f}" if record.score else ""),
        ("size", f"{record.width} x {record.height}"),
        *_metadata(record.metadata),
    ]
    alt = f"{record.class_name}: {record.caption or record.source}"
    if against:
        alt = f"votes against its class, for {against.by_images}; {alt}"
    link = web_address(record.url)
    small, large = sizes
    return Picture(small, _short(alt), _told(facts), link, against is not None, large)


def _test_picture(record: ImageRecord, sizes: Sizes) -> Picture:
    facts = [
        ("class", record.class_name),
        ("source", "test images"),
        ("key", record.key),
        ("place", record.path),
        ("size", f"{record.width} x {record.height}"),
    ]
    small, large = sizes
    return Picture(small, _short(f"{record.class_name}: test image"), _told(facts), large=large)


def _metadata(text: str) -> Iterator[PictureFact]:
    """Columns of the pool; what is no JSON object is left out."""
    try:
        columns = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return
    if isinstance(columns, dict):
        yield from ((name, str(value)) for name, value in columns.items())


def _told(facts: Iterable[PictureFact]) -> tuple[PictureFact, ...]:
    return tuple((_short(name), _short(value)) for name, value in facts if value)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def web_address(url: str) -> str | None:
    """The address, if it may be linked: of the web, without a user, and shown as it is."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    odd = parts.username is not None or plain(url, keep="") != url or " " in url
    return url if parts.scheme in ("http", "https") and host and not odd else None
