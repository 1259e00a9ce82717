"""The estimator of scikit-learn: its contract, and the numbers of the methods themselves."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import susx
from susx.classifier.estimator import TEMPLATE, SusXClassifier
from susx.core.errors import InputError
from susx.core.extras import EXTRAS
from susx.methods import METHODS, Context, Images
from tests.helpers import image_bytes, make_problem

PROBLEM = make_problem(0)
NAMES = [f"class {c}" for c in range(len(PROBLEM.text))]
BESIDE_THE_POINT = {
    "check_estimators_dtypes": "a row of zeros has no direction",
    "check_fit2d_1feature": "on a line there are two directions, and classes that share one",
    "check_classifier_data_not_an_array": "rows of one direction in two classes",
    "check_methods_subset_invariance": "its tolerance is below that of float32; ours is below",
}
"""Checks of scikit-learn on data that are no embeddings, which are refused with a reason, and one
of equality: a matrix product in float32 may round otherwise with other numbers of rows."""


@parametrize_with_checks(
    [SusXClassifier()], expected_failed_checks=lambda estimator: BESIDE_THE_POINT
)
def test_it_is_an_estimator(estimator: SusXClassifier, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("name", ["zero-shot", "tip-adapter", "tip-x", "gda", "fusion", "dn"])
def test_logits_are_those_of_the_method(name: str) -> None:
    """Rows of any length are taken by their direction, but for methods that read lengths."""
    method, lengths = METHODS[name], np.linspace(0.5, 3, len(PROBLEM.images))[:, None]
    labels = [NAMES[label] for label in PROBLEM.support_labels]
    given = SusXClassifier(name, names=NAMES, text=PROBLEM.text)
    fitted = given.fit(3 * PROBLEM.support, labels)
    text, support = torch.from_numpy(PROBLEM.text), torch.from_numpy(PROBLEM.support)
    context = Context(
        text, 100.0, support, torch.from_numpy(PROBLEM.support_labels).long(), text, text
    )
    if name == "tip-x":
        assert method.calibrate is not None
        context = replace(context, constants=method.calibrate(context, Images(support)))
    images = Images(torch.from_numpy(PROBLEM.images), torch.from_numpy(lengths[:, 0]).float())
    logits = method.fit(context, method.scaled(method.fixed, 100.0)).logits(images)
    shares = torch.softmax(logits.double(), dim=1).numpy()
    # Logits are about 100 and end in 7 digits; a share changes by what its logit does.
    np.testing.assert_allclose(
        fitted.predict_proba(lengths * PROBLEM.images), shares, atol=100 * 2**-20
    )
    right = [NAMES[best] for best in logits.argmax(dim=1)]
    assert fitted.predict(lengths * PROBLEM.images).tolist() == right
    assert fitted.classes_.tolist() == NAMES


def test_an_image_has_its_probabilities_in_any_company() -> None:
    fitted = SusXClassifier(names=NAMES, text=PROBLEM.text)
    fitted.fit(PROBLEM.support, np.array(NAMES)[PROBLEM.support_labels])
    alone = np.concatenate([fitted.predict_proba(image[None]) for image in PROBLEM.images])
    # Logits are about 100 and end in 7 digits; a share changes by what its logit does.
    np.testing.assert_allclose(alone, fitted.predict_proba(PROBLEM.images), atol=100 * 2**-20)


def test_a_tie_of_all_classes_is_no_prediction() -> None:
    """InMaP shares one image equally among all classes."""
    fitted = SusXClassifier("inmap", names=NAMES, text=PROBLEM.text).fit(None, NAMES)
    with pytest.raises(InputError, match=r"inmap finds all classes equal for image 0; .*at once"):
        fitted.predict(PROBLEM.images[:1])
    assert len(fitted.predict(PROBLEM.images)) == len(PROBLEM.images)


def test_without_texts_the_means_of_the_support_set_stand_for_classes() -> None:
    fitted = SusXClassifier("zero-shot").fit(PROBLEM.support, PROBLEM.support_labels)
    means = np.stack([
        PROBLEM.support[PROBLEM.support_labels == c].mean(axis=0) for c in fitted.classes_
    ])  # fmt: skip
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    assert fitted.predict(PROBLEM.images).tolist() == [
        fitted.classes_[best] for best in (PROBLEM.images @ means.T).argmax(axis=1)
    ]


def test_it_stands_in_a_pipeline() -> None:
    pipeline = make_pipeline(FunctionTransformer(lambda rows: rows / 2), SusXClassifier())
    score = pipeline.fit(PROBLEM.support, PROBLEM.support_labels).score(
        PROBLEM.support, PROBLEM.support_labels
    )
    assert score > 0.9


def test_images_and_names_through_an_encoder(tiny_clip: Path, tmp_path: Path) -> None:
    encoder = {"library": "transformers", "model": str(tiny_clip), "device": "cpu"}
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(paths):
        path.write_bytes(image_bytes((40 * number, 90, 200 - 30 * number)))
    labels = ["kiwi", "apple"] * 3
    support = SusXClassifier("tip-adapter", encoder=encoder).fit(paths, labels)
    assert support.classes_.tolist() == ["apple", "kiwi"]
    names = SusXClassifier("zero-shot", encoder=encoder).fit(None, ["kiwi", "apple"])
    assert names.classes_.tolist() == ["apple", "kiwi"]
    loaded = names.encoder_
    rows = loaded.encode_images(torch.stack([loaded.preprocess(Image.open(p)) for p in paths]))
    text = loaded.encode_texts([TEMPLATE.replace("{}", name) for name in names.classes_])
    cosines = torch.nn.functional.cosine_similarity(rows[:, None], text[None], dim=2)
    shares = torch.softmax(loaded.logit_scale * cosines.double(), dim=1)
    # Cosines end in 2**-24 after sums over some dozens of dimensions, times the scale.
    atol = loaded.logit_scale * 2**-20
    np.testing.assert_allclose(names.predict_proba(paths), shares, atol=atol)
    with pytest.raises(InputError, match=r"image 1 cannot be read: "):
        names.predict([paths[0], b"no image"])
    with pytest.raises(InputError, match="6 images with 2 labels"):
        SusXClassifier(encoder=encoder).fit(paths, ["kiwi", "apple"])


def test_classes_are_sorted_whatever_the_order_of_names_and_texts() -> None:
    """Scorers of scikit-learn take probabilities for those of sorted classes."""
    labels = np.array(NAMES)[PROBLEM.support_labels]
    plain = SusXClassifier(names=NAMES, text=PROBLEM.text).fit(PROBLEM.support, labels)
    turned = SusXClassifier(names=NAMES[::-1], text=PROBLEM.text[::-1])
    turned.fit(PROBLEM.support, labels)
    shares = turned.predict_proba(PROBLEM.images)
    assert turned.classes_.tolist() == sorted(NAMES)
    np.testing.assert_array_equal(shares, plain.predict_proba(PROBLEM.images))
    right = np.array(NAMES)[PROBLEM.labels]
    own = shares[range(len(right)), np.searchsorted(sorted(NAMES), right)]
    mean = -np.log(own.clip(np.finfo(np.float64).eps)).mean()  # as log_loss clips them
    assert log_loss(right, shares, labels=sorted(NAMES)) == pytest.approx(mean)
    alone = SusXClassifier("zero-shot", text=PROBLEM.text[::-1]).fit(None, NAMES[::-1])
    straight = SusXClassifier("zero-shot", text=PROBLEM.text).fit(None, NAMES)
    np.testing.assert_array_equal(
        alone.predict_proba(PROBLEM.images), straight.predict_proba(PROBLEM.images)
    )


def test_a_fit_that_fails_changes_nothing() -> None:
    fitted = SusXClassifier(names=NAMES, text=PROBLEM.text)
    fitted.fit(PROBLEM.support, np.array(NAMES)[PROBLEM.support_labels])
    before = fitted.predict(PROBLEM.images).tolist()
    with pytest.raises(InputError):
        fitted.set_params(names=["x", "y"]).fit(PROBLEM.support, PROBLEM.support_labels)
    assert fitted.predict(PROBLEM.images).tolist() == before


def test_tensors_are_taken_and_rows_of_another_width_refused() -> None:
    rows = torch.from_numpy(PROBLEM.images).requires_grad_()
    fitted = SusXClassifier("zero-shot", text=torch.from_numpy(PROBLEM.text)).fit(None, NAMES)
    assert len(fitted.predict(rows)) == len(rows)
    with pytest.raises(ValueError, match="is expecting 8 features"):
        fitted.predict(PROBLEM.images[:, :5])


def test_what_cannot_be_fitted_is_said() -> None:
    rows, labels = PROBLEM.support, PROBLEM.support_labels
    for parameters, args, reason in (
        ({"text": PROBLEM.text[:, :5]}, (rows, labels), "text has 5 dimensions, X has 8"),
        ({"text": ["a", "b"]}, (rows, labels), "text are of type <U1"),
        ({"temperature": 0}, (rows, labels), "temperature is 0; give a finite number above 0"),
        ({"temperature": float("nan")}, (rows, labels), "temperature is nan"),
        ({"logit_scale": -1}, (rows, labels), "logit_scale is -1"),
        ({"hyperparameters": {"alpha": "a"}}, (rows, labels), "alpha is 'a'"),
        ({"names": "abc"}, (rows, labels), "names is one text; give a list"),
        ({"templates": ()}, (rows, labels), "templates: there is none"),
        ({"encoder": {}}, (rows, labels), "encoder: .*give its section"),
        ({"encoder": {"library": "transformers", "modell": "x"}}, (rows, labels), "modell"),
        ({"names": [*range(9)]}, (rows, labels), 'class "5" has neither texts nor support images'),
        ({}, (None, NAMES), "tip-x needs support images; give them as X"),
        ({"method": "zero-shot"}, (None, NAMES), "class names alone need an `encoder`"),
        ({"method": "tipx"}, (rows, labels), "tipx"),
        ({"names": ["a", "a"]}, (rows, labels), "a class stands there twice"),
        ({"names": ["a", "b"]}, (rows, ["c"] * len(rows)), "'c' is none of the names"),
        ({"text": PROBLEM.text[:1]}, (rows, labels), "text: 1 classes, but there are"),
        ({"method": "calip"}, (rows, labels), "reads patches of images; give an `encoder`"),
    ):
        with pytest.raises(InputError, match=reason):
            SusXClassifier(**parameters).fit(*args).predict(PROBLEM.images)


def test_the_package_offers_it_without_importing_it() -> None:
    assert susx.SusXClassifier is SusXClassifier
    code = "import sys, susx; print({'torch', 'sklearn', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
    with pytest.raises(AttributeError, match="no attribute 'SusX'"):
        _ = susx.SusX


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "sklearn", ("no_such_module",))
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'susx\[sklearn\]'"):
        _ = susx.SusXClassifier
