"""Names of the files in which others publish features.

Cheap (no torch): the workflow plans with it. `susx.published.tensors` reads the files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from susx.config.features import FeatureSettings
from susx.core.errors import InputError, listing, suggestion

STRATEGIES = {"ensemble": "ensemble", "cupl": "cupl", "combined": "cupl+e"}
"""Prompt strategies by the names that the SuS-X authors give them."""

SHORT = {"test": "test", "validation": "val"}
"""Splits as file names spell them."""


@dataclass(frozen=True)
class FeatureFiles:
    """Paths of a dataset's published features; nothing says that they exist.

    Attributes:
        images: split -> features (N, d), labels (N,).
        supports: support set -> features (d, M), one-hot labels (M, C).
        texts: prompt strategy -> classifier (d, C); empty if an encoder makes the texts.
        shots: support set -> images per class that it must have, where its name promises some.
    """

    images: Mapping[str, tuple[str, str]]
    supports: Mapping[str, tuple[str, str]]
    texts: Mapping[str, str]
    shots: Mapping[str, int]

    def has_split(self, split: str) -> bool:
        """Whether a split is published, if only in part."""
        return any(Path(path).exists() for path in self.images[split])


def feature_files(dataset: str, features: FeatureSettings) -> FeatureFiles:
    """Files of a dataset's features by their publisher's naming.

    Args:
        dataset: name of the dataset's entry in config.yaml.
        features: its section `features`.
    """
    return LAYOUTS[features.layout](features.name or dataset, features)


def require(path: str, key: str) -> str:
    """Return `path` if it exists.

    Raises:
        InputError: naming the key, the file that was expected and the nearest one there is.
    """
    if Path(path).is_file():
        return path
    wanted, folder = Path(path), Path(path).parent
    while not folder.is_dir():
        wanted, folder = folder, folder.parent
    names = sorted(entry.name for entry in folder.iterdir())
    hint = suggestion(wanted.name, names) or f"; {folder} holds {listing(names) or 'nothing'}"
    raise InputError(f"{key}: not found: {path}{hint}")


def _susx(name: str, features: FeatureSettings) -> FeatureFiles:
    """https://github.com/vishaal27/SuS-X, which publishes RN50 features of 19 datasets."""
    root, model = Path(features.root), f"m{features.backbone}"

    def support(kind: str) -> tuple[str, str]:
        stem = f"sus_{kind.replace('-', '_')}_{name}"
        return str(root / f"{stem}_f_{model}.pt"), str(root / f"{stem}_t_{model}.pt")

    return FeatureFiles(
        images={
            split: (
                str(root / f"{name}_f_{short}_{model}.pt"),
                str(root / f"{name}_t_{short}_{model}.pt"),
            )
            for split, short in SHORT.items()
        },
        supports={kind: support(kind) for kind in features.support},
        texts={
            STRATEGIES[text]: str(root / f"{name}_zeroshot_text_weights_{model}_pt{text}.pt")
            for text in features.text
        },
        shots={},
    )


def _tip_adapter(name: str, features: FeatureSettings) -> FeatureFiles:
    """https://github.com/gaopengcuhk/Tip-Adapter, whose runs leave these files behind."""
    folder = Path(features.root) / "caches" / name
    return FeatureFiles(
        images={
            split: (str(folder / f"{short}_f.pt"), str(folder / f"{short}_l.pt"))
            for split, short in SHORT.items()
        },
        supports={
            f"{k}-shot": (str(folder / f"keys_{k}shots.pt"), str(folder / f"values_{k}shots.pt"))
            for k in features.shots
        },
        texts=dict(features.text_files),
        shots={f"{k}-shot": k for k in features.shots},
    )


LAYOUTS: dict[str, Callable[[str, FeatureSettings], FeatureFiles]] = {
    "susx": _susx,
    "tip-adapter": _tip_adapter,
}
