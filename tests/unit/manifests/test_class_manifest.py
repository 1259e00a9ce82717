"""Class names, slugs, hashes and look-up."""

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from susx.core.errors import InputError
from susx.core.files import sha256_json
from susx.core.plain import INVISIBLE
from susx.manifests.classes import (
    MAX_SLUG,
    ClassManifest,
    class_manifest,
    find_all,
    read_class_list,
)

ODD_NAMES = [
    "a/b",
    "..",
    ".",
    "../../etc/passwd",
    'the "quoted" one',
    "O'Neill's",
    "Washington, D.C.",
    "Åland Islands",
    "日本",
    "😀",
    "😀😀",
    "{0.__class__}",
    "%s",
    "C:\\con",
    "-rf",
    "x" * 500,
    "x" * 499 + "y",
    "café",
    "CAFE",
    "cafe",
]
PRINTABLE = st.text(min_size=1, max_size=60).filter(
    lambda s: s.strip() and s.strip().isprintable() and not INVISIBLE.search(s)
)


def test_index_is_the_place_in_the_list() -> None:
    manifest = class_manifest(["zebra", "ant", "Mouse"])
    assert [(c.index, c.name, c.slug) for c in manifest] == [
        (0, "zebra", "zebra"),
        (1, "ant", "ant"),
        (2, "Mouse", "mouse"),
    ]
    assert manifest.names == ["zebra", "ant", "Mouse"]
    assert len(manifest) == 3


def test_aliases_and_wnid_are_kept() -> None:
    entry = {"name": "dog", "aliases": ["hound", "cur"], "wnid": "n02084071"}
    manifest = class_manifest(["cat", entry])
    assert manifest.classes[1].aliases == ("hound", "cur")
    assert manifest.classes[1].wnid == "n02084071"
    assert manifest.classes[0].aliases == ()
    assert entry == {"name": "dog", "aliases": ["hound", "cur"], "wnid": "n02084071"}


def test_surrounding_space_is_no_part_of_a_name() -> None:
    assert class_manifest(["  cat\t", "dog\r"]).names == ["cat", "dog"]


def test_underscores_become_spaces_in_prompts_only() -> None:
    (entry,) = class_manifest(["golden_retriever"])
    assert (entry.name, entry.prompt_name) == ("golden_retriever", "golden retriever")


def test_odd_names_are_kept_and_get_safe_slugs() -> None:
    manifest = class_manifest(ODD_NAMES)
    assert manifest.names == ODD_NAMES
    slugs = [entry.slug for entry in manifest]
    assert len(set(slugs)) == len(slugs)
    assert all(0 < len(slug) <= 90 for slug in slugs)
    assert not set("/\\'\",:. {}%") & set("".join(slugs))
    assert manifest.classes[ODD_NAMES.index("Washington, D.C.")].slug == "washington-d-c"


@pytest.mark.parametrize("name", ["", "   ", "\t", "\r"])
def test_empty_name_is_refused_with_its_place(name: str) -> None:
    with pytest.raises(InputError, match=r"my\.txt: entry 2 is empty; remove it or name the class"):
        class_manifest(["cat", name, "dog"], "my.txt")


@pytest.mark.parametrize("second", ["cat", " cat "])
def test_duplicate_name_is_refused_with_both_places(second: str) -> None:
    with pytest.raises(InputError, match=r'my\.txt: class "cat" stands at entries 1 and 3; '):
        class_manifest(["cat", "dog", second], "my.txt")


@pytest.mark.parametrize("character", ["\n", "\0", "\x07", "\x0c", "\u200b", "\u2028", "\ud800"])
def test_invisible_characters_are_refused_with_their_place(character: str) -> None:
    with pytest.raises(InputError, match=r"my\.txt: entry 2 .* invisible character; remove it"):
        class_manifest(["cat", f"red{character}fox"], "my.txt")


def test_overlong_name_is_refused_with_its_place() -> None:
    with pytest.raises(InputError, match=r"my\.txt: entry 1 .*501 characters; .* at most 500"):
        class_manifest(["x" * 501], "my.txt")


def test_no_names_are_refused() -> None:
    with pytest.raises(InputError, match=r"my\.txt: no class names; give at least one"):
        class_manifest([], "my.txt")


@given(st.lists(PRINTABLE, min_size=1, max_size=12, unique_by=str.strip))
@example(ODD_NAMES)
@example(["a b", "a-b", "A B", "a_b", "a.b"])
@example(["class", "!", "?"])
def test_slugs_are_unique_short_and_safe(names: list[str]) -> None:
    slugs = [entry.slug for entry in class_manifest(names)]
    assert len(set(slugs)) == len(slugs)
    for slug in slugs:
        assert slug == slug.lower()
        assert 0 < len(slug) <= 90
        assert slug.isascii()
        assert not {"/", "\\", "\0", ".", " "} & set(slug)
        assert slug[0].isalnum()


@given(st.lists(PRINTABLE, min_size=1, max_size=8, unique_by=str.strip))
def test_slugs_of_slugs_are_slugs(names: list[str]) -> None:
    slugs = [entry.slug for entry in class_manifest(names)]
    assume(max(map(len, slugs)) < MAX_SLUG)
    assert [entry.slug for entry in class_manifest(slugs)] == slugs


@given(
    st.lists(PRINTABLE, min_size=1, max_size=4, unique_by=str.strip),
    st.lists(PRINTABLE.map(str.strip), max_size=3),
)
@settings(max_examples=30)
def test_any_manifest_makes_the_round_trip(
    tmp_path: Path, names: list[str], aliases: list[str]
) -> None:
    entries = [*({"name": name, "aliases": aliases} for name in names[:1]), *names[1:]]
    made = class_manifest(entries)
    made.write(tmp_path / "classes.json")
    assert ClassManifest.read(tmp_path / "classes.json") == made
    for entry in made:
        folder = tmp_path / "made" / entry.slug
        folder.mkdir(parents=True, exist_ok=True)
        assert folder.resolve().parent == tmp_path / "made"
        assert folder.name == entry.slug


def test_slugs_stay_unique_when_a_name_looks_like_a_hashed_slug() -> None:
    taken = class_manifest(["a!", "a?"]).classes[0].slug
    slugs = [entry.slug for entry in class_manifest(["a!", "a?", taken])]
    assert len(set(slugs)) == 3


@given(st.lists(PRINTABLE, min_size=2, max_size=8, unique_by=str.strip), st.randoms())
def test_slugs_do_not_depend_on_the_order_of_classes(names: list[str], random) -> None:
    slugs = {entry.name: entry.slug for entry in class_manifest(names)}
    random.shuffle(names)
    assert {entry.name: entry.slug for entry in class_manifest(names)} == slugs


@given(st.lists(PRINTABLE, min_size=1, max_size=8, unique_by=str.strip))
def test_names_and_slugs_are_found(names: list[str]) -> None:
    manifest = class_manifest(names)
    for entry in manifest:
        assert manifest.find(entry.name) == entry.index
        assert manifest.classes[manifest.find(entry.slug)].name in {
            entry.name,
            *(name for name in manifest.names if name == entry.slug),
        }


def test_hash_depends_on_order_names_aliases_and_wnid() -> None:
    variants: list[list] = [
        ["cat", "dog"],
        ["dog", "cat"],
        ["cat", "dog", "ant"],
        ["cat", "Dog"],
        ["cat", {"name": "dog", "aliases": ["cur"]}],
        ["cat", {"name": "dog", "wnid": "n1"}],
    ]
    assert len({class_manifest(entries).sha256 for entries in variants}) == len(variants)


def test_hash_is_the_same_every_time() -> None:
    assert class_manifest(["cat", "dog"]).sha256 == class_manifest(["cat", {"name": "dog"}]).sha256


def test_file_round_trip(tmp_path: Path) -> None:
    manifest = class_manifest([*ODD_NAMES, {"name": "dog", "aliases": ["cur"], "wnid": "n1"}])
    manifest.write(tmp_path / "classes.json")
    again = ClassManifest.read(tmp_path / "classes.json")
    assert again == manifest
    assert again.sha256 == manifest.sha256
    data = json.loads((tmp_path / "classes.json").read_text("utf-8"))
    assert data["sha256"] == sha256_json(data["classes"])


def test_edited_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    class_manifest(["cat", "dog"]).write(path)
    path.write_text(path.read_text("utf-8").replace('"name": "cat"', '"name": "cow"'), "utf-8")
    with pytest.raises(InputError, match=r"classes\.json: contents do not fit the stored hash; "):
        ClassManifest.read(path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"classes": [], "other": 1}',
        '{"classes": [{"name": "cat"}], "sha256": ""}',
        '{"classes": ["cat"], "sha256": ""}',
        '{"classes": [{"index": 0, "name": "c", "slug": "c", "aliases": [], "x": 1}], "sha256": 0}',
    ],
)
def test_foreign_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "classes.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"classes\.json: .*rule class_manifest rebuilds it"):
        ClassManifest.read(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: not a class manifest"):
        ClassManifest.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("golden_retriever", "golden_retriever"),
        ("golden retriever", "golden_retriever"),
        ("Golden Retriever", "golden_retriever"),
        (" GOLDEN__RETRIEVER ", "golden_retriever"),
        ("golden-retriever", "golden_retriever"),
        ("St. Bernard", "St. Bernard"),
        ("st-bernard", "St. Bernard"),
        ("st. bernard", "St. Bernard"),
        ("St._Bernard", "St. Bernard"),
        ("hound", "dog"),
        ("HOUND", "dog"),
        ("n02084071", "dog"),
        ("ÅLAND", "Åland"),
        ("aland", "Åland"),
        ("nothing", None),
        ("", None),
        ("dogs", None),
    ],
)
def test_find_takes_name_slug_wnid_alias_case_and_underscore(label: str, name: str | None) -> None:
    dog = {"name": "dog", "aliases": ["hound"], "wnid": "n02084071"}
    manifest = class_manifest(["golden_retriever", "St. Bernard", dog, "Åland"])
    index = manifest.find(label)
    assert (None if index is None else manifest.names[index]) == name


def test_exact_names_win_over_slugs_and_aliases_of_others() -> None:
    manifest = class_manifest([{"name": "Red Fox", "aliases": ["fox"]}, "fox", "RED FOX"])
    assert manifest.find("fox") == 1
    assert manifest.find("RED FOX") == 2
    assert manifest.find("Red Fox") == 0


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_find_takes_both_unicode_spellings(form: str) -> None:
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    manifest = class_manifest([unicodedata.normalize(form, "São Tomé"), "Cuba"])
    assert manifest.find(unicodedata.normalize(other, "São Tomé")) == 0


def test_find_all_maps_every_label() -> None:
    manifest = class_manifest(["zebra", "ant", "St. Bernard"])
    assert find_all(manifest, ["st-bernard", "ANT", "zebra"], "here") == {
        "st-bernard": 2,
        "ANT": 1,
        "zebra": 0,
    }


def test_find_all_names_an_unknown_label_with_the_nearest_class() -> None:
    manifest = class_manifest(["zebra", "ant"])
    with pytest.raises(InputError, match='photos: "zebras" names no class; did you mean "zebra"'):
        find_all(manifest, ["zebras"], "photos")


def test_find_all_lists_classes_when_none_is_near() -> None:
    manifest = class_manifest(["zebra", "ant"])
    with pytest.raises(InputError, match='"train" names no class; the classes are "zebra", "ant"'):
        find_all(manifest, ["train"], "photos")


def test_find_all_refuses_two_labels_of_one_class() -> None:
    manifest = class_manifest(["St. Bernard", "ant"])
    match = r'photos: "St. Bernard" and "st-bernard" both name class "St. Bernard"; keep one'
    with pytest.raises(InputError, match=match):
        find_all(manifest, ["St. Bernard", "st-bernard"], "photos")


@pytest.mark.parametrize(
    ("entries", "label"),
    [
        ([{"name": "bird", "aliases": ["x"]}, {"name": "machine", "aliases": ["x"]}], "x"),
        (["Crane", "crane"], "CRANE"),
        (["a!", {"name": "b", "aliases": ["x y"]}, {"name": "c", "aliases": ["X_Y"]}], "X Y"),
    ],
)  # fmt: skip
def test_a_label_that_fits_two_classes_equally_well_is_refused(entries: list, label: str) -> None:
    with pytest.raises(InputError, match=label):
        find_all(class_manifest(entries), [label], "photos")


def test_class_list_reads_one_name_per_line(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes("\ufeffcat\r\nSão Tomé\r\nred fox \n\n\n".encode())
    assert class_manifest(read_class_list(path)).names == ["cat", "São Tomé", "red fox"]


def test_class_list_with_an_empty_line_inside_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\n\ndog\n")
    with pytest.raises(InputError, match=r"classes\.txt: entry 2 is empty"):
        class_manifest(read_class_list(tmp_path / "classes.txt"), "classes.txt")


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_only_line_ends_separate_the_names_of_a_class_list(tmp_path: Path, character: str) -> None:
    (tmp_path / "classes.txt").write_text(f"red{character}fox\ncat\n", "utf-8")
    with pytest.raises(InputError, match=r"entry 1 .*invisible character"):
        class_manifest(read_class_list(tmp_path / "classes.txt"))


def test_empty_class_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("\n")
    with pytest.raises(InputError, match=r"classes\.txt: no class names"):
        class_manifest(read_class_list(tmp_path / "classes.txt"), "classes.txt")


def test_missing_class_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt: file not found"):
        read_class_list(tmp_path / "none.txt")


def test_class_list_that_is_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=tmp_path.name):
        read_class_list(tmp_path)


def test_class_list_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_bytes("Åland\n".encode("utf-16"))
    with pytest.raises(InputError, match=r"classes\.txt: not UTF-8 text; save the class list"):
        read_class_list(tmp_path / "classes.txt")


@pytest.mark.parametrize("line", ["# animals", "  #animals"])
def test_a_class_list_has_no_comments(tmp_path: Path, line: str) -> None:
    (tmp_path / "classes.txt").write_text(f"cat\n{line}\nC#\n", "utf-8")
    match = r"classes\.txt: line 2 begins with #, but a class list has no comments; remove it, or"
    with pytest.raises(InputError, match=match):
        read_class_list(tmp_path / "classes.txt")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('["cat", "dog"]\n', "a list or mapping as of JSON"),
        ("[\n  'cat',\n  'dog',\n]\n", "a list or mapping as of JSON"),
        ('{"0": "cat", "1": "dog"}', "a list or mapping as of JSON"),
        ('[{"name": "cat"}, {"name": "dog"}]', "a list or mapping as of JSON"),
        ("{0: 'tench, Tinca tinca',\n 1: 'goldfish'}", "a list or mapping as of JSON"),
        ("<!DOCTYPE html>\n<html>Not Found</html>\n", "HTML"),
        ("- cat\n- dog\n", "every line begins with a bullet"),
        ("• cat\n• dog\n", "every line begins with a bullet"),
        ("Class_Name\ncat\ndog\n", '"Class_Name", is the heading of a column'),
        ("names:\n- cat\n- dog\n", '"names:", is the heading of a column'),
        ("cat,\ndog,\nbird\n", "lines end in commas"),
        ("n01440764 tench, Tinca tinca\nn01443537 goldfish\n", "an identifier of WordNet"),
        ("n01440764\nn01443537\n", "an identifier of WordNet"),
        ("1. cat\n2. dog\n", "lines number the classes"),
        ("cat = 0\ndog = 1\n", "lines number the classes"),
        ("'cat'\n\"dog\"\n", "every line is in quotes"),
        ('"cat",\n"dog"\n', "every line is in quotes"),
        ("0,cat\n1,dog\n", "lines number the classes"),
        ("id;name\n1;cat\n2;dog\n", "lines number the classes"),
        ("cat\t0\ndog\t1\n", "lines number the classes"),
        ("0 cat\n1 dog\n", "lines number the classes"),
        ("1 001.Black_footed_Albatross\n2 002.Laysan_Albatross\n", "lines number the classes"),
        ("cat,feline\ndog,canine\n", "every line has columns of CSV"),
    ],
)
def test_lists_of_another_format_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(InputError, match=rf"classes\.txt: .*{problem}.*; write one class name per"):
        read_class_list(tmp_path / "classes.txt")


@pytest.mark.parametrize(
    "names",
    [
        ["1,2-dichloroethane", "1,3-butadiene"],
        ["- cat", "dog"],
        ['"cat"', "dog"],
        ["1 dot", "3 dots"],
        ["0 dots", "1 dot", "dots"],
        ["7 Up", "8 Mile"],
        ["1,000 yen", "5,000 yen"],
        ["tench, Tinca tinca", "goldfish, Carassius auratus"],
        ["Paris,TX", "Paris"],
        ["type 1", "type 2"],
        ["cat", "category"],
        ["name"],
        ["Paris,", "n1"],
        ["001.Albatross", "002.Auklet"],
        ["[cat]", "{dog}"],
        ["Mambo No, 5", "Chanel No, 5"],
    ],
)
def test_names_that_look_odd_one_by_one_are_names(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "classes.txt").write_text("\n".join(names))
    assert read_class_list(tmp_path / "classes.txt") == names
