"""How close embeddings of different images of a class come, on published features.

`python -m tests.benchmarks.bench_cosines ROOT` reads features in the layout of SuS-X and prints,
for several cosines, the share of images with a nearer neighbour in their class: among the test
photos, which are different, and among the support images, which may hold copies.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

LIMITS = (0.9, 0.94, 0.96, 0.98, 0.99, 0.995)


def read(root: Path, name: str) -> Tensor:
    """A stored tensor."""
    return torch.load(root / name, weights_only=True, map_location="cpu").float()


def nearest(features: Tensor, labels: Tensor) -> Tensor:
    """(N,) largest cosine of every row with another of its class."""
    unit = features / features.norm(dim=1, keepdim=True)
    found = torch.full((len(unit),), -1.0)
    for label in labels.unique():
        own = labels == label
        cosines = unit[own] @ unit[own].T
        cosines.fill_diagonal_(-1)
        found[own] = cosines.amax(dim=1)
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path)
    parser.add_argument("--datasets", nargs="+", default=["caltech101", "ucf101"])
    parser.add_argument("--backbone", default="ViT-B32")
    options = parser.parse_args()
    print("cosine above:".ljust(24), *(f"{limit:>7}" for limit in LIMITS))
    for dataset in options.datasets:
        for title, stem in (("test", dataset), ("support", f"sus_lc_photo_{dataset}")):
            split = "_test" if title == "test" else ""
            features, labels = (
                read(options.root, f"{stem}_{kind}{split}_m{options.backbone}.pt") for kind in "ft"
            )
            if title == "support":
                features, labels = features.T if len(features) != len(labels) else features, labels
            labels = (labels.argmax(dim=1) if labels.ndim == 2 else labels).long()
            found = nearest(features, labels)
            shares = (f"{(found > limit).float().mean():7.1%}" for limit in LIMITS)
            print(f"{dataset}, {title}".ljust(24), *shares)


if __name__ == "__main__":
    main()
