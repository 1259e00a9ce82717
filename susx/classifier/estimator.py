"""A method as an estimator of scikit-learn, without pipeline and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from susx.classifier.embedding import embedded
from susx.classifier.pictures import sources_of
from susx.config.encoders import EncoderSettings, encoder_section
from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings, normalised
from susx.embeddings.text_classifier import text_classifier
from susx.encoders import load_encoder
from susx.encoders.protocol import Encoder
from susx.evaluation.calibration import probabilities
from susx.methods import METHODS, Context, Images
from susx.methods.base import PUBLISHED_SCALE, Fit
from susx.prompts.strategies import fill

TEMPLATE = "a photo of a {}."


class SusXClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classify by a text classifier and a support set, with any method of the package.

    X are embedded images, (N, d) rows of any length, or with an `encoder` images in any form that
    `susx.classifier.pictures.sources_of` takes. What `fit` gets is the support set; methods
    without one are fitted to class names, `fit(None, names)`. Nothing is trained, and
    hyper-parameters are the published ones unless they are given.

    A method that learns from the images that it classifies together gives an image other
    probabilities beside other images; where support images can stand for these (`tip-x`), they do.

    Args:
        method: name of a method, `susx.methods.METHODS`.
        names: C class names in label order; by default the sorted labels.
        text: the texts of every class in this order, embedded: (C, d), or C arrays (n, d). By
            default the names in `templates`, embedded; without an encoder the class means of the
            support set, so that images alone decide.
        encoder: section of an encoder, such as
            `{"library": "transformers", "model": "openai/clip-vit-base-patch32"}`.
        templates: texts with `{}` for a class name.
        hyperparameters: values by name, in the units of the encoder's logit scale.
        logit_scale: factor on cosines; by default the encoder's, without one CLIP's 100.
        temperature: that logits are divided by for probabilities.

    Attributes:
        classes_: (C,) classes, in label order.
        n_features_in_: d, where X are embedded images.
    """

    def __init__(
        self,
        method: str = "tip-x",
        *,
        names: Sequence[str] | None = None,
        text: Any = None,
        encoder: EncoderSettings | Mapping[str, Any] | None = None,
        templates: Sequence[str] = (TEMPLATE,),
        hyperparameters: Mapping[str, float] | None = None,
        logit_scale: float | None = None,
        temperature: float = 1.0,
    ) -> None:
        self.method = method
        self.names = names
        self.text = text
        self.encoder = encoder
        self.templates = templates
        self.hyperparameters = hyperparameters
        self.logit_scale = logit_scale
        self.temperature = temperature

    def fit(self, X: Any, y: ArrayLike) -> SusXClassifier:
        """Take a support set, or class names.

        Args:
            X: M support images, or None for a method without a support set.
            y: their M labels; without support images the class names.

        Raises:
            InputError: if something that the method needs is missing, unreadable or does not fit.
        """
        method = METHODS.named(self.method)
        if method.needs_support and X is None:
            raise InputError(f"{method.name} needs support images; give them as X")
        encoder, rows, labels = self._load(), None, self._labels(X, y)
        if X is not None:
            rows = self._images(X, y, encoder).features
        context = self._context(encoder, rows, labels)
        values = self.hyperparameters
        if values is None:
            values = method.scaled(method.fixed, context.logit_scale)
        if method.calibrate is not None and method.needs_support:
            constants = method.calibrate(context, Images(context.required_support))
            context = replace(context, constants=constants)
        self.encoder_, self.fit_ = encoder, method.fit(context, values)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The best class of each of N images: (N,) of `classes_`.

        Raises:
            InputError: if an image is unreadable, or X does not fit.
        """
        best = self._logits(X).argmax(dim=1)
        found: NDArray[Any] = self.classes_[best.cpu().numpy()]
        return found

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (N, C) of `classes_`; their rows add up to one.

        Raises:
            InputError: if an image is unreadable, or X does not fit.
        """
        shares: NDArray[np.float64] = probabilities(self._logits(X), self.temperature).numpy()
        return shares

    def _load(self) -> Encoder | None:
        if self.encoder is None:
            return None
        section = self.encoder
        if not isinstance(section, EncoderSettings):
            section = encoder_section(**section)
        self._settings = section
        return load_encoder(section)

    def _labels(self, X: Any, y: ArrayLike) -> NDArray[np.int64]:
        """Numbers of the labels; sets `classes_`."""
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        given = np.asarray(y)
        check_classification_targets(given)
        if self.names is None and X is None:
            self.classes_ = given  # in the order that they are given in
        else:
            self.classes_ = np.unique(given) if self.names is None else np.asarray(self.names)
        places = {name: place for place, name in enumerate(self.classes_.tolist())}
        if len(places) < len(self.classes_):
            raise InputError("names: a class stands there twice; names must be unique")
        if unknown := sorted({*given.ravel().tolist()} - places.keys()):
            raise InputError(f"y: {unknown[0]!r} is none of the names")
        return np.array([places[label] for label in given.ravel().tolist()], np.int64)

    def _images(self, X: Any, y: Any, encoder: Encoder | None) -> Images:
        """Images of X as unit rows."""
        if encoder is None:
            given = {"X": X} if y is None else {"X": X, "y": y}
            checked = validate_data(self, **given, reset=y is not None, dtype=np.float64)
            rows, norms = normalised(checked if y is None else checked[0])
            if not (norms > 0).all():
                raise InputError(f"X: row {int((norms == 0).argmax())} has no length")
            return Images(torch.from_numpy(rows).float(), torch.from_numpy(norms).float())
        patches = "patches" in METHODS.named(self.method).needs and y is None
        found = embedded(sources_of(X), encoder, self._settings, patches)
        for place, reason in enumerate(found.reasons):
            if reason:
                raise InputError(f"image {place} cannot be read: {reason}")
        if y is not None and len(found.reasons) != np.size(y):
            raise InputError(f"{len(found.reasons)} images with {np.size(y)} labels")
        parts = None if found.patches is None else torch.from_numpy(found.patches)
        features = torch.from_numpy(found.features).float()
        return Images(features, torch.from_numpy(found.norms), parts)

    def _context(
        self, encoder: Encoder | None, rows: torch.Tensor | None, labels: NDArray[np.int64]
    ) -> Context:
        """What the method may know."""
        scale = self.logit_scale
        if scale is None:
            scale = PUBLISHED_SCALE if encoder is None else encoder.logit_scale
        texts = self._texts(encoder, rows, labels)
        found = text_classifier(texts, [str(name) for name in self.classes_])
        return Context(
            torch.from_numpy(found.weights),
            scale,
            support=rows,
            support_labels=None if rows is None else torch.from_numpy(labels),
            text_means=torch.from_numpy(found.means),
            text_raw=None if found.raw is None else torch.from_numpy(found.raw),
            texts=torch.from_numpy(texts.features),
            text_labels=torch.from_numpy(texts.labels.astype(np.int64)),
        )

    def _texts(
        self, encoder: Encoder | None, rows: torch.Tensor | None, labels: NDArray[np.int64]
    ) -> Embeddings:
        """Texts of the classes, embedded."""
        if self.text is not None:
            parts = [np.atleast_2d(np.asarray(part, np.float32)) for part in self.text]
            if len(parts) != len(self.classes_):
                raise InputError(f"text: {len(parts)} classes, but there are {len(self.classes_)}")
            raw, owners = np.concatenate(parts), np.repeat(range(len(parts)), [*map(len, parts)])
        elif encoder is not None:
            written = [
                fill(each, str(name)) for name in self.classes_.tolist() for each in self.templates
            ]
            raw = encoder.encode_texts(written).numpy()
            owners = np.repeat(range(len(self.classes_)), len(self.templates))
        elif rows is not None:
            raw, owners = rows.numpy(), labels
        else:
            raise InputError("class names alone need an `encoder`, or their embedded `text`")
        unit, norms = normalised(check_array(raw, dtype=np.float32, input_name="text"))
        keys = [str(place) for place in range(len(unit))]
        return Embeddings(unit, owners.astype(np.int32), keys, {}, norms)

    def _logits(self, X: Any) -> torch.Tensor:
        check_is_fitted(self, "fit_")
        fit: Fit = self.fit_
        return fit.logits(self._images(X, None, self.encoder_))
