"""A miniature of ImageNet (ILSVRC 2012) in every layout that people have, after the publishers'.

Twelve classes, among them those whose names are told apart with difficulty: two cranes, two
maillots, two missiles, two sunglasses. Ids of the development kit are not in the order of wnids,
and images are not in the order of classes, as in the original.
"""

import csv
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.io import savemat

from tests.helpers import add_member, colour_of, image_bytes, tar_bytes


@dataclass(frozen=True)
class Synset:
    """A class: its place on the card, identifier, and synonyms as the publisher lists them."""

    label: int
    wnid: str
    words: str


SYNSETS = [
    Synset(0, "n01440764", "tench, Tinca tinca"),
    Synset(1, "n01443537", "goldfish, Carassius auratus"),
    Synset(7, "n01514668", "cock"),
    Synset(27, "n01631663", "eft"),
    Synset(134, "n02012849", "crane"),
    Synset(517, "n03126707", "crane"),
    Synset(638, "n03710637", "maillot"),
    Synset(639, "n03710721", "maillot, tank suit"),
    Synset(657, "n03773504", "missile"),
    Synset(744, "n04008634", "projectile, missile"),
    Synset(836, "n04355933", "sunglass"),
    Synset(837, "n04356056", "sunglasses, dark glasses, shades"),
]
LABELS = [synset.label for synset in SYNSETS]
"""Positions of the classes on the shipped card."""
INNER = [("n00001740", "entity", 19), ("n00001930", "physical entity", 18)]
"""Synsets above: identifier, words and height."""
PER_CLASS = {"train": 2, "test": 4}
SIZE = (96, 72)
CMYK, GREY, PNG = 3, 11, 17
"""Numbers of images that are no usual JPEG: kinds that are there in the original, too."""


def _kit_ids() -> dict[str, int]:
    """ILSVRC2012_ID by wnid: 1 is not the first of them."""
    order = np.random.default_rng(2012).permutation(len(SYNSETS))
    return {SYNSETS[index].wnid: number for number, index in enumerate(order, 1)}


KIT_IDS = _kit_ids()


@dataclass(frozen=True)
class Picture:
    """An image file: its number of the validation split or of its class, and its class."""

    number: int
    synset: Synset
    data: bytes

    @property
    def sha256(self) -> str:
        """Of the file."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def validation_name(self) -> str:
        """As the archive of the validation split calls it."""
        return f"ILSVRC2012_val_{self.number:08d}.JPEG"

    @property
    def training_name(self) -> str:
        """As the archive of its class calls it."""
        return f"{self.synset.wnid}_{self.number}.JPEG"


def validation_pictures(synsets: Sequence[Synset] = SYNSETS) -> list[Picture]:
    """By number, which tells nothing of the class."""
    order = np.random.default_rng(1).permutation(len(synsets) * PER_CLASS["test"])
    return [
        Picture(number, synset := synsets[place % len(synsets)], _data(number, synset))
        for number, place in enumerate(order, 1)
    ]


def training_pictures(synsets: Sequence[Synset] = SYNSETS) -> list[Picture]:
    """By class; numbers of images have gaps."""
    return [
        Picture(number, synset, _data(number, synset))
        for synset in synsets
        for number in range(7, 7 + 11 * PER_CLASS["train"], 11)
    ]


def _data(number: int, synset: Synset) -> bytes:
    colour = colour_of(synset.label, 1000)
    mode = {CMYK: "CMYK", GREY: "L"}.get(number, "RGB")
    kind = "PNG" if number == PNG else "JPEG"
    return image_bytes(colour, SIZE, mode, kind, seed=1000 * synset.label + number)


def truth() -> dict[str, str]:
    """Wnid of every validation image, by its name."""
    return {picture.validation_name: picture.synset.wnid for picture in validation_pictures()}


def write_class_folders(root: Path, synsets: Sequence[Synset] = SYNSETS) -> None:
    """What scripts such as valprep.sh leave: one folder per wnid, for both splits."""
    for picture in training_pictures(synsets):
        _write(root / "train" / picture.synset.wnid / picture.training_name, picture.data)
    for picture in validation_pictures(synsets):
        _write(root / "val" / picture.synset.wnid / picture.validation_name, picture.data)


def write_flat(root: Path, folder: str = "val") -> None:
    """The validation archive, unpacked into a folder."""
    for picture in validation_pictures():
        _write(root / folder / picture.validation_name, picture.data)


def write_kit(root: Path) -> None:
    """The development kit, unpacked."""
    for name, data in _kit().items():
        _write(root / name, data)


def write_packed_kit(root: Path) -> None:
    """The development kit as it is published."""
    root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(root / "ILSVRC2012_devkit_t12.tar.gz", "w:gz") as tar:
        for name, data in _kit().items():
            add_member(tar, name, data)


def _kit() -> dict[str, bytes]:
    folder = "ILSVRC2012_devkit_t12"
    ids = [KIT_IDS[picture.synset.wnid] for picture in validation_pictures()]
    return {
        f"{folder}/readme.txt": b"Development kit, in miniature\n",
        f"{folder}/data/ILSVRC2012_validation_ground_truth.txt": "".join(
            f"{number}\n" for number in ids
        ).encode(),
        f"{folder}/data/meta.mat": _meta(),
        f"{folder}/evaluation/demo_eval.m": b"% not needed\n",
    }


def _meta() -> bytes:
    """A column of structures of MATLAB: leaves by id, then what stands above them."""
    fields = [
        *("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children"),
        *("wordnet_height", "num_train_images"),
    ]
    by_id = sorted(SYNSETS, key=lambda synset: KIT_IDS[synset.wnid])
    rows = [
        (KIT_IDS[s.wnid], s.wnid, s.words, f"what is called {s.words}", [], 0, 1300) for s in by_id
    ]
    below = list(range(1, len(rows) + 1))
    for wnid, words, height in INNER:
        rows.append((len(rows) + 1, wnid, words, "that which is", below, height, 0))
    table = np.empty((len(rows), 1), dtype=[(name, object) for name in fields])
    for row, (number, wnid, words, gloss, children, height, n_images) in enumerate(rows):
        table[row, 0] = (
            float(number),
            wnid,
            words,
            gloss,
            float(len(children)),
            np.array([children], dtype=float),
            float(height),
            float(n_images),
        )
    stream = io.BytesIO()
    savemat(stream, {"synsets": table}, do_compression=True)
    return stream.getvalue()


def write_flat_with_kit(root: Path) -> None:
    """The archive of the validation split unpacked, and the kit beside it."""
    write_flat(root)
    write_kit(root)


def write_flat_with_packed_kit(root: Path) -> None:
    """The same, with a kit that nobody has unpacked."""
    write_flat(root, "ILSVRC2012_img_val")
    write_packed_kit(root)


def write_kaggle(root: Path) -> None:
    """What Kaggle's archive unpacks to; its lists name boxes, too, and are in no order."""
    images = root / "ILSVRC/Data/CLS-LOC"
    for picture in training_pictures():
        _write(images / "train" / picture.synset.wnid / picture.training_name, picture.data)
    write_flat(images)
    _write(images / "test/ILSVRC2012_test_00000001.JPEG", _data(0, SYNSETS[0]))
    listed = [
        f"{p.validation_name.removesuffix('.JPEG')} {p.number}" for p in validation_pictures()
    ]
    _write(root / "ILSVRC/ImageSets/CLS-LOC/val.txt", "\n".join(listed).encode())
    rows = [
        (
            p.validation_name.removesuffix(".JPEG"),
            f"{p.synset.wnid} 9 1 80 64 " * (1 + p.number % 3),
        )
        for p in validation_pictures()
    ]
    np.random.default_rng(3).shuffle(rows)
    _write(root / "LOC_val_solution.csv", _csv(rows))
    boxes = [
        (p.training_name.removesuffix(".JPEG"), f"{p.synset.wnid} 1 1 90 70 ")
        for p in training_pictures()
    ]
    _write(root / "LOC_train_solution.csv", _csv(boxes))
    _write(root / "LOC_sample_submission.csv", _csv([("ILSVRC2012_test_00000001", "")]))
    names = "".join(f"{synset.wnid} {synset.words}\n" for synset in SYNSETS)
    _write(root / "LOC_synset_mapping.txt", names.encode())


def _csv(rows: list[tuple[str, str]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([("ImageId", "PredictionString"), *rows])
    return stream.getvalue().encode()


def write_tars(root: Path) -> None:
    """The archives as they are published: a flat one, one of archives, and the kit."""
    flat = {picture.validation_name: picture.data for picture in validation_pictures()}
    _write(root / "ILSVRC2012_img_val.tar", tar_bytes(flat))
    _write(root / "ILSVRC2012_img_train.tar", tar_bytes(_training_tars()))
    write_packed_kit(root)


def write_tars_of_classes(root: Path) -> None:
    """The archive of the training split, unpacked once; and the flat one with the kit."""
    for name, data in _training_tars().items():
        _write(root / "train" / name, data)
    flat = {picture.validation_name: picture.data for picture in validation_pictures()}
    _write(root / "ILSVRC2012_img_val.tar", tar_bytes(flat))
    write_kit(root)


def _training_tars() -> dict[str, bytes]:
    members: dict[str, dict[str, bytes]] = {}
    for picture in training_pictures():
        members.setdefault(picture.synset.wnid, {})[picture.training_name] = picture.data
    return {f"{wnid}.tar": tar_bytes(images) for wnid, images in members.items()}


PARQUET_SHARDS = {"train": 294, "validation": 14, "test": 28}


def write_parquet(root: Path) -> None:
    """Two of the files of each split that `ILSVRC/imagenet-1k` has on the hub."""
    for name, data in parquet_files().items():
        _write(root / name, data)


def parquet_files() -> dict[str, bytes]:
    """Files of the hub; numbers of classes are those of the card, of the test split -1."""
    numbers = {synset: number for number, synset in enumerate(SYNSETS)}
    rows = {
        "train": [
            (f"{p.training_name.removesuffix('.JPEG')}_{p.synset.wnid}.JPEG", p.data, p.synset)
            for p in training_pictures()
        ],
        "validation": [
            (f"{p.validation_name.removesuffix('.JPEG')}_{p.synset.wnid}.JPEG", p.data, p.synset)
            for p in validation_pictures()
        ],
        "test": [("ILSVRC2012_test_00000001.JPEG", _data(0, SYNSETS[0]), None)],
    }
    files = {}
    for split, listed in rows.items():
        for shard in range(min(2, len(listed))):
            part = listed[shard::2]
            labels = [-1 if synset is None else numbers[synset] for _, _, synset in part]
            images = [{"bytes": data, "path": path} for path, data, _ in part]
            name = f"data/{split}-{shard:05d}-of-{PARQUET_SHARDS[split]:05d}.parquet"
            files[name] = _table(images, labels)
    return files


def _table(images: list[dict[str, object]], labels: list[int]) -> bytes:
    names = [synset.words for synset in SYNSETS]
    features = {
        "image": {"_type": "Image"},
        "label": {"names": names, "_type": "ClassLabel"},
    }
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema(
        [("image", kind), ("label", pa.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    stream = io.BytesIO()
    pq.write_table(pa.table({"image": images, "label": labels}, schema), stream, row_group_size=10)
    return stream.getvalue()


LAYOUTS: Mapping[str, Callable[[Path], None]] = {
    "class folders": write_class_folders,
    "flat with kit": write_flat_with_kit,
    "flat with packed kit": write_flat_with_packed_kit,
    "kaggle": write_kaggle,
    "tars": write_tars,
    "tars of classes": write_tars_of_classes,
    "parquet": write_parquet,
}
"""What writes ImageNet into a folder, by the way that people came by it."""


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
