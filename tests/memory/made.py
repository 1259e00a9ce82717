"""What inputs of several rules are made of."""

from hashlib import sha256
from pathlib import Path

from susx.manifests.classes import ClassManifest, class_manifest

CLASSES_IN_USE = 21_841
"""Of ImageNet-21k, the largest dataset of images that is usual."""
TEXTS = 50
"""Per class, as CuPL has them."""


def names(n: int) -> list[str]:
    """Names as long as those of ImageNet are, so unlike that a tiny encoder tells them apart."""
    return [f"great {sha256(str(i).encode()).hexdigest()[:12]}" for i in range(n)]


def written_classes(folder: Path, n: int) -> ClassManifest:
    """The manifest of n classes, in a file."""
    classes = class_manifest(names(n))
    classes.write(folder / "classes.json")
    return classes
