"""Small pictures of the support images that a classifier's votes come from."""

from __future__ import annotations

from pathlib import Path

from susx.classifier.meta import ClassifierMeta
from susx.core.errors import InputError
from susx.manifests.tables import SupportRecord, read_table
from susx.report.thumbnails import thumbnail

SIDE = 160
"""Pixels of the longer side: four stand beside each other on a telephone."""
LIMIT = 20_000
"""Characters of a picture: a photograph of that size takes about 9,000 at the best quality."""


def support_pictures(folder: Path, meta: ClassifierMeta) -> dict[str, str]:
    """Pictures of a classifier's support images as data URIs, by key.

    Args:
        folder: of the support set, `work/{dataset}/support/{support}`.
        meta: of the classifier.

    Raises:
        InputError: if the folder lacks a file or belongs to other classes, or if it lacks an image
            of the classifier's support set.
    """
    from susx.support.selection import stored_images

    table = read_table(folder / "manifest.parquet", SupportRecord, meta.classes_sha256)
    wanted = set(meta.support_keys)
    kept = [record for record in table.records if record.kept]
    pictures = {
        key: thumbnail(data, SIDE, LIMIT).uri
        for key, data in stored_images(str(folder / "images.tar"), kept)
        if key in wanted
    }
    if lacking := wanted - pictures.keys():
        raise InputError(
            f"{folder}: lacks {len(lacking)} of the classifier's {len(wanted)} support images, "
            f'"{min(lacking)}" among them; name the folder of the set that it was made from'
        )
    return pictures
