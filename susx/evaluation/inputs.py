"""The caches and manifests that an evaluation or a classifier is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from susx.core.errors import InputError
from susx.core.files import sha256_json
from susx.embeddings.cache import Embeddings, disagreement, read_cache
from susx.evaluation.arrays import LabelledFeatures
from susx.evaluation.leakage import Leak, find_leaks
from susx.manifests.classes import ClassManifest, embedded_records, records_sha256
from susx.manifests.tables import ImageRecord, SupportRecord, Table, read_table
from susx.prompts.strategies import PromptSet


@dataclass(frozen=True)
class CacheFiles:
    """Files of one encoder: caches by strategy, split and support; manifests by split, support.

    `patches` are caches by split, for methods that need them; `prompts` are the texts by strategy.
    Published features have neither patches nor manifests, and prompts only if an encoder embeds
    them.
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
    """Contents of the caches of one encoder, all made by it, and of the manifests they belong to.

    `listed` are the image manifests by split, `chosen` the support manifests by support.
    """

    classes: ClassManifest
    texts: Mapping[str, Embeddings]
    images: Mapping[str, Embeddings]
    supports: Mapping[str, Embeddings]
    patches: Mapping[str, Embeddings]
    listed: Mapping[str, Table]
    chosen: Mapping[str, Table]

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

    @property
    def manifest_hashes(self) -> dict[str, str]:
        """Hashes of what manifests list, by kind and name as in `input_hashes`."""
        kinds = {"images": self.listed, "support": self.chosen}
        return {
            f"{kind}-{name}": records_sha256(embedded_records(table))
            for kind, tables in kinds.items()
            for name, table in tables.items()
        }

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
    """Read all caches of an encoder, and compare them with what they must have been made from.

    Raises:
        InputError: if a file is broken or foreign, or a cache was made by another encoder, or from
            other images or texts than its manifest or prompt file lists.
    """
    classes = ClassManifest.read(files.classes)

    def read(paths: Mapping[str, str]) -> dict[str, Embeddings]:
        return {
            name: read_cache(path, classes.sha256, len(classes)) for name, path in paths.items()
        }

    def tables(paths: Mapping[str, str], kind: type) -> dict[str, Table]:
        return {name: read_table(path, kind, classes.sha256) for name, path in paths.items()}

    caches = Caches(
        classes,
        read(files.texts),
        read(files.images),
        read(files.supports),
        read(files.patches),
        tables(files.image_manifests, ImageRecord),
        tables(files.support_manifests, SupportRecord),
    )
    _check_encoders(encoder, caches)
    _check_inputs(files, caches)
    return caches


def _check_encoders(encoder: str, caches: Caches) -> None:
    """Compare caches by what they record; of published features not even the weights are known."""
    first: dict[bool, str] = {}
    for name, cache in caches.named.items():
        other = first.setdefault(cache.encoder["weights_sha256"] is None, name)
        if key := disagreement(caches.named[other].encoder, cache.encoder):
            raise InputError(
                f"{encoder}: the caches of {other} and {name} were embedded with different "
                f"{key.removesuffix('_sha256')}; delete them and run again"
            )


def _check_inputs(files: CacheFiles, caches: Caches) -> None:
    """Compare what was embedded with what manifests and prompt files list."""
    images = {name: records_sha256(embedded_records(t)) for name, t in caches.listed.items()}
    texts = {
        name: sha256_json(PromptSet.read(path, caches.classes).texts)
        for name, path in files.prompts.items()
    }
    supports = {}
    for name, table in caches.chosen.items():
        made_by = caches.supports[name].meta if name in caches.supports else {}
        views = made_by.get("views", 0), made_by.get("seed", 0)
        supports[name] = records_sha256(embedded_records(table), *views)
    for paths, made, sources, expected in (
        (files.texts, caches.texts, files.prompts, texts),
        (files.images, caches.images, files.image_manifests, images),
        (files.patches, caches.patches, files.image_manifests, images),
        (files.supports, caches.supports, files.support_manifests, supports),
    ):
        for name, cache in made.items():
            if name in sources and cache.meta["input_sha256"] != expected[name]:
                raise InputError(
                    f"{paths[name]}: was embedded from other inputs than {sources[name]} lists; "
                    "delete it and run again"
                )


def check_evaluation(caches: Caches, evaluation: Mapping[str, Any]) -> None:
    """Compare caches with those that an evaluation was made from, as far as it has them.

    Raises:
        InputError: if it was made from other images, texts, support sets or classes, or by another
            encoder.
    """
    made = evaluation["provenance"]
    different = [
        name for name, own in caches.input_hashes.items() if made["inputs"].get(name, own) != own
    ]
    different += ["classes"] if made["classes_sha256"] != caches.classes.sha256 else []
    for cache in caches.images.values():
        different += filter(None, [disagreement(made, cache.encoder)])
    if different:
        raise InputError(
            f"{evaluation['encoder']}: the evaluation was made with other {different[0]} than lies "
            "there now; delete it and run again"
        )


def leaks_of(caches: Caches, support: str) -> list[Leak] | None:
    """Support images that nearly equal a test image; None where there are only features."""
    if support not in caches.chosen or "test" not in caches.listed:
        return None
    return find_leaks(caches.chosen[support].records, caches.listed["test"].records)


def without(cache: Embeddings, leaks: Sequence[Leak] | None) -> LabelledFeatures:
    """A support set without the given images."""
    if not leaks:
        return LabelledFeatures(cache.features, cache.labels, cache.norms)
    keep = ~np.isin(cache.keys, [leak.key for leak in leaks])
    lengths = None if cache.norms is None else cache.norms[keep]
    return LabelledFeatures(cache.features[keep], cache.labels[keep], lengths)
