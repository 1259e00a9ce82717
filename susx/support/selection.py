"""From ranked candidates to a support set: fetch, drop duplicates, keep the quota, write."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from susx.cache import read_cache
from susx.errors import InputError
from susx.files import atomic
from susx.images import UnreadableImage, decode
from susx.manifests import ClassManifest, SupportRecord, Table
from susx.pools import Sample, Shard, read_shard
from susx.support.duplicates import MAX_DISTANCE, distance, fingerprint
from susx.support.retrieval import Candidate
from susx.support.strategies import STRATEGIES, Choice
from susx.text_classifier import text_classifier

DISAGREES = "disagrees"


def read_choices(
    ranking: Sequence[Sequence[Candidate]],
    features: Mapping[str, str],
    text: str | None,
    classes: ClassManifest,
    select: str,
    margin: float,
) -> list[Choice]:
    """Choose among every class's candidates by a strategy of `susx.support.strategies`.

    Args:
        ranking: candidates per class, best first.
        features: caches of the pool's shards by name; none if the ranking is all that counts.
        text: cache of the texts that must agree, for strategies that ask them.
        classes: class manifest.
        select: name of the strategy.
        margin: least lead of the class over all others, in cosine.

    Raises:
        InputError: if a cache is broken or foreign.
    """
    if not features:
        return [Choice.of_ranking(len(candidates)) for candidates in ranking]
    rows = _features(ranking, features)
    weights = None
    if text is not None:
        texts = read_cache(text, classes.sha256, len(classes))
        weights = text_classifier(texts, classes.names).weights
    return [
        STRATEGIES[select](
            np.stack([rows[candidate.shard, candidate.key] for candidate in candidates]),
            label,
            weights,
            margin,
        )
        for label, candidates in enumerate(ranking)
    ]


def _features(
    ranking: Sequence[Sequence[Candidate]], caches: Mapping[str, str]
) -> dict[tuple[str, str], NDArray[np.float32]]:
    """Features of all candidates, read shard by shard."""
    wanted = {(c.shard, c.key) for candidates in ranking for c in candidates}
    rows = {}
    for shard, path in caches.items():
        cache = read_cache(path)
        for key, row in zip(cache.keys, cache.features, strict=True):
            if (shard, key) in wanted:
                rows[shard, key] = row.astype(np.float32)
    return rows


def collect_support(
    ranking: Sequence[Sequence[Candidate]],
    shards: Mapping[str, Shard],
    classes: ClassManifest,
    size: int,
    source: str,
    images: str | Path,
    choices: Sequence[Choice] | None = None,
) -> Table:
    """Write the best `size` images of every class to a tar, near duplicates left out.

    Args:
        ranking: candidates per class, best first.
        shards: the pool's shards by name.
        classes: class manifest; its index is the label of a support image.
        size: images per class.
        source: what the candidates come from, for provenance.
        images: tar to write; keys are those of the returned manifest.
        choices: per class, in which order candidates are tried; in that of the ranking if None.

    Returns:
        Table of SupportRecord, one row per candidate; `reason` says why one is not kept.

    Raises:
        InputError: if a shard no longer holds an image that was found in it.
    """
    samples = _fetch(ranking, shards)
    records: list[SupportRecord] = []
    kept: list[tuple[str, bytes]] = []
    for entry, candidates in zip(classes, ranking, strict=True):
        prints: list[str] = []
        choice = choices[entry.index] if choices else Choice.of_ranking(len(candidates))
        for rank in choice.order + choice.refused:
            candidate = candidates[rank]
            sample = samples[candidate.shard, candidate.key]
            digest = hashlib.sha256(sample.image).hexdigest()
            width, height, look, reason = _inspect(sample.image)
            if not reason and any(distance(look, other) <= MAX_DISTANCE for other in prints):
                reason = "duplicate"
            if not reason and rank in choice.refused:
                reason = DISAGREES
            if not reason and len(prints) == size:
                reason = "surplus"
            key = f"{entry.index:05d}-{rank:05d}"
            if not reason:
                prints.append(look)
                kept.append((key, sample.image))
            records.append(
                SupportRecord(
                    key=key,
                    label=entry.index,
                    class_name=entry.name,
                    rank=rank,
                    score=candidate.score,
                    source=source,
                    location=f"{shards[candidate.shard].path}#{candidate.key}",
                    caption=sample.caption,
                    sha256=digest,
                    width=width,
                    height=height,
                    kept=not reason,
                    reason=reason,
                    fingerprint=look,
                )
            )
    write_images(images, kept)
    return Table(records, classes.sha256, summary(records, classes, size))


def _fetch(
    ranking: Sequence[Sequence[Candidate]], shards: Mapping[str, Shard]
) -> dict[tuple[str, str], Sample]:
    wanted: dict[str, set[str]] = defaultdict(set)
    for candidates in ranking:
        for candidate in candidates:
            wanted[candidate.shard].add(candidate.key)
    samples: dict[tuple[str, str], Sample] = {}
    for name, keys in wanted.items():
        missing = set(keys)
        for sample in read_shard(shards[name]):
            if sample.key in missing:
                samples[name, sample.key] = sample
                missing.remove(sample.key)
                if not missing:
                    break
        if missing:
            raise InputError(
                f"{shards[name].path}: image {min(missing)} is gone since the shard was embedded; "
                "delete the shard's cache and run again"
            )
    return samples


def _inspect(data: bytes) -> tuple[int, int, str, str]:
    """Width, height, fingerprint, and why the image cannot be used."""
    try:
        image = decode(data)
    except UnreadableImage as error:
        return 0, 0, "", str(error)
    return (*image.size, fingerprint(image), "")


def write_images(path: str | Path, images: Iterable[tuple[str, bytes]]) -> None:
    """Write (key, encoded image) pairs as a webdataset tar."""
    from webdataset import TarWriter

    with atomic(path) as temporary, temporary.open("wb") as stream:
        writer = TarWriter(stream, user="susx", group="susx", mtime=0, encoder=False)
        for key, data in images:
            writer.write({"__key__": key, _suffix(data): data})
        writer.close()


def _suffix(data: bytes) -> str:
    import io

    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        name = str(image.format)
    return {"JPEG": "jpg", "MPO": "jpg", "TIFF": "tif"}.get(name, name.lower())


def summary(
    records: Sequence[SupportRecord], classes: ClassManifest, size: int
) -> dict[str, object]:
    """Count what became of the candidates: the `SupportCounts` of a result."""
    counts = dict.fromkeys(range(len(classes)), 0)
    for record in records:
        counts[record.label] += record.kept
    return {
        "size": size,
        "n_kept": sum(counts.values()),
        "n_duplicates": sum(record.reason == "duplicate" for record in records),
        "n_unreadable": sum(
            bool(record.reason) and record.reason not in ("duplicate", "surplus", DISAGREES)
            for record in records
        ),
        "n_disagreeing": sum(record.reason == DISAGREES for record in records),
        "short_classes": {
            classes.names[label]: count for label, count in counts.items() if count < size
        },
    }
