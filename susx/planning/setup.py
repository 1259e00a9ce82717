"""What a run is planned from: the configuration, with what it names looked up on disk once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, cast

from susx.config import parse_config
from susx.config.datasets import Dataset, ImageSettings, tuning_split
from susx.config.entries import dataset_entry, dataset_names, dataset_section
from susx.config.features import FeatureSettings
from susx.config.pools import REMOTE, AnyPool, EmbeddingPool
from susx.config.schema import Config
from susx.config.supports import FewShot, Retrieval, draws_of
from susx.config.synthesis import Synthesis
from susx.core.mappings import OnDemand
from susx.planning.gaps import Gaps
from susx.pools.indices import has_index, index_shards
from susx.pools.shards import Shard, pool_shards
from susx.pools.web import WebPool, WebShard, web_shards
from susx.published.files import FeatureFiles, feature_files

AnyShard = Shard | WebShard


@dataclass(frozen=True, eq=False)
class Setup:
    """The configuration of a run, and what was found on disk of what it names.

    Attributes:
        config: the configuration as it is written.
        entries: datasets by name, as configured, and built-in cards; not filled from cards.
        datasets: the same, filled from their cards.
        shards: of a pool, by name.
        feature_files: names of a dataset's published features; nothing says that they exist.
        gaps: where problems are noted, if the first one is not to end the planning.
    """

    config: Config
    entries: Mapping[str, Dataset]
    datasets: Mapping[str, Dataset]
    shards: Mapping[str, Mapping[str, AnyShard]]
    feature_files: Mapping[str, FeatureFiles]
    gaps: Gaps | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any], gaps: Gaps | None = None) -> Setup:
        """Read a configuration, the cards of its datasets and the names of its pools' files.

        Cards of other datasets are read when something is asked of these.

        Args:
            data: contents of config.yaml; its paths are relative to the working folder.
            gaps: where later problems are noted, if the first one is not to end the planning.

        Raises:
            InputError: naming the key.
        """
        config = parse_config(data)
        entries = {name: dataset_entry(config, name) for name in dataset_names(config)}
        datasets = OnDemand(entries, partial(dataset_section, config))
        features = {name: datasets[name].features for name in config.datasets}
        return cls(
            config,
            entries,
            datasets,
            {name: _shards(pool, name, config.roots.cache) for name, pool in config.pools.items()},
            {name: feature_files(name, found) for name, found in features.items() if found},
            gaps,
        )

    @property
    def work(self) -> str:
        """Folder of manifests, prompts and support sets."""
        return self.config.roots.work

    @property
    def cache(self) -> str:
        """Folder of embedding caches."""
        return self.config.roots.cache

    @property
    def results(self) -> str:
        """Folder of results."""
        return self.config.roots.results

    @cached_property
    def stores(self) -> list[str]:
        """Stores of what lies in `work` and in `cache`."""
        return [f"{self.work}/store", self.config.roots.store or f"{self.cache}/store"]

    @property
    def folders(self) -> list[str]:
        """All folders that the pipeline writes."""
        return [self.work, self.cache, self.results, *self.stores]

    @cached_property
    def tuned_on(self) -> Mapping[str, str]:
        """What protocol `validation` of a dataset tunes on: `validation` or `test`."""
        return OnDemand(self.entries, lambda name: tuning_split(self.entries[name]))

    @cached_property
    def images(self) -> Mapping[str, ImageSettings]:
        """Section `images` of the datasets that have one."""
        names = (name for name, entry in self.entries.items() if entry.images)
        return OnDemand(names, lambda name: cast(ImageSettings, self.datasets[name].images))

    @cached_property
    def features(self) -> dict[str, FeatureSettings]:
        """Section `features` of the datasets that have one."""
        return {name: entry.features for name, entry in self.entries.items() if entry.features}

    @cached_property
    def backbones(self) -> set[str]:
        """Models of published features, which stand for encoders in the names of files."""
        return {features.backbone for features in self.features.values()}

    @cached_property
    def few_shot(self) -> dict[str, FewShot]:
        """Few-shot entries of `supports`."""
        return {n: s for n, s in self.config.supports.items() if isinstance(s, FewShot)}

    @cached_property
    def seeds(self) -> dict[str, tuple[str, int]]:
        """Few-shot support sets by the name of their files: entry of `supports`, and seed."""
        return draws_of(self.config.supports)

    @cached_property
    def retrieved(self) -> dict[str, Retrieval]:
        """Support sets that are retrieved from pools."""
        return {n: s for n, s in self.config.supports.items() if isinstance(s, Retrieval)}

    @cached_property
    def synthesised(self) -> dict[str, Synthesis]:
        """Support sets that are generated by a text-to-image model, filled from their presets."""
        sections = self.config.supports.items()
        return {n: s.resolved() for n, s in sections if isinstance(s, Synthesis)}

    @cached_property
    def layouts(self) -> dict[str, str]:
        """How the pool of a retrieved support set is searched: its layout, or `index`."""
        pools = {name: self.config.pools[s.pool] for name, s in self.retrieved.items()}
        return {n: "index" if has_index(pool) else pool.layout for n, pool in pools.items()}

    @cached_property
    def downloaded(self) -> list[str]:
        """Support sets whose images are downloaded."""
        return [name for name, layout in self.layouts.items() if layout in (*REMOTE, "index")]


def _shards(pool: AnyPool, name: str, cache: str) -> Mapping[str, AnyShard]:
    origin = f"config.yaml: pools.{name}"
    if pool.layout not in REMOTE:
        return pool_shards(pool, origin)
    listing = f"{cache}/listings/{name}.json"
    if isinstance(pool, EmbeddingPool) and has_index(pool):
        return index_shards(pool, origin, listing)
    return web_shards(cast(WebPool, pool), origin, listing)
