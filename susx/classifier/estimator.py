"""A method as an estimator of scikit-learn, without pipeline and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d, validate_data

from susx.classifier.embedding import embedded
from susx.classifier.pictures import plain_array, sources_of
from susx.config.encoders import EncoderSettings, encoder_section
from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings, normalised
from susx.embeddings.text_classifier import text_classifier
from susx.encoders import load_encoder
from susx.encoders.protocol import Encoder
from susx.evaluation.calibration import probabilities
from susx.methods import METHODS, Context, Images, Method
from susx.methods.base import PUBLISHED_SCALE, Fit
from susx.prompts.strategies import fill

TEMPLATE = "a photo of a {}."
EXAMPLE = '{"library": "transformers", "model": "openai/clip-vit-base-patch32"}'


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
        names: C class names; by default those that `y` has.
        text: the texts of every class, embedded: (C, d), or C arrays (n, d), in the order of
            `names`, else of the sorted labels, without support images of `y`. By default the names
            in `templates`, embedded; without an encoder the class means of the support set, so
            that images alone decide.
        encoder: section of an encoder, such as
            `{"library": "transformers", "model": "openai/clip-vit-base-patch32"}`.
        templates: texts with `{}` for a class name.
        hyperparameters: values by name, in the units of the encoder's logit scale.
        logit_scale: factor on cosines; by default the encoder's, without one CLIP's 100.
        temperature: that logits are divided by for probabilities.

    Attributes:
        classes_: (C,) classes, sorted, as scikit-learn has them; the order of probabilities.
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
        self._check(method, X)
        classes, given, labels = self._labels(X, y)
        settings, encoder = self._load()
        rows = None if X is None else self._images(X, y, settings, encoder).features
        context = self._context(classes, given, encoder, rows, labels)
        values = self.hyperparameters
        if values is None:
            values = method.scaled(method.fixed, context.logit_scale)
        if method.calibrate is not None and method.needs_support:
            constants = method.calibrate(context, Images(context.required_support))
            context = replace(context, constants=constants)
        fit = method.fit(context, values)
        if encoder is None:
            self.n_features_in_ = context.text.shape[1]
        elif hasattr(self, "n_features_in_"):
            del self.n_features_in_  # of an earlier fit to embeddings
        self.classes_, self.fit_ = classes, fit
        self.settings_, self.encoder_ = settings, encoder
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The best class of each of N images: (N,) of `classes_`.

        Raises:
            InputError: if an image is unreadable, X does not fit, or a method that learns from the
                images of a call finds all classes equal, as from one image alone.
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

    def _check(self, method: Method, X: Any) -> None:
        """Refuse parameters that no method could take."""
        if method.needs_support and X is None:
            raise InputError(f"{method.name} needs support images; give them as X")
        if "patches" in method.needs and self.encoder is None:
            raise InputError(f"{method.name} reads patches of images; give an `encoder`")
        scale = {} if self.logit_scale is None else {"logit_scale": self.logit_scale}
        for name, number in {"temperature": self.temperature, **scale}.items():
            if not isinstance(number, Real) or not 0 < float(number) < np.inf:
                raise InputError(f"{name} is {number!r}; give a finite number above 0")
        for name, value in (self.hyperparameters or {}).items():
            if not isinstance(value, Real) or not np.isfinite(float(value)):
                raise InputError(f"hyperparameters: {name} is {value!r}; give a finite number")
        for name in ("names", "templates"):
            if isinstance(getattr(self, name), str):
                raise InputError(f"{name} is one text; give a list of texts")
        if not len(self.templates):
            raise InputError("templates: there is none; leave them out, or give at least one")

    def _load(self) -> tuple[EncoderSettings | None, Encoder | None]:
        section = self.encoder
        if section is None:
            return None, None
        if not isinstance(section, EncoderSettings):
            try:
                section = encoder_section(**section)
            except (TypeError, KeyError, ValidationError) as error:
                raise InputError(
                    f"encoder: {' '.join(str(error).split())}; give its section, such as {EXAMPLE}"
                ) from None
        return section, load_encoder(section)

    def _labels(self, X: Any, y: Any) -> tuple[NDArray[Any], list[Any], NDArray[np.int64]]:
        """Sorted classes, the same in the order of `text`, and numbers of the labels."""
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        found = np.unique(labels)
        given = labels if X is None else found
        if self.names is not None:
            given = np.asarray(list(self.names))
        classes = np.unique(given)
        if len(classes) < len(given):
            raise InputError("names: a class stands there twice; names must be unique")
        if unknown := [*set(found.tolist()) - set(classes.tolist())]:
            raise InputError(f"y: {unknown[0]!r} is none of the names")
        return classes, given.tolist(), np.searchsorted(classes, labels).astype(np.int64)

    def _images(
        self, X: Any, y: Any, settings: EncoderSettings | None, encoder: Encoder | None
    ) -> Images:
        """Images of X as unit rows."""
        if settings is None or encoder is None:
            if isinstance(X, torch.Tensor):
                X = X.detach().cpu().float().numpy()
            given = {"X": X} if y is None else {"X": X, "y": y}
            checked = validate_data(self, **given, reset=y is not None, dtype=np.float64)
            rows, norms = normalised(checked if y is None else checked[0])
            if not (norms > 0).all():
                raise InputError(f"X: row {int((norms == 0).argmax())} has no length")
            return Images(torch.from_numpy(rows).float(), torch.from_numpy(norms).float())
        patches = "patches" in METHODS.named(self.method).needs and y is None
        found = embedded(sources_of(X), encoder, settings, patches)
        for place, reason in enumerate(found.reasons):
            if reason:
                raise InputError(f"image {place} cannot be read: {reason}")
        if y is not None and len(found.reasons) != np.size(y):
            raise InputError(f"{len(found.reasons)} images with {np.size(y)} labels")
        parts = None if found.patches is None else torch.from_numpy(found.patches)
        features = torch.from_numpy(found.features).float()
        return Images(features, torch.from_numpy(found.norms), parts)

    def _context(
        self,
        classes: NDArray[Any],
        given: list[Any],
        encoder: Encoder | None,
        rows: torch.Tensor | None,
        labels: NDArray[np.int64],
    ) -> Context:
        """What the method may know."""
        scale = self.logit_scale
        if scale is None:
            scale = PUBLISHED_SCALE if encoder is None else encoder.logit_scale
        names = [str(name) for name in classes]
        if self.text is not None:
            places = {name: place for place, name in enumerate(given)}
            texts = self._embedded_texts([places[name] for name in classes.tolist()])
        elif encoder is not None:
            written = [fill(each, name) for name in names for each in self.templates]
            raw = encoder.encode_texts(written).numpy()
            texts = _texts(raw, np.repeat(range(len(names)), len(self.templates)))
        elif rows is not None:
            if absent := sorted(set(range(len(names))) - set(labels.tolist())):
                raise InputError(
                    f'class "{names[absent[0]]}" has neither texts nor support images; give `text` '
                    "or an `encoder`"
                )
            texts = _texts(rows.numpy(), labels)
        else:
            raise InputError("class names alone need an `encoder`, or their embedded `text`")
        found = text_classifier(texts, names)
        if rows is not None and rows.shape[1] != found.weights.shape[1]:
            raise InputError(
                f"text has {found.weights.shape[1]} dimensions, X has {rows.shape[1]}; embed both "
                "with one encoder"
            )
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

    def _embedded_texts(self, order: Sequence[int]) -> Embeddings:
        """The rows of `text`, its classes in another order."""
        try:
            parts = [plain_array(part, "text") for part in self.text]
            rows = [np.atleast_2d(np.asarray(part, np.float32)) for part in parts]
            if len(rows) != len(order):
                raise InputError(f"text: {len(rows)} classes, but there are {len(order)}")
            raw = np.concatenate([rows[place] for place in order])
        except (TypeError, ValueError) as error:
            raise InputError(
                f"text: {error}; give embedded texts, (C, d) or C arrays (n, d)"
            ) from None
        return _texts(raw, np.repeat(range(len(order)), [len(rows[place]) for place in order]))

    def _logits(self, X: Any) -> torch.Tensor:
        check_is_fitted(self, "fit_")
        fit: Fit = self.fit_
        logits = fit.logits(self._images(X, None, self.settings_, self.encoder_))
        tied = (logits == logits[:, :1]).all(dim=1)
        if fit.method.transductive and logits.shape[1] > 1 and tied.any():
            raise InputError(
                f"{fit.method.name} finds all classes equal for image {int(tied.int().argmax())}; "
                "it takes the images of a call for a whole test set: give them all at once"
            )
        return logits


def _texts(raw: NDArray[np.float32], owners: NDArray[np.integer[Any]]) -> Embeddings:
    """Embeddings (S, d) of texts and the classes that they are of."""
    unit, norms = normalised(check_array(raw, dtype=np.float32, input_name="text"))
    keys = [str(place) for place in range(len(unit))]
    return Embeddings(unit, owners.astype(np.int32), keys, {}, norms)
