"""Embedding prompts, labelled images, support sets and pool shards into caches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from tqdm import tqdm

from susx.config.encoders import EncoderSettings
from susx.core.compute import pick_device, reuse_memory
from susx.core.errors import InputError
from susx.core.files import sha256_json
from susx.embeddings.cache import Embeddings, concatenate, hash_rows, normalised
from susx.embeddings.known_rows import KnownRows
from susx.embeddings.parts import Parts
from susx.embeddings.prepare import Batch, Item, prepared
from susx.embeddings.views import mean_view
from susx.encoders import load_encoder
from susx.encoders.protocol import Encoder
from susx.manifests.classes import embedded_records, records_sha256
from susx.manifests.tables import ImageRecord, SupportRecord, Table
from susx.pools.shards import Shard, read_shard
from susx.prompts.strategies import PromptSet

PART = 1024  # images that a job which is cut may lose
PART_BYTES = 2**27
"""Of the files of these images, which are in memory, with those of the part before: 1024 files of
128 KB, or fewer larger ones."""

T = TypeVar("T")


def embed_prompts(
    settings: EncoderSettings, prompt_sets: Iterable[PromptSet]
) -> Iterator[Embeddings]:
    """Embed every text of prompt sets; rows are texts, labels their classes.

    Args:
        settings: encoder, which is loaded once.
        prompt_sets: one per cache.
    """
    encoder = load_encoder(settings)
    for prompts in prompt_sets:
        yield _embedded(encoder, settings, prompts)


def _embedded(encoder: Encoder, settings: EncoderSettings, prompts: PromptSet) -> Embeddings:
    texts = [text for row in prompts.texts for text in row]
    labels = [index for index, row in enumerate(prompts.texts) for _ in row]
    keys = [f"{index}/{i}" for index, row in enumerate(prompts.texts) for i in range(len(row))]
    # Texts of a batch are padded to its longest.
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    rows = np.empty((len(texts), encoder.dim), np.float32)
    for batch in tqdm(list(_batches(order, settings.batch_size)), unit=" batches of texts"):
        rows[batch] = encoder.encode_texts([texts[place] for place in batch]).numpy()
    meta = _meta(encoder, settings) | {
        "strategy": prompts.strategy,
        "n_truncated": encoder.count_truncated(texts),
    }
    features, norms = normalised(rows)
    features = features.astype(settings.store)
    meta |= _owned(prompts.classes_sha256, sha256_json(prompts.texts))
    hashes = hash_rows([hashlib.sha256(text.encode()).hexdigest() for text in texts])
    return Embeddings(features, np.array(labels, np.int32), keys, meta, norms, hashes)


def embed_images(
    settings: EncoderSettings,
    table: Table,
    path: str | Path,
    threads: int,
    patches: bool = False,
    parts: Path | None = None,
    earlier: Iterable[Path] = (),
    encoder: Encoder | None = None,
) -> None:
    """Embed the readable images of an image manifest, or their patches, into a cache.

    Args:
        settings: encoder.
        table: image manifest.
        path: the cache to write.
        threads: images preprocessed at the same time.
        patches: whether to embed the patches of every image, as (N, P, d) without lengths.
        parts: where a run that was cut has left its finished parts, if not beside `path`.
        earlier: caches that the same encoder made of other manifests; their rows are taken over.
        encoder: that of the settings, if it is loaded already.

    Raises:
        InputError: if a file has changed since the manifest was written.
    """
    records: list[ImageRecord] = embedded_records(table)
    items = (Item(r.key, r.label, r.sha256, r) for r in records)
    known = KnownRows.of(earlier, {record.sha256 for record in records})
    meta = _owned(table.classes_sha256, records_sha256(records))
    _embed(
        settings,
        items,
        Parts(path, parts),
        threads,
        lambda: meta,
        total=len(records),
        patches=patches,
        known=known,
        encoder=encoder,
    )


def embed_support(
    settings: EncoderSettings,
    table: Table,
    images: str | Path,
    path: str | Path,
    threads: int,
    views: int = 0,
    seed: int = 0,
    parts: Path | None = None,
    earlier: Iterable[Path] = (),
) -> None:
    """Embed the kept images of a support set into a cache; labels come from its manifest.

    Args:
        settings: encoder.
        table: support manifest.
        images: tar of the kept images, keyed as in the manifest.
        path: the cache to write.
        threads: images preprocessed at the same time.
        views: if not 0, embed so many random views of every image, and average their embeddings
            before normalisation.
        seed: of the views.
        parts: where finished parts are, as for images.
        earlier: caches whose rows are taken over, as for images, but for views.

    Raises:
        InputError: if manifest and tar do not fit together.
    """
    kept: dict[str, SupportRecord] = {record.key: record for record in embedded_records(table)}
    known = KnownRows() if views else KnownRows.of(earlier, {r.sha256 for r in kept.values()})

    def items() -> Iterator[Item]:
        seen = set()
        for sample in read_shard(Shard("webdataset", str(images))):
            record = kept.get(sample.key)
            if record is None or hashlib.sha256(sample.image).hexdigest() != record.sha256:
                raise InputError(
                    f'{images}: "{sample.key}" does not fit the support manifest; delete both '
                    "and run again"
                )
            seen.add(sample.key)
            whole = Item(sample.key, record.label, record.sha256, sample.image)
            own = int(record.sha256[:16], 16)
            yield from (replace(whole, seed=(seed, own, view)) for view in range(views))
            if not views:
                yield whole
        if len(seen) < len(kept):
            raise InputError(
                f"{images}: {len(kept) - len(seen)} images of the support manifest are missing; "
                "delete both and run again"
            )

    meta = _owned(table.classes_sha256, records_sha256(kept.values(), views, seed))
    meta |= {"views": views, "seed": seed} if views else {}
    _embed(
        settings,
        items(),
        Parts(path, parts),
        threads,
        lambda: meta,
        total=len(kept) * max(1, views),
        views=views,
        known=known,
    )


def embed_shard(
    settings: EncoderSettings,
    shard: Shard,
    path: str | Path,
    threads: int,
    parts: Path | None = None,
) -> None:
    """Embed one pool shard into a cache.

    Labels are -1; unreadable images are left out and counted.

    Raises:
        InputError: if the shard cannot be read, or two images share a key.
    """
    digest = hashlib.sha256()

    def items() -> Iterator[Item]:
        seen = set()
        for sample in read_shard(shard):
            image = hashlib.sha256(sample.image)
            digest.update(image.digest())
            if sample.key in seen:
                raise InputError(f"{shard.path}: two images share a key; give them different names")
            seen.add(sample.key)
            yield Item(sample.key, -1, image.hexdigest(), sample.image, reason=sample.reason)

    _embed(settings, items(), Parts(path, parts), threads, lambda: _owned("", digest.hexdigest()))


def _embed(
    settings: EncoderSettings,
    items: Iterable[Item],
    parts: Parts,
    threads: int,
    meta: Callable[[], dict[str, Any]],
    *,
    total: int | None = None,
    patches: bool = False,
    views: int = 0,
    known: KnownRows | None = None,
    encoder: Encoder | None = None,
) -> None:
    """Embed items part by part; `meta` is asked when all of them have been read."""
    reuse_memory()
    encoder = encoder or load_encoder(settings)
    encode = encoder.encode_patches if patches else encoder.encode_images
    count = 0
    own = _meta(encoder, settings)
    known = known if known and known.fits(own) else KnownRows()
    whole: dict[int, list[Item]] = {}
    made_from = [own, settings.batch_size, patches, views]
    overlap = pick_device(settings.device) == "cuda"

    with tqdm(total=total, unit=" images", mininterval=1) as bar:

        def missing() -> Iterator[tuple[tuple[int, str, bool], list[Item]]]:
            nonlocal count
            for index, part in enumerate(_parts(items, max(1, views))):
                count = index + 1
                named = [[item.key, item.label, item.sha256, item.seed] for item in part]
                stamp = sha256_json([made_from, named])
                if parts.has(index, stamp):
                    bar.update(len(part))
                    continue
                whole[index] = part
                new = [item for item in part if item not in known]
                bar.update(len(part) - len(new))
                for start in range(0, max(1, len(new)), settings.batch_size):
                    batch = new[start : start + settings.batch_size]
                    yield (index, stamp, start + len(batch) == len(new)), batch

        blocks = _Blocks(encoder.dim, settings.store, patches)
        how = settings.jpeg_draft, settings.upright
        batches = prepared(missing(), encoder, threads, overlap, *how)
        for (index, stamp, last), batch in batches:
            blocks.add(batch, encode)
            bar.update(batch.size)
            if last:
                made = known.joined(whole.pop(index), blocks.embeddings())
                parts.write(index, stamp, _averaged(made, views) if views else made)
                blocks = _Blocks(encoder.dim, settings.store, patches)
    failed = {k: reason for part in parts.metas(count) for k, reason in part["failed"].items()}
    counts = {"n_failed": len(failed), "failed": failed}
    parts.join(count, own | counts | meta())


class _Blocks:
    """Features of the batches of one part."""

    def __init__(self, dim: int, store: str, patches: bool) -> None:
        self._dim, self._store, self._patches = dim, store, patches
        self._keys: list[str] = []
        self._labels: list[int] = []
        self._hashes: list[str] = []
        self._features: list[Any] = []
        self._norms: list[Any] = []
        self._failed: dict[str, str] = {}

    def add(self, batch: Batch, encode: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._failed |= batch.failed
        if batch.pixels is None:
            return
        features, norms = normalised(encode(batch.pixels).numpy())
        self._features.append(features.astype(self._store))
        self._norms.append(norms)
        self._keys += batch.keys
        self._labels += batch.labels
        self._hashes += batch.hashes

    def embeddings(self) -> Embeddings:
        features = concatenate(self._features, self._dim, self._store)
        norms = None if self._patches else concatenate(self._norms, 1, "float32").reshape(-1)
        labels, hashes = np.array(self._labels, np.int32), hash_rows(self._hashes)
        return Embeddings(features, labels, self._keys, {"failed": self._failed}, norms, hashes)


def _averaged(embeddings: Embeddings, views: int) -> Embeddings:
    """Average the views of every image before normalisation."""
    if embeddings.norms is None or embeddings.meta["failed"]:
        raise InputError("a support image can no longer be read; delete its support set")
    raw = embeddings.features.astype(np.float32) * embeddings.norms[:, None]
    features, norms = normalised(mean_view(raw, views))
    return replace(
        embeddings,
        features=features.astype(embeddings.features.dtype),
        labels=embeddings.labels[::views],
        keys=embeddings.keys[::views],
        norms=norms,
        hashes=None if embeddings.hashes is None else embeddings.hashes[::views],
    )


def _owned(classes_sha256: str, input_sha256: str) -> dict[str, Any]:
    return {"classes_sha256": classes_sha256, "input_sha256": input_sha256}


def _meta(encoder: Encoder, settings: EncoderSettings) -> dict[str, Any]:
    own = {
        "image_size": encoder.image_size,
        "jpeg_draft": settings.jpeg_draft,
        "upright": settings.upright,
        "store": settings.store,
    }
    return {
        "encoder": encoder.provenance | own,
        "logit_scale": encoder.logit_scale,
        "versions": {name: version(name) for name in ("susx", "torch", "transformers", "pillow")},
    }


def _parts(items: Iterable[Item], views: int) -> Iterator[list[Item]]:
    """Lists of all views of some images; at least one, which may be empty."""
    part, held, first = list[Item](), 0, True
    for image in _batches(items, views):
        source = image[0].source
        size = len(source) if isinstance(source, bytes) else 0
        if len(part) >= PART * views or (part and held + size > PART_BYTES):
            yield part
            part, held, first = [], 0, False
        part += image
        held += size
    if part or first:
        yield part


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
