"""Files that one encoder's evaluation reads, by kind and name. Imports no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class CacheFiles:
    """Files of one encoder: caches by strategy, split and support; manifests by split, support.

    `patches` are caches by split, for methods that need them; `prompts` are the texts by strategy.
    Published features have neither patches nor manifests, and prompts only if an encoder embeds
    them.
    """

    classes: str
    texts: Mapping[str, str]
    images: Mapping[str, str]
    image_manifests: Mapping[str, str]
    supports: Mapping[str, str]
    support_manifests: Mapping[str, str]
    patches: Mapping[str, str] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, inputs: Any, names: Mapping[str, Sequence[str]]) -> CacheFiles:
        """Files of a job, whose lists are named by kind."""
        kinds = {
            kind: dict(zip(given, inputs.get(kind) or (), strict=True))
            for kind, given in names.items()
        }
        return cls(inputs.classes, **kinds)

    @property
    def inputs(self) -> dict[str, str | list[str]]:
        """Paths by kind, as inputs of a rule."""
        return {
            kind: files if isinstance(files, str) else [*files.values()]
            for kind, files in vars(self).items()
        }

    @property
    def names(self) -> dict[str, list[str]]:
        """Names of what `inputs` lists, in the same order."""
        return {k: [*files] for k, files in vars(self).items() if not isinstance(files, str)}
