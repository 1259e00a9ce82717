"""The caches and manifests that an evaluation or a classifier is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from susx.cache import Embeddings, read_cache
from susx.errors import InputError
from susx.evaluation import LabelledFeatures
from susx.manifests import ClassManifest, ImageRecord, SupportRecord, read_table
from susx.support.leakage import Leak, find_leaks


@dataclass(frozen=True)
class CacheFiles:
    """Files of one encoder: caches by strategy, split and support; manifests by split, support.

    `patches` are caches by split, for methods that need them. Published features have neither
    patches nor manifests.
    """

    classes: str
    texts: Mapping[str, str]
    images: Mapping[str, str]
    image_manifests: Mapping[str, str]
    supports: Mapping[str, str]
    support_manifests: Mapping[str, str]
    patches: Mapping[str, str] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, inputs: Any, names: Mapping[str, Sequence[str]]) -> CacheFiles:
        """Files of a job, whose lists are named by kind."""
        kinds = {
            kind: dict(zip(given, inputs.get(kind) or (), strict=True))
            for kind, given in names.items()
        }
        return cls(inputs.classes, **kinds)


@dataclass(frozen=True)
class Caches:
    """Contents of the caches of one encoder, all made with the same weights."""

    classes: ClassManifest
    texts: Mapping[str, Embeddings]
    images: Mapping[str, Embeddings]
    supports: Mapping[str, Embeddings]
    patches: Mapping[str, Embeddings]

    @property
    def named(self) -> dict[str, Embeddings]:
        """All of them by kind and name."""
        kinds = {
            "text": self.texts,
            "images": self.images,
            "patches": self.patches,
            "support": self.supports,
        }
        return {f"{kind}-{name}": c for kind, part in kinds.items() for name, c in part.items()}

    @property
    def logit_scale(self) -> float:
        """Factor on cosines, of the encoder of the texts where there are any."""
        scale: float = next(iter(self.named.values())).meta["logit_scale"]
        return scale

    @property
    def input_hashes(self) -> dict[str, Any]:
        """Hashes of what was embedded."""
        return {name: cache.meta["input_sha256"] for name, cache in self.named.items()}

    def labelled(self, split: str) -> LabelledFeatures:
        """The images of a split, with their patches where they were embedded.

        Raises:
            InputError: if the patches are those of other images.
        """
        cache, patches = self.images[split], self.patches.get(split)
        if patches is None:
            return LabelledFeatures(cache.features, cache.labels, cache.norms)
        if patches.keys != cache.keys:
            raise InputError(
                "images and patches were embedded from different images; delete both caches and "
                "run again"
            )
        return LabelledFeatures(cache.features, cache.labels, cache.norms, patches.features)


def read_caches(encoder: str, files: CacheFiles) -> Caches:
    """Read all caches of an encoder.

    Raises:
        InputError: if a file is broken, foreign, or was embedded with other weights.
    """
    classes = ClassManifest.read(files.classes)

    def read(paths: Mapping[str, str]) -> dict[str, Embeddings]:
        return {
            name: read_cache(path, classes.sha256, len(classes)) for name, path in paths.items()
        }

    caches = Caches(
        classes, read(files.texts), read(files.images), read(files.supports), read(files.patches)
    )
    weights = {name: c.meta["encoder"]["weights_sha256"] for name, c in caches.named.items()}
    if len(set(weights.values()) - {None}) > 1:  # those of published features are unknown
        raise InputError(
            f"{encoder}: the caches of {', '.join(sorted(weights))} were embedded with different "
            "weights; delete them and run again"
        )
    return caches


def leaks_of(files: CacheFiles, support: str, classes: ClassManifest) -> list[Leak] | None:
    """Support images that nearly equal a test image; None where there are only features."""
    own, test = files.support_manifests.get(support), files.image_manifests.get("test")
    if not own or not test:
        return None
    return find_leaks(
        read_table(own, SupportRecord, classes.sha256).records,
        read_table(test, ImageRecord, classes.sha256).records,
    )


def without(cache: Embeddings, leaks: Sequence[Leak] | None) -> LabelledFeatures:
    """A support set without the given images."""
    if not leaks:
        return LabelledFeatures(cache.features, cache.labels, cache.norms)
    keep = ~np.isin(cache.keys, [leak.key for leak in leaks])
    lengths = None if cache.norms is None else cache.norms[keep]
    return LabelledFeatures(cache.features[keep], cache.labels[keep], lengths)
