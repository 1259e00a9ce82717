"""What evaluations, classifiers and reports are made from."""

from collections.abc import Callable
from typing import Any

import pytest

from susx.core.errors import InputError
from susx.planning import classifier, evaluation, reports
from susx.planning.setup import Setup
from tests.planned_world import setup_of

METHODS = ["zero-shot", "cupl+e", "tip-x"]
FEW = {"support": "few"}
ROW = {
    "method": "tip-x",
    "text": "cupl+e",
    "support": "lc",
    "protocol": "validation",
    "seed": None,
}


def evaluating(
    change: Callable[[dict[str, Any]], object] = lambda config: None, **section: Any
) -> Setup:
    """A setup with sections `evaluation`, which has few methods, and others."""

    def changed(config: dict[str, Any]) -> None:
        config["evaluation"] = {"methods": METHODS, "supports": ["lc", "few"], **section}
        change(config)

    return setup_of(changed)


def test_an_evaluation_reads_caches_and_manifests_by_name() -> None:
    setup = evaluating()
    files = evaluation.cache_files(setup, "tiny", "clip")
    names = {
        "texts": ["ensemble", "cupl+e"],
        "images": ["test", "validation"],
        "image_manifests": ["test", "validation"],
        "supports": ["lc", "few-seed0", "few-seed4"],
        "support_manifests": ["lc", "few-seed0", "few-seed4"],
        "patches": [],
        "prompts": ["ensemble", "cupl+e"],
    }
    assert files.names == evaluation.cache_names(setup, "tiny", "clip") == names
    inputs = evaluation.cache_inputs(setup, "tiny", "clip")
    assert inputs["classes"] == "work/tiny/classes.json"
    assert inputs["texts"] == [f"cache/clip/tiny/text-{t}.h5" for t in names["texts"]]
    assert inputs["supports"] == [f"cache/clip/tiny/support-{s}.h5" for s in names["supports"]]
    assert inputs["images"] == [f"cache/clip/tiny/images-{s}.h5" for s in names["images"]]
    assert inputs["image_manifests"][0] == "work/tiny/images/test.parquet"
    assert inputs["support_manifests"][0] == "work/tiny/support/lc/manifest.parquet"
    assert inputs["prompts"][0] == "work/tiny/prompts/ensemble.json"
    assert list(inputs) == ["classes", *names]


def test_patches_are_read_if_a_method_needs_them() -> None:
    files = evaluation.cache_files(evaluating(methods=["calip"]), "tiny", "clip")
    assert files.patches == {
        split: f"cache/clip/tiny/patches-{split}.h5" for split in ("test", "validation")
    }


def test_features_are_read_in_place_of_what_embedding_makes() -> None:
    setup = evaluating()
    files = evaluation.cache_files(setup, "shared", "RN50")
    assert files.texts == {
        name: f"cache/RN50/shared/text-{name}.h5" for name in ("ensemble", "cupl+e")
    }
    assert files.supports == {"lc-photo": "cache/RN50/shared/support-lc-photo.h5"}
    assert not any((files.image_manifests, files.support_manifests, files.patches, files.prompts))
    embedded = evaluation.cache_files(setup, "keys", "RN101")
    assert embedded.texts == {"ensemble": "cache/clip/keys/text-ensemble.h5"}
    assert embedded.images["test"] == "cache/RN101/keys/images-test.h5"


def test_without_labels_or_texts_nothing_is_evaluated() -> None:
    with pytest.raises(InputError, match=r"datasets.plain.images.test is not set, so that nothing"):
        evaluation.cache_files(evaluating(), "plain", "clip")
    with pytest.raises(InputError) as caught:
        evaluation.cache_files(evaluating(methods=["dn"]), "shared", "RN50")
    assert str(caught.value) == (
        "config.yaml: datasets.shared.features: has texts ensemble, cupl, cupl+e, but the "
        "evaluation uses photo"
    )


def test_the_plan_says_what_is_left_out_and_how_sets_were_drawn() -> None:
    plan = evaluation.evaluation_plan(evaluating(), "tiny")
    assert plan["seeds"] == {"few-seed0": ("few", 0), "few-seed4": ("few", 4)}
    assert (plan["texts"], plan["unavailable_texts"]) == (["cupl+e"], {})
    without = evaluation.evaluation_plan(evaluating(), "asked")
    assert without["unavailable_supports"] == {"few": "datasets.asked.images.train is not set"}
    tuning = evaluation.tuning_settings(evaluating(search="continuous"), "tiny")
    assert (tuning["continuous"], tuning["validation_split"]) == (True, "validation")


def test_grids_are_those_of_the_evaluation_then_of_the_dataset() -> None:
    short, long = ({"start": 0.1, "stop": stop, "steps": 4} for stop in (1.0, 9.0))
    own = {"tip-adapter": {"alpha": short, "beta": short}, "ape": {"gamma": short}}
    said = {"tip-adapter": {"alpha": long}, "tip-x": {"beta": long}}
    setup = evaluating(lambda c: c["datasets"]["tiny"].update(grid=own), grid=said)
    assert evaluation.tuning_settings(setup, "tiny")["grid"] == {
        "tip-adapter": {"alpha": long, "beta": short},
        "ape": {"gamma": short},
        "tip-x": {"beta": long},
    }


def test_an_evaluation_runs_where_its_encoder_does() -> None:
    setup = evaluating(memory_mib=100)
    runs = {"device": "cuda", "memory_mib": 100}
    assert evaluation.evaluation_runs(setup, "tiny", "hub") == runs
    assert evaluation.evaluation_gpus(setup, "tiny", "hub") == 1
    assert evaluation.evaluation_gpus(setup, "shared", "RN50") == 0
    assert evaluation.evaluation_device(setup, "shared", "RN50") == "auto"


def test_a_bare_call_makes_results_or_predictions(setup: Setup) -> None:
    files = evaluation.result_files(setup)
    assert files[0] == "results/tiny.json"
    assert "results/plain/predictions.parquet" in files
    assert len(files) == len(setup.config.datasets)
    assert evaluation.evaluation_files(setup, "tiny") == [
        f"work/tiny/evaluation/{encoder}.json" for encoder in ("clip", "hub")
    ]
    assert evaluation.shown_config(setup, "tiny")["dataset"]["classes"] == "classes.txt"
    lost = setup_of(lambda c: c["datasets"]["card"]["images"].update(root="nowhere"))
    with pytest.raises(InputError, match=r"config.yaml: datasets.card.images.root: folder not f"):
        evaluation.result_files(lost)


def test_a_classifier_is_the_row_that_is_chosen() -> None:
    setup = evaluating()
    assert classifier.classifier_row(setup, "tiny") == ROW
    names = classifier.classifier_names(setup, "tiny", "clip")
    assert (names["texts"], names["supports"]) == (["cupl+e"], ["lc"])
    inputs = classifier.classifier_inputs(setup, "tiny", "clip")
    assert inputs["supports"] == ["cache/clip/tiny/support-lc.h5"]
    assert classifier.classifier_evaluation(setup, "tiny", "clip") == [
        "work/tiny/evaluation/clip.json"
    ]
    few = evaluating(lambda c: c.update(classifier=FEW))
    choice = classifier.classifier_choice(few, "tiny")
    assert (choice.support, choice.seed, choice.drawn) == ("few", 0, "few-seed0")
    assert classifier.classifier_names(few, "tiny", "clip")["supports"] == ["few-seed0"]
    other = {"source": "few-shot", "size": 2, "seeds": [4, 0]}
    first = evaluating(lambda c: c["supports"].update(few=other) or c.update(classifier=FEW))
    drawn = "cache/clip/tiny/support-few-seed4.h5"
    assert classifier.classifier_inputs(first, "tiny", "clip")["supports"] == [drawn]
    calip = evaluating(lambda c: c.update(classifier={"method": "calip", "text": "photo"}))
    inputs = classifier.classifier_inputs(calip, "plain", "clip")
    assert (inputs["texts"], inputs["supports"]) == (["cache/clip/plain/text-photo.h5"], [])
    assert classifier.classifier_texts(setup, "plain") == [
        *("ensemble", "photo", "real-prompt", "waffle")
    ]
    cupl = evaluating(lambda c: c["supports"]["lc"].update(query="cupl"))
    assert classifier.classifier_supports(cupl, "plain") == {}
    assert classifier.classifier_supports(cupl, "tiny") == {"lc": "lc", "few": "few-seed0"}


def test_a_row_that_is_not_evaluated_is_made_without_its_evaluation() -> None:
    gda = evaluating(lambda c: c.update(classifier={"method": "gda"}))
    assert classifier.classifier_evaluation(gda, "tiny", "clip") == []
    assert reports.shown_row(gda, "tiny") is None
    one = evaluating(encoders=["hub"])
    assert classifier.classifier_evaluation(one, "tiny", "clip") == []
    assert classifier.classifier_evaluation(one, "plain", "hub") == []


def test_what_cannot_become_a_classifier_is_told() -> None:
    with pytest.raises(InputError, match=r"datasets.shared.features: published features name no"):
        classifier.classifier_choice(evaluating(), "shared")
    wanted = evaluating(lambda c: c.update(classifier={"method": "visdesc"}))
    with pytest.raises(InputError) as caught:
        classifier.classifier_row(wanted, "tiny")
    assert str(caught.value).startswith(
        'config.yaml: classifier: visdesc needs prompt strategy "visdesc"'
    )


def test_predictions_are_of_unlabelled_images_or_else_of_the_test() -> None:
    setup = evaluating(lambda c: c.update(classifier={"encoder": "hub", "method": "calip"}))
    assert classifier.prediction_files(setup, "plain") == {
        "classifier": "results/plain/classifier/hub.safetensors",
        "manifest": "work/plain/images/unlabelled.parquet",
        "images": "cache/hub/plain/images-unlabelled.h5",
        "patches": "cache/hub/plain/patches-unlabelled.h5",
    }
    files = classifier.prediction_files(evaluating(), "tiny")
    assert files["images"] == "cache/clip/tiny/images-test.h5" and "patches" not in files
    assert classifier.prediction_runs(setup, "tiny") == {"device": "cuda"}
    asked = (setup, evaluating())
    assert [classifier.prediction_gpus(each, "tiny") for each in asked] == [1, 0]


def test_a_report_shows_the_row_of_the_classifier() -> None:
    setup = evaluating()
    assert reports.shown_row(setup, "tiny") == ROW
    names = reports.analysis_names(setup, "tiny", "clip")
    assert (names["texts"], names["supports"]) == (["ensemble", "cupl+e"], ["lc", "few-seed0"])
    assert names["prompts"] == names["texts"]
    assert names["images"] == names["image_manifests"] == ["test"]
    inputs = reports.analysis_inputs(setup, "tiny", "clip")
    assert inputs["support_manifests"][0] == "work/tiny/support/lc/manifest.parquet"
    assert reports.analysis_settings(setup)["leaks"] == "keep"
    features = reports.shown_row(setup, "shared")
    assert features == ROW | {"support": "lc-photo"}


def test_without_a_row_a_report_shows_zero_shot() -> None:
    lacking = evaluating(lambda c: c.update(classifier={"method": "visdesc"}))
    assert reports.shown_row(lacking, "tiny") is None
    names = reports.analysis_names(lacking, "tiny", "clip")
    assert (names["texts"], names["supports"], names["patches"]) == (
        ["ensemble"],
        ["lc", "few-seed0"],
        [],
    )
    other = evaluating(lambda c: c.update(classifier={"method": "gda"}), methods=["dn"])
    assert reports.analysis_names(other, "tiny", "clip")["texts"] == ["photo"]


def test_a_page_is_made_from_result_analyses_and_support_sets() -> None:
    setup = evaluating()
    files = reports.page_files(setup, "tiny")
    assert files["result"] == "results/tiny.json"
    assert files["analyses"] == [f"work/tiny/analysis/{e}.json" for e in ("clip", "hub")]
    assert files["images"][0] == "work/tiny/support/lc/images.tar"
    assert files["test"] == "work/tiny/images/test.parquet"
    assert files["queries"] == ["work/tiny/prompts/photo.json"]
    assert reports.queried_supports(setup, "tiny") == ["lc"]
    assert reports.queried_supports(setup, "shared") == []
    assert "test" not in reports.page_files(setup, "shared")
    assert reports.shown_supports(setup, "tiny") == {
        "lc": "lc",
        "few-seed0": "few",
        "few-seed4": "few",
    }
    tested = [name for name in setup.config.datasets if name != "plain"]
    assert reports.tested_results(setup) == [f"results/{name}.json" for name in tested]
    assert reports.tested_reports(setup) == [f"results/{name}/report.html" for name in tested]
