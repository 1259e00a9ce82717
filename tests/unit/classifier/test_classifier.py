"""Exported classifiers: the evaluation's own predictions, and what they are calibrated on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from susx.classifier.classifier import Classifier
from susx.classifier.export import export_classifier
from susx.classifier.file import load_classifier, write_classifier
from susx.core.errors import InputError
from susx.embeddings.cache import read_cache, write_cache
from susx.embeddings.text_classifier import text_classifier
from susx.evaluation import inputs
from susx.evaluation.files import CacheFiles
from susx.evaluation.leakage import NearDuplicate
from susx.methods import Context, Images, Method
from tests.closeness import assert_close, random_walk
from tests.made.caches import CLASSES, write_files
from tests.made.classifier import (
    ENCODER,
    EXPORTABLE,
    PLAN,
    STRATEGIES,
    TUNING,
    choice_of,
    evaluated,
    exported,
    files_for,
)

ALL = pytest.mark.parametrize("method", EXPORTABLE, ids=lambda m: m.name)
TUNED = pytest.mark.parametrize("method", [m for m in EXPORTABLE if m.grid], ids=lambda m: m.name)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CacheFiles:
    return write_files(tmp_path_factory.mktemp("caches"), STRATEGIES)


@pytest.fixture(scope="module")
def evaluation(files: CacheFiles) -> dict[str, Any]:
    return evaluated(files)


def images_of(files: CacheFiles, split: str = "test") -> Images:
    cache, patches = read_cache(files.images[split]), read_cache(files.patches[split])
    assert cache.norms is not None
    parts = (cache.features, cache.norms, patches.features)
    return Images(*map(torch.from_numpy, parts))


def own_logits(files: CacheFiles, method: Method, values: dict[str, float]) -> torch.Tensor:
    """Logits of the method object itself on the test images, as the evaluation computes them."""
    cache = read_cache(files.texts[choice_of(method.name).text])
    text = text_classifier(cache, CLASSES.names)
    assert text.raw is not None
    weights, means, raw = map(torch.from_numpy, (text.weights, text.means, text.raw))
    support = read_cache(files.supports["lc"])
    rows, labels = torch.from_numpy(support.features), torch.from_numpy(support.labels).long()
    context = Context(weights, cache.meta["logit_scale"], rows, labels, means, raw)
    if method.reads == "texts":
        texts, owners = torch.from_numpy(cache.features), torch.from_numpy(cache.labels).long()
        context = replace(context, texts=texts, text_labels=owners)
    return method.fit(context, values).logits(images_of(files))


@pytest.mark.parametrize(
    ("method", "protocol"),
    [
        (method, protocol)
        for method in EXPORTABLE
        for protocol in ("validation", "support", "fixed")
        if method.needs_support or protocol != "support"
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_loaded_classifier_predicts_what_the_evaluation_predicts(
    files: CacheFiles, evaluation: dict[str, Any], method: Method, protocol: str, tmp_path: Path
) -> None:
    made = exported(files, method.name, protocol, evaluation=evaluation)
    write_classifier(tmp_path / "c.safetensors", made)
    loaded = load_classifier(tmp_path / "c.safetensors", device="cpu")
    assert loaded.meta == made.meta
    wanted = vars(choice_of(method.name, protocol)) | {"seed": None}
    (row,) = [r for r in evaluation["runs"] if wanted.items() <= r.items()]
    assert loaded.meta.hyperparameters == row["hyperparameters"]
    assert loaded.meta.tuned_on == row["tuned_on"]
    assert loaded.meta.temperature == row["calibration"]["temperature"]
    assert loaded.meta.calibration.temperature_on == row["calibration"]["on"] == "validation"
    logits = own_logits(files, method, row["hyperparameters"])
    assert torch.equal(loaded.logits(images_of(files)), logits)
    cache = read_cache(files.images["test"])
    patches = read_cache(files.patches["test"]).features
    found = loaded.predict_features(cache.features, cache.norms, patches)
    assert found.names == [CLASSES.names[best] for best in logits.argmax(dim=1)]
    right = sum(CLASSES.names[i] == n for i, n in zip(cache.labels, found.names, strict=True))
    assert right == row["correct"]
    assert loaded.meta.tested is not None
    assert (loaded.meta.tested.correct, loaded.meta.tested.n) == (row["correct"], len(cache))


@ALL
def test_an_image_is_classified_alone_as_among_others(files: CacheFiles, method: Method) -> None:
    made, images = exported(files, method.name), images_of(files)
    alone = torch.cat([made.logits(images[i : i + 1]) for i in range(len(images))])
    # Eight dimensions and nine support images.
    assert_close(alone, made.logits(images), random_walk(8 + 9))


@TUNED
def test_a_row_that_was_not_evaluated_is_tuned_as_the_evaluation_does(
    files: CacheFiles, evaluation: dict[str, Any], method: Method
) -> None:
    for protocol in ("validation", "fixed"):
        with_row = exported(files, method.name, protocol, evaluation=evaluation)
        assert exported(files, method.name, protocol).meta == with_row.meta


def test_hyper_parameters_of_a_few_shot_row_are_those_of_its_seed(
    files: CacheFiles, evaluation: dict[str, Any]
) -> None:
    (row,) = [r for r in evaluation["runs"] if (r["method"], r["protocol"]) == ("gda", "fixed")]
    drawn = [
        row | {"support": "few", "seed": seed, "hyperparameters": {"alpha": float(seed)}}
        for seed in (4, 7)
    ]
    supports = {"few-seed7": files.supports["lc"]}
    made = export_classifier(
        "pets",
        ("clip", ENCODER),
        replace(files_for(files, "gda"), supports=supports),
        choice_of("gda").model_copy(update={"support": "few", "seed": 7}),
        TUNING,
        evaluation=evaluation | {"runs": drawn},
    )
    assert made.meta.hyperparameters == {"alpha": 7.0}


def test_without_test_images_constants_are_those_of_the_support_set(files: CacheFiles) -> None:
    made = exported(files, "tip-x", splits=())
    support = made.context.required_support
    expected = made.method.calibrate
    assert expected is not None
    constants = expected(replace(made.context, constants={}), Images(support))
    assert torch.equal(made.context.constants["rescaling"], constants["rescaling"])
    assert made.meta.calibration.constants_on == "support"
    assert made.meta.tested is None
    assert exported(files, "tip-x").meta.calibration.constants_on == "test"
    assert exported(files, "gda").meta.calibration.constants_on == "nothing"


@pytest.mark.parametrize(
    ("method", "splits", "on", "n"),
    [
        ("tip-x", None, "validation", 10),
        ("tip-x", ("test",), "nothing", 0),
        ("tip-x", (), "nothing", 0),
        ("zero-shot", ("validation",), "validation", 10),
        ("zero-shot", (), "nothing", 0),
    ],
)
def test_the_temperature_says_what_it_was_fitted_on(
    files: CacheFiles, method: str, splits: tuple[str, ...] | None, on: str, n: int
) -> None:
    calibration = exported(files, method, splits=splits).meta.calibration
    assert (calibration.temperature_on, calibration.temperature_images) == (on, n)


def test_validation_images_that_are_the_test_images_fit_no_temperature(files: CacheFiles) -> None:
    made = export_classifier(
        "pets", ("clip", ENCODER), files_for(files, "tip-x", ("test",)),
        choice_of("tip-x", "validation"), replace(TUNING, validation_split="test"),
    )  # fmt: skip
    assert made.meta.tuned_on == "test"
    assert made.meta.calibration.temperature_on == "nothing"
    assert made.meta.temperature == 1


def few_shot_of(files: CacheFiles, support: str) -> Classifier:
    """GDA on a draw of labelled images, without validation images."""
    return export_classifier(
        "pets",
        ("clip", ENCODER),
        replace(files_for(files, "gda", ("test",)), supports={"few-seed7": support}),
        choice_of("gda").model_copy(update={"support": "few", "seed": 7}),
        TUNING,
    )


def test_labelled_support_images_fit_a_temperature(files: CacheFiles) -> None:
    made = few_shot_of(files, files.supports["lc"])
    found = made.meta.calibration
    assert (found.temperature_on, found.temperature_images) == ("support", 9)
    assert made.meta.temperature != 1


@pytest.mark.parametrize("method", ["transclip", "fusion"])
def test_methods_that_learn_from_all_images_make_no_file(files: CacheFiles, method: str) -> None:
    with pytest.raises(InputError, match=f"{method} learns from all images"):
        exported(files, method)


def test_dn_without_test_images_says_what_it_lacks(files: CacheFiles) -> None:
    with pytest.raises(InputError, match=r"dn learns from the images .* name labelled test"):
        exported(files, "dn", splits=("validation",))


def test_protocol_validation_without_validation_images_is_refused(files: CacheFiles) -> None:
    with pytest.raises(InputError, match=r"protocol validation needs validation images"):
        exported(files, "tip-x", "validation", splits=())


def test_a_class_with_one_support_image_gets_temperature_one(
    files: CacheFiles, tmp_path: Path
) -> None:
    cache = read_cache(files.supports["lc"])
    rows = [0, *np.flatnonzero(cache.labels != cache.labels[0])]
    single = replace(
        cache,
        features=cache.features[rows],
        labels=cache.labels[rows],
        keys=[cache.keys[row] for row in rows],
        norms=None,
    )
    write_cache(tmp_path / "one.h5", single)
    made = few_shot_of(files, str(tmp_path / "one.h5"))
    assert made.meta.temperature == 1
    assert made.meta.calibration.temperature_on == "nothing"


def classifier(files: CacheFiles, method: str = "tip-x") -> Classifier:
    return exported(files, method)


def test_probabilities_are_the_softmax_of_cooled_logits(files: CacheFiles) -> None:
    made, cache = classifier(files), read_cache(files.images["test"])
    names, shares = made.predict_features(cache.features)
    powers = np.exp(made.logits(images_of(files)).double().numpy() / made.meta.temperature)
    assert shares == pytest.approx(powers / powers.sum(axis=1, keepdims=True))
    assert names == [CLASSES.names[best] for best in shares.argmax(axis=1)]
    found = made.predict_features(cache.features)
    (first, share), *_ = found.top(0)
    assert (first, share) == (names[0], shares[0].max())
    assert [p for _, p in found.top(0)] == sorted(shares[0], reverse=True)


@pytest.mark.parametrize("method", ["tip-adapter", "tip-x", "ape"])
def test_voters_are_the_support_images_that_add_most_to_a_class(
    files: CacheFiles, method: str
) -> None:
    made, cache = classifier(files, method), read_cache(files.images["test"])
    support = read_cache(files.supports["lc"])
    vote = made.method.votes_of
    assert vote is not None
    votes = vote(made.context, torch.from_numpy(cache.features), made.meta.hyperparameters).numpy()
    classes = np.arange(len(cache)) % len(CLASSES)
    for image, found in enumerate(made.voters(cache.features, classes, 2)):
        own = [i for i in np.argsort(-votes[image]) if support.labels[i] == classes[image]]
        assert [key for key, _ in found] == [support.keys[i] for i in own[:2]]
        assert [v for _, v in found] == pytest.approx([votes[image, i] for i in own[:2]])


def test_methods_without_votes_of_single_images_have_no_voters(files: CacheFiles) -> None:
    cache = read_cache(files.images["test"])
    found = classifier(files, "gda").voters(cache.features, cache.labels.astype(np.int64), 3)
    assert found == [[]] * len(cache)


@pytest.mark.parametrize(
    ("features", "problem"),
    [
        (np.ones((2, 5), np.float32), r"\(2, 5\), expected \(N, 8\)"),
        (np.ones(8, np.float32), r"expected \(N, 8\)"),
        (np.ones((2, 8), np.float32), "not unit rows"),
        (np.full((2, 8), np.nan, np.float32), "not unit rows"),
        (np.eye(8, dtype=complex), "of type complex128; give real numbers"),
        (np.eye(8).astype(object), "of type object; give real numbers"),
        ([[1.0], [1.0, 2.0]], "features are no array"),
        (torch.eye(8, dtype=torch.bfloat16), "a tensor of bfloat16, strided; give real"),
        (torch.eye(8).to_sparse(), "a tensor of float32, sparse_coo; give real"),
    ],
)
def test_features_of_another_kind_are_refused(
    files: CacheFiles, features: Any, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        classifier(files).predict_features(features)


def test_features_may_lie_in_memory_in_any_way(files: CacheFiles) -> None:
    made, rows = classifier(files), read_cache(files.images["test"]).features
    _, expected = made.predict_features(rows)
    ways: list[Any] = [
        rows.astype(">f4"),
        np.ascontiguousarray(rows[::-1])[::-1],
        np.asfortranarray(rows),
        torch.tensor(rows, requires_grad=True),
        rows.tolist(),
        rows.astype(np.longdouble),
    ]
    for way in ways:
        assert made.predict_features(way).probabilities == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("beside", "problem"),
    [
        ({"norms": np.ones((2, 1))}, r"norms are \(2, 1\), or not finite; expected \(2,\)"),
        ({"norms": np.array([1, np.nan])}, "or not finite"),
        ({"norms": np.ones(3)}, "2 features with another number of norms"),
        ({"norms": np.ones(2, complex)}, "norms are of type complex128"),
        ({"patches": np.ones((2, 3, 7))}, r"patches are \(2, 3, 7\).*expected \(2, 3, 8\)"),
        ({"patches": np.ones((2, 8))}, r"patches are \(2, 8\)"),
    ],
)
def test_what_stands_beside_features_has_their_shape(
    files: CacheFiles, beside: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        classifier(files).predict_features(np.eye(8)[:2], **beside)


@pytest.mark.parametrize(
    ("classes", "n", "problem"),
    [
        ([0, 99], 1, "class 99, but classes are numbered from 0 to"),
        ([-1, 0], 1, "class -1, but classes are numbered from 0 to"),
        ([0], 1, "give a whole number for each of the 2 features"),
        ([0.5, 1.0], 1, r"classes are \(2,\) of type float64; give a whole number"),
        ([0, 1], -1, "n is -1; give at least 1"),
    ],
)
def test_voters_for_what_is_no_class_are_refused(
    files: CacheFiles, classes: Any, n: int, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        classifier(files).voters(np.eye(8)[:2], classes, n)


@pytest.mark.parametrize("numbers", [{"batch_size": -1}, {"batch_size": 0}, {"threads": -1}])
def test_numbers_below_one_are_refused(files: CacheFiles, numbers: dict[str, int]) -> None:
    ((name, number),) = numbers.items()
    with pytest.raises(InputError, match=f"{name} is {number}; give at least 1"):
        classifier(files).predict([], **numbers)


@pytest.mark.parametrize(("method", "what"), [("dn", "lengths"), ("calip", "patch embeddings")])
def test_what_a_method_needs_beside_features_is_asked_for(
    files: CacheFiles, method: str, what: str
) -> None:
    with pytest.raises(InputError, match=f"this method needs .*{what}"):
        classifier(files, method).predict_features(read_cache(files.images["test"]).features)


def test_dropped_leaks_do_not_vote(files: CacheFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = read_cache(files.supports["lc"]).keys
    leak = NearDuplicate(keys[1], "pool.tar", "ant", "ok.png", 0)
    monkeypatch.setattr(inputs, "find_leaks", lambda *_: [leak])
    kept = exported(files, "tip-x", leaks="keep")
    dropped = exported(files, "tip-x", leaks="drop")
    assert kept.meta.support_keys == keys
    assert dropped.meta.support_keys == [keys[0], *keys[2:]]
    assert len(dropped.context.required_support) == len(keys) - 1


def test_the_plan_of_these_tests_covers_every_method() -> None:
    assert {method.name for method in EXPORTABLE} < set(PLAN.methods)
