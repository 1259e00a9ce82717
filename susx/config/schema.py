"""The schema of config.yaml: strict, described, and the source of docs/config.md.

Parsing is cheap (no torch), because the Snakefile does it on every call.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from susx.config.built_in import VARIABLE, completed_entry, data_folder
from susx.config.classifier import ClassifierSettings
from susx.config.datasets import Dataset, DatasetDefaults
from susx.config.encoders import WITH_ITS_LIBRARY, EncoderSettings
from susx.config.evaluation import EvaluationSettings
from susx.config.pools import AnyPool, DownloadSettings
from susx.config.report import ReportSettings
from susx.config.supports import Support
from susx.config.texts import LanguageModelSettings
from susx.config.types import Count, FilePath, Section, Slug


def _folder(path: str) -> str:
    if set("{}") & set(path):
        raise ValueError(f'"{path}" has braces, which stand for wildcards; choose another name')
    return os.path.normpath(path)


Root = Annotated[FilePath, AfterValidator(_folder)]


class Roots(Section):
    """Folders that the pipeline writes to, and `data`; `cache` may lie on scratch space."""

    data: FilePath | None = Field(
        None,
        description="Where the datasets of built-in cards lie, each in a folder of its card's "
        f"name; if left out, what the environment variable `{VARIABLE}` names, else `data`.",
    )

    work: Root = Field("work", description="Manifests, prompts and support sets.")
    cache: Root = Field("cache", description="HDF5 embedding caches.")
    results: Root = Field("results", description="Results, one JSON file per dataset.")
    store: Root | None = Field(
        None,
        description="Where the contents of `cache` are kept, by what they were made from; several "
        "projects may share one. A folder `store` in `cache` if left out.",
    )

    @model_validator(mode="after")
    def _apart(self) -> Roots:
        roots = {name: getattr(self, name) for name in ("work", "cache", "results")}
        places = {name: Path(path).resolve() for name, path in roots.items()}
        store = self.store and Path(self.store).resolve()
        for name, place in places.items():
            if store and place.is_relative_to(store):
                raise ValueError(f"`store` holds `{roots[name]}`; name a folder for it alone")
            for other, inner in places.items():
                if other != name and inner.is_relative_to(place):
                    raise ValueError(
                        f"`{name}` ({roots[name]}) holds `{other}` ({roots[other]}); name folders "
                        "that lie beside each other"
                    )
        return self


PromptSource = Literal[
    "template", "ensemble", "frequent_names", "waffle", "descriptions", "descriptors", "combine"
]


class Prompts(Section):
    """A prompt strategy: a named way to turn a class name into texts."""

    source: PromptSource = Field(
        description="`template` and `ensemble` fill the dataset's templates with class names, "
        "`frequent_names` those of the ensemble with the name or alias of a class that the "
        "captions of a pool have most, `waffle` puts random letters in place of descriptors into "
        "the photo template, `descriptions` reads its description file, `descriptors` "
        "its descriptor file, `combine` joins other strategies."
    )
    of: list[str] = Field([], description="Strategies that `combine` joins, in order.")
    pool: str | None = Field(
        None,
        description="Pool of layout `captions` whose captions `frequent_names` counts; a support "
        "set must be retrieved from it. May be left out if there is only one.",
    )
    seed: Count | None = Field(None, description="Seed of the letters of `waffle`, 0 if left out.")

    @model_validator(mode="after")
    def _parts(self) -> Prompts:
        if (self.source == "combine") != bool(self.of):
            raise ValueError("`of` lists strategies for source `combine`, and only for it")
        for key, source in (("pool", "frequent_names"), ("seed", "waffle")):
            if getattr(self, key) is not None and self.source != source:
                raise ValueError(f"`{key}` is for source `{source}`; `{self.source}` reads none")
        return self


class Config(Section):
    """The whole of config.yaml."""

    seed: int = Field(
        0,
        description="Seed of what a report draws: examples, and pairs of "
        "images where there are too many.",
    )
    roots: Roots = Field(Roots(), description="Output folders.")
    datasets: dict[Slug, Dataset] = Field(
        {},
        description="Datasets by name. Built-in cards need no entry; one of the same name need "
        "only say what is different.",
    )
    defaults: DatasetDefaults = Field(
        DatasetDefaults(), description="What datasets with images take where they say nothing."
    )
    prompts: dict[Slug, Prompts] = Field(
        {
            "photo": Prompts(source="template"),
            "ensemble": Prompts(source="ensemble"),
            "cupl": Prompts(source="descriptions"),
            "cupl+e": Prompts(source="combine", of=["ensemble", "cupl"]),
            "visdesc": Prompts(source="descriptors"),
            "real-prompt": Prompts(source="frequent_names"),
            "waffle": Prompts(source="waffle"),
        },
        description="Prompt strategies by name.",
    )
    language_models: dict[Slug, LanguageModelSettings] = Field(
        {}, description="Language models by name, for descriptions and descriptors."
    )
    encoders: dict[Slug, Annotated[EncoderSettings, WITH_ITS_LIBRARY]] = Field(
        {}, description="Encoders by name; datasets of published features need none."
    )
    pools: dict[Slug, AnyPool] = Field({}, description="Image pools by name.")
    download: DownloadSettings = Field(
        DownloadSettings(), description="How images of the web are fetched."
    )
    supports: dict[Slug, Support] = Field({}, description="Support sets by name.")
    evaluation: EvaluationSettings = Field(
        EvaluationSettings(), description="Methods and protocols."
    )
    classifier: ClassifierSettings = Field(
        ClassifierSettings(),
        description="Which method becomes a file that classifies other images.",
    )
    report: ReportSettings = Field(ReportSettings(), description="How much a report shows.")

    @model_validator(mode="before")
    @classmethod
    def _located(cls, data: Any) -> Any:
        entries, roots = data.get("datasets"), data.get("roots")
        if not isinstance(entries, Mapping):
            return data
        given = roots.get("data") if isinstance(roots, Mapping) else None
        folder = data_folder(given if isinstance(given, str) else None)
        whole = {name: completed_entry(name, entry, folder) for name, entry in entries.items()}
        return {**data, "datasets": whole}
