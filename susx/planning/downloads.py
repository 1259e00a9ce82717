"""What a run gets from elsewhere: models and data sets of the hub, and how large they are."""

from __future__ import annotations

import fnmatch
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from susx.core.hub import snapshot_folder
from susx.planning.hub import HubAnswers
from susx.planning.readiness import model_key
from susx.planning.run import PlannedJob
from susx.planning.setup import Setup

if TYPE_CHECKING:
    from susx.encoders.hub import HubFiles, HubRepository

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


@dataclass(frozen=True)
class _Wanted:
    """What comes from elsewhere, before the hub is asked for it.

    Attributes:
        name: identifier of the hub, or address.
        keys: of the configuration, that name it.
        kind: `model`, `images` or `pool`.
        repository: what the hub is asked for; None if it is here already, or not of the hub.
        size: bytes to fetch, by the sizes of all files.
        here: whether it lies in the cache of the hub.
    """

    name: str
    keys: tuple[str, ...]
    kind: str
    repository: HubRepository | None
    size: Callable[[Mapping[str, int]], int | None]
    here: bool = False

    def download(self, told: Mapping[HubRepository, HubFiles]) -> Download:
        if self.repository is None:
            return Download(self.name, self.keys, self.kind, self.here)
        found = told[self.repository]
        size = self.size(found.sizes) if found.sizes else None
        return Download(self.name, self.keys, self.kind, False, size, found.note, found.lacking)


def needed_downloads(setup: Setup, jobs: Sequence[PlannedJob], hub: HubAnswers) -> list[Download]:
    """Everything that jobs get from elsewhere, images by their addresses besides.

    Args:
        setup: of the run.
        jobs: that run.
        hub: is asked how large it is.
    """
    wanted = [*_models(setup, jobs), *_images(jobs), *_pools(setup, jobs)]
    told = hub.of(one.repository for one in wanted if one.repository)
    return [one.download(told) for one in wanted]


def _models(setup: Setup, jobs: Iterable[PlannedJob]) -> Iterator[_Wanted]:
    keys: dict[tuple[str, str | None], dict[str, None]] = defaultdict(dict)
    for job in jobs:
        for model in job.hub:
            keys[model][f"config.yaml: {model_key(setup, job)}"] = None
    for (name, revision), named in keys.items():
        here = snapshot_folder(name, revision) is not None
        asked = None if here else (name, revision, "model")
        yield _Wanted(name, tuple(named), "model", asked, loaded_size, here)


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


def _images(jobs: Iterable[PlannedJob]) -> Iterator[_Wanted]:
    for job in jobs:
        if job.rule != "download_dataset":
            continue
        settings = job.job.params["download"]
        if settings["address"] is None:  # which source is meant is among what is missing
            continue
        key = f"{settings['key']} ({job.names['split']})"
        patterns = [settings["pattern"], *settings["names"]]
        yield _published(settings["address"], [p for p in patterns if p], key, "images")


def _pools(setup: Setup, jobs: Iterable[PlannedJob]) -> Iterator[_Wanted]:
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
        yield _published(address, names, f"config.yaml: pools.{pool}", "pool")


def _published(address: str, patterns: Sequence[str], key: str, kind: str) -> _Wanted:
    """What is fetched from an address, whose size the hub tells of its own data sets alone."""
    named = DATASETS.fullmatch(address)
    below = f"{named['path'].rstrip('/')}/" if named and named["path"] else ""
    size = partial(_matching_size, [below + pattern for pattern in patterns])
    asked = (named["name"], named["revision"], "dataset") if named else None
    return _Wanted(address.rstrip("/") if named else address, (key,), kind, asked, size)


def _matching_size(patterns: Sequence[str], files: Mapping[str, int]) -> int | None:
    """Bytes of the files that match any of some patterns; None if there are none."""
    matching = (
        path for path in files if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)
    )
    sizes = [files[path] for path in matching]
    return sum(sizes) if sizes else None
