"""From ranked candidates to a support set: fetch, choose, drop duplicates, write."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from susx.core.errors import InputError
from susx.core.files import atomic
from susx.embeddings.cache import disagreement, read_cache, read_meta
from susx.images.decode import look_of
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import SupportRecord, Table
from susx.pools.shards import Shard, read_shard
from susx.support.account import DISAGREES, UNREAD_CANDIDATES, support_account
from susx.support.duplicates import Originals
from susx.support.fetched import FetchedImage, fetched_images, hashes_by_shard
from susx.support.refusal import refusal
from susx.support.retrieval import Candidate
from susx.support.strategies import Choice, Selection, ordered_candidates


def candidate_features(
    ranking: Sequence[Sequence[Candidate]],
    caches: Mapping[str, str],
    texts: str | Path | None = None,
) -> dict[tuple[str, str], NDArray[np.float32]]:
    """Unit features (d,) of all candidates by shard and key.

    Args:
        ranking: candidates per class.
        caches: those of the shards, by name.
        texts: cache of the texts that features are compared with, if they are.

    Raises:
        InputError: if a cache is broken, was embedded with another encoder than the texts, or no
            longer holds an image that was found in it.
    """
    rows = {}
    encoder = read_meta(texts)[0]["encoder"] if texts else {}
    for shard, wanted in hashes_by_shard(ranking).items():
        cache = read_cache(caches[shard])
        if field := disagreement(encoder, cache.encoder):
            raise InputError(
                f"{caches[shard]}: embedded with another encoder than {texts} ({field} differs); "
                "delete both and run again"
            )
        places = {key: row for row, key in enumerate(cache.keys)}
        for key, sha256 in wanted.items():
            row = places.get(key)
            if row is None or cache.sha256(row) != sha256:
                raise InputError(
                    f'{caches[shard]}: lacks the image that was found under key "{key}"; delete '
                    f"the candidates of shard {shard} and run again"
                )
            rows[shard, key] = cache.features[row].astype(np.float32)
    return rows


def collect_support(
    ranking: Sequence[Sequence[Candidate]],
    shards: Mapping[str, Shard],
    classes: ClassManifest,
    selection: Selection,
    source: str,
    images: str | Path,
    features: Mapping[tuple[str, str], NDArray[np.float32]] | None = None,
    text: NDArray[np.float32] | None = None,
    pool: Mapping[str, int] | None = None,
) -> Table:
    """Choose among the candidates of every class and write the images to a tar.

    Args:
        ranking: candidates per class, best first.
        shards: the pool's shards by name.
        classes: class manifest; its index is the label of a support image.
        selection: how many are chosen, and how.
        source: what the candidates come from, for provenance.
        images: tar to write; keys are those of the returned manifest.
        features: unit features (d,) by shard and key, where embeddings are looked at.
        text: (C, d) text classifier, for choices that ask it.
        pool: rows of the pool that were searched, or left out, by reason.

    Returns:
        Table of SupportRecord, one row per candidate; `reason` says why one is not kept.

    Raises:
        InputError: if a shard no longer holds an image that was found in it, or another one under
            its key.
    """
    records: list[SupportRecord] = []
    kept: list[tuple[str, FetchedImage]] = []
    n_unread = 0
    with fetched_images(ranking, shards, images) as fetched:
        for entry, candidates in zip(classes, ranking, strict=True):
            found = [fetched[c.shard, c.key] for c in candidates]
            rows = [features[c.shard, c.key] for c in candidates] if features else None
            for rank, reason in _judged(entry.index, found, rows, text, selection):
                candidate, image = candidates[rank], found[rank]
                record = SupportRecord(
                    key=f"{entry.index:05d}-{rank:05d}",
                    label=entry.index,
                    class_name=entry.name,
                    rank=rank,
                    score=candidate.score,
                    source=source,
                    location=f"{shards[candidate.shard].path}#{candidate.key}",
                    caption=image.caption,
                    sha256=image.sha256,
                    width=image.width,
                    height=image.height,
                    kept=not reason,
                    reason=reason,
                    fingerprint=image.look,
                    metadata=image.metadata or "",
                    query=candidate.query,
                )
                records.append(record)
                n_unread += image.metadata is None
                if record.kept:
                    kept.append((record.key, image))
        write_images(images, ((key, fetched.data(image)) for key, image in kept))
    noted = {**(pool or {}), **+Counter({UNREAD_CANDIDATES: n_unread})}
    meta = support_account(records, classes, selection.size, noted, selection.refuse)
    return Table(records, classes.sha256, meta)


def _judged(
    label: int,
    images: Sequence[FetchedImage],
    rows: Sequence[NDArray[np.float32]] | None,
    text: NDArray[np.float32] | None,
    selection: Selection,
) -> Iterator[tuple[int, str]]:
    """Ranks of the images of a class as they are chosen, and why they are not kept."""
    originals = Originals(selection.max_cosine)
    choice = Choice.of_ranking(len(images))
    if rows:
        choice = ordered_candidates(np.stack(rows), label, text, selection)
    for rank in choice.order + choice.refused:
        image = images[rank]
        yield (
            rank,
            image.reason
            or refusal(image.metadata, selection.refuse)
            or originals.admit(
                image.look,
                rows[rank] if rows else None,
                room=selection.size,
                doubt=DISAGREES if rank in choice.refused else "",
            ),
        )


def write_images(path: str | Path, images: Iterable[tuple[str, bytes]]) -> None:
    """Write (key, encoded image) pairs as a tar: that of webdataset, which would import PyTorch."""
    with (
        atomic(path) as temporary,
        temporary.open("wb") as stream,
        tarfile.open(fileobj=stream, mode="w|") as tar,
    ):
        for key, data in images:
            member = tarfile.TarInfo(f"{key}.{_suffix(data)}")
            member.size, member.mode, member.mtime = len(data), 0o444, 0
            member.uname = member.gname = "susx"
            tar.addfile(member, io.BytesIO(data))


def stored_images(
    path: str | Path, records: Iterable[SupportRecord]
) -> Iterator[tuple[str, bytes]]:
    """Read (key, encoded image) pairs as `write_images` wrote them.

    Raises:
        InputError: if they are not exactly the kept images of `records`.
    """
    digests = {record.key: record.sha256 for record in records if record.kept}
    for sample in read_shard(Shard("webdataset", str(path))):
        if digests.pop(sample.key, None) != hashlib.sha256(sample.image).hexdigest():
            raise InputError(
                f'{path}: "{sample.key}" does not fit the manifest; delete both and run again'
            )
        yield sample.key, sample.image
    if digests:
        raise InputError(f"{path}: {len(digests)} images are missing; delete it and run again")


def _suffix(data: bytes) -> str:
    name, _ = look_of(data)
    return {"JPEG": "jpg", "MPO": "jpg", "TIFF": "tif"}.get(name, name.lower())
