"""Text classifiers: texts averaged over each class."""

from dataclasses import replace

import numpy as np
import pytest

from susx.cache import Embeddings
from susx.errors import InputError
from susx.text_classifier import text_classifier
from tests.closeness import assert_close
from tests.helpers import unit_rows
from tests.unit.made_caches import CLASSES, embeddings


def texts(dtype: str = "float32", n: int = 7) -> Embeddings:
    """Unit rows of texts whose classes are mixed, with lengths."""
    features = unit_rows(np.random.default_rng(2), n, 5).astype(dtype)
    return embeddings(features, np.array([2, 0, 0, 1, 2, 0, 1])[:n])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_text_classifier_averages_the_texts_of_every_class(dtype: str) -> None:
    made = texts(dtype)
    assert made.norms is not None
    text = text_classifier(made, CLASSES.names)
    assert text.raw is not None
    for c in range(3):
        rows = [i for i, label in enumerate(made.labels) if label == c]
        unit = [[float(x) for x in made.features[i]] for i in rows]
        raw = [[float(made.norms[i]) * x for x in row] for i, row in zip(rows, unit, strict=True)]
        mean = [sum(column) / len(rows) for column in zip(*unit, strict=True)]
        length = sum(x * x for x in mean) ** 0.5
        # Means in float64 are rounded once, by up to half a spacing, to be stored.
        assert_close(text.means[c], mean, 0.51)
        assert_close(text.weights[c], [x / length for x in mean], 0.51)
        expected = [sum(column) / len(rows) for column in zip(*raw, strict=True)]
        assert_close(text.raw[c], expected, 0.51)
    for part in (text.weights, text.means, text.raw):
        assert (part.dtype, part.shape) == (np.float32, (3, 5))


def test_text_classifier_does_not_depend_on_row_order() -> None:
    made = texts()
    assert made.norms is not None
    order = np.random.default_rng(1).permutation(7)
    mixed = replace(
        made, features=made.features[order], labels=made.labels[order], norms=made.norms[order]
    )
    for part in ("weights", "means", "raw"):
        first, second = (getattr(text_classifier(e, CLASSES.names), part) for e in (made, mixed))
        assert_close(first, second, 1)


def test_text_classifier_of_unknown_lengths_has_no_raw_means() -> None:
    assert text_classifier(replace(texts(), norms=None), CLASSES.names).raw is None


def test_class_without_text_is_named() -> None:
    with pytest.raises(
        InputError, match=r'class "St\. Bernard" has no text embedding; rebuild the text c'
    ):
        text_classifier(texts(n=3), CLASSES.names)
