"""Small cards: those that are shipped, with a few of their classes, and files that fit them.

A run with a thousand classes takes hours of a language model and of drawing. What depends on the
number of classes is cut; all else of a card, its sources above all, is as shipped.
"""

import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from susx.config.cards import CARDS
from tests.helpers import colour_of, image_bytes
from tests.made import imagenet

REPO = Path(__file__).resolve().parents[2]
CLASSES = 5
"""Of a card, but for ImageNet and what has its classes."""
PER_SPLIT = {"train": 1, "validation": 1, "test": 2}
"""Images per class."""
SIZE = (72, 80)

Data = dict[str, Any]


@cache
def shipped_cards() -> dict[str, Data]:
    """Contents of the cards that are shipped, by name; read-only."""
    paths = CARDS.glob("*.yaml")
    return {path.stem: yaml.load(path.read_text("utf-8"), yaml.CSafeLoader) for path in paths}


@cache
def small_cards() -> dict[str, Data]:
    """The same with few classes, and as many images as are written for them; read-only."""
    return {
        name: small_card(card, imagenet.LABELS if name == "imagenet" else _kept(card), name)
        for name, card in shipped_cards().items()
    }


def _kept(card: Data) -> list[int]:
    """The first classes, and those of other names in published descriptions."""
    names = [_name(entry) for entry in card["classes"] if isinstance(card["classes"], list)]
    odd = [names.index(name) for name in card.get("described_as", {})]
    return sorted([*odd, *(n for n in range(len(names)) if n not in odd)][:CLASSES])


def _name(entry: Any) -> str:
    return entry if isinstance(entry, str) else entry["name"]


def small_card(card: Data, kept: Sequence[int], name: str) -> Data:
    """A card with some of its classes, by their positions."""
    small = {**card, "expected": _expected(name, card, len(kept))}
    if isinstance(card["classes"], str):
        return small
    small["classes"] = classes = [card["classes"][index] for index in kept]
    if "wnids" in card:
        small["wnids"] = [card["wnids"][index] for index in kept]
    names = [_name(entry) for entry in classes]
    if "described_as" in card:
        small["described_as"] = {k: v for k, v in card["described_as"].items() if k in names}
    small["sources"] = [
        {**source, "names": [source["names"][index] for index in kept]}
        if len(source.get("names", ())) == len(card["classes"])
        else source
        for source in card["sources"]
    ]
    return small


def _expected(name: str, card: Data, n_classes: int) -> dict[str, int]:
    """Images of the splits for which the shipped card says a number."""
    if isinstance(card["classes"], str):
        n_classes = len(imagenet.LABELS) if card["classes"] == "imagenet" else CLASSES
    numbers = imagenet.PER_CLASS if name == "imagenet" else PER_SPLIT
    return {split: n_classes * numbers[split] for split in card["expected"]}


def class_names(cards: Mapping[str, Data]) -> list[str]:
    """Names of the classes of all cards, each once."""
    listed = [card["classes"] for card in cards.values() if isinstance(card["classes"], list)]
    return list(dict.fromkeys(_name(entry) for classes in listed for entry in classes))


def write_cards(root: Path) -> None:
    """Write cards with few classes into a checkout."""
    for name, card in small_cards().items():
        text = yaml.dump(card, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False)
        (root / CARDS.relative_to(REPO) / f"{name}.yaml").write_text(text, "utf-8")


def write_images(root: Path, name: str) -> None:
    """Write the images of a small card in the layout of its first source, as it is published."""
    cards = small_cards()
    sources, named = cards[name]["sources"], cards[name]["classes"]
    card = cards[named] if isinstance(named, str) else cards[name]
    WRITERS[sources[0]["layout"]](root, card, sources[0])


def _images(splits: Sequence[str], n_classes: int) -> list[tuple[str, int, int]]:
    """Split, class and number of every image."""
    return [
        (split, label, number)
        for split in splits
        for number in range(PER_SPLIT[split])
        for label in range(n_classes)
    ]


def _jpeg(label: int, number: int, split: str) -> bytes:
    seed = 100 * label + 10 * list(PER_SPLIT).index(split) + number
    return image_bytes(colour_of(label, 12), SIZE, format="JPEG", seed=seed)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _write_split_file(root: Path, card: Data, source: Data) -> None:
    """One JSON file with all splits, of paths, labels and names; images in folders of classes."""
    names = [_name(entry) for entry in card["classes"]]
    folders = source["images"]
    images = folders if isinstance(folders, str) else folders[-1]  # that of the archive
    rows: dict[str, list[Any]] = {"train": [], "val": [], "test": []}
    for split, label, number in _images(list(PER_SPLIT), len(names)):
        published = _published_name(names[label], label, source)
        path = f"{published.replace('/', '')}/{split}_{number:04d}.jpg"
        rows["val" if split == "validation" else split].append([path, label, published])
        _write(root / images / path, _jpeg(label, number, split))
    _write(root / source["file"], json.dumps(rows, indent=4).encode())


def _published_name(name: str, label: int, source: Data) -> str:
    """What a split file calls a class: its folder where the card cuts something out."""
    return f"{label + 1:03d}.{name.replace(' ', '_')}" if "strip" in source else name


def _write_fgvc(root: Path, card: Data, source: Data) -> None:
    """A list per split, of an identifier and the name of a class; all images in one folder."""
    names = [_name(entry) for entry in card["classes"]]
    lines: dict[str, list[str]] = {split: [] for split in source["splits"]}
    for split, label, number in _images(list(source["splits"]), len(names)):
        identifier = f"{1000 * label + 10 * number + list(PER_SPLIT).index(split):07d}"
        lines[split].append(f"{identifier} {names[label]}")
        _write(root / "data/images" / f"{identifier}.jpg", _jpeg(label, number, split))
    for split, file in source["splits"].items():
        _write(root / "data" / file, "\n".join([*lines[split], ""]).encode())
    _write(root / "data/variants.txt", "\n".join([*names, ""]).encode())


def _write_cifar(root: Path, card: Data, source: Data) -> None:
    """Batches of pixels, as pickles of Python 2; labels are numbers of the names in their order."""
    names = [_alias(entry).replace(" ", "_") for entry in card["classes"]]
    folder = root / source["below"][0]
    fine = len(source["splits"]["train"]) == 1
    for split, files in source["splits"].items():
        images = _images([split], len(names))
        for index, file in enumerate(files):
            part = images[index :: len(files)]
            colours = np.array([colour_of(label, 12) for _, label, _ in part])
            noise = np.random.default_rng(index).integers(-20, 20, (len(part), 3 * 32 * 32))
            pixels = np.clip(np.repeat(colours, 32 * 32, axis=1) + noise, 0, 255)
            batch = {
                b"fine_labels" if fine else b"labels": [label for _, label, _ in part],
                b"data": pixels.astype(np.uint8),
                b"filenames": [f"{file}_{n}.png".encode() for n in range(len(part))],
            }
            _write(folder / file, pickle.dumps(batch, protocol=2))
    key = b"fine_label_names" if fine else b"label_names"
    _write(folder / source["meta"], pickle.dumps({key: [n.encode() for n in names]}, protocol=2))


def _alias(entry: Any) -> str:
    """What the archive calls a class, where the card says another name."""
    return entry if isinstance(entry, str) else entry["aliases"][0]


def _write_folders(root: Path, card: Data, source: Data) -> None:
    """A folder per class, called as the source or its wnid says, in a folder per split."""
    folders = source.get("names") or card["wnids"]
    for split, label, number in _images(list(source["splits"]), len(folders)):
        base = root / source.get("below", ["."])[-1] / source["splits"][split]
        _write(base / folders[label] / f"{split}_{number}.jpg", _jpeg(label, number, split))


WRITERS: Mapping[str, Callable[[Path, Data, Data], None]] = {
    "coop-json": _write_split_file,
    "fgvc-lists": _write_fgvc,
    "cifar": _write_cifar,
    "class-folders": _write_folders,
}
"""What writes images, by the layout of a card's first source."""
