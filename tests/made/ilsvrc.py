"""ILSVRC 2012 in miniature, in the files that its publishers hand out."""

import io
import tarfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from scipy.io import savemat

from tests.helpers import add_member

KIT = "ILSVRC2012_devkit_t12"
TRUTH = "ILSVRC2012_validation_ground_truth.txt"
FIELDS = (
    *("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children"),
    *("wordnet_height", "num_train_images"),
)


def val_name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}.JPEG"


@cache
def meta_mat(wnids: tuple[str, ...]) -> bytes:
    """The kit's table of synsets: classes, whose IDs begin with 1, and behind them their parent."""
    synsets = np.zeros((len(wnids) + 1, 1), [(name, object) for name in FIELDS])
    ids = np.arange(1, len(wnids) + 1, dtype=np.float64)
    rows = [(i, wnid, f"words of {wnid}", "a gloss", 0.0, [], 0.0, 1300.0)
            for i, wnid in zip(ids, wnids, strict=True)]  # fmt: skip
    parent = (
        len(wnids) + 1.0,
        "n00001740",
        "entity",
        "all there is",
        len(wnids) * 1.0,
        ids,
        9.0,
        0.0,
    )
    synsets[:, 0] = [*rows, parent]
    stream = io.BytesIO()
    savemat(stream, {"synsets": synsets}, do_compression=True)
    return stream.getvalue()


def kit_files(wnids: Sequence[str], truth: Sequence[str]) -> dict[str, bytes]:
    """Files of the development kit: `truth` is the wnid of every validation image."""
    lines = "".join(f"{wnids.index(wnid) + 1}\n" for wnid in truth)
    return {
        f"{KIT}/readme.txt": b"a kit",
        f"{KIT}/data/{TRUTH}": lines.encode(),
        f"{KIT}/data/meta.mat": meta_mat(tuple(wnids)),
    }


def write_kit(root: Path, wnids: Sequence[str], truth: Sequence[str], packed: bool = False) -> None:
    files = kit_files(wnids, truth)
    if packed:
        write_tar(root / f"{KIT}.tar.gz", files, "w:gz")
        return
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def write_solution(path: Path, truth: Sequence[str]) -> None:
    """Kaggle's list, in no order, with one box or two of every image."""
    rows = [
        f"{val_name(i).removesuffix('.JPEG')},{' '.join([f'{wnid} 85 1 499 272'] * (1 + i % 2))} "
        for i, wnid in enumerate(truth, start=1)
    ]
    path.write_text("\n".join(["ImageId,PredictionString", *reversed(rows), ""]), "utf-8")


def write_tar(path: Path, members: Mapping[str, bytes], mode: str = "w") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, data in members.items():
            add_member(tar, name, data)
