"""Texts that stand for a class."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from susx.core.errors import InputError
from susx.core.files import write_checked
from susx.manifests.classes import class_manifest
from susx.prompts.strategies import (
    PromptSet,
    build_prompts,
    fill,
    read_descriptions,
    with_descriptor,
)

CLASSES = class_manifest(["red_fox", {"name": "St. Bernard", "aliases": ["rescue dog"]}])
OTHER = {"St. Bernard": ["large"]}
SETTINGS: dict[str, Any] = {
    "template": "a photo of a {}.",
    "ensemble": ["one {}.", "two {} here."],
    "descriptions": None,
    "descriptors": None,
}


def describe(folder: Path, data: Any) -> Path:
    path = folder / "texts.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data), "utf-8")
    return path


def test_template_is_filled_with_the_name_and_spaces_for_underscores() -> None:
    prompts = build_prompts("photo", {"photo": "template"}, CLASSES, SETTINGS)
    assert prompts.texts == [["a photo of a red fox."], ["a photo of a St. Bernard."]]
    assert prompts.strategy == "photo"
    assert prompts.classes_sha256 == CLASSES.sha256
    assert prompts.provenance == {"template": "a photo of a {}."}


def test_ensemble_gives_one_text_per_template_in_order() -> None:
    prompts = build_prompts("ensemble", {"ensemble": "ensemble"}, CLASSES, SETTINGS)
    assert prompts.texts[0] == ["one red fox.", "two red fox here."]


def test_descriptions_come_in_label_order_not_file_order(tmp_path: Path) -> None:
    path = describe(tmp_path, {"St. Bernard": ["large", "kind"], "red_fox": ["red"]})
    settings = {**SETTINGS, "descriptions": str(path)}
    prompts = build_prompts("cupl", {"cupl": "descriptions"}, CLASSES, settings)
    assert prompts.texts == [["red"], ["large", "kind"]]
    assert prompts.provenance == {"descriptions": str(path)}


@pytest.mark.parametrize("order", [["ensemble", "cupl"], ["cupl", "ensemble"]])
def test_combination_keeps_the_order_of_its_parts(tmp_path: Path, order: list[str]) -> None:
    path = describe(tmp_path, {"St. Bernard": ["large", "kind"], "red_fox": ["red"]})
    source = {"ensemble": "ensemble", "cupl": "descriptions"}
    texts = {"ensemble": ["one St. Bernard.", "two St. Bernard here."], "cupl": ["large", "kind"]}
    settings = {**SETTINGS, "descriptions": str(path)}
    prompts = build_prompts("both", {name: source[name] for name in order}, CLASSES, settings)
    assert prompts.texts[1] == texts[order[0]] + texts[order[1]]
    assert set(prompts.provenance) == {"ensemble", "descriptions"}


@pytest.mark.parametrize("source", ["descriptions", "descriptors"])
def test_missing_setting_of_a_text_file_says_what_to_do(source: str) -> None:
    with pytest.raises(InputError, match=f"the dataset has no `{source}`: name a JSON file"):
        build_prompts("cupl", {"cupl": source}, CLASSES, SETTINGS)


@pytest.mark.parametrize(
    ("descriptor", "text"),
    [
        ("two legs", "hen, which has two legs"),
        ("red, brown or white feathers", "hen, which has red, brown or white feathers"),
        ("a small bird", "hen, which is a small bird"),
        ("an egg layer", "hen, which is an egg layer"),
        ("used for eggs", "hen, which is used for eggs"),
        ("antlers", "hen, which has antlers"),
        ("has two legs", "hen, which has two legs"),
        ("often kept in flocks", "hen, which often kept in flocks"),
        ("typically brown", "hen, which typically brown"),
        ("may be white", "hen, which may be white"),
        ("can fly a little", "hen, which can fly a little"),
        ("canine teeth", "hen, which has canine teeth"),
        ("a", "hen, which is a"),
        ("", "hen"),
    ],
)
def test_descriptor_joins_the_class_name_in_a_clause(descriptor: str, text: str) -> None:
    assert with_descriptor("hen", descriptor) == text


def test_descriptors_become_clauses_in_label_order(tmp_path: Path) -> None:
    path = describe(tmp_path, {"St. Bernard": ["a large dog.", "can swim"], "red_fox": ["fur"]})
    settings = {**SETTINGS, "descriptors": str(path)}
    prompts = build_prompts("visdesc", {"visdesc": "descriptors"}, CLASSES, settings)
    assert prompts.texts == [
        ["red fox, which has fur"],
        ["St. Bernard, which is a large dog", "St. Bernard, which can swim"],
    ]
    assert prompts.provenance == {"descriptors": str(path)}


@pytest.mark.parametrize("empty", [[], [""], [" ", "\n"]])
def test_class_without_descriptors_is_its_name(tmp_path: Path, empty: list[str]) -> None:
    path = describe(tmp_path, {"red_fox": empty, "St. Bernard": ["fur"]})
    settings = {**SETTINGS, "descriptors": str(path)}
    prompts = build_prompts("visdesc", {"visdesc": "descriptors"}, CLASSES, settings)
    assert prompts.texts == [["red fox"], ["St. Bernard, which has fur"]]
    assert read_descriptions(path, CLASSES, allow_empty=True) == [[], ["fur"]]
    with pytest.raises(InputError, match='class "red_fox" has no sentence; give at least one'):
        read_descriptions(path, CLASSES)


def test_class_that_is_absent_is_no_class_without_descriptors(tmp_path: Path) -> None:
    path = describe(tmp_path, {"red_fox": []})
    with pytest.raises(
        InputError, match=r'texts\.json: no description of "St\. Bernard"; add what'
    ):
        read_descriptions(path, CLASSES, allow_empty=True)


@pytest.mark.parametrize(
    "name", ["{0.__class__}", "{}", "{{}}", "{name!r}", "%s", "$x", "\\1", "100 %"]
)
def test_class_names_are_data(name: str) -> None:
    manifest = class_manifest([name])
    prompts = build_prompts("photo", {"photo": "template"}, manifest, SETTINGS)
    assert prompts.texts == [[f"a photo of a {name.replace('_', ' ')}."]]


@given(st.text(), st.text(), st.text())
def test_filling_is_concatenation(before: str, name: str, after: str) -> None:
    template = before.replace("{}", "") + "{}" + after.replace("{}", "")
    assume(template.count("{}") == 1)
    left, right = template.split("{}")
    assert fill(template, name) == left + name + right


def test_braces_in_sentences_stay_as_they_are(tmp_path: Path) -> None:
    path = describe(tmp_path, {"red_fox": ["a {} in {0}"], "St. Bernard": ["{x}"]})
    assert read_descriptions(path, CLASSES) == [["a {} in {0}"], ["{x}"]]


@pytest.mark.parametrize("key", ["red_fox", "red fox", "Red Fox", "red-fox", "RED_FOX"])
def test_published_keys_match_after_cleaning(tmp_path: Path, key: str) -> None:
    path = describe(tmp_path, {key: [" red \n"], "rescue dog": ["large"]})
    assert read_descriptions(path, CLASSES) == [["red"], ["large"]]


def test_empty_sentences_are_left_out(tmp_path: Path) -> None:
    path = describe(tmp_path, {"red_fox": ["", "red", "  "], "St. Bernard": ["large"]})
    assert read_descriptions(path, CLASSES)[0] == ["red"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"red_fox": ["red"]}, 'no description of "St. Bernard"; add what'),
        ({}, 'no description of "red_fox", "St. Bernard"; add what'),
        (
            {"red_fox": ["r"], "St. Bernard": ["s"], "St. Bernhard": ["t"]},
            r'"St. Bernhard" \(did you mean "St. Bernard"\?\) names no class; remove',
        ),
        (
            {"zebra": ["z"]},
            '"zebra" names no class; no description of "red_fox", "St. Bernard"; rename the keys, '
            "or give the classes `aliases`, or their card `described_as`",
        ),
        (
            {"red_fox": ["a"], "Red Fox": ["b"]},
            'class "red_fox" is described twice, as "red_fox" and as "Red Fox"; merge',
        ),
        ('{"red_fox": ["a"], "red_fox": ["b"], "St. Bernard": ["c"]}', "described twice; merge"),
        ({"red_fox": [], **OTHER}, 'class "red_fox" has no sentence; give at least one'),
        ({"red_fox": ["", " "], **OTHER}, 'class "red_fox" has no sentence; give at least one'),
        ({"red_fox": "red", **OTHER}, 'class "red_fox": expected a list of sentences'),
        ({"red_fox": [1], **OTHER}, 'class "red_fox": expected a list of sentences'),
        ({"red_fox": None, **OTHER}, 'class "red_fox": expected a list of sentences'),
        ([["red_fox", "red"]], "expected a mapping"),
        ("{", "not valid JSON"),
    ],
)
def test_unusable_descriptions_are_named(tmp_path: Path, data: Any, problem: str) -> None:
    path = describe(tmp_path, data)
    with pytest.raises(InputError, match=rf"texts\.json: .*{problem}"):
        read_descriptions(path, CLASSES)


def test_a_damaged_file_of_a_language_model_is_named(tmp_path: Path) -> None:
    path = describe(tmp_path, {"format": "susx-descriptions-1", "texts": {"red_fox": ["red"]}})
    with pytest.raises(InputError, match=r"texts\.json: lacks `texts` or `provenance`"):
        read_descriptions(path, CLASSES)


def test_missing_descriptions_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"texts\.json: file not found"):
        read_descriptions(tmp_path / "texts.json", CLASSES)


def test_file_round_trip(tmp_path: Path) -> None:
    prompts = build_prompts("ensemble", {"ensemble": "ensemble"}, CLASSES, SETTINGS)
    prompts.write(tmp_path / "p.json", CLASSES)
    assert PromptSet.read(tmp_path / "p.json", CLASSES) == prompts
    data = json.loads((tmp_path / "p.json").read_text("utf-8"))
    assert data["prompts"]["St. Bernard"] == ["one St. Bernard.", "two St. Bernard here."]


def written(folder: Path, **changes: Any) -> Path:
    """A prompt file with some of its entries replaced, or left out where None."""
    prompts = build_prompts("photo", {"photo": "template"}, CLASSES, SETTINGS)
    prompts.write(folder / "p.json", CLASSES)
    data = {**json.loads((folder / "p.json").read_text("utf-8")), "sha256": None, **changes}
    write_checked(folder / "p.json", {k: v for k, v in data.items() if v is not None})
    return folder / "p.json"


@pytest.mark.parametrize(
    "content", ['{"red_fox": ["red"]}', "[]", '"text"', '{"format": "susx-classes-1"}']
)
def test_foreign_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(InputError, match=r"p\.json: (not a|has no) .*; .*rule prompts rebuilds"):
        PromptSet.read(tmp_path / "p.json", CLASSES)


def test_prompts_of_another_class_list_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(InputError, match=r"p\.json: belongs to another class list; delete it"):
        PromptSet.read(path, class_manifest(["red_fox"]))


@pytest.mark.parametrize(
    "changes",
    [{"prompts": {"red_fox": ["x"]}}, {"prompts": None}, {"strategy": None}, {"provenance": None}],
    ids=["class missing", "no prompts", "no strategy", "no provenance"],
)
def test_incomplete_prompt_file_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"p\.json: "):
        PromptSet.read(written(tmp_path, **changes), CLASSES)
