"""A project that is only planned: its files are empty, or hold the least that planning reads.

`write_files` writes them into the working folder, `setup_of` reads the configuration there.
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from susx.planning.setup import Setup

NAMES = ["zebra", "a/b", "café", "apple"]
CARD = {
    "title": "Tiny",
    "classes": NAMES,
    "sources": [{"name": "list", "layout": "coop-json", "file": "split.json", "images": "test"}],
}
ONLY_TRAIN = {
    "title": "Trained",
    "classes": NAMES,
    "sources": [{"name": "all", "layout": "class-folders", "splits": {"train": "train"}}],
}
PUBLISHED = {
    "title": "Published",
    "classes": ["cat", "dog"],
    "sources": [
        {
            "name": "hub",
            "layout": "webdataset",
            "url": "https://example.org/pets",
            "splits": {"test": "test-*.tar", "validation": "val-*.tar"},
            "classes": "classes.txt",
        }
    ],
}


def retrieval(pool: str, **more: Any) -> dict[str, Any]:
    """Section of a support set of three images per class."""
    return {"source": "retrieval", "pool": pool, "size": 3, **more}


CONFIG: dict[str, Any] = {
    "datasets": {
        "tiny": {
            "classes": "classes.txt",
            "descriptions": "descriptions.json",
            "images": {split: f"images/{split}" for split in ("test", "validation", "train")},
        },
        "card": {"card": "card.yaml", "images": {"root": "images"}},
        "fetched": {"card": "fetched.yaml", "images": {"root": "fetched", "download": True}},
        "asked": {
            "classes": "classes.txt",
            "descriptions": {"model": "local", "chunk": 3},
            "descriptors": {"model": "server"},
            "images": {"test": "images/test"},
        },
        "plain": {"classes": ["cat", "dog"], "images": {"unlabelled": "loose"}},
        "shared": {
            "features": {
                "layout": "susx",
                "root": "features",
                "backbone": "RN50",
                "support": ["lc-photo"],
            }
        },
        "keys": {
            "classes": "classes.txt",
            "features": {
                "layout": "tip-adapter",
                "root": "features",
                "backbone": "RN101",
                "encoder": "clip",
                "shots": [16],
            },
        },
    },
    "encoders": {
        "clip": {"library": "transformers", "model": "model"},
        "hub": {"library": "open-clip", "model": "hf-hub:owner/name", "device": "cuda"},
    },
    "language_models": {
        "local": {"backend": "transformers", "model": "writer", "device": "cuda", "threads": 3},
        "server": {"backend": "openai", "base_url": "http://localhost:1/v1", "model": "chat"},
    },
    "pools": {
        "web": {"layout": "webdataset", "path": "pool/{000..001}.tar"},
        "vectors": {"layout": "embeddings", "path": "laion", "encoder": "clip"},
        "index": {
            "layout": "embeddings",
            "path": "laion",
            "encoder": "clip",
            "index": "laion/image.index",
        },
        "files": {"layout": "embeddings", "path": "laion", "encoder": "clip", "images": "loose"},
        "captions": {"layout": "captions", "path": "captions/*.parquet"},
        "service": {"layout": "service", "url": "http://localhost:1234", "index": "i"},
    },
    "supports": {
        "lc": retrieval("web", encoder="clip"),
        "agree": retrieval("web", encoder="hub", select="agree"),
        "vectors": retrieval("vectors"),
        "apart": retrieval("vectors", select="diverse"),
        "index": retrieval("index"),
        "files": retrieval("files", candidates=7),
        "captions": retrieval("captions", encoder="hub"),
        "service": retrieval("service"),
        "drawn": {"source": "synthesis", "preset": "fast", "chunk": 3},
        "own": {"source": "synthesis", "preset": "fast", "model": "drawer", "device": "cuda"},
        "few": {"source": "few-shot", "size": 2, "seeds": [0, 4]},
    },
}


def write_files() -> None:
    """Write everything that `CONFIG` names into the working folder."""
    files = {
        "classes.txt": "\n".join(NAMES),
        "descriptions.json": "{}",
        "card.yaml": json.dumps(CARD),
        "trained.yaml": json.dumps(ONLY_TRAIN),
        "fetched.yaml": json.dumps(PUBLISHED),
        "images/split.json": "{}",
        "loose/photo.png": "",
        **{f"images/{s}/zebra/0.png": "" for s in ("test", "validation", "train")},
        "model/config.json": json.dumps({"model_type": "clip"}),
        "model/README.md": "",
        "writer/model.safetensors": "x" * 2_000_000,
        "drawer/model_index.json": "{}",
        **{f"pool/{number:03d}.tar": "" for number in range(2)},
        **{f"laion/img_emb/img_emb_{number}.npy": "" for number in range(2)},
        **{f"laion/metadata/metadata_{number}.parquet": "" for number in range(2)},
        "laion/image.index": "",
        "captions/first.parquet": "",
        **{f"features/{name}.pt": "" for name in FEATURES},
    }
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


FEATURES = [
    *(f"shared_{kind}_{split}_mRN50" for kind in "ft" for split in ("test", "val")),
    *(f"sus_lc_photo_shared_{kind}_mRN50" for kind in "ft"),
    *(f"shared_zeroshot_text_weights_mRN50_pt{t}" for t in ("ensemble", "cupl", "combined")),
    *(f"caches/keys/{split}_{kind}" for split in ("test", "val") for kind in "fl"),
    *(f"caches/keys/{kind}_16shots" for kind in ("keys", "values")),
]
"""Names of files of published features."""


def setup_of(change: Callable[[dict[str, Any]], object] = lambda config: None) -> Setup:
    """The setup of the working folder, with a changed configuration."""
    config = copy.deepcopy(CONFIG)
    change(config)
    return Setup.of(config)
