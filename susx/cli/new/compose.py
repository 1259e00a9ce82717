"""The configuration that `susx new` writes, merged over config.yaml by `--configfile`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from slugify import slugify

from susx.cli.new import ENCODER
from susx.config.classifier import ClassifierSettings
from susx.config.datasets import WRITTEN
from susx.config.entries import dataset_names
from susx.config.schema import Config
from susx.core.errors import InputError
from susx.methods import METHODS, STANDARD

COMMENTS = {
    "datasets": "What to classify: class names, one per line, and where images lie.",
    "encoders": "The model that embeds images and texts: a local folder or a hub identifier.",
    "pools": "Where support images are looked for.",
    "supports": "Support sets: images per class, found or generated from the class names.",
    "evaluation": "What is compared. Only what is named here runs, none of config.yaml's own.",
    "classifier": "Which row of the result predicts; `null` is chosen by what there is.",
}


@dataclass(frozen=True)
class Wishes:
    """What a person asked for.

    Attributes:
        name: of the dataset.
        classes: text file of class names.
        images: section `images` of the dataset.
        encoder: local folder, checkpoint or hub identifier.
        library: that loads it.
        pool: entry of section `pools`, or None.
        synthesise: preset of a text-to-image model, or None.
        descriptions: JSON file of descriptions, or None.
    """

    name: str
    classes: str
    images: Mapping[str, str]
    encoder: str = ENCODER
    library: str = "transformers"
    pool: Mapping[str, Any] | None = None
    synthesise: str | None = None
    descriptions: str | None = None


def compose(wishes: Wishes, base: Config) -> dict[str, Any]:
    """Sections of the new configuration.

    Args:
        wishes: what was asked for.
        base: the configuration that it is merged over; its own datasets, encoders and support sets
            stay defined, and are not used.

    Raises:
        InputError: if the dataset's name is taken.
    """
    if wishes.name in dataset_names(base):
        raise InputError(f'there is a dataset "{wishes.name}" already; choose another name')
    prefix = slugify(wishes.name) or "new"
    encoder = _free(slugify(Path(wishes.encoder).name) or "encoder", base.encoders, prefix)
    dataset: dict[str, Any] = {"classes": wishes.classes, "images": dict(wishes.images)}
    pools, supports = {}, {}
    defaults = [key for key in WRITTEN if getattr(base.defaults, key)]
    dataset |= dict.fromkeys(defaults)  # no language model unless one is asked for
    if wishes.descriptions:
        dataset["descriptions"] = wishes.descriptions
    if wishes.pool:
        pool = _free("pool", base.pools, prefix)
        pools[pool] = dict(wishes.pool)
        settings = {"source": "retrieval", "pool": pool, "encoder": encoder, "query": "photo"}
        supports[_free("lc-photo", base.supports, prefix)] = settings
    if wishes.synthesise:
        query = "cupl" if wishes.descriptions else "photo"
        settings = {"source": "synthesis", "preset": wishes.synthesise, "query": query}
        supports[_free("sd", base.supports, prefix)] = settings
    sections = {
        "datasets": {wishes.name: dataset},
        "encoders": {encoder: {"library": wishes.library, "model": wishes.encoder}},
        "pools": pools,
        "supports": supports,
        "evaluation": _evaluation(wishes, base, encoder, list(supports)),
    }
    if base.classifier != ClassifierSettings():
        sections["classifier"] = ClassifierSettings(encoder=encoder).model_dump()
    return {key: value for key, value in sections.items() if value}


def _evaluation(wishes: Wishes, base: Config, encoder: str, supports: list[str]) -> dict[str, Any]:
    lacking = {"descriptors"} if wishes.descriptions else set(WRITTEN)

    def there(text: str) -> bool:
        strategy = base.prompts.get(text)
        parts = [base.prompts[part] for part in strategy.of] or [strategy] if strategy else []
        return bool(parts) and not any(part.source in lacking for part in parts)

    methods = [
        name
        for name in (*STANDARD, *METHODS.added)
        if all(map(there, METHODS[name].texts)) and (supports or not METHODS[name].needs_support)
    ]
    protocols = {"validation": "validation" in wishes.images, "support": supports, "fixed": True}
    return {
        "encoders": [encoder],
        "supports": supports,
        "methods": methods,
        "texts": ["cupl+e" if there("cupl+e") else "ensemble"],
        "protocols": [name for name, wanted in protocols.items() if wanted],
    }


def _free(wanted: str, taken: Iterable[str], prefix: str) -> str:
    """A name that merges with nothing of config.yaml."""
    names = set(taken)
    while wanted in names:
        wanted = f"{prefix}-{wanted}"
    return wanted


def as_yaml(sections: Mapping[str, Any]) -> str:
    """YAML with a comment per section."""
    parts = ["# Merged over config.yaml by `--configfile`; every key: docs/config.md.\n"]
    for key, value in sections.items():
        text = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, width=100)
        parts.append(f"# {COMMENTS[key]}\n{text}")
    return "\n".join(parts)
