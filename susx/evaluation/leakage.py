"""Leakage: support images that nearly equal a test image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from susx.images.fingerprints import nearest_duplicates
from susx.manifests.tables import ImageRecord, SupportRecord


@dataclass(frozen=True)
class NearDuplicate:
    """A support image and the test image that it nearly equals.

    Attributes:
        key: of the support image, as in the support manifest.
        location: where the support image comes from.
        class_name: class that it stands for.
        image: key of the test image.
        distance: number of bits, of 256, in which their fingerprints differ.
    """

    key: str
    location: str
    class_name: str
    image: str
    distance: int


def find_leaks(
    support: Sequence[SupportRecord], test: Sequence[ImageRecord]
) -> list[NearDuplicate]:
    """The kept support images that nearly equal a test image, with the nearest one each."""
    kept = [record for record in support if record.kept]
    pairs = nearest_duplicates(
        [record.fingerprint for record in kept], [record.fingerprint for record in test]
    )
    return [
        NearDuplicate(
            key=kept[pair.first].key,
            location=kept[pair.first].location,
            class_name=kept[pair.first].class_name,
            image=test[pair.second].key,
            distance=pair.distance,
        )
        for pair in pairs
    ]
