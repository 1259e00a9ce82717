"""The built-in dataset cards, and cards by name."""

import json
import os
from pathlib import Path

import pytest

from susx.config import parse_config
from susx.config.cards import CARDS, built_in_cards, card_files, card_path, load_card
from susx.config.datasets import tuning_split, with_card
from susx.core.errors import InputError
from susx.datasets.layouts.coop_json import CoopSplit
from susx.manifests.classes import ClassManifest, class_manifest
from susx.manifests.names import named_classes
from susx.methods import METHODS, Axis
from tests.made.config import MINIMAL

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared"
NAMES = SHARED / "facts/classnames"
CUPL = SHARED / "data/cupl"
CLASSES = {
    "birdsnap": 500, "caltech101": 100, "caltech256": 257, "cifar10": 10, "cifar100": 100,
    "country211": 211, "cub": 200, "dtd": 47, "eurosat": 10, "fgvcaircraft": 100,
    "flowers102": 102, "food101": 101, "imagenet": 1000, "imagenet-r": 200,
    "imagenet-sketch": 1000, "oxfordpets": 37, "stanfordcars": 196, "sun397": 397, "ucf101": 101,
}  # fmt: skip
TUNED_ON_TEST = {"cifar10", "cifar100", "imagenet", "imagenet-r", "imagenet-sketch"}
CORRECTED = {("cifar100", 26): "crab"}

needs_names = pytest.mark.skipif(not NAMES.is_dir(), reason="reference class lists not here")


def classes_of(card: str) -> ClassManifest:
    return named_classes(None, card, "card")


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").rstrip("\n").split("\n")


def minimal(**dataset: object) -> dict[str, object]:
    return {**MINIMAL, "datasets": {"x": dataset}}


def test_the_datasets_of_the_paper_have_cards() -> None:
    assert built_in_cards() == sorted(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_built_in_card_is_complete(name: str) -> None:
    card, classes = load_card(name), classes_of(name)
    assert len(classes) == CLASSES[name]
    assert (card.validation == "test") == (name in TUNED_ON_TEST)
    assert card.sources
    assert "test" in card.expected
    assert ("validation" in card.expected) == (name not in TUNED_ON_TEST)
    assert not any(entry.name != entry.name.strip() or "_" in entry.name for entry in classes)
    for source in card.sources:
        splits = {"train", "validation", "test"}
        if not isinstance(source, CoopSplit):
            splits = set(source.splits)
        expected = card.expected if source.expected is None else source.expected
        assert set(expected) <= splits
        names = getattr(source, "names", [])
        assert not names or len(names) == len(classes)


@pytest.mark.parametrize("name", CLASSES)
def test_every_name_of_a_built_in_class_finds_it_and_no_other(name: str) -> None:
    classes = classes_of(name)
    for entry in classes:
        for spelling in (entry.name, entry.name.replace(" ", "_"), entry.slug, *entry.aliases):
            assert classes.find(spelling) == entry.index, spelling
        if entry.wnid:
            assert classes.find(entry.wnid) == entry.index


@needs_names
@pytest.mark.parametrize("name", CLASSES)
def test_built_in_classes_are_those_of_the_reference(name: str) -> None:
    classes = classes_of(name)
    expected = lines(NAMES / f"{name}.txt")
    corrected = [CORRECTED.get((name, i), label) for i, label in enumerate(expected)]
    assert [entry.name for entry in classes] == corrected
    assert [classes.find(label) for label in expected] == list(range(len(classes)))
    raw = NAMES / f"raw/{name}.txt"
    for label in lines(raw) if raw.exists() else []:
        assert classes.find(label) is not None, label


@needs_names
@pytest.mark.parametrize("name", ["ucf101", "caltech101", "dtd", "eurosat"])
def test_published_folders_name_the_classes(name: str) -> None:
    found = [classes_of(name).find(folder) for folder in lines(NAMES / f"{name}.folders.txt")]
    assert found == list(range(CLASSES[name]))


@needs_names
@pytest.mark.parametrize(
    ("name", "file"),
    [("imagenet", "imagenet"), ("imagenet-sketch", "imagenet"), ("imagenet-r", "imagenet-r")],
)
def test_wnids_are_those_of_the_reference(name: str, file: str) -> None:
    assert [entry.wnid for entry in classes_of(name)] == lines(NAMES / f"{file}.wnids.txt")


@needs_names
def test_country_codes_are_those_of_the_reference() -> None:
    source, *_ = load_card("country211").sources
    assert source.names == lines(NAMES / "country211.iso.txt")


@pytest.mark.skipif(not CUPL.is_dir(), reason="published descriptions not here")
@pytest.mark.parametrize("name", ["caltech101", "cifar10", "dtd", "imagenet-r", "ucf101"])
def test_published_descriptions_match_every_class(name: str) -> None:
    texts = json.loads((CUPL / f"CuPL_prompts_{name}.json").read_text("utf-8"))
    classes = classes_of(name)
    assert {classes.find(key) for key in texts} == set(range(len(classes)))


PUBLISHED = {
    "imagenet": ((7, 3), (7, 7, 0.5)),
    "caltech101": ((12, 5), (7, 7, 1)),
    "dtd": ((13, 13), (7, 7, 1)),
    "eurosat": ((12, 10), (30, 5, 1.5)),
    "fgvcaircraft": ((30, 30), (20, 10, 1)),
    "food101": ((10, 10), (7, 7, 1)),
    "flowers102": ((50, 50), (7, 7, 1)),
    "oxfordpets": ((7, 3), (7, 7, 1)),
    "stanfordcars": ((20, 10), (10, 7, 1)),
    "sun397": ((12, 10), (10, 7, 1)),
    "ucf101": ((7, 3), (10, 7, 1.5)),
}
"""Ends of the published grids: Tip-Adapter's beta and alpha, APE's beta, alpha and gamma."""


@pytest.mark.parametrize("name", built_in_cards())
def test_grids_of_cards_are_the_published_ones(name: str) -> None:
    grid = load_card(name).grid
    order = {"tip-adapter": ("beta", "alpha"), "ape": ("beta", "alpha", "gamma")}
    found = tuple(
        tuple(grid[method][key].stop for key in keys)
        for method, keys in order.items()
        if method in grid
    )
    assert found == PUBLISHED.get(name, ())
    for method, axes in grid.items():
        for key, axis in axes.items():
            published = METHODS[method].grid[key]
            assert isinstance(published, Axis)
            few = name == "imagenet" and key == "gamma"
            assert (axis.start, axis.steps) == (published.start, 5 if few else published.steps)


def test_codes_that_yaml_and_tables_misread_stay_names() -> None:
    source, *_ = load_card("country211").sources
    index = {name: i for i, name in enumerate(source.names)}
    names = classes_of("country211").names
    assert [names[index[code]] for code in ("NA", "NO", "XK")] == ["Namibia", "Norway", "Kosovo"]


def test_codes_of_countries_are_no_aliases_that_captions_would_contain() -> None:
    assert all(entry.aliases == () for entry in classes_of("country211"))


def test_imagenet_names_differ_where_older_lists_repeat_themselves() -> None:
    names = classes_of("imagenet").names
    assert len(set(names)) == 1000
    assert [names[i] for i in (657, 744, 836, 837)] == [
        "missile", "projectile", "sunglass", "sunglasses"
    ]  # fmt: skip


def test_sketches_have_the_classes_of_imagenet() -> None:
    assert classes_of("imagenet-sketch") == classes_of("imagenet")
    assert load_card("imagenet-sketch").template != load_card("imagenet").template


def test_a_card_is_found_by_name_or_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "title: Pets\nclasses: [cat]\n"
    for name in ("dtd.yaml", "pets"):
        (tmp_path / name).write_text(text, "utf-8")
    assert card_path("dtd") == CARDS / "dtd.yaml"
    assert load_card("dtd").title == "Describable Textures"
    assert load_card("dtd.yaml").title == load_card("pets").title == "Pets"


def test_unknown_name_of_a_card_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r'"imagenett" is neither .* did you mean "imagenet"'):
        load_card("imagenett")
    with pytest.raises(InputError, match=r'"zz" is neither .*; there are birdsnap, caltech101, '):
        load_card("zz")


def test_a_named_card_fills_a_dataset() -> None:
    config = parse_config(minimal(card="imagenet", images={"root": "ilsvrc"}))
    dataset = with_card(config.datasets["x"])
    assert dataset.template == "A photo of a {}."
    assert tuning_split(dataset) == "test"


def test_a_root_needs_a_card_that_lists_sources(tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text("title: Pets\nclasses: [cat]\n", "utf-8")
    config = parse_config(minimal(card=str(tmp_path / "card.yaml"), images={"root": "x"}))
    with pytest.raises(InputError, match=r"card\.yaml: lists no `sources`"):
        with_card(config.datasets["x"])


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("wnids: [n1]\n", "wnids: 1 for 2 `classes`"),
        ("sources: [{layout: tar}]\n", r"sources\.0\.layout: expected one of .*'coop-json'"),
        ("sources: [{layout: coop-json, name: a}]\n", r"sources\.0\.file: missing"),
        (
            "sources: [{layout: coop-json, name: a, fil: b}]\n",
            r'sources\.0\.fil: unknown key; did you mean "file"',
        ),
        (
            "sources: [{layout: class-folders, name: a, splits: {val: x}}]\n",
            r"sources\.0\.splits\.val",
        ),
        (
            "sources: [{layout: coop-json, name: a, file: b, strip: '('}]\n",
            r"sources\.0\.strip: .*not a regular expression",
        ),
        (
            "sources: [&s {layout: coop-json, name: a, file: b}, *s]\n",
            'sources: two are called "a"',
        ),
        ("expected: {test: 0}\n", r"expected\.test: .*greater than 0"),
        (
            "sources: [{layout: class-folders, name: a, splits: {test: x}, names: [DE, NO]}]\n",
            r"sources\.0\.names\.1: .*string \(got False\)",
        ),
    ],
)
def test_broken_part_of_a_card_is_named(tmp_path: Path, lines: str, problem: str) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(f"title: Pets\nclasses: [cat, dog]\n{lines}", "utf-8")
    with pytest.raises(InputError, match=rf"card\.yaml: .*{problem}"):
        load_card(path)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_cards_in_a_circle_are_named(tmp_path: Path, length: int) -> None:
    files = [tmp_path / f"{number}.yaml" for number in range(length)]
    for file, following in zip(files, [*files[1:], files[0]], strict=True):
        file.write_text(f"title: Pets\nclasses: {following}\n", "utf-8")
    circle = " -> ".join(map(str, [*files, files[0]]))
    with pytest.raises(InputError) as caught:
        load_card(files[0])
    assert str(caught.value) == (
        f"{files[0]}: classes: cards name each other in a circle ({circle}); list the classes in "
        "one of them"
    )


def test_classes_of_a_card_come_from_all_cards_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text("title: A\nclasses: b.yaml\ntemplate: one {}\n", "utf-8")
    Path("b.yaml").write_text("title: B\nclasses: c.yaml\ntemplate: two {}\n", "utf-8")
    Path("c.yaml").write_text("title: C\nclasses: [cat]\nwnids: [n1]\n", "utf-8")
    assert [str(file) for file in card_files("a.yaml")] == ["a.yaml", "b.yaml", "c.yaml"]
    card = load_card("a.yaml")
    assert (card.title, card.template) == ("A", "one {}")
    assert [(entry.name, entry.wnid) for entry in card.classes] == [("cat", "n1")]
    assert card_files("imagenet-sketch") == [card_path("imagenet-sketch"), card_path("imagenet")]


def test_a_card_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    for name in ("cat", "dog"):
        path.write_text(f"title: Pets\nclasses: [{name}]\n", "utf-8")
        os.utime(path, ns=(0, 0))
        assert [entry.name for entry in load_card(path).classes] == [name]


def test_wnids_are_joined_to_their_classes(tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_text("title: Pets\nclasses: [cat, dog]\nwnids: [n2, n1]\n", "utf-8")
    entries = load_card(path).model_dump()["classes"]
    assert class_manifest(entries).find("n1") == 1
