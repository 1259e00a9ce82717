"""Projects that are only planned: all datasets of the paper, and a pool of many shards.

Image files are missing or empty; what the workflow looks at while planning is there.
"""

from pathlib import Path
from typing import Any

from susx.config.cards import built_in_cards, load_card
from susx.datasets.layouts.cifar import CifarBatches
from susx.datasets.layouts.class_folders import ClassFolders
from susx.datasets.layouts.ilsvrc import IlsvrcPlaces
from susx.datasets.sources import Place
from susx.manifests.names import named_classes
from tests.workflow.project import Project

ENCODERS = ["rn50", "vit-b32", "vit-b16", "vit-l14", "siglip"]
SEEDS = [0, 1, 2]
SUPPORTS: dict[str, dict[str, Any]] = {
    **{
        f"lc-{query}": {
            "source": "retrieval",
            "pool": "web",
            "encoder": ENCODERS[0],
            "query": query,
        }
        for query in ("photo", "cupl")
    },
    **{
        f"sd-{query}": {"source": "synthesis", "preset": "paper", "query": query}
        for query in ("photo", "cupl")
    },
    **{f"few-{size}": {"source": "few-shot", "size": size, "seeds": SEEDS} for size in (1, 16)},
}
METHODS = ["zero-shot", "cupl", "cupl+e", "tip-adapter", "tip-x"]


def write_paper(root: Path, shards: int = 4) -> Project:
    """Write 19 datasets x 5 encoders x 6 support sets."""
    datasets = {}
    for card in built_in_cards():
        write_dataset(card, root / "data" / card)
        (root / f"{card}.json").write_text("{}", "utf-8")
        datasets[card] = {
            "card": card,
            "images": {"root": f"data/{card}"},
            "descriptions": f"{card}.json",
        }
    return write_project(root, datasets, ENCODERS, SUPPORTS, shards)


def write_pool(root: Path, shards: int) -> Project:
    """Write one dataset and a support set from a pool of many shards."""
    write_dataset("dtd", root / "data")
    datasets = {"dtd": {"card": "dtd", "images": {"root": "data"}}}
    support = {"lc-photo": SUPPORTS["lc-photo"]}
    return write_project(root, datasets, ENCODERS[:1], support, shards)


def write_project(
    root: Path,
    datasets: dict[str, Any],
    encoders: list[str],
    supports: dict[str, Any],
    shards: int,
) -> Project:
    """Write the configuration and the shards of the pool, which are empty."""
    (root / "pool").mkdir(parents=True)
    for number in range(shards):
        (root / f"pool/{number:05d}.tar").touch()
    project = Project(root)
    project.write_config(
        {
            "datasets": datasets,
            "encoders": {
                name: {"library": "transformers", "model": f"hub/{name}"} for name in encoders
            },
            "pools": {"web": {"layout": "webdataset", "path": "pool/*.tar"}},
            "supports": supports,
            "evaluation": {"methods": METHODS},
        }
    )
    return project


def write_dataset(card: str, root: Path) -> None:
    """Write what tells that the images of a card are below a folder, none of them itself."""
    source = load_card(card).sources[0]
    place = Place(source, root / source.below[0])
    classes = [entry.slug for entry in named_classes(None, card, card)]
    for split in place.splits:
        if isinstance(source, ClassFolders | IlsvrcPlaces):
            places = source.splits[split]
            folder = places if isinstance(places, str) else places[0]
            write_folders(place.base / folder, classes)
            continue
        listed, *others = place.files(split)
        for path in [listed, *others] if isinstance(source, CifarBatches) else [listed]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        if not isinstance(source, CifarBatches):
            write_folders(others[0], classes)


def write_folders(root: Path, names: list[str]) -> None:
    """Write empty folders."""
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
