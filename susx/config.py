"""The schema of config.yaml: strict, described, and the source of docs/config.md.

Parsing is cheap (no torch), because the Snakefile does it on every call.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from susx.config_classifier import Classifier
from susx.config_datasets import DEFAULT_ENSEMBLE, Entry, Images, load_card
from susx.config_encoders import Encoder
from susx.config_features import Features
from susx.config_pools import AnyPool, Download
from susx.config_problems import described
from susx.config_references import dangling_references
from susx.config_report import Report
from susx.config_synthesis import Synthesis
from susx.config_texts import (
    Descriptions,
    DescriptionSource,
    DescriptorSource,
    LanguageModel,
)
from susx.config_types import (
    Axis,
    Count,
    FilePath,
    Finite,
    Names,
    Positive,
    Section,
    Slug,
    Template,
    WithoutRepeats,
)
from susx.errors import InputError
from susx.methods import METHODS


def _folder(path: str) -> str:
    if set("{}") & set(path):
        raise ValueError(f'"{path}" has braces, which stand for wildcards; choose another name')
    return os.path.normpath(path)


Root = Annotated[FilePath, AfterValidator(_folder)]


class Roots(Section):
    """Folders that the pipeline writes to; put `cache` on scratch space on a cluster."""

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


class Dataset(Section):
    """What to classify. Values given here win over those of the card."""

    card: FilePath | None = Field(
        None,
        description="Dataset card: the name of a built-in one (docs/datasets.md), or a YAML file "
        "with classes, template, ensemble, questions.",
    )
    classes: Annotated[list[Entry], Field(min_length=1)] | FilePath | None = Field(
        None, description="Class names: a list, or a text file with one name per line."
    )
    template: Template = Field("a photo of a {}.", description="Photo template.")
    ensemble: list[Template] = Field(
        DEFAULT_ENSEMBLE, min_length=1, description="Templates of the prompt ensemble."
    )
    descriptions: DescriptionSource | None = Field(
        None,
        description="JSON file {class name: [sentence, ...]}, as CuPL publishes, or the language "
        "model that writes them.",
    )
    descriptors: DescriptorSource | None = Field(
        None,
        description="JSON file {class name: [descriptor, ...]}, as VisDesc publishes, or the "
        "language model that writes them.",
    )
    images: Images | None = Field(None, description="Where the images are.")
    features: Features | None = Field(None, description="Published features, in place of images.")

    @property
    def named(self) -> bool:
        """Whether the classes have names; published features may do without."""
        return self.classes is not None or self.card is not None

    @model_validator(mode="after")
    def _complete(self) -> Dataset:
        if (self.images is None) == (self.features is None):
            raise ValueError("give `images` or `features`, one of the two")
        if not self.named and (self.features is None or self.features.encoder):
            raise ValueError("give `classes` (a list or a text file) or `card`")
        if self.images is not None and self.images.root is not None and self.card is None:
            raise ValueError("`images.root` needs a `card` that says what lies there")
        return self


class Prompts(Section):
    """A prompt strategy: a named way to turn a class name into texts."""

    source: Literal["template", "ensemble", "descriptions", "descriptors", "combine"] = Field(
        description="`template` and `ensemble` fill the dataset's templates, `descriptions` reads "
        "its description file, `descriptors` its descriptor file, `combine` joins other "
        "strategies."
    )
    of: list[str] = Field([], description="Strategies that `combine` joins, in order.")

    @model_validator(mode="after")
    def _parts(self) -> Prompts:
        if (self.source == "combine") != bool(self.of):
            raise ValueError("`of` lists strategies for source `combine`, and only for it")
        return self


class Retrieval(Section):
    """A support set (SuS) found from class names alone: the nearest images of a pool."""

    source: Literal["retrieval"] = Field(description="Kind of support set.")
    pool: str = Field(description="Pool to search.")
    encoder: str | None = Field(
        None,
        description="Encoder of queries and pool. Pools with `embeddings` name their own; images "
        "found by `captions` or a `service` are ranked again by it.",
    )
    query: str = Field("photo", description="Prompt strategy whose texts are the queries.")
    size: Positive = Field(16, description="Images per class.")
    candidates: Positive | None = Field(
        None,
        description="Candidates per image wanted; if left out 2, or 10 where they are downloaded, "
        "because many links are dead.",
    )
    select: Literal["top", "agree", "diverse"] = Field(
        "top",
        description="`top`: the best ranked candidates, as in the paper; `agree`: of those, the "
        "ones that the encoder itself assigns to the class; `diverse`: greedy k-centre, always the "
        "one least like those chosen.",
    )
    margin: Finite = Field(
        0.0, description="`agree`: least lead, in cosine, of the class over all others."
    )
    max_cosine: Annotated[Finite, Field(gt=0, lt=1)] | None = Field(
        None,
        description="Images whose embedding has a larger cosine with that of a better candidate "
        "are near duplicates, as are, always, those that look the same. What is near depends on "
        "the encoder.",
    )
    refuse: dict[str, Finite | str] = Field(
        {"punsafe": 0.5, "pwatermark": 0.8, "NSFW": "NSFW", "nsfw": "NSFW"},
        description="Columns of the pool's metadata that refuse a candidate: a number is the "
        "largest allowed, a text the one that is not.",
    )


class FewShot(Section):
    """A support set of labelled training images, for comparison: not from class names alone."""

    source: Literal["few-shot"] = Field(description="Kind of support set.")
    size: Positive = Field(16, description="Images per class (K).")
    seeds: Annotated[list[Count], WithoutRepeats] = Field(
        [0, 1, 2], min_length=1, description="One draw per seed; results give mean and deviation."
    )
    views: Count = Field(
        10,
        description="Random crops and mirrorings per image whose embeddings are averaged, as in "
        "the few-shot papers; 0 embeds the image as it is.",
    )


Support = Annotated[Retrieval | FewShot | Synthesis, Field(discriminator="source")]


SHOWN = {
    *("seed", "prompts", "language_models", "encoders", "pools"),
    *("download", "supports", "evaluation"),
}
"""Sections that results show, besides that of their dataset."""
HIDDEN: dict[str, Any] = {
    "download": {"user_agent"},
    "language_models": {"__all__": {"api_key_variable"}},
}
"""Keys of these that say who runs it, not what comes out."""

Protocol = Literal["validation", "support", "fixed"]


class Evaluation(Section):
    """What is compared, and how hyper-parameters are chosen."""

    methods: Names = Field(list(METHODS), min_length=1, description="Methods, in table order.")
    encoders: Names | None = Field(None, description="Encoders; all of them if left out.")
    supports: Names | None = Field(None, description="Support sets; all if left out.")
    texts: Annotated[Names, Field(min_length=1)] | None = Field(
        None,
        description="Prompt strategies under the methods that do not name their own; if left out, "
        "`cupl+e` for datasets with descriptions, else `ensemble`.",
    )
    protocols: Annotated[list[Protocol], WithoutRepeats] = Field(
        ["validation", "fixed"],
        min_length=1,
        description="`validation`: the grid point with most correct validation images; `support`: "
        "the same on held-out support images, without any label of the target; `fixed`: the "
        "values under `fixed`.",
    )
    search: Literal["grid", "continuous"] = Field(
        "grid",
        description="`continuous`: protocol `validation` optimises gamma, or alpha for methods "
        "without gamma, over the whole range of its grid.",
    )
    grid: dict[str, dict[str, Axis]] = Field(
        {},
        description="Per method, grids in place of the published ones. Alpha and gamma are in "
        "units of CLIP's logit scale of 100 and are rescaled to the encoder's.",
    )
    fixed: dict[str, dict[str, Finite]] = Field(
        {}, description="Per method, values of protocol `fixed` in place of the defaults."
    )
    leaks: Literal["keep", "drop"] = Field(
        "keep",
        description="What becomes of support images that nearly equal a test image. They are "
        "listed in the result; `keep` also tells the accuracy without them.",
    )
    memory_mib: Positive | None = Field(
        None, description="Working memory of the search, in MiB; chosen by device if left out."
    )
    bootstrap: Positive = Field(
        10000, description="Bootstrap samples per interval of a difference."
    )


class Config(Section):
    """The whole of config.yaml."""

    seed: int = Field(0, description="Seed of everything random.")
    roots: Roots = Field(Roots(), description="Output folders.")
    datasets: dict[Slug, Dataset] = Field(min_length=1, description="Datasets by name.")
    prompts: dict[Slug, Prompts] = Field(
        {
            "photo": Prompts(source="template"),
            "ensemble": Prompts(source="ensemble"),
            "cupl": Prompts(source="descriptions"),
            "cupl+e": Prompts(source="combine", of=["ensemble", "cupl"]),
            "visdesc": Prompts(source="descriptors"),
        },
        description="Prompt strategies by name.",
    )
    language_models: dict[Slug, LanguageModel] = Field(
        {}, description="Language models by name, for descriptions and descriptors."
    )
    encoders: dict[Slug, Encoder] = Field(
        {}, description="Encoders by name; datasets of published features need none."
    )
    pools: dict[Slug, AnyPool] = Field({}, description="Image pools by name.")
    download: Download = Field(Download(), description="How images of the web are fetched.")
    supports: dict[Slug, Support] = Field({}, description="Support sets by name.")
    evaluation: Evaluation = Field(Evaluation(), description="Methods and protocols.")
    classifier: Classifier = Field(
        Classifier(), description="Which method becomes a file that classifies other images."
    )
    report: Report = Field(Report(), description="How much a report shows.")


def parse_config(data: Mapping[str, Any], file: str = "config.yaml") -> Config:
    """Validate a configuration and every reference inside it.

    Raises:
        InputError: one line per problem, each naming file and key.
    """
    try:
        config = Config.model_validate(dict(data))
    except ValidationError as error:
        problems = described(error, Config)
    else:
        problems = list(dangling_references(config))
        if not problems:
            return config
    raise InputError("\n".join(f"{file}: {problem}" for problem in dict.fromkeys(problems)))


def with_card(dataset: Dataset, origin: str = "") -> Dataset:
    """Fill what the configuration leaves out with the values of the dataset's card.

    Raises:
        InputError: if there is no such card, or it does not fit; the message begins with `origin`.
    """
    try:
        return _with_card(dataset) if dataset.card else dataset
    except InputError as error:
        raise InputError(f"{origin}{error}") from None


def _with_card(dataset: Dataset) -> Dataset:
    card = load_card(str(dataset.card))
    given = dataset.model_fields_set
    taken = {key: getattr(card, key) for key in ("template", "ensemble") if key not in given}
    written = dataset.descriptions
    if isinstance(written, Descriptions) and "questions" not in written.model_fields_set:
        taken["descriptions"] = written.model_copy(update={"questions": card.questions})
    if card.validation == "test" and dataset.images and dataset.images.validation:
        raise InputError(
            f"{dataset.card}: says `validation: test`, but the configuration names validation "
            "images; remove one of the two"
        )
    if dataset.images and dataset.images.root is not None and not card.sources:
        raise InputError(
            f"{dataset.card}: lists no `sources`, so that `images.root` tells nothing; give "
            "`images.test`"
        )
    return dataset.model_copy(update=taken)


def evaluated_config(config: Config, dataset: str) -> dict[str, Any]:
    """The part of a configuration that the evaluation of a dataset follows from, as plain values.

    Results show it, so that it is listed what they may show.

    Raises:
        InputError: if its card is missing or broken.
    """
    dumped = config.model_dump(include=SHOWN, exclude=HIDDEN)
    return dumped | {"dataset": with_card(config.datasets[dataset]).model_dump()}


def tuning_split(dataset: Dataset) -> str:
    """What protocol `validation` tunes on: `validation`, or `test` if the card says so."""
    return load_card(dataset.card).validation if dataset.card else "validation"
