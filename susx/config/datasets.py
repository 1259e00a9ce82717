"""Section `datasets` of config.yaml, filled from dataset cards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import (
    Field,
    model_validator,
)

from susx.config.cards import DEFAULT_ENSEMBLE, CardClass, built_in_cards, card_path, load_card
from susx.config.features import FeatureSettings
from susx.config.grids import MethodGrids
from susx.config.problems import SparseEntry
from susx.config.sources import Address
from susx.config.texts import Descriptions, DescriptionSource, Descriptors, DescriptorSource
from susx.config.types import DistinctNames, FilePath, Section, Template
from susx.core.errors import InputError


class ImageSettings(Section):
    """Images: a folder or CSV file per labelled split, or one root laid out as the card says.

    Folders have one subfolder per class, named by class name, slug, wnid or alias. CSV files have
    columns `path`, relative to the file, and `label`, which is such a name. Images to classify need
    no labels.
    """

    test: FilePath | None = Field(None, description="Folder or CSV file of the test images.")
    validation: FilePath | None = Field(
        None, description="The same for the validation images; needed by protocol `validation`."
    )
    train: FilePath | None = Field(
        None, description="The same for training images, which few-shot supports are drawn from."
    )
    unlabelled: FilePath | None = Field(
        None,
        description="Folder of images without labels, flat or nested, which "
        "`results/{dataset}/predictions.parquet` classifies.",
    )
    root: FilePath | None = Field(
        None,
        description="In place of the labelled three: folder of the whole dataset, as its card "
        "describes it.",
    )
    source: str | None = Field(
        None, description="Which source of the card lies there; if left out, the first found."
    )
    download: bool | Address = Field(
        False,
        description="Fetch the files of the source into `root` first: `true` from where the card "
        "says, an address (`hf://datasets/OWNER/NAME@REVISION`, `https://...`) from there.",
    )

    @property
    def labelled(self) -> bool:
        """Whether any images with labels are named."""
        return any((self.test, self.validation, self.train, self.root))

    @model_validator(mode="after")
    def _splits_differ(self) -> ImageSettings:
        splits = {"test": self.test, "validation": self.validation, "train": self.train}
        folders = {name: Path(path) for name, path in splits.items() if path is not None}
        if self.root is not None and folders:
            raise ValueError(f"`root` stands in place of `{next(iter(folders))}`; remove one")
        if self.root is None and self.test is None and self.unlabelled is None:
            raise ValueError("give `test`, a folder of images, or `root`, or `unlabelled` images")
        if self.root is None and self.source is not None:
            raise ValueError("`source` tells what lies in `root`; give that, too")
        if self.root is None and self.download:
            raise ValueError("`download` needs `root`, the folder that it fills")
        test = folders.get("test")
        if test and folders.get("validation") == test:
            raise ValueError(
                "`validation` is the folder of `test`, so that tuning on the one is tuning on the "
                "other; where that is meant, leave it out and say `validation: test` in the "
                "dataset card"
            )
        if test and folders.get("train") == test:
            raise ValueError(
                "`train` is the folder of `test`, so that support images would be test images; "
                "name another folder"
            )
        return self


FROM_CARD = ("template", "ensemble", "grid")
"""Keys of an entry that its card has, too."""
WRITTEN = ("descriptions", "descriptors")
"""Texts of a dataset that are files or written by a language model; `defaults` names that."""


class DatasetDefaults(Section):
    """What datasets with images take where they do not say it themselves."""

    descriptions: Descriptions | None = Field(
        None, description="The language model that writes descriptions of their classes."
    )
    descriptors: Descriptors | None = Field(
        None, description="The language model that writes descriptors of their classes."
    )


class Dataset(Section):
    """What to classify. Values given here win over those of the card."""

    card: FilePath | None = Field(
        None,
        description="Dataset card: the name of a built-in one (docs/datasets.md), or a YAML file "
        "with classes, template, ensemble, questions.",
    )
    classes: Annotated[list[CardClass], Field(min_length=1)] | FilePath | None = Field(
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
    images: ImageSettings | None = Field(None, description="Where the images are.")
    features: FeatureSettings | None = Field(
        None, description="Published features, in place of images."
    )
    grid: MethodGrids = Field(
        {},
        description="Per method, grids in place of the published ones, those of the card if left "
        "out; `grid` of `evaluation` wins.",
    )
    encoders: Annotated[DistinctNames, Field(min_length=1)] | None = Field(
        None, description="Encoders that are compared on it; those of `evaluation` if left out."
    )
    supports: DistinctNames | None = Field(
        None, description="Support sets that are compared; those of `evaluation` if left out."
    )
    texts: Annotated[DistinctNames, Field(min_length=1)] | None = Field(
        None,
        description="Prompt strategies under the methods that do not name their own; those of "
        "`evaluation` if left out.",
    )

    @property
    def named(self) -> bool:
        """Whether the classes have names; published features may do without."""
        return self.classes is not None or self.card is not None

    @model_validator(mode="after")
    def _complete(self) -> Dataset:
        if self.images is None and self.features is None and self.card is not None:
            try:
                card_path(self.card)
            except InputError as error:
                raise ValueError(f"card: {error}") from None
        if self.images is None and self.features is None:
            raise SparseEntry("give `images` or `features`, one of the two", built_in_cards())
        if self.images is not None and self.features is not None:
            raise ValueError("give `images` or `features`, one of the two")
        if not self.named and (self.features is None or self.features.encoder):
            raise SparseEntry("give `classes` (a list or a text file) or `card`", built_in_cards())
        if self.images is not None and self.images.root is not None and self.card is None:
            raise ValueError("`images.root` needs a `card` that says what lies there")
        return self


def with_card(dataset: Dataset, origin: str = "") -> Dataset:
    """Fill what the configuration leaves out with the values of the dataset's card.

    Raises:
        InputError: if there is no such card, or it does not fit; the message begins with `origin`.
    """
    try:
        return _with_card(dataset) if dataset.card else dataset
    except InputError as error:
        raise InputError(f"{origin}{error}") from None


def tuning_split(dataset: Dataset) -> str:
    """What protocol `validation` tunes on: `validation`, or `test` if the card says so."""
    return load_card(dataset.card).validation if dataset.card else "validation"


def _with_card(dataset: Dataset) -> Dataset:
    card = load_card(str(dataset.card))
    given = dataset.model_fields_set
    taken = {key: getattr(card, key) for key in FROM_CARD if key not in given}
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
