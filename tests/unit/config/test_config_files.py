"""The shipped configuration and dataset cards."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from susx.config import parse_config
from susx.config.cards import Card, load_card
from susx.config.datasets import tuning_split, with_card
from susx.config.schema import Config
from susx.config.shown import evaluated_config
from susx.config.sources import LAYOUTS
from susx.core.errors import InputError
from susx.core.files import read_json
from susx.core.yaml_files import load_yaml, merged

ROOT = Path(__file__).parents[3]
CARD = "title: Pets\nclasses: [cat]\ntemplate: card {}.\nensemble: ['card a {}.']\n"


def write_card(folder: Path, text: str) -> Path:
    (folder / "card.yaml").write_text(text, "utf-8")
    return folder / "card.yaml"


def dataset(card: Path, **given: Any) -> Any:
    data = {"card": str(card), "images": {"test": "photos"}, **given}
    encoders = {"clip": {"library": "transformers", "model": "m"}}
    return parse_config({"datasets": {"pets": data}, "encoders": encoders}).datasets["pets"]


def models(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """A model and all models inside it."""

    def nested(annotation: Any) -> Iterator[type[BaseModel]]:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from models(annotation, seen)
        for argument in getattr(annotation, "__args__", ()):
            yield from nested(argument)

    if model not in seen:
        seen.add(model)
        yield model
        for field in model.model_fields.values():
            yield from nested(field.annotation)


ALL_MODELS = [
    *models(Config, seen := set()),
    *models(Card, seen),
    *(model for name in LAYOUTS.built_in for model in models(LAYOUTS[name], seen)),
]


def test_shipped_configuration_is_valid() -> None:
    config = parse_config(load_yaml(ROOT / "config.yaml"))
    assert not config.datasets
    assert {"zero-shot", "tip-x"} <= set(config.evaluation.methods)
    assert config.supports["sd-paper"].preset == "paper"


def test_the_demo_is_valid_alone_and_over_the_shipped_configuration() -> None:
    demo = load_yaml(ROOT / "demo/config.yaml")
    for config in (parse_config(demo), parse_config(merged(load_yaml(ROOT / "config.yaml"), demo))):
        shown = evaluated_config(config, "flags")
        assert list(config.datasets) == ["flags"]
        assert list(shown["encoders"]) == ["flag-clip"]
        assert list(shown["pools"]) == ["flag-web"]
        assert list(shown["supports"]) == ["lc-photo", "sd-cupl"]


def test_the_card_of_the_demo_is_valid() -> None:
    card = load_card(ROOT / "demo/flags.yaml")
    assert card.title
    assert len({entry.name for entry in card.classes}) == len(card.classes) > 1


def test_all_sections_are_walked() -> None:
    assert {model.__name__ for model in ALL_MODELS} == {
        "Config", "Roots", "Dataset", "DatasetDefaults", "ClassEntry", "ImageSettings", "Prompts",
        "EncoderSettings", "Pool", "Retrieval", "FewShot", "EvaluationSettings", "AxisSettings",
        "Card",
        "FeatureSettings", "EmbeddingPool", "ClassifierSettings", "ReportSettings",
        "CaptionPool", "ServicePool", "DownloadSettings", "Descriptions", "Synthesis",
        "Descriptors", "OpenAIServer", "TransformersModel", "SourceBase", "ClassFolders",
        "CoopSplit", "FgvcLists", "CifarBatches", "CsvLists", "WebdatasetShards",
        "ParquetShards", "IlsvrcPlaces", "CubLists", "FewClasses", "Stream",
    }  # fmt: skip


@pytest.mark.parametrize("model", ALL_MODELS, ids=lambda model: model.__name__)
def test_every_key_is_described(model: type[BaseModel]) -> None:
    assert model.__doc__
    for name, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{name}"
        assert field.description.endswith((".", "?")), f"{model.__name__}.{name}"


def test_card_fills_what_the_configuration_leaves_out(tmp_path: Path) -> None:
    card = write_card(tmp_path, CARD)
    filled = with_card(dataset(card))
    assert (filled.template, filled.ensemble) == ("card {}.", ["card a {}."])


def test_configuration_wins_over_the_card(tmp_path: Path) -> None:
    card = write_card(tmp_path, CARD)
    filled = with_card(dataset(card, template="mine {}."))
    assert (filled.template, filled.ensemble) == ("mine {}.", ["card a {}."])


def test_a_card_brings_grids_of_methods_that_there_are(tmp_path: Path) -> None:
    axis = "{start: 0.1, stop: 9.0, steps: 3}"
    card = write_card(tmp_path, f"{CARD}grid: {{ape: {{gamma: {axis}}}}}\n")
    assert with_card(dataset(card)).grid["ape"]["gamma"].stop == 9.0
    assert with_card(dataset(card, grid={})).grid == {}
    for grid, told in (
        (f"{{apes: {{gamma: {axis}}}}}", 'apes: unknown method; did you mean "ape"?'),
        (f"{{ape: {{gama: {axis}}}}}", 'ape.gama: unknown key; did you mean "gamma"?'),
    ):
        with pytest.raises(InputError) as caught:
            with_card(dataset(write_card(tmp_path, f"{CARD}grid: {grid}\n")))
        assert told in str(caught.value)


def test_a_value_equal_to_the_default_still_wins_over_the_card(tmp_path: Path) -> None:
    card = write_card(tmp_path, CARD)
    assert with_card(dataset(card, template="a photo of a {}.")).template == "a photo of a {}."


def test_dataset_without_card_stays_as_it_is() -> None:
    encoders = {"clip": {"library": "transformers", "model": "m"}}
    data = {"classes": ["cat"], "images": {"test": "photos"}}
    config = parse_config({"datasets": {"pets": data}, "encoders": encoders})
    assert with_card(config.datasets["pets"]) == config.datasets["pets"]
    assert tuning_split(config.datasets["pets"]) == "validation"


@pytest.mark.parametrize(
    ("line", "split"),
    [
        ("", "validation"),
        ("validation: validation\n", "validation"),
        ("validation: test\n", "test"),
    ],
)
def test_card_says_what_published_results_are_tuned_on(
    tmp_path: Path, line: str, split: str
) -> None:
    made = dataset(write_card(tmp_path, CARD + line))
    assert tuning_split(made) == split
    assert with_card(made).images == made.images


def test_card_that_tunes_on_the_test_images_allows_no_validation_images(tmp_path: Path) -> None:
    images = {"test": "photos", "validation": "more"}
    card = write_card(tmp_path, f"{CARD}validation: test\n")
    match = r"card\.yaml: says `validation: test`, but the configuration names validation images"
    with pytest.raises(InputError, match=match):
        with_card(dataset(card, images=images))
    card = write_card(tmp_path, f"{CARD}validation: validation\n")
    assert with_card(dataset(card, images=images)).images.validation == "more"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("title: Pets\n", "classes: missing"),
        ("title: Pets\nclasses: [cat]\ntemplates: x\n", 'did you mean "template"'),
        ("title: Pets\nclasses: [cat, 3]\n", r"classes\.1: a class is a name"),
        ("title: Pets\nclasses: [{name: cat, alias: [x]}]\n", r"classes\.0\.alias: unknown key"),
        ("title: Pets\nclasses: [cat]\ntemplate: a photo\n", "template: .*exactly once"),
        ("title: Pets\nclasses: [cat]\nvalidation: train\n", "validation: .*'test'"),
        ("- cat\n", "a mapping with `title` and `classes`"),
        ("", "a mapping with `title` and `classes`"),
        ("title: [\n", "not valid YAML"),
        (
            "title: Pets\nclasses: [a]\ntitle: Dogs\n",
            'line 3: key "title" stands there twice, first',
        ),
        ("title: Pets\nclasses:\n\t- a\n", "line 3: not valid YAML: .*; indent with spaces"),
        ("title: !!python/object:os.system ls\n", "not valid YAML"),
    ],
)
def test_broken_card_is_named_with_its_key(tmp_path: Path, text: str, problem: str) -> None:
    card = write_card(tmp_path, text)
    with pytest.raises(InputError, match=rf"card\.yaml: .*{problem}"):
        load_card(card)


def test_missing_card_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: file not found"):
        load_card(tmp_path / "none.yaml")


def test_card_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_bytes("title: Åland\nclasses: [é]\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"card\.yaml: not valid YAML"):
        load_card(tmp_path / "card.yaml")


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    assert load_card(write_card(tmp_path, "\ufefftitle: Pets\nclasses: [cat]\n")).title == "Pets"
    (tmp_path / "a.json").write_text('\ufeff{"a": 1}', "utf-8")
    assert read_json(tmp_path / "a.json") == {"a": 1}


def test_keys_that_are_merged_or_in_other_mappings_may_be_the_same(tmp_path: Path) -> None:
    text = "a: &a {x: 1, y: 2}\nb: {c: &c {<<: *a, x: 3}, d: {<<: [*a, *c], y: 4}}\ne: [*c, *c]\n"
    (tmp_path / "a.yaml").write_text(text)
    assert load_yaml(tmp_path / "a.yaml") == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [("true", "TRUE"), ("1", "0x1"), ("null", "~"), ("1", "1.0"), ("no", "off"), ('"a"', "a")],
)
def test_keys_that_mean_the_same_are_told_however_they_are_spelt(
    tmp_path: Path, one: str, other: str
) -> None:
    (tmp_path / "a.yaml").write_text(f"x: {{}}\ny:\n  {one}: 1\n  {other}: 2\n")
    with pytest.raises(InputError, match=r'a\.yaml: line 4: key ".+" stands there twice, .*line 3'):
        load_yaml(tmp_path / "a.yaml")
    different = f"'{one}' : 1\n{other}x : 2\n" if '"' not in one else "'1': 1\n1: 2\n"
    (tmp_path / "a.yaml").write_text(different)
    assert load_yaml(tmp_path / "a.yaml") == yaml.safe_load(different)
    assert len(load_yaml(tmp_path / "a.yaml")) == 2


def test_a_key_that_stands_twice_is_named_wherever_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("datasets: {a: 1}\nx:\n- {b: 1,\n   'b': 2}\n")
    match = r'a\.yaml: line 4: key "b" stands there twice, first in line 3; only one .*join the two'
    with pytest.raises(InputError, match=match):
        load_yaml(tmp_path / "a.yaml")
