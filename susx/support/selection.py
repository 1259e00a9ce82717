"""From ranked candidates to a support set: fetch, drop duplicates, keep the quota, write."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from susx.errors import InputError
from susx.files import atomic
from susx.images import UnreadableImage, decode
from susx.manifests import ClassManifest, SupportRecord, Table
from susx.pools import Sample, Shard, read_shard
from susx.support.retrieval import Candidate


def collect_support(
    ranking: Sequence[Sequence[Candidate]],
    shards: Mapping[str, Shard],
    classes: ClassManifest,
    size: int,
    source: str,
    images: str | Path,
) -> Table:
    """Write the best `size` distinct images of every class to a tar.

    Args:
        ranking: candidates per class, best first.
        shards: the pool's shards by name.
        classes: class manifest; its index is the label of a support image.
        size: images per class.
        source: what the candidates come from, for provenance.
        images: tar to write; keys are those of the returned manifest.

    Returns:
        Table of SupportRecord, one row per candidate; `reason` says why one is not kept.

    Raises:
        InputError: if a shard no longer holds an image that was found in it.
    """
    samples = _fetch(ranking, shards)
    records: list[SupportRecord] = []
    kept: list[tuple[str, bytes]] = []
    for entry, candidates in zip(classes, ranking, strict=True):
        seen: set[str] = set()
        n_kept = 0
        for rank, candidate in enumerate(candidates):
            sample = samples[candidate.shard, candidate.key]
            digest = hashlib.sha256(sample.image).hexdigest()
            width, height, reason = _inspect(sample.image)
            if not reason and digest in seen:
                reason = "duplicate"
            if not reason and n_kept == size:
                reason = "surplus"
            key = f"{entry.index:05d}-{rank:05d}"
            if not reason:
                seen.add(digest)
                n_kept += 1
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


def _inspect(data: bytes) -> tuple[int, int, str]:
    try:
        return (*decode(data).size, "")
    except UnreadableImage as error:
        return (0, 0, str(error))


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
            bool(record.reason) and record.reason not in ("duplicate", "surplus")
            for record in records
        ),
        "short_classes": {
            classes.names[label]: count for label, count in counts.items() if count < size
        },
    }
