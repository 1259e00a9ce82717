"""Text classifiers: texts averaged over each class."""

from dataclasses import replace

import numpy as np
import pytest

from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings
from susx.embeddings.text_classifier import same_rows, text_classifier
from susx.encoders.protocol import SAME
from tests.closeness import assert_close
from tests.helpers import unit_rows
from tests.made.caches import CLASSES, embeddings


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


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_classes_with_the_same_vector_are_named(dtype: str) -> None:
    rows = unit_rows(np.random.default_rng(2), 2, 512)
    moved = rows[1] + np.float32(SAME / 4) * unit_rows(np.random.default_rng(3), 1, 512)[0]
    made = embeddings(np.stack([rows[1], rows[0], moved]).astype(dtype), np.arange(3))
    with pytest.raises(InputError, match='same text vector: "zebra" and "ant"; the second'):
        text_classifier(made, CLASSES.names)


def test_texts_that_cancel_out_are_named() -> None:
    rows = unit_rows(np.random.default_rng(2), 2, 5)
    made = embeddings(np.stack([*rows, rows[0], -rows[0]]), np.array([0, 1, 2, 2]))
    with pytest.raises(InputError, match=r'class "ant": its texts cancel out'):
        text_classifier(made, CLASSES.names)


@pytest.mark.parametrize("n", [500, 2000])
def test_near_rows_are_found_among_few_and_many(n: int) -> None:
    random = np.random.default_rng(5)
    rows = unit_rows(random, n, 64).astype(np.float64)
    for first, second, distance in ((3, 410, 0.9), (41, 40, 0.5), (7, 8, 1.1)):
        rows[second] = rows[first] + unit_rows(random, 1, 64)[0] * SAME * distance
    assert same_rows(rows) == [(3, 410), (40, 41)]
    assert same_rows(rows[42:400]) == same_rows(rows[:1]) == []


def test_rows_that_are_all_the_same_are_each_found() -> None:
    assert same_rows(np.ones((5000, 8))) == [(0, i) for i in range(1, 5000)]
