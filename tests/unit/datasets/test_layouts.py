"""Layouts that datasets have on disk, and what is odd about each."""

import json
from pathlib import Path
from typing import Any

import pytest

from susx.config.cards import Card
from susx.config.datasets import ImageSettings
from susx.core.errors import InputError
from susx.datasets.manifest import describe
from susx.datasets.sources import list_split, locate, split_manifest
from susx.datasets.stored import read_listed
from susx.manifests.classes import class_manifest
from tests.made.datasets import (
    classes_of,
    manifest_of,
    names_by_key,
    place_of,
    reasons,
    write_image,
    write_split_file,
)

PETS = class_manifest(["cat", "dog"])


def pets_card(**source: Any) -> Card:
    entry = {"name": "a", "layout": "coop-json", "file": "split.json", **source}
    return Card.model_validate({"title": "Pets", "classes": ["cat", "dog"], "sources": [entry]})


def list_pets(root: Path, split: str = "test", **source: Any) -> dict[str, int]:
    place = locate(ImageSettings(root=str(root)), pets_card(**source), "images")
    found = list_split(place.settings(split), PETS, "images.test")
    return {image.key: image.label for image in found.images}


def write_rows(root: Path, *rows: Any) -> None:
    data = {"train": [], "val": [], "test": list(rows)}
    (root / "split.json").write_text(json.dumps(data), "utf-8")


def test_rows_of_a_split_file_keep_their_labels_whatever_their_order(tmp_path: Path) -> None:
    rows = [
        ("image_05000.jpg", 76, "passion flower"),
        ("image_00190.jpg", 0, "pink primrose"),
        ("image_05001.jpg", 76, "passion flower"),
    ]
    write_split_file(
        tmp_path / "split_zhou_OxfordFlowers.json",
        tmp_path / "jpg",
        train=rows,
        val=[("image_1.jpg", 1, "hard-leaved pocket orchid")],
        test=[("image_2.jpg", 1, "hard-leaved pocket orchid")],
    )
    table = manifest_of("flowers102", tmp_path, "train")
    assert [(record.key, record.label) for record in table.records] == [
        ("image_00190.jpg", 0),
        ("image_05000.jpg", 76),
        ("image_05001.jpg", 76),
    ]
    assert table.meta["source"] == "coop"
    assert len(table.meta["classes_without_images"]) == 100
    assert list(names_by_key(manifest_of("flowers102", tmp_path, "validation"))) == ["image_1.jpg"]
    assert list(names_by_key(manifest_of("flowers102", tmp_path, "test"))) == ["image_2.jpg"]


def test_split_files_that_name_folders_match_the_cleaned_names(tmp_path: Path) -> None:
    write_split_file(
        tmp_path / "split_Caltech256.json",
        tmp_path / "256_ObjectCategories",
        test=[
            ("253.faces-easy-101/253_0001.jpg", 252, "253.faces-easy-101"),
            ("002.american-flag/002_0001.jpg", 1, "002.american-flag"),
        ],
    )
    assert names_by_key(manifest_of("caltech256", tmp_path)) == {
        "002.american-flag/002_0001.jpg": "american-flag",
        "253.faces-easy-101/253_0001.jpg": "faces-easy",
    }
    write_split_file(
        tmp_path / "split_CUB.json",
        tmp_path / "images",
        test=[("x.jpg", 0, "001.Black_footed_Albatross"), ("y.jpg", 1, "Laysan Albatross")],
    )
    assert set(names_by_key(manifest_of("cub", tmp_path)).values()) == {
        "Black footed Albatross", "Laysan Albatross"
    }  # fmt: skip


def test_images_next_to_the_split_file_are_found(tmp_path: Path) -> None:
    name = "2012 Ram C/V Cargo Van Minivan"
    label = classes_of("stanfordcars").names.index(name)
    row = ("cars_test/08041.jpg", label, name)
    write_split_file(tmp_path / "split_zhou_StanfordCars.json", tmp_path, test=[row])
    assert names_by_key(manifest_of("stanfordcars", tmp_path)) == {"cars_test/08041.jpg": name}


@pytest.mark.parametrize("folder", ["2750", "EuroSAT_RGB"])
def test_folders_of_the_archive_are_found_beside_the_split_file(
    folder: str, tmp_path: Path
) -> None:
    row = ("SeaLake/SeaLake_1.jpg", 9, "Sea or Lake")
    write_split_file(tmp_path / "split_zhou_EuroSAT.json", tmp_path / folder, test=[row])
    table = manifest_of("eurosat", tmp_path)
    assert [(record.path, record.reason) for record in table.records] == [
        (f"{tmp_path}/{folder}/SeaLake/SeaLake_1.jpg", "")
    ]
    place = place_of("eurosat", tmp_path)
    assert place.files("test") == [tmp_path / "split_zhou_EuroSAT.json", tmp_path / folder]


def test_pets_are_read_by_the_lists_of_their_publisher(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    for split, rows in (
        ("trainval", "Ragdoll_9 27 1 6"),
        ("test", "pug_2 26 2 19\nEgyptian_Mau_14 12 1 5"),
    ):
        (tmp_path / f"annotations/{split}.txt").write_text(f"{rows}\n", "utf-8")
    for name in ("Ragdoll_9", "pug_2", "Egyptian_Mau_14"):
        write_image(tmp_path / f"images/{name}.jpg")
    assert names_by_key(manifest_of("oxfordpets", tmp_path)) == {
        "Egyptian_Mau_14.jpg": "egyptian mau", "pug_2.jpg": "pug"
    }  # fmt: skip
    assert names_by_key(manifest_of("oxfordpets", tmp_path, "train")) == {
        "Ragdoll_9.jpg": "ragdoll"
    }
    assert place_of("oxfordpets", tmp_path).splits == ["train", "test"]
    (tmp_path / "annotations/test.txt").write_text("pug_2 26\npug 26\n", "utf-8")
    with pytest.raises(InputError, match=r"test\.txt: line 2: no class name in 'pug 26'"):
        manifest_of("oxfordpets", tmp_path)


def write_birds(root: Path, paths: str, splits: str) -> None:
    root.mkdir()
    (root / "images.txt").write_text(paths, "utf-8")
    (root / "train_test_split.txt").write_text(splits, "utf-8")


def test_birds_are_read_by_the_lists_of_their_publisher(tmp_path: Path) -> None:
    names = [
        "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg",
        "200.Common_Yellowthroat/b.jpg",
    ]
    root = tmp_path / "CUB_200_2011"
    write_birds(root, f"1 {names[0]}\n2 {names[1]}\n", "1 0\n2 1\n")
    for name in names:
        write_image(root / "images" / name)
    test, train = (manifest_of("cub", tmp_path, split) for split in ("test", "train"))
    assert names_by_key(test) == {names[0]: "Black footed Albatross"}
    assert [(record.key, record.label) for record in train.records] == [(names[1], 199)]
    assert reasons(test) == reasons(train) == {}
    assert place_of("cub", tmp_path).splits == ["train", "test"]


@pytest.mark.parametrize(
    ("paths", "splits", "problem"),
    [
        (
            "1 001.x/a.jpg\n",
            "2 1\n",
            r"train_test_split\.txt: lacks image 1, which images\.txt has",
        ),
        ("1 001.x/a.jpg\n", "1 0\n2 1\n", r"images\.txt: lacks image 2, which train_test"),
        ("1 001.x/a.jpg\n1 002.x/a.jpg\n", "1 0\n", r"images\.txt: line 2: .* is no new number"),
        ("1 001.x/a.jpg\n", "1\n", r"train_test_split\.txt: line 1: '1' is no new number"),
        ("1 001.x/a.jpg\n", "1 0\n", r'images\.txt: "x" names no class'),
        ("1 001.x/a.jpg\n", "1 1\n", r"images\.txt: lists no images"),
        ("1 ../a.jpg\n", "1 0\n", r'images\.txt: "\.\." names no class'),
    ],
)
def test_broken_lists_of_birds_are_named(
    paths: str, splits: str, problem: str, tmp_path: Path
) -> None:
    write_birds(tmp_path / "CUB_200_2011", paths, splits)
    with pytest.raises(InputError, match=problem):
        manifest_of("cub", tmp_path)


def test_missing_images_are_listed_and_never_replaced(tmp_path: Path) -> None:
    rows = [
        ("a/1.jpg", 0, "Acadian Flycatcher"),
        ("b/2.jpg", 1, "Acorn Woodpecker"),
        ("b/3.jpg", 1, "Acorn Woodpecker"),
    ]
    write_split_file(tmp_path / "split_Birdsnap.json", tmp_path / "images", test=rows)
    (tmp_path / "images/b/2.jpg").unlink()
    table = manifest_of("birdsnap", tmp_path)
    assert [record.label for record in table.records] == [0, 1, 1]
    assert reasons(table) == {"b/2.jpg": "No such file or directory"}
    assert describe(table).startswith("3 images, 1 unreadable; no images of ")


def test_label_and_name_of_a_row_must_agree(tmp_path: Path) -> None:
    write_rows(tmp_path, ["x.jpg", 0, "dog"])
    with pytest.raises(InputError, match='label 0 is "dog", which is class 1 of the card'):
        list_pets(tmp_path)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (["x.jpg", 0, "cow"], '"cow" names no class'),
        (["x.jpg", "0", "cat"], "test: not a list of"),
        (["x.jpg", True, "dog"], "test: not a list of"),
        (["x.jpg", 0], "test: not a list of"),
        (["../x.jpg", 0, "cat"], r'"\.\./x\.jpg" leads out of the folder'),
        (["/etc/x.jpg", 0, "cat"], r'"/etc/x\.jpg" leads out of the folder'),
        (["a.jpg", 0, "cat"], r'"a\.jpg" is listed twice'),
    ],
)
def test_bad_row_of_a_split_file_is_named(tmp_path: Path, row: list[Any], problem: str) -> None:
    write_rows(tmp_path, ["a.jpg", 0, "cat"], row)
    with pytest.raises(InputError, match=rf"split\.json.*{problem}"):
        list_pets(tmp_path)


@pytest.mark.parametrize("text", ["[]", '{"train": [], "test": []}', "3", "{"])
def test_a_file_that_is_no_split_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "split.json").write_text(text, "utf-8")
    with pytest.raises(InputError, match=r"split\.json: not "):
        list_pets(tmp_path)


def test_a_split_without_images_is_refused(tmp_path: Path) -> None:
    write_rows(tmp_path)
    with pytest.raises(InputError, match=r"split\.json: test: lists no images"):
        list_pets(tmp_path)


def test_wnid_folders_are_classes_and_other_files_are_counted(tmp_path: Path) -> None:
    write_image(tmp_path / "imagenet-r/n01484850/misc_1.jpg")
    write_image(tmp_path / "imagenet-r/n01443537/art_0.JPEG")
    (tmp_path / "imagenet-r/README.txt").write_text("n01443537 goldfish", "utf-8")
    table = manifest_of("imagenet-r", tmp_path)
    assert names_by_key(table) == {
        "n01443537/art_0.JPEG": "goldfish",
        "n01484850/misc_1.jpg": "great white shark",
    }
    assert table.meta["n_other_files"] == 1
    assert table.meta["source"] == "wnids"


@pytest.mark.parametrize("folder", ["images", "sketch"])
def test_both_names_of_a_folder_are_accepted(folder: str, tmp_path: Path) -> None:
    write_image(tmp_path / folder / "n01440764/sketch_1.JPEG")
    assert names_by_key(manifest_of("imagenet-sketch", tmp_path)) == {
        "n01440764/sketch_1.JPEG": "tench"
    }


@pytest.mark.parametrize("below", [".", "images"])
def test_imagenet_is_found_where_others_put_it(below: str, tmp_path: Path) -> None:
    write_image(tmp_path / below / "val/n01443537/ILSVRC2012_val_00000236.JPEG")
    place = place_of("imagenet", tmp_path)
    assert place.splits == ["train", "test"]
    assert set(names_by_key(manifest_of("imagenet", tmp_path)).values()) == {"goldfish"}


def test_test_images_need_no_training_images(tmp_path: Path) -> None:
    write_image(tmp_path / "val/n01440764/x.JPEG")
    assert len(manifest_of("imagenet", tmp_path).records) == 1
    with pytest.raises(InputError, match=r"images\.train: folder not found: .*train"):
        manifest_of("imagenet", tmp_path, "train")


def test_country_codes_are_classes_even_where_they_read_like_other_values(tmp_path: Path) -> None:
    for code in ("NA", "NO", "XK", "AD"):
        write_image(tmp_path / f"country211/valid/{code}/1.jpg")
    table = manifest_of("country211", tmp_path, "validation")
    assert names_by_key(table) == {
        "AD/1.jpg": "Andorra", "NA/1.jpg": "Namibia", "NO/1.jpg": "Norway", "XK/1.jpg": "Kosovo"
    }  # fmt: skip
    assert [record.class_name for record in table.records] == [
        "Andorra", "Namibia", "Norway", "Kosovo"
    ]  # fmt: skip


def test_a_folder_that_is_no_code_is_named(tmp_path: Path) -> None:
    write_image(tmp_path / "test/NAA/1.jpg")
    with pytest.raises(InputError, match='"NAA" names no class; did you mean "NA"'):
        manifest_of("country211", tmp_path)


def test_names_with_slashes_and_spaces_are_read_from_lists(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    lines = "1025794 F/A-18\n0442372  BAE 146-200\r\n\n1340192 F-16A/B\n1056475 F/A-18\n"
    (tmp_path / "data/images_variant_test.txt").write_text(lines, "utf-8")
    for identifier in ("1025794", "0442372", "1340192", "1056475"):
        write_image(tmp_path / f"data/images/{identifier}.jpg")
    table = manifest_of("fgvcaircraft", tmp_path)
    assert names_by_key(table) == {
        "0442372.jpg": "BAE 146-200",
        "1340192.jpg": "F-16A/B",
        "1025794.jpg": "F/A-18",
        "1056475.jpg": "F/A-18",
    }
    assert [record.label for record in table.records] == [37, 72, 73, 73]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0000001 F-99\n", '"F-99" names no class'),
        ("0000001 F/A-18\n0000002\n", "line 2: no class name after '0000002'"),
        ("0000001 F/A-18\n0000001 F/A-18\n", r'"0000001\.jpg" is listed twice'),
        ("", "lists no images"),
    ],
)
def test_bad_line_of_a_list_is_named(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "images_variant_test.txt").write_text(text, "utf-8")
    with pytest.raises(InputError, match=rf"images_variant_test\.txt.*{problem}"):
        manifest_of("fgvcaircraft", tmp_path)


def test_a_root_without_the_dataset_tells_what_was_looked_for(tmp_path: Path) -> None:
    match = r'images\.root: .* has none of "images", "sketch", "test/\*\.tar", by which ImageNet-S'
    with pytest.raises(InputError, match=match):
        place_of("imagenet-sketch", tmp_path)
    with pytest.raises(InputError, match=r"images\.root: folder not found: .*nowhere"):
        place_of("imagenet-sketch", tmp_path / "nowhere")


def test_the_first_source_that_is_there_is_read_unless_one_is_named(tmp_path: Path) -> None:
    sources = [
        {"name": "json", "layout": "coop-json", "file": "split.json"},
        {"name": "plain", "layout": "class-folders", "splits": {"test": "photos"}},
    ]
    card = Card.model_validate({"title": "Pets", "classes": ["cat"], "sources": sources})

    def found(source: str | None = None) -> str:
        return locate(ImageSettings(root=str(tmp_path), source=source), card, "images").source.name

    write_image(tmp_path / "photos/cat/1.jpg")
    assert found() == "plain"
    (tmp_path / "split.json").write_text("{}", "utf-8")
    assert (found(), found("plain")) == ("json", "plain")
    with pytest.raises(InputError, match=r'images\.source: .* "plane"; did you mean "plain"'):
        found("plane")


def test_folders_of_the_configuration_are_a_source_too(tmp_path: Path) -> None:
    write_image(tmp_path / "photos/dog/1.jpg")
    place = locate(ImageSettings(test=str(tmp_path / "photos")), None, "images")
    found = list_split(place.settings("test"), PETS, "images.test")
    assert [(image.key, image.label) for image in found.images] == [("dog/1.jpg", 1)]
    assert found.meta["source"] == "own"
    assert place.splits == ["test"]


def test_files_that_tell_of_changes_are_those_that_are_read(tmp_path: Path) -> None:
    write_split_file(tmp_path / "split.json", tmp_path / "x", test=[("a/1.jpg", 0, "cat")])
    place = locate(ImageSettings(root=str(tmp_path)), pets_card(images="x"), "images")
    assert place.files("test") == [tmp_path / "split.json", tmp_path / "x"]
    own = locate(ImageSettings(test=str(tmp_path / "x")), None, "images")
    assert own.files("test") == [tmp_path / "x"]


def list_csv(root: Path, text: str, classes: Any = PETS) -> dict[str, str]:
    (root / "labels.csv").write_text(text, "utf-8")
    place = locate(ImageSettings(test=str(root / "labels.csv")), None, "images")
    assert place.files("test") == [root / "labels.csv"]
    ((file, images),) = place.listed("test").items()
    assert file == str(root / "labels.csv")
    found = list_split(place.settings("test"), classes, "images.test")
    assert sorted(images) == sorted(image.path for image in found.images)
    assert {image.path for image in found.images} == {f"{root}/{i.key}" for i in found.images}
    return {image.key: classes.names[image.label] for image in found.images}


def test_a_csv_file_labels_images_of_any_folder(tmp_path: Path) -> None:
    text = '\ufeffid,label,path\n1,dog,a/1.jpg\n2,cat,"b, c/2.jpg"\n\n3,dog,3.jpg\n'
    assert list_csv(tmp_path, text) == {
        "b, c/2.jpg": "cat", "a/1.jpg": "dog", "3.jpg": "dog"
    }  # fmt: skip


def test_a_csv_file_may_name_images_anywhere(tmp_path: Path) -> None:
    write_image(tmp_path / "disk/1.jpg")
    (tmp_path / "lists").mkdir()
    text = f"path,label\n{tmp_path}/disk/1.jpg,cat\n../disk/1.jpg,dog\n"
    (tmp_path / "lists/labels.csv").write_text(text, "utf-8")
    place = locate(ImageSettings(test=str(tmp_path / "lists/labels.csv")), None, "images")
    table = split_manifest(place.settings("test"), PETS, "images.test")
    assert [(r.class_name, r.reason) for r in table.records] == [("cat", ""), ("dog", "")]


def test_labels_of_a_csv_file_stay_text(tmp_path: Path) -> None:
    classes = class_manifest(["NA", "null", "001", "1e3"])
    text = "path,label\na.jpg,001\nb.jpg,NA\nc.jpg,1e3\nd.jpg,null\n"
    assert list_csv(tmp_path, text, classes) == {
        "a.jpg": "001", "b.jpg": "NA", "c.jpg": "1e3", "d.jpg": "null"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", 'names no column "label", "path"'),
        ("path;label\na.jpg;cat\n", 'no column "label", "path", but "path;label"; columns are set'),
        ("path,label\na.jpg\n", "line 2: lacks path or label"),
        ("path,label\n,cat\n", "line 2: lacks path or label"),
        ("path,label\na.jpg,cow\n", '"cow" names no class'),
        ('path,label\n"a.jpg,cat\n', "after line 1: unexpected end of data"),
        ("path,label\na.jpg,cat\na.jpg,dog\n", r'"a\.jpg" is listed twice'),
        ("path,label\na.jpg,cat\n./a.jpg,dog\n", r'"\./a\.jpg" is listed twice'),
        ("path,label\nx//a.jpg,cat\nx/a.jpg,dog\n", r'"x/a\.jpg" is listed twice'),
        ("path,label\n", "lists no images"),
        ("path,label\na.jpg,cat, domestic\n", 'line 2: " domestic" stands behind the last column'),
        ('path,label\n\n"a.jpg",cat,,dog\n', 'line 3: "", "dog" stands behind'),
        ("path,path,label\na.jpg,b.jpg,cat\n", 'first line names column "path" twice'),
    ],
)
def test_bad_csv_file_is_named_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InputError, match=rf"labels\.csv.*{problem}"):
        list_csv(tmp_path, text)


@pytest.mark.parametrize("line", ["\n", "\r\n", "\r"])
def test_breaks_of_lines_in_quotes_are_part_of_a_value(tmp_path: Path, line: str) -> None:
    text = line.join(["path,label,note,,", '"a\nb\u2028.jpg",cat,"1\r\n2",,', "c.jpg,dog,,,,", ""])
    (tmp_path / "labels.csv").write_bytes(text.encode())
    place = locate(ImageSettings(test=str(tmp_path / "labels.csv")), None, "images")
    found = list_split(place.settings("test"), PETS, "images.test")
    assert {image.key: image.label for image in found.images} == {"a\nb\u2028.jpg": 0, "c.jpg": 1}


def test_folders_and_csv_files_do_not_mix() -> None:
    with pytest.raises(InputError, match=r"images\.train: a folder, but test is a CSV file"):
        locate(ImageSettings(test="labels.csv", train="photos"), None, "images")


def test_names_of_a_source_must_be_as_many_as_the_classes(tmp_path: Path) -> None:
    write_rows(tmp_path, ["x.jpg", 0, "A"])
    with pytest.raises(InputError, match="source a of the card names 1 classes, but there are 2"):
        list_pets(tmp_path, names=["A"])


def test_names_of_a_source_replace_those_of_the_classes(tmp_path: Path) -> None:
    write_rows(tmp_path, ["x.jpg", 0, "A"], ["y.jpg", 1, "B"])
    assert list_pets(tmp_path, names=["A", "B"]) == {"x.jpg": 0, "y.jpg": 1}
    write_rows(tmp_path, ["x.jpg", 0, "cat"])
    with pytest.raises(InputError, match='"cat" names no class'):
        list_pets(tmp_path, names=["A", "B"])


def test_links_to_folders_are_followed(tmp_path: Path) -> None:
    write_image(tmp_path / "disk/cat/1.jpg")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat").symlink_to(tmp_path / "disk/cat")
    found = list_split(
        locate(ImageSettings(test=str(tmp_path / "photos")), None, "images").settings("test"),
        PETS,
        "k",
    )
    assert [image.key for image in found.images] == ["cat/1.jpg"]
    assert found.meta["n_other_files"] == 0


def test_a_listed_image_that_changed_is_refused(tmp_path: Path) -> None:
    row = ("Faces/image_1.jpg", 0, "face")
    folder = tmp_path / "101_ObjectCategories"
    write_split_file(tmp_path / "split_zhou_Caltech101.json", folder, test=[row])
    (record,) = manifest_of("caltech101", tmp_path).records
    assert read_listed(record) == (folder / row[0]).read_bytes()
    write_image(folder / row[0], seed=1)
    with pytest.raises(InputError, match=r"image_1\.jpg: changed or gone"):
        read_listed(record)


OWN_CLASSES = [
    (["cat", "dog"], None),
    (["kitty", "hound"], None),
    (["kitty", "dog"], None),
    (["Kater", {"name": "hound", "aliases": ["dog"]}], None),
    (["dog", "cat"], '"cat" stands at 1 in one and at 2 in the other'),
    (["dog", "kitty"], '"dog" stands at 1 in one and at 2'),
    ([{"name": "hound", "aliases": ["dog"]}, "kitty"], '"dog" stands at 1 in one and at 2'),
    (["cat"], "which lists 2, but `classes` of the dataset are 1"),
    (["cat", "dog", "cow"], "which lists 2, but `classes` of the dataset are 3"),
]


@pytest.mark.parametrize(("own", "problem"), OWN_CLASSES)
@pytest.mark.parametrize(
    "source",
    [
        {"layout": "csv", "splits": {"test": "t.csv"}, "names": ["c", "d"]},
        {"layout": "webdataset", "splits": {"test": "t.tar"}, "order": "card"},
    ],
    ids=["names", "order"],
)
def test_own_classes_stand_where_a_source_counts_those_of_the_card(
    tmp_path: Path, source: dict[str, Any], own: list[Any], problem: str | None
) -> None:
    card = Card.model_validate(
        {"title": "Pets", "classes": ["cat", "dog"], "sources": [{"name": "a", **source}]}
    )
    (tmp_path / source["splits"]["test"]).touch()
    images, classes = ImageSettings(root=str(tmp_path)), class_manifest(own)
    if problem is None:
        assert locate(images, card, "images", classes).source.name == "a"
    else:
        with pytest.raises(InputError, match=rf"^images: source a of the card tells .*{problem}"):
            locate(images, card, "images", classes)


def test_own_classes_in_any_order_are_found_by_name(tmp_path: Path) -> None:
    source = {"name": "a", "layout": "csv", "splits": {"test": "t.csv"}}
    card = Card.model_validate({"title": "Pets", "classes": ["cat", "dog"], "sources": [source]})
    (tmp_path / "t.csv").touch()
    locate(ImageSettings(root=str(tmp_path)), card, "images", class_manifest(["dog", "cat", "cow"]))
