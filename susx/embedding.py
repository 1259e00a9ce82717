"""Embedding prompts, labelled images, support sets and pool shards into caches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from tqdm import tqdm

from susx.cache import Embeddings, concatenate, normalised
from susx.config_encoders import Encoder as Settings
from susx.encoders import Encoder, load_encoder
from susx.errors import InputError
from susx.files import sha256_json
from susx.images import UnreadableImage, decode, read_listed
from susx.manifests import ImageRecord, SupportRecord, Table
from susx.pools import Shard, read_shard
from susx.prompts import PromptSet
from susx.support.views import mean_view, random_view

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """An undecoded image on its way to the encoder; `seed` makes it a random view."""

    key: str
    label: int
    data: bytes
    seed: tuple[int, ...] | None = None


def embed_prompts(settings: Settings, prompts: PromptSet) -> Embeddings:
    """Embed every text of a prompt set; rows are texts, labels their classes."""
    encoder = load_encoder(settings)
    texts = [text for row in prompts.texts for text in row]
    labels = [index for index, row in enumerate(prompts.texts) for _ in row]
    keys = [f"{index}/{i}" for index, row in enumerate(prompts.texts) for i in range(len(row))]
    blocks = [
        encoder.encode_texts(batch).numpy()
        for batch in tqdm(list(_batches(texts, settings.batch_size)), unit=" batches of texts")
    ]
    meta = _meta(encoder) | {
        "strategy": prompts.strategy,
        "n_truncated": encoder.count_truncated(texts),
    }
    features, norms = normalised(concatenate(blocks, encoder.dim, "float32"))
    features = features.astype(settings.store)
    embeddings = Embeddings(features, np.array(labels, np.int32), keys, meta, norms)
    return _described(embeddings, prompts.classes_sha256, sha256_json(prompts.texts))


def embed_images(
    settings: Settings, table: Table, threads: int, patches: bool = False
) -> Embeddings:
    """Embed the readable images of an image manifest, or their patches.

    Args:
        settings: encoder.
        table: image manifest.
        threads: images preprocessed at the same time.
        patches: whether to embed the patches of every image, as (N, P, d) without lengths.

    Raises:
        InputError: if a file has changed since the manifest was written.
    """
    records: list[ImageRecord] = [record for record in table.records if not record.reason]

    def items() -> Iterator[Item]:
        for record in records:
            yield Item(record.key, record.label, read_listed(record))

    embeddings = _embed(settings, items(), len(records), threads, patches)
    return _described(embeddings, table.classes_sha256, _records_sha256(records))


def embed_support(
    settings: Settings,
    table: Table,
    images: str | Path,
    threads: int,
    views: int = 0,
    seed: int = 0,
) -> Embeddings:
    """Embed the kept images of a support set; labels come from its manifest.

    Args:
        settings: encoder.
        table: support manifest.
        images: tar of the kept images, keyed as in the manifest.
        threads: images preprocessed at the same time.
        views: if not 0, embed so many random views of every image, and average their embeddings
            before normalisation.
        seed: of the views.

    Raises:
        InputError: if manifest and tar do not fit together.
    """
    kept: dict[str, SupportRecord] = {r.key: r for r in table.records if r.kept}

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
            if not views:
                yield Item(sample.key, record.label, sample.image)
            own = int(record.sha256[:16], 16)
            for view in range(views):
                yield Item(sample.key, record.label, sample.image, (seed, own, view))
        if len(seen) < len(kept):
            raise InputError(
                f"{images}: {len(kept) - len(seen)} images of the support manifest are missing; "
                "delete both and run again"
            )

    embeddings = _embed(settings, items(), len(kept) * max(1, views), threads)
    digest = _records_sha256(kept.values())
    if not views:
        return _described(embeddings, table.classes_sha256, digest)
    averaged = _averaged(embeddings, views, settings.store)
    return _described(averaged, table.classes_sha256, sha256_json([digest, views, seed]))


def _averaged(embeddings: Embeddings, views: int, store: str) -> Embeddings:
    """Average the views of every image before normalisation."""
    if embeddings.norms is None or embeddings.meta["failed"]:
        raise InputError("a support image can no longer be read; delete its support set")
    raw = embeddings.features.astype(np.float32) * embeddings.norms[:, None]
    features, norms = normalised(mean_view(raw, views))
    return Embeddings(
        features.astype(store),
        embeddings.labels[::views],
        embeddings.keys[::views],
        embeddings.meta | {"views": views},
        norms,
    )


def embed_shard(settings: Settings, shard: Shard, threads: int) -> Embeddings:
    """Embed one pool shard; labels are -1, unreadable images are left out and counted."""
    digest = hashlib.sha256()

    def items() -> Iterator[Item]:
        for sample in read_shard(shard):
            digest.update(hashlib.sha256(sample.image).digest())
            yield Item(sample.key, -1, sample.image)

    embeddings = _embed(settings, items(), None, threads)
    keys = embeddings.keys
    if len(set(keys)) < len(keys):
        raise InputError(f"{shard.path}: two images share a key; give them different names")
    return _described(embeddings, "", digest.hexdigest())


def _embed(
    settings: Settings,
    items: Iterable[Item],
    total: int | None,
    threads: int,
    patches: bool = False,
) -> Embeddings:
    encoder = load_encoder(settings)
    encode = encoder.encode_patches if patches else encoder.encode_images
    keys: list[str] = []
    labels: list[int] = []
    blocks: list[Any] = []
    lengths: list[Any] = []
    failed: dict[str, str] = {}

    def prepare(item: Item) -> torch.Tensor | UnreadableImage:
        try:
            image = decode(item.data)
            if item.seed is not None:
                random = np.random.default_rng(item.seed)
                image = random_view(image, encoder.image_size, random)
            return encoder.preprocess(image)
        except UnreadableImage as error:
            return error

    with (
        ThreadPoolExecutor(max(1, threads)) as pool,
        tqdm(total=total, unit=" images", mininterval=1) as bar,
    ):
        for batch in _batches(items, settings.batch_size):
            tensors = []
            for item, result in zip(batch, pool.map(prepare, batch), strict=True):
                if isinstance(result, UnreadableImage):
                    failed[item.key] = str(result)
                    continue
                tensors.append(result)
                keys.append(item.key)
                labels.append(item.label)
            if tensors:
                features, norms = normalised(encode(torch.stack(tensors)).numpy())
                blocks.append(features.astype(settings.store))
                lengths.append(norms)
            bar.update(len(batch))
    features = concatenate(blocks, encoder.dim, settings.store)
    meta = _meta(encoder) | {"n_failed": len(failed), "failed": failed}
    joined = None if patches else concatenate(lengths, 1, "float32").reshape(-1)
    return Embeddings(features, np.array(labels, np.int32), keys, meta, joined)


def _described(embeddings: Embeddings, classes_sha256: str, input_sha256: str) -> Embeddings:
    meta = {"classes_sha256": classes_sha256, "input_sha256": input_sha256}
    return replace(embeddings, meta=embeddings.meta | meta)


def _meta(encoder: Encoder) -> dict[str, Any]:
    return {
        "encoder": encoder.provenance,
        "logit_scale": encoder.logit_scale,
        "versions": {name: version(name) for name in ("susx", "torch", "transformers", "pillow")},
    }


def _records_sha256(records: Iterable[ImageRecord | SupportRecord]) -> str:
    return sha256_json([[record.key, record.label, record.sha256] for record in records])


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
