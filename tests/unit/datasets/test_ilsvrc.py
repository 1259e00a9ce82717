"""ImageNet as people have it: sorted, flat, in tars, from Kaggle and from the hub."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.io import savemat

from susx.config.sources import Split
from susx.core.errors import InputError
from susx.datasets.check import check_dataset
from susx.datasets.layouts import ilsvrc_truth
from susx.datasets.manifest import describe
from susx.datasets.sources import split_manifest
from susx.datasets.stored import read_listed
from susx.manifests.tables import ImageRecord, Table
from tests.helpers import image_bytes, tar_bytes
from tests.made.datasets import classes_of, manifest_of, place_of, reasons, write_image
from tests.made.ilsvrc import (
    KIT,
    TRUTH,
    kit_files,
    meta_mat,
    val_name,
    write_kit,
    write_solution,
    write_tar,
)

WNIDS = [entry.wnid for entry in classes_of("imagenet")]
"""In label order, which is that of no ILSVRC2012_ID."""
BY_ID = [*reversed(WNIDS)]
LABELS = [3, 0, 999, 0, 517]
"""Of the validation images."""
TOLD = [WNIDS[label] for label in LABELS]
IMAGES = {
    val_name(i): image_bytes((40 * i, 30, 60), (8, 6), seed=i, format="JPEG") for i in range(1, 6)
}
TRAIN = {
    WNIDS[label]: {f"{WNIDS[label]}_{n}.JPEG": image_bytes((label % 256, 9, n), (8, 6), seed=n)
                   for n in (7, 12)}
    for label in (517, 0, 4)
}  # fmt: skip
DEVKIT = f"{KIT}/data"
KAGGLE = "ILSVRC/Data/CLS-LOC"


def write_images(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in IMAGES.items():
        (folder / name).write_bytes(data)


def labels_of(table: Table) -> dict[str, int]:
    """Label by number of the image, each seen to be the image of that number."""
    found = {}
    for record in table.records:
        number = int(record.key.removesuffix(".JPEG")[-8:])
        assert read_listed(record) == IMAGES[val_name(number)]
        found[number] = record.label
    return found


def write_parquet(root: Path) -> None:
    (root / "data").mkdir()
    rows = [{"bytes": data, "path": name} for name, data in IMAGES.items()]
    names = [
        f"{name}, {wnid}" for name, wnid in zip(classes_of("imagenet").names, WNIDS, strict=True)
    ]
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    table = pa.table({"image": rows, "label": LABELS})
    text = json.dumps({"info": {"features": features}})
    pq.write_table(
        table.replace_schema_metadata({"huggingface": text}),
        root / "data/validation-00000-of-00014.parquet",
    )
    unlabelled = pa.table({"image": rows, "label": [-1] * len(rows)})
    pq.write_table(unlabelled, root / "data/test-00000-of-00028.parquet")


def sorted_folders(root: Path) -> None:
    for (name, data), wnid in zip(IMAGES.items(), TOLD, strict=True):
        (root / "val" / wnid).mkdir(parents=True, exist_ok=True)
        (root / "val" / wnid / name).write_bytes(data)


def flat(folder: str, packed: bool = False) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        write_images(root / folder)
        write_kit(root, BY_ID, TOLD, packed)

    return write


def kaggle(folder: str, solution: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        write_images(root / folder)
        write_solution(root / solution / "LOC_val_solution.csv", TOLD)

    return write


def archive(packed: bool) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        write_tar(root / "ILSVRC2012_img_val.tar", IMAGES)
        write_kit(root, BY_ID, TOLD, packed)

    return write


FORMS = {
    "sorted": sorted_folders,
    "val": flat("val"),
    "val, packed kit": flat("val", packed=True),
    "name of the archive": flat("ILSVRC2012_img_val"),
    "root": flat("."),
    "CoOp's folder": flat("images/val"),
    "Kaggle": kaggle(f"{KAGGLE}/val", "."),
    "Kaggle, within": kaggle(f"{KAGGLE}/val", KAGGLE),
    "val, Kaggle's list": kaggle("val", "."),
    "tar": archive(packed=False),
    "tar, packed kit": archive(packed=True),
}


@pytest.mark.parametrize("form", FORMS)
def test_validation_images_are_found_as_people_have_them(form: str, tmp_path: Path) -> None:
    FORMS[form](tmp_path)
    table = manifest_of("imagenet", tmp_path)
    assert labels_of(table) == dict(enumerate(LABELS, start=1))
    assert [record.label for record in table.records] == sorted(LABELS)
    assert reasons(table) == {}
    assert table.meta["n_other_files"] == 0
    assert table.meta["source"] == "ilsvrc"


def test_rows_of_the_hub_have_the_numbers_of_the_card(tmp_path: Path) -> None:
    write_parquet(tmp_path)
    place = place_of("imagenet", tmp_path)
    assert place.source.name == "parquet"
    assert place.files("test") == [tmp_path / "data/validation-00000-of-00014.parquet"]
    table = manifest_of("imagenet", tmp_path)
    assert [record.label for record in table.records] == LABELS
    assert [read_listed(record) for record in table.records] == list(IMAGES.values())


def train_folders(root: Path) -> None:
    for wnid, images in TRAIN.items():
        for name, data in images.items():
            (root / "train" / wnid).mkdir(parents=True, exist_ok=True)
            (root / "train" / wnid / name).write_bytes(data)


def train_tars(root: Path) -> None:
    for wnid, images in TRAIN.items():
        write_tar(root / f"train/{wnid}.tar", images)


def train_archive(root: Path) -> None:
    inner = {f"{wnid}.tar": tar_bytes(images) for wnid, images in TRAIN.items()}
    write_tar(root / "ILSVRC2012_img_train.tar", inner)


def listed_training(root: Path) -> Table:
    write_image(root / "val/n01440764/x.JPEG")
    return manifest_of("imagenet", root, "train")


@pytest.mark.parametrize("write", [train_folders, train_tars, train_archive])
@pytest.mark.parametrize("form", ["sorted", "val", "tar, packed kit", "root"])
def test_training_images_lie_as_they_like_beside_them(
    form: str, write: Callable[[Path], None], tmp_path: Path
) -> None:
    FORMS[form](tmp_path)
    write(tmp_path)
    table = manifest_of("imagenet", tmp_path, "train")
    expected = {
        (f"{wnid}/{name.removesuffix('.JPEG')}", WNIDS.index(wnid), data)
        for wnid, images in TRAIN.items()
        for name, data in images.items()
    }
    assert {
        (record.key.removesuffix(".JPEG"), record.label, read_listed(record))
        for record in table.records
    } == expected
    assert [record.label for record in table.records] == [0, 0, 4, 4, 517, 517]
    assert len(manifest_of("imagenet", tmp_path).records) == 5


def among(truth: str) -> Callable[[Path], None]:
    """What tells the classes lies among the images."""

    def write(root: Path) -> None:
        write_images(root / "val")
        if truth == "list":
            write_solution(root / "val/LOC_val_solution.csv", TOLD)
        else:
            write_kit(root / "val", BY_ID, TOLD, packed=truth == "packed kit")

    return write


@pytest.mark.parametrize("truth", ["kit", "packed kit", "list"])
def test_what_tells_the_classes_may_lie_among_the_images(truth: str, tmp_path: Path) -> None:
    among(truth)(tmp_path)
    table = manifest_of("imagenet", tmp_path)
    assert labels_of(table) == dict(enumerate(LABELS, start=1))
    assert table.meta["n_other_files"] == 0
    folder, *files = place_of("imagenet", tmp_path).files("test")
    assert folder == tmp_path / "val"
    assert files and all(file.is_file() and folder in file.parents for file in files)


def test_a_kit_may_lie_among_folders_of_classes(tmp_path: Path) -> None:
    sorted_folders(tmp_path)
    write_kit(tmp_path / "val", BY_ID, TOLD)
    assert labels_of(manifest_of("imagenet", tmp_path)) == dict(enumerate(LABELS, start=1))


def empty(root: Path) -> None:
    (root / "val").mkdir()


def without_images(root: Path) -> None:
    empty(root)
    (root / "val/README.txt").write_text("x", "utf-8")
    (root / "val/.DS_Store").write_bytes(b"x")


def unfilled_folders(root: Path) -> None:
    for wnid in WNIDS[:3]:
        (root / "val" / wnid).mkdir(parents=True)


def only_a_kit(root: Path) -> None:
    empty(root)
    write_kit(root / "val", BY_ID, TOLD)


@pytest.mark.parametrize("beside", [empty, without_images, unfilled_folders, only_a_kit])
@pytest.mark.parametrize("form", ["name of the archive", "CoOp's folder", "tar", "root", "Kaggle"])
def test_a_folder_without_images_hides_none(
    form: str, beside: Callable[[Path], None], tmp_path: Path
) -> None:
    FORMS[form](tmp_path)
    beside(tmp_path)
    assert labels_of(manifest_of("imagenet", tmp_path)) == dict(enumerate(LABELS, start=1))


def test_folders_that_nobody_filled_are_named(tmp_path: Path) -> None:
    unfilled_folders(tmp_path)
    with pytest.raises(InputError, match=rf"{tmp_path}/val"):
        manifest_of("imagenet", tmp_path)


@pytest.mark.parametrize("cut", [100, 700, -100])
@pytest.mark.parametrize("split", ["test", "train"])
def test_a_tar_that_was_cut_short_is_told_while_planning(
    split: Split, cut: int, tmp_path: Path
) -> None:
    archive(packed=True)(tmp_path)
    train_archive(tmp_path)
    name = {"test": "val", "train": "train"}[split]
    path = tmp_path / f"ILSVRC2012_img_{name}.tar"
    whole = path.read_bytes().rstrip(b"\0")
    path.write_bytes(whole[:cut])
    place = place_of("imagenet", tmp_path)
    with pytest.raises(InputError) as caught:
        place.files(split)
    assert str(caught.value).startswith(f"{path}: not a readable tar (")
    if cut != 100:
        assert "cut short); fetch or write it again" in str(caught.value)
    with pytest.raises(InputError, match=r"fetch or write it again|unpacked first"):
        manifest_of("imagenet", tmp_path, split)


def test_a_compressed_tar_is_told_while_planning(tmp_path: Path) -> None:
    archive(packed=True)(tmp_path)
    path = tmp_path / "ILSVRC2012_img_val.tar"
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(InputError, match=r"img_val\.tar: .*compressed ones must be unpacked first"):
        place_of("imagenet", tmp_path).files("test")


def test_what_is_read_is_what_tells_of_changes(tmp_path: Path) -> None:
    flat("val")(tmp_path)
    train_tars(tmp_path)
    place = place_of("imagenet", tmp_path)
    kit = [tmp_path / DEVKIT / name for name in (TRUTH, "meta.mat")]
    assert place.files("test") == [tmp_path / "val", *kit]
    assert place.files("train") == sorted(tmp_path / f"train/{wnid}.tar" for wnid in TRAIN)
    assert place.listed("test") == place.listed("train") == {}
    assert "truth" not in json.dumps(place.settings("train")["source"]["splits"])


def test_images_in_the_root_are_watched_one_by_one(tmp_path: Path) -> None:
    flat(".", packed=True)(tmp_path)
    place = place_of("imagenet", tmp_path)
    assert place.files("test") == [tmp_path / f"{KIT}.tar.gz"]
    assert place.listed("test") == {
        str(tmp_path / "ILSVRC2012_val_*.JPEG"): [str(tmp_path / name) for name in IMAGES]
    }


def test_the_kit_goes_before_the_list_of_kaggle(tmp_path: Path) -> None:
    flat("val")(tmp_path)
    write_solution(tmp_path / "LOC_val_solution.csv", TOLD[::-1])
    assert labels_of(manifest_of("imagenet", tmp_path)) == dict(enumerate(LABELS, start=1))


def test_images_that_were_sorted_in_part_are_refused(tmp_path: Path) -> None:
    sorted_folders(tmp_path)
    write_kit(tmp_path, BY_ID, TOLD)
    name, data = next(iter(IMAGES.items()))
    (tmp_path / "val" / name).write_bytes(data)
    with pytest.raises(InputError, match="1 images or tars of classes lie beside folders of cla"):
        manifest_of("imagenet", tmp_path)


def test_folders_of_classes_go_before_tars_that_were_left_there(tmp_path: Path) -> None:
    train_folders(tmp_path)
    train_tars(tmp_path)
    table = listed_training(tmp_path)
    assert {record.key.rpartition(".")[2] for record in table.records} == {"JPEG"}
    assert table.meta["n_other_files"] == len(TRAIN)


def test_shards_of_mirrors_are_no_tars_of_classes(tmp_path: Path) -> None:
    sample = {"a.jpg": IMAGES[val_name(1)], "a.cls": b"3"}
    write_tar(tmp_path / "mirror/train/0.tar", sample)
    write_tar(tmp_path / "mirror/test/0.tar", sample)
    write_tar(tmp_path / "timm/imagenet1k-validation-00.tar", sample)
    for folder, source in (("mirror", "webdataset"), ("timm", "timm")):
        assert place_of("imagenet", tmp_path / folder).source.name == source
        assert [r.label for r in manifest_of("imagenet", tmp_path / folder).records] == [3]


def test_images_without_a_truth_are_told_what_they_need(tmp_path: Path) -> None:
    write_images(tmp_path / "val")
    match = rf'/val: images without a folder per class.* put one of "{KIT}".* into {tmp_path}'
    with pytest.raises(InputError, match=match):
        place_of("imagenet", tmp_path).files("test")
    with pytest.raises(InputError, match=match):
        manifest_of("imagenet", tmp_path)


def test_missing_images_are_listed_with_the_reason(tmp_path: Path) -> None:
    flat("val")(tmp_path)
    (tmp_path / "val" / val_name(3)).unlink()
    (tmp_path / "val/README.txt").write_text("x", "utf-8")
    table = manifest_of("imagenet", tmp_path)
    assert reasons(table) == {val_name(3): "No such file or directory"}
    assert describe(table).startswith("5 images, 1 unreadable, 1 other files ignored")
    check = check_dataset({"root": str(tmp_path)}, "imagenet", classes_of("imagenet"), "images")
    assert check.splits["test"].missing == [val_name(3)]


def test_images_within_tars_are_not_missing(tmp_path: Path) -> None:
    archive(packed=True)(tmp_path)
    train_archive(tmp_path)
    check = check_dataset({"root": str(tmp_path)}, "imagenet", classes_of("imagenet"), "images")
    found = check.splits
    assert (found["test"].missing, found["train"].missing) == ([], [])
    assert (found["test"].examined, found["train"].examined) == (5, 6)
    assert check.problems == [
        "train: 1281167 images were published, 6 are listed",
        next(problem for problem in check.problems if "train: 997 of 1000 classes" in problem),
        "test: 50000 images were published, 5 are listed",
        next(problem for problem in check.problems if "test: 996 of 1000 classes" in problem),
    ]


def test_an_image_of_another_suffix_is_found_by_its_name(tmp_path: Path) -> None:
    flat("val")(tmp_path)
    (tmp_path / "val" / val_name(2)).rename(tmp_path / "val/ILSVRC2012_val_00000002.png")
    assert labels_of_keys(manifest_of("imagenet", tmp_path))["ILSVRC2012_val_00000002.png"] == 0
    (tmp_path / "val/ILSVRC2012_val_00000002.jpg").write_bytes(IMAGES[val_name(2)])
    with pytest.raises(InputError, match='several images called "ILSVRC2012_val_00000002"'):
        manifest_of("imagenet", tmp_path)


def labels_of_keys(table: Table) -> dict[str, int]:
    records: list[ImageRecord] = table.records
    return {record.key: record.label for record in records}


@pytest.mark.parametrize(
    ("truth", "problem"),
    [
        (b"1\n2\n", "tells no class of 3 of 5 images .*00000003.*mend it if it is cut short"),
        (b"", "tells no class of 5 of 5 images"),
        (b"1\n2\n3\n4\n1001\n", "line 5: '1001' is the ILSVRC2012_ID of no class"),
        (b"1\n\n3\n4\n5\n", "line 2: '' is the ILSVRC2012_ID of no class"),
        (b"1\n0\n3\n4\n5\n", "line 2: '0' is the"),
        (b"1\nn01440764\n", "line 2: 'n01440764' is the"),
        ("١\n".encode(), "line 1: .* is the"),
    ],
)
def test_a_truth_that_is_cut_short_or_broken_is_named(
    truth: bytes, problem: str, tmp_path: Path
) -> None:
    flat("val")(tmp_path)
    (tmp_path / DEVKIT / TRUTH).write_bytes(truth)
    with pytest.raises(InputError, match=rf"{TRUTH}: {problem}"):
        manifest_of("imagenet", tmp_path)


def test_an_id_of_a_class_that_the_card_lacks_is_named(tmp_path: Path) -> None:
    write_images(tmp_path / "val")
    write_kit(tmp_path, ["n99999999", *BY_ID[1:]], ["n99999999"] * 5)
    with pytest.raises(InputError, match=rf'{TRUTH}: "n99999999" names no class'):
        manifest_of("imagenet", tmp_path)


def test_a_kit_without_a_file_is_named(tmp_path: Path) -> None:
    flat("val")(tmp_path)
    (tmp_path / DEVKIT / "meta.mat").unlink()
    with pytest.raises(InputError, match=r"meta\.mat: file not found"):
        manifest_of("imagenet", tmp_path)
    (tmp_path / DEVKIT / TRUTH).unlink()
    (tmp_path / DEVKIT).rmdir()
    with pytest.raises(InputError, match=rf"{TRUTH}: file not found"):
        manifest_of("imagenet", tmp_path)


def mat(**variables: object) -> bytes:
    stream = io.BytesIO()
    savemat(stream, variables)
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>" * 50, meta_mat(tuple(BY_ID[:3]))[:-20], mat(synsets=3.0), mat(other=[1])],
    ids=["empty", "page", "cut", "number", "other"],
)
def test_a_broken_table_of_synsets_is_named(data: bytes, tmp_path: Path) -> None:
    flat("val")(tmp_path)
    (tmp_path / DEVKIT / "meta.mat").write_bytes(data)
    with pytest.raises(InputError, match=r"meta\.mat: not the kit's table of synsets"):
        manifest_of("imagenet", tmp_path)


def test_two_synsets_of_one_id_are_refused(tmp_path: Path) -> None:
    flat("val")(tmp_path)
    twice = [{"ILSVRC2012_ID": 1, "WNID": wnid, "num_children": 0} for wnid in WNIDS[:2]]
    (tmp_path / DEVKIT / "meta.mat").write_bytes(mat(synsets=twice))
    with pytest.raises(InputError, match=r"meta\.mat: (an ILSVRC2012_ID stands|not the kit's)"):
        manifest_of("imagenet", tmp_path)


def test_what_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat("val")(tmp_path)
    write_kit(tmp_path, BY_ID, TOLD, packed=True)
    monkeypatch.setattr(ilsvrc_truth, "MOST", (tmp_path / DEVKIT / "meta.mat").stat().st_size)
    with pytest.raises(InputError, match=r"meta\.mat: not the kit's .* once it is unpacked"):
        manifest_of("imagenet", tmp_path)
    (tmp_path / DEVKIT / TRUTH).write_bytes(b"1\n" * ilsvrc_truth.MOST)
    with pytest.raises(InputError, match=rf"{TRUTH}: cannot be read \(larger than"):
        manifest_of("imagenet", tmp_path)
    (tmp_path / KIT).rename(tmp_path / "kit")
    with pytest.raises(InputError, match=r"tar\.gz: more than .* once it is unpacked"):
        manifest_of("imagenet", tmp_path)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"<html>", "not a readable development kit"),
        (gzip.compress(b"no tar" * 200), "not a readable development kit"),
        (gzip.compress(tar_bytes({"x/data/meta.mat": b""})), f'has no "{TRUTH}" in its folder'),
        (gzip.compress(tar_bytes(kit_files(BY_ID, TOLD)))[:-900], "not a readable development kit"),
    ],
    ids=["page", "no tar", "other", "cut"],
)
def test_a_broken_packed_kit_is_named(data: bytes, problem: str, tmp_path: Path) -> None:
    write_images(tmp_path / "val")
    (tmp_path / f"{KIT}.tar.gz").write_bytes(data)
    with pytest.raises(InputError, match=rf"t12\.tar\.gz: {problem}"):
        manifest_of("imagenet", tmp_path)


HEADING = "ImageId,PredictionString\n"
FIRST = "ILSVRC2012_val_00000001"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", 'the first line names no column "ImageId", "PredictionString"'),
        (f"{HEADING}{FIRST},n01440764 1 2 3 4\n", "tells no class of 4 of 5 images"),
        (f"{HEADING}{FIRST},\n", f"line 2: {FIRST} names no class"),
        (f"{HEADING}{FIRST}\n", f"line 2: {FIRST} names no class"),
        (
            f"{HEADING}{FIRST},n01440764 1 2 3 4 n01443537 1 2 3 4\n",
            f'line 2: {FIRST} names "n01440764", "n01443537"; one is expected',
        ),
        (f"{HEADING}../x,n01440764 1 2 3 4\n", r"line 2: '\.\./x' is no name of an image"),
        (
            f"{HEADING}{FIRST},n01440764 1\n" + f"{FIRST},n01443537 1\n",
            f'"{FIRST}" is listed twice',
        ),
        (f"{HEADING}{FIRST},n0 1 2 3 4\n", '"n0" names no class'),
        (f'{HEADING}"{FIRST},n0 1\n', "unexpected end of data"),
    ],
)
def test_a_broken_list_of_kaggle_is_named(text: str, problem: str, tmp_path: Path) -> None:
    write_images(tmp_path / "val")
    (tmp_path / "LOC_val_solution.csv").write_text(text, "utf-8")
    with pytest.raises(InputError, match=rf"LOC_val_solution\.csv: {problem}"):
        manifest_of("imagenet", tmp_path)


def test_a_tar_that_lacks_images_of_the_truth_is_named(tmp_path: Path) -> None:
    write_kit(tmp_path, BY_ID, TOLD)
    few = {name: data for name, data in IMAGES.items() if name != val_name(4)}
    write_tar(tmp_path / "ILSVRC2012_img_val.tar", few)
    with pytest.raises(InputError, match=r"val\.tar: lacks 1 of 5 images .*00000004"):
        manifest_of("imagenet", tmp_path)


def test_a_tar_with_images_in_a_folder_is_read(tmp_path: Path) -> None:
    write_kit(tmp_path, BY_ID, TOLD)
    members = {f"./val/{name}": data for name, data in IMAGES.items()}
    write_tar(tmp_path / "ILSVRC2012_img_val.tar", {**members, "val/README.txt": b"x"})
    table = manifest_of("imagenet", tmp_path)
    assert labels_of(table) == dict(enumerate(LABELS, start=1))
    assert table.meta["n_other_files"] == 1


@pytest.mark.parametrize("name", ["ILSVRC2012_img_val.tar", "ILSVRC2012_img_train.tar"])
@pytest.mark.parametrize("kind", ["compressed", "cut", "joined"])
def test_a_tar_that_cannot_be_read_in_place_is_named(kind: str, name: str, tmp_path: Path) -> None:
    write_kit(tmp_path, BY_ID, TOLD)
    inner = {f"{wnid}.tar": tar_bytes(images) for wnid, images in TRAIN.items()}
    path, split = tmp_path / name, "train" if "train" in name else "test"
    write_tar(path, inner if split == "train" else IMAGES, "w:gz" if kind == "compressed" else "w")
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    if kind == "joined":
        path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(InputError, match=rf"{name}: not a readable tar"):
        manifest_of("imagenet", tmp_path) if split == "test" else listed_training(tmp_path)


@pytest.mark.parametrize(
    ("inner", "problem"),
    [
        ({"n01440764.tar": b"x" * 512}, r"n01440764\.tar: "),
        ({"n01440764.tar": tar_bytes(TRAIN[WNIDS[0]])[:-9000]}, r"n01440764\.tar: "),
        ({"n0.tar": tar_bytes({})}, '"n0" names no class'),
        ({"n01440764.tar": tar_bytes({}), "a/n01440764.tar": tar_bytes({})}, "is there twice"),
        (IMAGES, r"00000001\.JPEG is no tar"),
    ],
    ids=["no tar", "cut", "no class", "twice", "images"],
)
def test_a_tar_of_tars_holds_one_whole_tar_per_class(
    inner: dict[str, bytes], problem: str, tmp_path: Path
) -> None:
    write_tar(tmp_path / "ILSVRC2012_img_train.tar", inner)
    with pytest.raises(InputError, match=rf"ILSVRC2012_img_train\.tar.*{problem}"):
        listed_training(tmp_path)


def test_links_in_a_tar_of_tars_are_refused(tmp_path: Path) -> None:
    train_archive(tmp_path)
    with tarfile.open(tmp_path / "ILSVRC2012_img_train.tar", "a") as tar:
        link = tarfile.TarInfo("n01443537.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "n01440764.tar"
        tar.addfile(link)
    with pytest.raises(InputError, match="has links or devices beside tars"):
        listed_training(tmp_path)


def test_an_image_of_an_inner_tar_that_changed_is_refused(tmp_path: Path) -> None:
    train_archive(tmp_path)
    record = listed_training(tmp_path).records[0]
    data = (tmp_path / "ILSVRC2012_img_train.tar").read_bytes()
    changed = data.replace(read_listed(record)[-20:], b"0" * 20)
    (tmp_path / "ILSVRC2012_img_train.tar").write_bytes(changed)
    with pytest.raises(InputError, match="changed or gone"):
        read_listed(record)


def test_a_root_without_imagenet_tells_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    train_folders(tmp_path)
    last = r'"data/validation-\*\.parquet", by which ImageNet'
    with pytest.raises(
        InputError, match=rf'has none of "val", .*"ILSVRC2012_img_val\.tar".*{last}'
    ):
        place_of("imagenet", tmp_path)


def test_training_images_alone_hide_no_other_source(tmp_path: Path) -> None:
    train_folders(tmp_path)
    write_parquet(tmp_path)
    assert place_of("imagenet", tmp_path).source.name == "parquet"


def test_training_images_in_no_place_are_told(tmp_path: Path) -> None:
    write_image(tmp_path / "val/n01440764/x.JPEG")
    place = place_of("imagenet", tmp_path)
    assert place.files("train") == [tmp_path / "train"]
    match = rf'images\.train: folder not found: {tmp_path}/train; nor do .*"ILSVRC2012_img_train'
    with pytest.raises(InputError, match=match):
        split_manifest(place.settings("train"), classes_of("imagenet"), "images.train")
