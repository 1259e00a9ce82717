"""The caches and manifests that an evaluation or a classifier is made from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from susx.core.errors import InputError
from susx.core.files import sha256_json
from susx.embeddings.cache import Embeddings, disagreement, read_cache
from susx.embeddings.text_classifier import text_classifier
from susx.evaluation.arrays import EncoderData, LabelledImages
from susx.evaluation.files import CacheFiles
from susx.evaluation.leakage import NearDuplicate, find_leaks
from susx.manifests.classes import ClassManifest, embedded_records, records_sha256
from susx.manifests.tables import ImageRecord, SupportRecord, Table, read_table
from susx.methods import Images
from susx.prompts.strategies import PromptSet


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

    @cached_property
    def leaks(self) -> dict[str, list[NearDuplicate] | None]:
        """Images that nearly equal a test image, by support; None where there are only features."""
        return {
            name: find_leaks(self.chosen[name].records, self.listed["test"].records)
            if name in self.chosen and "test" in self.listed
            else None
            for name in self.supports
        }

    def opened(self, encoder: str, leaks: str, device: str) -> EncoderData:
        """What methods take, on a device; splits without images are left out.

        Args:
            encoder: its name.
            leaks: whether to `keep` or `drop` support images that nearly equal a test image.
            device: where tensors are kept.

        Raises:
            InputError: if the patches of a split are those of other images, or a class has no
                text vector of its own.
        """
        names = self.classes.names
        supports = {}
        for name, cache in self.supports.items():
            found = self.leaks[name] if leaks == "drop" else None
            supports[name] = without(labelled(cache, device), {leak.key for leak in found or ()})
        return EncoderData(
            name=encoder,
            classes=names,
            logit_scale=self.logit_scale,
            texts={name: text_classifier(cache, names) for name, cache in self.texts.items()},
            supports=supports,
            images={
                split: labelled(cache, device, self.patches.get(split))
                for split, cache in self.images.items()
                if len(cache)
            },
            device=device,
        )


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


def labelled(cache: Embeddings, device: str, patches: Embeddings | None = None) -> LabelledImages:
    """The images of a cache on a device, with their patches, which stay where they are.

    Raises:
        InputError: if the patches are those of other images.
    """
    if patches is not None and patches.keys != cache.keys:
        raise InputError(
            "images and patches were embedded from different images; delete both caches and "
            "run again"
        )
    images = Images(
        torch.from_numpy(cache.features).float().to(device),
        None if cache.norms is None else torch.from_numpy(cache.norms).to(device),
        None if patches is None else torch.from_numpy(patches.features),
    )
    return LabelledImages(images, torch.from_numpy(cache.labels).long().to(device), cache.keys)


def without(part: LabelledImages, keys: Collection[str]) -> LabelledImages:
    """Images without those of the given keys."""
    if not keys:
        return part
    keep = [place for place, key in enumerate(part.keys) if key not in keys]
    rows = torch.tensor(keep, dtype=torch.int64, device=part.labels.device)
    return LabelledImages(
        part.images[rows], part.labels[rows], [part.keys[place] for place in keep]
    )
