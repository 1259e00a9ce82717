"""Section `classifier`: what it chooses of what a dataset has."""

from typing import Any

import pytest

from susx.config import parse_config
from susx.config.classifier import ClassifierSettings
from susx.core.errors import InputError
from susx.evaluation.case import Case
from susx.planning.choice import classifier_case
from tests.made.config import FULL, MINIMAL, edited, message

TEXTS = ["cupl+e", "ensemble", "cupl", "photo"]


def chosen(
    texts: list[str] = TEXTS,
    supports: tuple[str, ...] = ("lc", "sd"),
    tuned_on: str | None = None,
    **section: Any,
) -> Case:
    return classifier_case(ClassifierSettings(**section), texts, supports, tuned_on, "pets")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("tip-x", "cupl+e", "lc", "fixed")),
        ({"tuned_on": "validation"}, ("tip-x", "cupl+e", "lc", "validation")),
        ({"tuned_on": "test"}, ("tip-x", "cupl+e", "lc", "fixed")),
        ({"tuned_on": "test", "protocol": "validation"}, ("tip-x", "cupl+e", "lc", "validation")),
        ({"protocol": "support", "support": "sd"}, ("tip-x", "cupl+e", "sd", "support")),
        ({"texts": ["ensemble"], "supports": ()}, ("zero-shot", "ensemble", None, "none")),
        ({"supports": ()}, ("cupl+e", "cupl+e", None, "none")),
        ({"method": "zero-shot"}, ("zero-shot", "ensemble", None, "none")),
        ({"method": "gda", "text": "photo"}, ("gda", "photo", "lc", "fixed")),
        ({"method": "calip"}, ("calip", "cupl+e", None, "fixed")),
    ],
)
def test_what_is_left_out_is_filled(given: dict[str, Any], expected: tuple[str, ...]) -> None:
    made = chosen(**given)
    assert (made.method, made.text, made.support, made.protocol) == expected


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"method": "tip-x", "supports": ()}, "tip-x needs a support set, and datasets.pets can"),
        ({"support": "zz"}, 'datasets.pets can have "lc", "sd"'),
        ({"text": "zz"}, 'needs prompt strategy "zz", whose texts datasets.pets lacks'),
        ({"protocol": "validation"}, "datasets.pets has no validation images; use `support`"),
        ({"texts": [], "supports": ()}, "no support set and no texts"),
    ],
)
def test_what_a_dataset_lacks_is_named(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError) as caught:
        chosen(**given)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"method": "tipx"}, 'classifier.method: unknown method "tipx"; did you mean "tip-x"?'),
        ({"method": "fusion"}, "classifier.method: fusion learns from all images"),
        ({"method": "transclip"}, "classifier.method: transclip learns from all images"),
        ({"method": "zero-shot", "text": "photo"}, 'zero-shot stands for texts "ensemble"; remove'),
        ({"method": "calip", "support": "lc"}, "classifier.support: calip uses no support set"),
        ({"method": "zero-shot", "protocol": "fixed"}, "zero-shot has nothing to choose"),
        ({"encoder": "clop"}, 'no entry "clop" under encoders; did you mean "clip"?'),
        ({"text": "foto"}, 'no entry "foto" under prompts; did you mean "photo"?'),
        ({"support": "fews"}, 'no entry "fews" under supports; did you mean "few"?'),
        ({"protocol": "test"}, "classifier.protocol: "),
        ({"methods": "tip-x"}, 'classifier.methods: unknown key; did you mean "method"?'),
    ],
)
def test_what_does_not_fit_is_an_error(section: dict[str, str], problem: str) -> None:
    text = message({**FULL, "classifier": section})
    assert text.startswith("config.yaml: classifier.")
    assert problem in text


def test_four_lines_name_a_folder_without_labels() -> None:
    images = {"unlabelled": "my/photos"}
    dataset = {"classes": "my/classes.txt", "images": images}
    config = parse_config({**MINIMAL, "datasets": {"pets": dataset}})
    assert config.datasets["pets"].images is not None
    assert not config.datasets["pets"].images.labelled


def test_a_folder_without_labels_stands_beside_labelled_ones() -> None:
    config = parse_config(edited("datasets.pets.images.unlabelled", "all"))
    assert config.datasets["pets"].images is not None
    assert config.datasets["pets"].images.labelled
