"""What a run gets from elsewhere: models and data sets of the hub, and how large they are."""

from __future__ import annotations

import fnmatch
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from susx.core.hub import snapshot_folder
from susx.planning.readiness import model_key
from susx.planning.run import PlannedJob
from susx.planning.setup import Setup

if TYPE_CHECKING:
    from susx.encoders.hub import HubFiles

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
"""Suffixes of weights, those that libraries prefer first."""
BESIDE = (".json", ".txt", ".model", ".jinja")
"""Suffixes of configurations and tokenizers."""
VARIANT = re.compile(r"[.-](fp16|fp32|bf16|non_ema|ema|onnx|openvino|flax|tf)[.-]|^(onnx|openvino)")
"""Names of weights of another width or for another library."""
DATASETS = re.compile(r"hf://datasets/(?P<name>[^/@]+/[^/@]+)(@(?P<revision>[^/]+))?/?(?P<path>.*)")
"""Addresses of data sets of the hub."""
PARTS = re.compile(r"-\d+-of-\d+")
"""Mark of weights that are cut into several files."""


@dataclass(frozen=True)
class Download:
    """What comes from elsewhere.

    Attributes:
        name: identifier of the hub, or address.
        keys: of the configuration, that name it.
        kind: `model`, `images` or `pool`.
        here: whether it lies in the cache of the hub, so that nothing is fetched.
        size: bytes to fetch; None where that is not known.
        note: what one has to know or do, or nothing.
        lacking: whether the run cannot get it.
    """

    name: str
    keys: tuple[str, ...]
    kind: str
    here: bool = False
    size: int | None = None
    note: str = ""
    lacking: bool = False


def needed_downloads(setup: Setup, jobs: Sequence[PlannedJob]) -> list[Download]:
    """Everything that jobs get from elsewhere, images by their addresses besides.

    Args:
        setup: of the run.
        jobs: that run.
    """
    hub = _Hub()
    return [*_models(setup, jobs, hub), *_images(jobs, hub), *_pools(setup, jobs, hub)]


class _Hub:
    """The hub, which is not asked again after it did not answer."""

    def __init__(self) -> None:
        self._silent: HubFiles | None = None
        self._known: dict[tuple[str, str | None, str], HubFiles] = {}

    def files(self, name: str, revision: str | None, kind: str) -> HubFiles:
        from susx.encoders.hub import hub_files  # which imports the hub's client

        key = name, revision, kind
        if key not in self._known:
            found = self._silent or hub_files(*key)
            if found.silent:
                self._silent = found
            self._known[key] = found
        return self._known[key]


def _models(setup: Setup, jobs: Iterable[PlannedJob], hub: _Hub) -> Iterator[Download]:
    keys: dict[tuple[str, str | None], dict[str, None]] = defaultdict(dict)
    for job in jobs:
        for model in job.hub:
            keys[model][f"config.yaml: {model_key(setup, job)}"] = None
    for (name, revision), named in keys.items():
        if snapshot_folder(name, revision):
            yield Download(name, tuple(named), "model", here=True)
            continue
        found = hub.files(name, revision, "model")
        size = loaded_size(found.sizes) if found.sizes else None
        yield Download(name, tuple(named), "model", False, size, found.note, found.lacking)


def loaded_size(files: Mapping[str, int]) -> int:
    """Bytes of those files of a model that libraries load: one kind of weights, and what is beside.

    Args:
        files: size by path; a pipeline of diffusers has its weights in folders.
    """
    folders: dict[str, dict[str, int]] = defaultdict(dict)
    for path, size in files.items():
        folders[str(PurePosixPath(path).parent)][path] = size
    if "model_index.json" in files:
        folders["."] = {p: s for p, s in folders["."].items() if p.endswith(BESIDE)}
    else:
        folders = defaultdict(dict, {".": folders["."]})
    return sum(_loaded(inside) for inside in folders.values())


def _loaded(files: Mapping[str, int]) -> int:
    beside = sum(size for path, size in files.items() if path.endswith(BESIDE))
    for suffix in WEIGHTS:
        names = [p for p in files if p.endswith(suffix) and not VARIANT.search(p)]
        parts = [name for name in names if PARTS.search(name)]
        if parts:
            return beside + sum(files[name] for name in parts)
        if names:
            return beside + max(files[name] for name in names)
    return beside


def _images(jobs: Iterable[PlannedJob], hub: _Hub) -> Iterator[Download]:
    for job in jobs:
        if job.rule != "download_dataset":
            continue
        settings = job.job.params["download"]
        if settings["address"] is None:  # which source is meant is among what is missing
            continue
        key = f"{settings['key']} ({job.names['split']})"
        patterns = [settings["pattern"], *settings["names"]]
        yield _published(settings["address"], [p for p in patterns if p], key, "images", hub)


def _pools(setup: Setup, jobs: Iterable[PlannedJob], hub: _Hub) -> Iterator[Download]:
    paths: dict[tuple[str, str], list[str]] = defaultdict(list)
    for job in jobs:
        shard = job.job.params.get("shard")
        if job.rule not in ("match_captions", "search_embeddings") or not isinstance(shard, dict):
            continue
        pool = setup.retrieved[job.names["support"]].pool
        for path in (shard["path"], shard.get("metadata", "")):
            if "://" in path:
                found = DATASETS.fullmatch(path)
                address = path[: found.start("path")] if found else path.rpartition("/")[0]
                paths[pool, address].append(found["path"] if found else path)
    for (pool, address), names in paths.items():
        yield _published(address, names, f"config.yaml: pools.{pool}", "pool", hub)


def _published(address: str, patterns: Sequence[str], key: str, kind: str, hub: _Hub) -> Download:
    """What is fetched from an address, whose size the hub tells of its own data sets alone."""
    named = DATASETS.fullmatch(address)
    if named is None:
        return Download(address, (key,), kind)
    found = hub.files(named["name"], named["revision"], "dataset")
    below = f"{named['path'].rstrip('/')}/" if named["path"] else ""
    sizes = [
        size
        for path, size in (found.sizes or {}).items()
        if any(fnmatch.fnmatchcase(path, below + pattern) for pattern in patterns)
    ]
    size = sum(sizes) if sizes else None
    return Download(address.rstrip("/"), (key,), kind, False, size, found.note, found.lacking)
