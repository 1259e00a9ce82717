"""Datasets without an entry: built-in cards, what they take, and what a dataset chooses."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from susx.config import parse_config
from susx.config.cards import built_in_cards
from susx.config.shown import evaluated_config
from susx.core.errors import InputError
from susx.planning import datasets, descriptions, encoders, evaluation, supports, texts
from susx.planning.setup import Setup
from tests.planned_world import CONFIG, retrieval, setup_of


def choosing(**entry: Any) -> Setup:
    """A setup with an entry of a built-in card's name."""
    return setup_of(lambda config: config["datasets"].update(dtd=entry))


def alone(change: Callable[[dict[str, Any]], object] = lambda config: None) -> Setup:
    """A setup without any entry of `datasets`."""

    def without(config: dict[str, Any]) -> None:
        config["datasets"] = {}
        change(config)

    return setup_of(without)


def test_every_built_in_card_is_a_dataset(setup: Setup) -> None:
    assert set(built_in_cards()) <= setup.entries.keys()
    assert setup.datasets["dtd"].template == "{} texture."
    assert setup.images["dtd"].root == "data/dtd"
    assert datasets.class_files(setup, "imagenet-sketch")[-1].endswith("cards/imagenet.yaml")
    with pytest.raises(InputError) as caught:
        datasets.image_files(setup, "dtd", "test")
    assert "config.yaml: datasets.dtd.images.root: folder not found: data/dtd" in str(caught.value)


def test_the_data_lie_where_roots_or_the_environment_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUSX_DATA", "/from/environment")
    assert setup_of().images["dtd"].root == "/from/environment/dtd"
    named = setup_of(lambda config: config.update(roots={"data": "$SUSX_DATA/more"}))
    assert named.images["dtd"].root == "/from/environment/more/dtd"


def test_the_data_may_lie_below_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DISK", str(tmp_path / "home"))
    own, others = tmp_path / "home/sets/dtd", tmp_path / "home/sets/oxford_pets"
    for folder in (own, others):
        folder.mkdir(parents=True)
    for said in ("~/sets", "$DISK/sets"):
        monkeypatch.setenv("SUSX_DATA", said)
        setup = setup_of()
        assert setup.images["dtd"].root == str(own)
        assert setup.images["oxfordpets"].root == str(others)
        entry = {"oxfordpets": {"supports": []}}
        named = setup_of(lambda config, entry=entry: config["datasets"].update(entry))
        assert named.images["oxfordpets"].root == str(others)
    monkeypatch.delenv("SUSX_DATA")
    setup = setup_of(lambda config: config.update(roots={"data": "~/sets"}))
    assert setup.images["oxfordpets"].root == str(others)


@pytest.mark.parametrize("datasets", [{}, {"dtd": {}}])
def test_a_variable_that_names_no_folder_is_told(
    monkeypatch: pytest.MonkeyPatch, datasets: dict[str, Any]
) -> None:
    monkeypatch.setenv("SUSX_DATA", "$NOWHERE/sets")
    with pytest.raises(InputError) as caught:
        setup_of(lambda config: config.update(datasets=datasets))
    assert 'SUSX_DATA: "$NOWHERE/sets": the environment has no variable NOWHERE' in str(
        caught.value
    )


def test_folders_may_have_the_names_that_others_give_them(setup: Setup) -> None:
    Path("data/oxford_pets").mkdir(parents=True)
    assert setup_of().images["oxfordpets"].root == "data/oxford_pets"
    Path("data/oxfordpets").mkdir()
    assert setup_of().images["oxfordpets"].root == "data/oxford_pets"
    Path("data/oxfordpets/annotations").mkdir()
    assert setup_of().images["oxfordpets"].root == "data/oxfordpets"
    own = setup_of(lambda c: c["datasets"].update(oxfordpets={"images": {"root": "elsewhere"}}))
    assert own.images["oxfordpets"].root == "elsewhere"
    shutil.rmtree("data")


def test_an_entry_says_what_is_different() -> None:
    setup = choosing(images={"download": True, "source": "webdataset"}, template="a {}.")
    images = setup.images["dtd"]
    assert (images.root, images.download, images.source) == ("data/dtd", True, "webdataset")
    assert setup.datasets["dtd"].card == "dtd" and setup.datasets["dtd"].template == "a {}."
    assert datasets.downloaded_datasets(setup) == ["fetched", "dtd"]
    named = setup_of(lambda config: config["datasets"].update(textures={"card": "dtd"}))
    assert named.images["textures"].root == "data/dtd"
    own = choosing(classes=["cat"], images={"test": "images/test"})
    assert own.datasets["dtd"].card is None
    published = {"layout": "susx", "root": "features", "backbone": "RN50", "name": "shared"}
    assert choosing(features=published).datasets["dtd"].card is None


def test_an_entry_may_word_the_classes_of_its_card_otherwise() -> None:
    assert choosing(classes=["cat", "dog"]).datasets["dtd"].card == "dtd"


def test_an_entry_that_says_too_little_is_told_what_it_may_mean() -> None:
    entries: list[Any] = [{"supports": []}, {"images": {"test": "images/test"}}, {}, None]
    for name, entry in itertools.product(("imagnet", "ImageNet"), entries):
        new = {name: entry}
        with pytest.raises(InputError, match=r'datasets\.\w+: give .*did you mean "imagenet"'):
            setup_of(lambda config, new=new: config["datasets"].update(new))
    both = {"images": {"test": "x"}, "features": {**CONFIG["datasets"]["shared"]["features"]}}
    with pytest.raises(InputError, match=r"give `images` or `features`, one of the two$"):
        setup_of(lambda config: config["datasets"].update(imagnet=both))
    with pytest.raises(InputError, match=r'"dtdd" is neither .*did you mean "dtd"'):
        setup_of(lambda config: config["datasets"].update(textures={"card": "dtdd"}))


def test_few_shot_sets_need_training_images_that_are_there(setup: Setup) -> None:
    card = Path("data/country211")
    for split in ("test", "valid"):
        (card / split / "AD").mkdir(parents=True)
    reason = f"no train images of source countries lie in {card}"
    assert supports.unavailable_supports(setup_of(), "country211")["few"] == reason
    (card / "train").mkdir()
    assert "few" not in supports.unavailable_supports(setup_of(), "country211")
    shutil.rmtree("data")


def test_an_entry_of_another_name_is_not_filled() -> None:
    with pytest.raises(InputError, match=r"datasets\.other: give `images` or `features`"):
        setup_of(lambda config: config["datasets"].update(other={"classes": ["cat"]}))
    with pytest.raises(InputError, match=r"datasets\.other"):
        setup_of(lambda config: config["datasets"].update(other=None))


def test_texts_are_written_by_the_model_of_the_defaults() -> None:
    def describe(config: dict[str, Any]) -> None:
        config["defaults"] = {"descriptions": {"model": "local", "samples": 2}}
        config["datasets"]["dtd"] = {"descriptions": None}

    setup = setup_of(describe)
    assert descriptions.described_datasets(setup) >= {"asked", "card", "imagenet"}
    assert "dtd" not in descriptions.described_datasets(setup)
    assert "shared" not in descriptions.described_datasets(setup)
    written = descriptions.written(setup, "imagenet", "descriptions")
    assert (written.model, written.samples) == ("local", 2)
    assert written.questions == setup.datasets["imagenet"].descriptions.questions
    assert "How does {a} {} differ from what is most like it?" in written.questions
    assert descriptions.written(setup, "asked", "descriptions").chunk == 3
    with pytest.raises(InputError, match=r'defaults\.descriptors\.model: no entry "nobody"'):
        setup_of(lambda config: config.update(defaults={"descriptors": {"model": "nobody"}}))


def test_a_dataset_chooses_encoders_supports_and_texts() -> None:
    setup = choosing(encoders=["hub"], supports=["drawn"], texts=["photo"])
    assert encoders.evaluated_encoders(setup, "dtd") == ["hub"]
    assert encoders.evaluated_encoders(setup, "tiny") == ["clip", "hub"]
    assert supports.evaluated_supports(setup, "dtd") == ["drawn"]
    assert texts.configured_texts(setup, "dtd") == ["photo"]
    assert supports.evaluated_supports(choosing(supports=[]), "dtd") == []
    for kind in ("encoders", "supports", "texts"):
        with pytest.raises(InputError, match=rf'config.yaml: datasets.dtd.{kind}: no entry "x"'):
            choosing(**{kind: ["x"]})


def test_a_support_set_whose_texts_are_lacking_is_left_out_with_the_reason() -> None:
    def describe(config: dict[str, Any]) -> None:
        config["supports"] = {"lc": retrieval("web", encoder="clip", query="cupl")}

    setup = setup_of(describe)
    reason = "datasets.card.descriptions is not set, and prompt strategy cupl reads it"
    assert supports.unavailable_supports(setup, "card") == {"lc": reason}
    assert supports.evaluated_supports(setup, "card") == []
    assert supports.evaluated_supports(setup, "tiny") == ["lc"]
    assert evaluation.evaluation_plan(setup, "card")["unavailable_supports"] == {"lc": reason}


def test_without_entries_a_bare_call_makes_what_is_there(setup: Setup) -> None:
    with pytest.raises(InputError, match=r"datasets: none, and none of the built-in ones is in d"):
        evaluation.result_files(alone())
    Path("data/cifar10").mkdir(parents=True)
    assert datasets.default_datasets(alone()) == ["cifar10"]
    shutil.rmtree("data")


def test_results_show_what_their_dataset_uses() -> None:
    def choose(config: dict[str, Any]) -> None:
        config["datasets"]["tiny"] |= {"encoders": ["hub"], "supports": ["vectors"]}

    shown = evaluated_config(setup_of(choose).config, "tiny")
    names = {key: sorted(shown[key]) for key in ("encoders", "pools", "supports")}
    assert names == {"encoders": ["clip", "hub"], "pools": ["vectors"], "supports": ["vectors"]}
    assert shown["language_models"] == {}
    asked = evaluated_config(setup_of().config, "asked")
    assert sorted(asked["language_models"]) == ["local", "server"]
    assert "api_key_variable" not in asked["language_models"]["server"]


def test_published_features_need_no_encoder() -> None:
    published = {"layout": "susx", "root": "features", "backbone": "RN50"}
    setup = Setup.of({"datasets": {"caltech": {"features": published}}})
    with pytest.raises(InputError, match=r"config\.yaml: encoders: missing"):
        encoders.evaluated_encoders(setup, "dtd")
    with pytest.raises(InputError, match=r"config\.yaml: encoders: missing"):
        parse_config({})
