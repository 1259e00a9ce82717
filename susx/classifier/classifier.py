"""A classifier that was taken out of the pipeline: names and probabilities for any image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from susx.classifier.embedding import EmbeddedImages, embedded
from susx.classifier.meta import ClassifierMeta, class_manifest_of
from susx.classifier.pictures import plain_array, sources_of
from susx.core.compute import pick_device
from susx.core.errors import InputError
from susx.embeddings.cache import NORM_TOLERANCE, disagreement
from susx.embeddings.prepare import ImageSource
from susx.encoders import load_encoder
from susx.encoders.protocol import Encoder
from susx.evaluation.calibration import probabilities
from susx.manifests.classes import ClassManifest
from susx.methods import METHODS, Context, Images, Method
from susx.methods.voters import voters

TOP = 5
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Predictions:
    """What a classifier says of N images; unpacks into `names, probabilities`.

    Attributes:
        classes: C class names.
        probabilities: (N, C) float64 rows that add up to one, NaN for an unreadable image.
        ranks: (N, min(C, 5)) classes, the best first; -1 for an unreadable image.
        reasons: N texts, why an image cannot be read, else empty.
    """

    classes: Sequence[str]
    probabilities: NDArray[np.float64]
    ranks: NDArray[np.int64]
    reasons: Sequence[str]

    @property
    def names(self) -> list[str | None]:
        """The best class of every image, None for an unreadable one."""
        return [None if best < 0 else self.classes[best] for best in self.ranks[:, 0]]

    def top(self, place: int, n: int = TOP) -> list[tuple[str, float]]:
        """The n best classes of an image with their probabilities, at most five."""
        best = self.ranks[place, :n].tolist()
        return [(self.classes[c], float(self.probabilities[place, c])) for c in best if c >= 0]

    def labelled(self, n: int = TOP) -> list[list[dict[str, str | float]]]:
        """The n best classes of every image, as image-classification pipelines of transformers.

        At most five `{"label": name, "score": probability}` each, none for an unreadable image.
        """
        return [
            [{"label": name, "score": share} for name, share in self.top(place, n)]
            for place in range(len(self.reasons))
        ]

    def __iter__(self) -> Iterator[Any]:
        return iter((self.names, self.probabilities))


@dataclass(frozen=True)
class Classifier:
    """A method with all that it needs.

    `susx.classifier.export` makes it, `susx.load_classifier` reads it.

    Attributes:
        meta: what it is and how it was made.
        context: text classifier, support set and constants, on its device.
        model: folder or hub identifier of the encoder, if not where it was.
    """

    meta: ClassifierMeta
    context: Context
    model: str | None = None

    @property
    def method(self) -> Method:
        """Its method."""
        return METHODS[self.meta.method]

    @cached_property
    def classes(self) -> ClassManifest:
        """Its classes."""
        return class_manifest_of(self.meta.classes)

    @cached_property
    def encoder(self) -> Encoder:
        """Its encoder, loaded when first used.

        Raises:
            InputError: if it cannot be loaded, or is not the one that the classifier was made with.
        """
        changed = {"device": self.context.text.device.type}
        if self.model is not None:
            changed["model"] = self.model
        settings = self.meta.encoder_settings.model_copy(update=changed)
        encoder = load_encoder(settings)
        if key := disagreement(encoder.provenance, self.meta.encoder):
            raise InputError(
                f"encoder {settings.model}: {key} is not that of the encoder which the classifier "
                "was made with; name the right model, or export the classifier again"
            )
        return encoder

    def logits(self, images: Images) -> Tensor:
        """Logits (N, C) of embedded images; those of the evaluation, where there was one."""
        return self.method.fit(self.context, self.meta.hyperparameters).logits(images)

    def predict_features(
        self, features: Floats, norms: Floats | None = None, patches: Floats | None = None
    ) -> Predictions:
        """Classify embedded images.

        Args:
            features: (N, d) unit rows.
            norms: (N,) their lengths before normalisation, which `dn` needs.
            patches: (N, P, d) unit rows of patches, which `calip` needs.

        Raises:
            InputError: if types, shapes or lengths are wrong, or something that is needed is
                missing.
        """
        images = self._images(features, norms, patches)
        logits = self.logits(images)
        ranks = logits.argsort(dim=1, descending=True, stable=True)[:, :TOP].cpu().numpy()
        calibrated = probabilities(logits, self.meta.temperature).numpy()
        return Predictions(self.classes.names, calibrated, ranks, [""] * len(images))

    def predict(
        self,
        images: ImageSource | Floats | Tensor | Sequence[ImageSource | Floats | Tensor],
        batch_size: int | None = None,
        threads: int | None = None,
    ) -> Predictions:
        """Classify images.

        Args:
            images: one image, or several in any mixture; `susx.classifier.pictures.sources_of` says
                in which forms.
            batch_size: images per forward pass; that of the pipeline if left out.
            threads: images decoded at the same time; one per processor if left out.

        Raises:
            InputError: if the encoder cannot be loaded or is not the right one, or `batch_size` or
                `threads` is below 1.
            TypeError: if something is no image.
        """
        for name, number in (("batch_size", batch_size), ("threads", threads)):
            if number is not None and number < 1:
                raise InputError(f"{name} is {number}; give at least 1, or leave it out")
        found = self.embed(sources_of(images), batch_size, threads)
        if not len(found.features):
            return self._unreadable(found.reasons)
        shares = self.predict_features(found.features, found.norms, found.patches)
        return _spread(shares, found.reasons)

    def embed(
        self,
        sources: Sequence[ImageSource],
        batch_size: int | None = None,
        threads: int | None = None,
    ) -> EmbeddedImages:
        """Embed images as the method needs them, patches included.

        Args:
            sources: N images.
            batch_size: images per forward pass; that of the pipeline if left out.
            threads: images decoded at the same time; one per processor if left out.

        Raises:
            InputError: if the encoder cannot be loaded or is not the right one.
        """
        device = self.context.text.device.type
        settings = self.meta.encoder_settings.model_copy(update={"device": device})
        wanted = "patches" in self.method.needs
        return embedded(sources, self.encoder, settings, wanted, batch_size, threads)

    def _unreadable(self, reasons: list[str]) -> Predictions:
        names = self.classes.names
        ranks = np.empty((0, min(TOP, len(names))), np.int64)
        return _spread(Predictions(names, np.empty((0, len(names))), ranks, []), reasons)

    def voters(
        self, features: Floats, classes: NDArray[np.int64], n: int
    ) -> list[list[tuple[str, float]]]:
        """The support images that voted most for a class of every image, with their votes.

        Args:
            features: (N, d) unit rows.
            classes: (N,) the class whose voters are wanted.
            n: how many, at most.

        Returns:
            Per image pairs of a support image's key and what it adds to the class's logit, the
            largest first; none for a method without such votes.

        Raises:
            InputError: if types, shapes or lengths are wrong, or a number is that of no class.
        """
        keys = self.meta.support_keys
        shown = self._images(features, None, None).features
        fitted = self.method.fit(self.context, self.meta.hyperparameters)
        wanted = plain_array(classes, "classes")
        if wanted.shape != shown.shape[:1] or wanted.dtype.kind not in "iu":
            raise InputError(
                f"classes are {wanted.shape} of type {wanted.dtype}; give a whole number for each "
                f"of the {len(shown)} features"
            )
        if beyond := sorted(set(wanted.tolist()) - set(range(len(self.classes)))):
            raise InputError(
                f"class {beyond[0]}, but classes are numbered from 0 to {len(self.classes) - 1}"
            )
        if n < 1:
            raise InputError(f"n is {n}; give at least 1")
        found = voters(fitted, shown, torch.from_numpy(wanted.astype(np.int64)), n)
        return [[(keys[i], vote) for i, vote in row] for row in found]

    def _images(self, features: Floats, norms: Floats | None, patches: Floats | None) -> Images:
        """Checked arrays as tensors."""
        rows, dimension = plain_array(features, "features"), self.context.text.shape[1]
        if rows.ndim != 2 or rows.shape[1] != dimension:
            raise InputError(f"features are {rows.shape}, expected (N, {dimension})")
        given = {"norms": norms, "patches": patches}
        beside = {name: plain_array(p, name) for name, p in given.items() if p is not None}
        if any(part.shape[:1] != rows.shape[:1] for part in beside.values()):
            raise InputError(f"{len(rows)} features with another number of norms or patches")
        for name, part in beside.items():
            shape = (len(rows), *part.shape[1:2], dimension) if name == "patches" else (len(rows),)
            if part.shape != shape or not np.isfinite(part).all():
                raise InputError(f"{name} are {part.shape}, or not finite; expected {shape}")
        lengths = np.linalg.norm(rows.astype(np.float32), axis=1)
        if not (np.abs(lengths - 1) <= NORM_TOLERANCE.get(str(rows.dtype), 1e-4)).all():
            raise InputError("features are not unit rows; divide each by its length")
        device = self.context.text.device
        tensors = {name: torch.from_numpy(part) for name, part in beside.items()}
        if "norms" in tensors:
            tensors["norms"] = tensors["norms"].to(device)
        return Images(torch.from_numpy(rows).float().to(device), **tensors)


def on_device(context: Context, device: str) -> Context:
    """A context on another device.

    Raises:
        InputError: if there is no such device.
    """
    place = pick_device(device)
    return with_tensors(context, lambda part: part.to(place))


def with_tensors(context: Context, change: Callable[[Tensor], Tensor]) -> Context:
    """A context whose tensors are changed alike, constants included."""

    def changed(part: Any) -> Any:
        return change(part) if isinstance(part, Tensor) else part

    parts = {name: changed(part) for name, part in vars(context).items()}
    constants = {name: change(part) for name, part in context.constants.items()}
    return Context(**{**parts, "constants": constants})


def _spread(found: Predictions, reasons: list[str]) -> Predictions:
    """Put predictions of the readable images where they belong among all."""
    readable = np.array([not reason for reason in reasons], dtype=bool)
    shares = np.full((len(reasons), found.probabilities.shape[1]), np.nan)
    ranks = np.full((len(reasons), found.ranks.shape[1]), -1)
    shares[readable], ranks[readable] = found.probabilities, found.ranks
    return Predictions(found.classes, shares, ranks, reasons)
