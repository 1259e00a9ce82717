"""The schema of config.yaml."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from susx.config import parse_config
from susx.config.cards import DEFAULT_ENSEMBLE
from susx.core.errors import InputError
from susx.methods import STANDARD
from tests.made.config import FULL, MINIMAL, edited, message

ROOT = Path(__file__).parents[3]


def test_full_configuration_keeps_every_value() -> None:
    config = parse_config(FULL).model_dump()
    assert config["seed"] == 3
    assert config["datasets"]["pets"]["classes"][1]["aliases"] == ["hound"]
    assert config["evaluation"]["grid"]["tip-x"]["alpha"] == {
        "start": 1.0, "stop": 2.5, "steps": 3
    }  # fmt: skip
    assert config["supports"] == FULL["supports"]
    assert config["evaluation"]["protocols"] == ["fixed", "support"]
    assert config["evaluation"]["search"] == "continuous"
    images = config["datasets"]["pets"]["images"]
    unset = {"unlabelled": None, "root": None, "source": None, "download": False}
    assert images == {**FULL["datasets"]["pets"]["images"], **unset}


def test_minimal_configuration_gets_the_defaults() -> None:
    config = parse_config(MINIMAL)
    assert list(config.prompts) == [
        "photo",
        "ensemble",
        "cupl",
        "cupl+e",
        "visdesc",
        "real-prompt",
        "waffle",
    ]
    assert config.prompts["visdesc"].source == "descriptors"
    assert config.prompts["cupl+e"].of == ["ensemble", "cupl"]
    assert config.datasets["pets"].ensemble == DEFAULT_ENSEMBLE
    assert config.evaluation.methods == STANDARD
    assert config.evaluation.protocols == ["validation", "fixed"]
    assert config.evaluation.search == "grid"
    assert (config.evaluation.texts, config.evaluation.supports) == (None, None)
    others = dict.fromkeys(("validation", "train", "unlabelled", "root", "source"))
    assert config.datasets["pets"].images.model_dump() == {
        "test": "photos", **others, "download": False
    }  # fmt: skip
    assert config.roots.model_dump() == {
        "data": None, "work": "work", "cache": "cache", "results": "results", "store": None
    }  # fmt: skip
    assert config.encoders["clip"].device == "auto"


def test_parsing_does_not_change_its_input() -> None:
    config = copy.deepcopy(FULL)
    parse_config(config)
    assert config == FULL


@pytest.mark.parametrize(
    ("place", "nearest"),
    [
        ("sead", "seed"),
        ("dataset", "datasets"),
        ("roots.caches", "cache"),
        ("datasets.pets.class", "classes"),
        ("datasets.pets.images.validaton", "validation"),
        ("datasets.pets.classes.1.alias", "aliases"),
        ("prompts.photo.sourcee", "source"),
        ("encoders.clip.batchsize", "batch_size"),
        ("pools.web.shard", "shards"),
        ("datasets.pets.images.trian", "train"),
        ("datasets.pets.descriptor", "descriptors"),
        ("evaluation.method", "methods"),
        ("evaluation.grid.tip-x.alpha.step", "steps"),
        ("evaluation.grid.tip-x.alhpa", "alpha"),
        ("evaluation.fixed.tip-x.gama", "gamma"),
        ("evaluation.grid.tip_x", "tip-x"),
        ("evaluation.fixed.tip-adaptor", "tip-adapter"),
    ],
)
def test_unknown_key_is_named_with_the_nearest_valid_one(place: str, nearest: str) -> None:
    value: Any = {} if place.count(".") == 2 and place.startswith("evaluation") else 1
    if place == "evaluation.grid.tip-x.alhpa":
        value = {"start": 0.0, "stop": 1.0, "steps": 1}
    text = message(edited(place, value))
    assert text.startswith(f"config.yaml: {place}: unknown ")
    assert text.endswith(f'; did you mean "{nearest}"?')


TOP_LEVEL = (
    *(
        "classifier",
        "datasets",
        "defaults",
        "download",
        "encoders",
        "evaluation",
        "language_models",
        "pools",
        "prompts",
    ),
    *("report", "roots", "seed", "supports"),
)


@pytest.mark.parametrize(
    ("place", "valid"),
    [
        ("zzz", ", ".join(TOP_LEVEL)),
        ("roots.zzz", "cache, data, results, store, work"),
        ("datasets.pets.classes.1.zzz", "aliases, name, wnid"),
        ("evaluation.fixed.tip-x.zzz", "alpha, beta, gamma"),
        ("evaluation.grid.tip-x.alpha.zzz", "start, steps, stop"),
    ],
)
def test_unknown_key_unlike_any_other_lists_the_valid_ones(place: str, valid: str) -> None:
    assert message(edited(place, 1)) == f"config.yaml: {place}: unknown key; valid keys: {valid}"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("seed", "zero"),
        ("seed", 1.5),
        ("roots", "work"),
        ("roots.work", 3),
        ("datasets", ["pets"]),
        ("datasets.pets", None),
        ("datasets.pets.images", "photos"),
        ("datasets.pets.images.test", 3),
        ("datasets.pets.classes", 3),
        ("datasets.pets.classes", []),
        ("datasets.pets.classes.0", 5),
        ("datasets.pets.classes.0", True),
        ("datasets.pets.classes.1.aliases", "hound"),
        ("datasets.pets.ensemble", []),
        ("datasets.pets.ensemble", "a {}"),
        ("datasets.pets.template", 3),
        ("prompts.photo.source", "templates"),
        ("encoders", {}),
        ("encoders.clip.library", "tensorflow"),
        ("encoders.clip.device", "gpu"),
        ("encoders.clip.precision", "fp16"),
        ("encoders.clip.batch_size", 0),
        ("encoders.clip.batch_size", "4"),
        ("pools.web.layout", "zip"),
        ("pools.web.shards", 2.5),
        ("evaluation.memory_mib", -1),
        ("evaluation.methods", "tip-x"),
        ("evaluation.methods", []),
        ("evaluation.texts", []),
        ("evaluation.protocols", []),
        ("evaluation.protocols.0", "test"),
        ("evaluation.protocols.0", "none"),
        ("evaluation.search", "random"),
        ("evaluation.fixed.tip-x.gamma", "1"),
        ("evaluation.grid.tip-x.alpha.steps", 0),
        ("evaluation.grid.tip-x.alpha.start", None),
    ],
)
def test_wrong_value_names_its_key(place: str, value: Any) -> None:
    text = message(edited(place, value))
    assert re.match(rf"config\.yaml: {re.escape(place)}: ", text)
    assert "\n" not in text


@pytest.mark.parametrize("place", ["encoders.clip.model", "encoders"])
def test_missing_key_is_named(place: str) -> None:
    config = copy.deepcopy(FULL)
    *parents, last = place.split(".")
    section = config
    for part in parents:
        section = section[part]
    del section[last]
    assert message(config) == f"config.yaml: {place}: missing"


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        ({"train": "photos"}, "images: give `test`, a folder of images, or `root`, or"),
        ({"validation": "photos"}, "images: give `test`, a folder of images, or `root`, or"),
        ({"root": "all", "unlabelled": "photos"}, "`images.root` needs a `card`"),
        ({"test": "photos", "root": "all"}, "images: `root` stands in place of `test`"),
        ({"test": "photos", "source": "x"}, "images: `source` tells what lies in `root`"),
        ({"root": "all"}, "`images.root` needs a `card`"),
    ],
)
def test_images_are_folders_or_a_root_of_which_a_card_knows(
    images: dict[str, str], problem: str
) -> None:
    text = message(edited("datasets.pets.images", images))
    assert text.startswith("config.yaml: datasets.pets")
    assert problem in text


def test_validation_images_are_not_the_test_images() -> None:
    text = message(edited("datasets.pets.images.validation", "photos"))
    assert text.startswith(
        "config.yaml: datasets.pets.images: `validation` is the folder of `test`"
    )
    assert "`validation: test` in the dataset card" in text


def test_empty_configuration_names_all_that_is_missing() -> None:
    assert message({}) == "config.yaml: encoders: missing"


def test_a_word_that_yaml_reads_as_a_truth_value_is_no_class_name() -> None:
    text = message(edited("datasets.pets.classes", ["cat", False]))
    assert text.startswith("config.yaml: datasets.pets.classes.1: a class is a name")


@pytest.mark.parametrize("name", ["a/b", "../up", ".hidden", "a b", "", "é", "a\n"])
@pytest.mark.parametrize("section", ["datasets", "encoders", "pools", "supports", "prompts"])
def test_names_that_become_paths_are_restricted(section: str, name: str) -> None:
    config = copy.deepcopy(FULL)
    config[section][name] = next(iter(config[section].values()))
    assert message(config).startswith(f"config.yaml: {section}")


@pytest.mark.parametrize("template", ["a photo", "a {} and a {}", "a {0}", "a {name}", ""])
@pytest.mark.parametrize("place", ["datasets.pets.template", "datasets.pets.ensemble.1"])
def test_template_without_exactly_one_placeholder_is_refused(place: str, template: str) -> None:
    text = message(edited(place, template))
    assert text.startswith(f'config.yaml: {place}: template "{template}" must contain {{}} exactly')


def test_dataset_needs_classes_or_card() -> None:
    config = copy.deepcopy(MINIMAL)
    del config["datasets"]["pets"]["classes"]
    assert message(config).startswith("config.yaml: datasets.pets: give `classes`")


@pytest.mark.parametrize(
    ("place", "value", "section", "hint"),
    [
        ("supports.lc.pool", "wed", "pools", 'did you mean "web"'),
        ("supports.lc.encoder", "vit", "encoders", "defined: clip"),
        ("supports.lc.query", "cuppl", "prompts", 'did you mean "cupl"'),
        ("evaluation.encoders", ["klip"], "encoders", 'did you mean "clip"'),
        ("evaluation.supports", ["sd"], "supports", "defined: lc, few"),
        ("evaluation.texts", ["foto"], "prompts", 'did you mean "photo"'),
        ("prompts.cupl+e.of", ["ensemble", "cupel"], "prompts", 'did you mean "cupl"'),
    ],
)
def test_dangling_reference_is_named(place: str, value: Any, section: str, hint: str) -> None:
    text = message(edited(place, value))
    assert text.startswith(f'config.yaml: {place}: no entry "')
    assert f"under {section}; {hint}" in text


def test_reference_into_an_empty_section_says_so() -> None:
    config = edited("pools", {})
    assert 'supports.lc.pool: no entry "web" under pools; defined: none' in message(config)


def test_every_problem_gets_a_line() -> None:
    config = edited("supports.lc.pool", "nowhere")
    config["evaluation"]["texts"] = ["nothing"]
    assert [line.split(": ")[1] for line in message(config).splitlines()] == [
        "supports.lc.pool",
        "evaluation.texts",
    ]


@pytest.mark.parametrize(
    ("typed", "hint"),
    [("tip_x", 'did you mean "tip-x"'), ("resnet", "valid methods: zero-shot, cupl")],
)
def test_unknown_method_is_named(typed: str, hint: str) -> None:
    text = message(edited("evaluation.methods", ["zero-shot", typed]))
    assert text.startswith(f'config.yaml: evaluation.methods: unknown method "{typed}"; {hint}')


def test_method_without_its_prompt_strategy_is_refused() -> None:
    config = edited("evaluation.methods", ["cupl"])
    config["prompts"] = {"photo": {"source": "template"}}
    config["supports"] = {}
    config["evaluation"]["supports"] = []
    assert message(config) == (
        'config.yaml: evaluation.methods: cupl needs a prompt strategy named "cupl"'
    )


@pytest.mark.parametrize(
    "prompts",
    [{"source": "combine"}, {"source": "combine", "of": []}, {"source": "template", "of": ["x"]}],
)
def test_parts_belong_to_combined_strategies_only(prompts: dict[str, Any]) -> None:
    text = message(edited("prompts.cupl+e", prompts))
    assert text.startswith("config.yaml: prompts.cupl+e: `of` lists strategies")


def test_a_combination_cannot_contain_a_combination() -> None:
    text = message(edited("prompts.both", {"source": "combine", "of": ["photo", "cupl+e"]}))
    assert text == (
        'config.yaml: prompts.both.of: "cupl+e" combines others itself; list its parts instead'
    )


@pytest.mark.parametrize(
    ("start", "stop"),
    [(50.0, 1.0), (float("nan"), 1.0), (0.0, float("inf"))],
    ids=["falling", "nan", "infinite"],
)
def test_a_grid_that_cannot_be_searched_is_refused(start: float, stop: float) -> None:
    axis = {"start": start, "stop": stop, "steps": 5}
    assert "evaluation.grid.tip-x.alpha" in message(edited("evaluation.grid.tip-x.alpha", axis))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_fixed_value_must_be_finite(value: float) -> None:
    text = message(edited("evaluation.fixed.tip-x.gamma", value))
    assert "evaluation.fixed.tip-x.gamma" in text


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("evaluation.methods", ["tip-x", "tip-x"]),
        ("evaluation.texts", ["photo", "photo"]),
        ("evaluation.protocols", ["fixed", "fixed"]),
        ("evaluation.supports", ["lc", "lc"]),
        ("evaluation.encoders", ["clip", "clip"]),
    ],
)
def test_a_list_that_names_something_twice_is_refused(place: str, value: list[str]) -> None:
    assert f"config.yaml: {place}: " in message(edited(place, value))


def test_messages_name_the_file_that_was_parsed() -> None:
    with pytest.raises(InputError, match=r"^mine\.yaml: seed: "):
        parse_config({**MINIMAL, "seed": "x"}, "mine.yaml")


def test_configuration_cannot_be_changed_after_parsing() -> None:
    config = parse_config(MINIMAL)
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", ["store", "memory", "receipts"])
def test_names_of_the_pipelines_own_folders_are_refused(name: str) -> None:
    dataset, encoder = MINIMAL["datasets"]["pets"], MINIMAL["encoders"]["clip"]
    said = f"config.yaml: datasets.{name}: the pipeline has a folder of this name; choose another"
    assert message({**MINIMAL, "datasets": {name: dataset}}) == said
    if name == "store":
        said = said.replace("datasets", "encoders")
        assert message({**MINIMAL, "encoders": {name: encoder}}) == said


@pytest.mark.parametrize("store", ["cache", ".", "./work", "results"])
def test_a_store_that_holds_other_folders_is_refused(store: str) -> None:
    said = message({**MINIMAL, "roots": {"store": store}})
    assert said.startswith("config.yaml: roots: ")
    assert "name a folder for it alone" in said


@pytest.mark.parametrize(
    ("roots", "problem"),
    [
        ({"results": ""}, "roots.results: is empty; name a file or folder, or leave the key out"),
        ({"cache": "  "}, "roots.cache: is empty; name a file or folder, or leave the key out"),
        ({"work": "w{x}"}, 'roots.work: "w{x}" has braces, which stand for wildcards'),
        ({"results": "work/out"}, "roots: `work` (work) holds `results` (work/out); name folders"),
        ({"work": "."}, "roots: `work` (.) holds `cache` (cache); name folders that lie beside"),
        ({"cache": "./work/"}, "roots: `work` (work) holds `cache` (work); name folders"),
        ({"cache": "$NO_SUCH/c"}, 'roots.cache: "$NO_SUCH/c": the environment has no variable NO_'),
    ],
)
def test_roots_that_cannot_be_are_refused(roots: dict[str, str], problem: str) -> None:
    assert message({**MINIMAL, "roots": roots}).startswith(f"config.yaml: {problem}")


def test_a_home_of_nobody_is_named() -> None:
    problem = 'roots.cache: "~no.such.user/c": this computer knows no home folder of ~no.such.user'
    roots = {"cache": "~no.such.user/c"}
    assert message({**MINIMAL, "roots": roots}).startswith(f"config.yaml: {problem}")


def test_steps_of_a_grid_are_bounded() -> None:
    axis = {"start": 0.0, "stop": 1.0, "steps": 10_000}
    evaluation = {**MINIMAL.get("evaluation", {}), "grid": {"tip-x": {"alpha": axis}}}
    assert parse_config({**MINIMAL, "evaluation": evaluation})
    axis["steps"] += 1
    said = message({**MINIMAL, "evaluation": evaluation})
    assert "evaluation.grid.tip-x.alpha.steps" in said and "10000" in said


def test_home_and_variables_are_expanded_in_all_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/h")
    monkeypatch.setenv("SCRATCH", "/s")
    images = {
        "test": "~/a",
        "train": "$SCRATCH/b",
        "validation": "${SCRATCH}/c",
        "unlabelled": "$SCRATCH",
    }
    dataset = {"classes": "~/d.txt", "images": images, "descriptions": "~/e.json"}
    config = parse_config(
        {
            "datasets": {"a": dataset, "b": {"card": "~/c.yaml", "images": {"root": "~/f"}}},
            "roots": {"work": "$SCRATCH/w/", "cache": "~/x/../y", "store": "$SCRATCH/store"},
            "encoders": {"clip": {"library": "transformers", "model": "$SCRATCH/m"}},
            "pools": {
                "p": {"layout": "webdataset", "path": "$SCRATCH/{0..1}.tar"},
                "q": {"layout": "captions", "path": "s3://b/$SCRATCH~"},
            },
        }
    )
    first, second = config.datasets["a"], config.datasets["b"]
    assert (first.classes, first.descriptions) == ("/h/d.txt", "/h/e.json")
    assert first.images is not None
    assert first.images.model_dump(include=images.keys()) == {
        "test": "/h/a",
        "train": "/s/b",
        "validation": "/s/c",
        "unlabelled": "/s",
    }
    assert second.images is not None
    assert (second.card, second.images.root) == ("/h/c.yaml", "/h/f")
    assert vars(config.roots) == {
        "data": None,
        "work": "/s/w",
        "cache": "/h/y",
        "results": "results",
        "store": "/s/store",
    }
    assert config.encoders["clip"].model == "/s/m"
    assert [pool.path for pool in config.pools.values()] == ["/s/{0..1}.tar", "s3://b/$SCRATCH~"]


@pytest.mark.parametrize("text", ["", "$NO_SUCH/c.txt"])
def test_a_class_file_that_cannot_be_is_one_problem(text: str) -> None:
    said = message({**MINIMAL, "datasets": {"a": {"classes": text, "images": {"test": "t"}}}})
    assert said.startswith("config.yaml: datasets.a.classes: ")
    assert "\n" not in said
