"""Configurations as they are parsed from YAML, and what is wrong with edited ones."""

import copy
from typing import Any

import pytest

from susx.config import parse_config
from susx.core.errors import InputError

MINIMAL = {
    "datasets": {"pets": {"classes": ["cat", "dog"], "images": {"test": "photos"}}},
    "encoders": {"clip": {"library": "transformers", "model": "models/clip"}},
}
FULL = {
    "seed": 3,
    "roots": {"work": "w", "cache": "c", "results": "r"},
    "datasets": {
        "pets": {
            "classes": ["cat", {"name": "dog", "aliases": ["hound"], "wnid": "n02084071"}],
            "template": "a drawing of a {}.",
            "ensemble": ["one {}.", "two {}."],
            "descriptions": "texts.json",
            "descriptors": "features.json",
            "images": {"test": "photos", "validation": "more", "train": "most"},
        }
    },
    "prompts": {
        "photo": {"source": "template"},
        "ensemble": {"source": "ensemble"},
        "cupl": {"source": "descriptions"},
        "cupl+e": {"source": "combine", "of": ["ensemble", "cupl"]},
    },
    "encoders": {"clip": {"library": "transformers", "model": "models/clip", "batch_size": 4}},
    "pools": {"web": {"layout": "webdataset", "path": "{0..3}.tar", "shards": 2}},
    "supports": {
        "lc": {
            "source": "retrieval",
            "pool": "web",
            "encoder": "clip",
            "query": "cupl",
            "size": 2,
            "candidates": 5,
            "select": "agree",
            "margin": 0.5,
            "max_cosine": 0.98,
            "refuse": {"punsafe": 0.25, "NSFW": "UNSURE"},
        },
        "few": {"source": "few-shot", "size": 4, "seeds": [5, 0], "views": 3},
    },
    "evaluation": {
        "methods": ["zero-shot", "tip-x"],
        "encoders": ["clip"],
        "supports": ["lc", "few"],
        "texts": ["photo"],
        "protocols": ["fixed", "support"],
        "search": "continuous",
        "grid": {"tip-x": {"alpha": {"start": 1, "stop": 2.5, "steps": 3}}},
        "fixed": {"tip-x": {"gamma": 1}},
    },
}


def edited(place: str, value: Any) -> dict[str, Any]:
    """FULL with the value at a dotted place replaced."""
    config = copy.deepcopy(FULL)
    *parents, last = place.split(".")
    section: Any = config
    for part in parents:
        section = section[int(part)] if isinstance(section, list) else section[part]
    if isinstance(section, list):
        section[int(last)] = value
    else:
        section[last] = value
    return config


def message(config: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        parse_config(config)
    return str(caught.value)
