"""Few-shot support sets: labelled training images, the setting of the few-shot papers."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from susx.core.errors import InputError
from susx.datasets.stored import read_listed
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import ImageRecord, SupportRecord, Table
from susx.support.account import support_account
from susx.support.selection import write_images


def draw_support(
    table: Table, classes: ClassManifest, size: int, seed: int, images: str | Path
) -> Table:
    """Draw `size` readable images of every class and write them to a tar.

    Draws of one seed are nested: those of a smaller size are among those of a larger one.

    Args:
        table: image manifest of the training split.
        classes: class manifest.
        size: images per class (K).
        seed: of the draw.
        images: tar to write; keys are those of the returned manifest.

    Returns:
        Table of SupportRecord, one row per drawn image.

    Raises:
        InputError: if a class has fewer readable images, or one changed since it was listed.
    """
    readable: dict[int, list[ImageRecord]] = defaultdict(list)
    for record in table.records:
        if not record.reason:
            readable[record.label].append(record)
    records: list[SupportRecord] = []
    drawn: list[ImageRecord] = []
    for entry in classes:
        candidates = sorted(readable[entry.index], key=lambda record: record.key)
        if len(candidates) < size:
            raise InputError(
                f'class "{entry.name}" has {len(candidates)} readable training images, fewer than '
                f"the {size} of the support set; lower its size or add images"
            )
        order = np.random.default_rng([seed, entry.index]).permutation(len(candidates))[:size]
        for rank, place in enumerate(order):
            record = candidates[place]
            key = f"{entry.index:05d}-{rank:05d}"
            drawn.append(record)
            records.append(
                SupportRecord(
                    key=key,
                    label=entry.index,
                    class_name=entry.name,
                    rank=rank,
                    score=0.0,
                    source=f"training images, seed {seed}",
                    location=record.path,
                    caption="",
                    sha256=record.sha256,
                    width=record.width,
                    height=record.height,
                    kept=True,
                    fingerprint=record.fingerprint,
                )
            )
    keys = (record.key for record in records)
    write_images(images, zip(keys, map(read_listed, drawn), strict=True))
    return Table(records, classes.sha256, support_account(records, classes, size))
