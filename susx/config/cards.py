"""Dataset cards, and the sections of config.yaml on classes and labelled images."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from susx.config.grids import MethodGrids
from susx.config.problems import problem_lines
from susx.config.sources import AnySource, Split
from susx.config.texts import DESCRIPTION_QUESTIONS, Questions
from susx.config.types import Positive, Section, Template, repeats
from susx.core.errors import InputError, suggestion
from susx.core.yaml_files import parse_yaml, yaml_text

CARDS = Path(__file__).parents[1] / "datasets/cards"
DEFAULT_ENSEMBLE = [
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
]


class ClassEntry(Section):
    """A class with more than a name."""

    name: str = Field(description="Class name as it is put into prompts.")
    aliases: list[str] = Field([], description="Other names, for matching files and descriptions.")
    wnid: str | None = Field(None, description="WordNet identifier, for ImageNet layouts.")


def _entry(value: Any) -> Any:
    if not isinstance(value, str | dict | ClassEntry):
        raise ValueError(f"a class is a name, or a mapping with `name`, not {value!r}")
    return {"name": value} if isinstance(value, str) else value


CardClass = Annotated[ClassEntry, BeforeValidator(_entry, json_schema_input_type=str | ClassEntry)]


class Card(Section):
    """A dataset card: the facts of a dataset that do not depend on where its images lie."""

    title: str = Field(description="Name of the dataset, for people.")
    homepage: str | None = Field(None, description="Where it is published.")
    licence: str | None = Field(None, description="Licence of images and names.")
    classes: list[CardClass] | str = Field(
        description="Class names in label order, or the card that has the same classes."
    )
    wnids: list[str] = Field(
        [], description="WordNet identifiers in label order, in place of `wnid` of every class."
    )
    template: Template = Field("a photo of a {}.", description="Photo template.")
    ensemble: list[Template] = Field(
        DEFAULT_ENSEMBLE, min_length=1, description="Templates of the prompt ensemble."
    )
    questions: Questions = Field(
        DESCRIPTION_QUESTIONS,
        description="What a language model is asked about a class, for descriptions; `{}` is its "
        "name, `{a}` its article.",
    )
    described_as: dict[str, str] = Field(
        {},
        description="Keys of published description files by class name, where they have other "
        "words than the class and its aliases; a key may serve two classes.",
    )
    described_besides: list[str] = Field(
        [], description="Keys of published description files that mean no class."
    )
    validation: Literal["validation", "test"] = Field(
        "validation",
        description="`test` if published results are tuned on the test images, as on ImageNet: "
        "protocol `validation` then does the same, and every number says so.",
    )
    expected: dict[Split, Positive] = Field(
        {}, description="Number of images of every split, which `check/{dataset}.json` compares."
    )
    folders: list[str] = Field(
        [],
        description="Names, besides that of a built-in card, of folders below `roots.data` that "
        "people keep the dataset in.",
    )
    sources: list[AnySource] = Field(
        [], description="Layouts that the dataset comes in; the first that is found is read."
    )
    grid: MethodGrids = Field(
        {},
        description="Grids of methods whose authors publish one per dataset, in units of CLIP's "
        "logit scale of 100.",
    )
    trouble: list[str] = Field([], description="What is known to be wrong with the data.")

    @field_validator("wnids")
    @classmethod
    def _one_per_class(cls, wnids: list[str], info: ValidationInfo) -> list[str]:
        classes = info.data.get("classes", [])
        if wnids and isinstance(classes, str):
            raise ValueError("the classes of another card have their own; remove this")
        if wnids and len(wnids) != len(classes):
            raise ValueError(f"{len(wnids)} for {len(classes)} `classes`; give one per class")
        return wnids

    @field_validator("described_as")
    @classmethod
    def _of_classes(cls, keys: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        classes = info.data.get("classes", [])
        names = [] if isinstance(classes, str) else [entry.name for entry in classes]
        for name in keys:
            if name not in names:
                raise ValueError(
                    f'"{name}" is none of the `classes`; name one, in front of its key'
                )
        return keys

    @field_validator("sources")
    @classmethod
    def _names_differ(cls, sources: list[AnySource]) -> list[AnySource]:
        if repeated := repeats(source.name for source in sources):
            raise ValueError(f'two are called "{repeated[0]}"; rename one')
        return sources


@cache
def built_in_cards() -> list[str]:
    """Names of the cards that come with the package."""
    return sorted(path.stem for path in CARDS.glob("*.yaml"))


def card_path(card: str | Path) -> Path:
    """Path of a dataset card: one of the built-in ones by name, else a file.

    Raises:
        InputError: if what looks like a name is neither the name of a card nor a file.
    """
    path = Path(card)
    built_in = CARDS / f"{card}.yaml"
    if path.suffix in (".yaml", ".yml") or len(path.parts) != 1:
        return path
    if built_in.exists():
        return built_in
    if path.exists():
        return path
    names = built_in_cards()
    hint = suggestion(str(card), names) or f"; there are {', '.join(names)}"
    raise InputError(f'"{card}" is neither a file nor the name of a dataset card{hint}')


def load_card(card: str | Path) -> Card:
    """Read a dataset card; its `classes` are then a list, with all that is known of each.

    Raises:
        InputError: naming the file and the key, or the cards that name each other in a circle.
    """
    files = card_files(card)
    own, last = _read(files[0]), _read(files[-1])
    entries = last.classes
    if last.wnids:
        entries = [
            entry.model_copy(update={"wnid": wnid})
            for entry, wnid in zip(last.classes, last.wnids, strict=True)
            if isinstance(entry, ClassEntry)
        ]
    keys = {"described_as": last.described_as, "described_besides": last.described_besides}
    return own.model_copy(update={"classes": entries, **keys})


def card_files(card: str | Path) -> list[Path]:
    """Files that the classes of a card come from: its own, and those of the cards it names.

    Raises:
        InputError: as `load_card` does.
    """
    files = [card_path(card)]
    while isinstance(named := _read(files[-1]).classes, str):
        path = card_path(named)
        if path.resolve() in [file.resolve() for file in files]:
            circle = " -> ".join(map(str, [*files, path]))
            raise InputError(
                f"{files[0]}: classes: cards name each other in a circle ({circle}); list the "
                "classes in one of them"
            )
        files.append(path)
    return files


def _read(path: Path) -> Card:
    return _parsed(path, yaml_text(path))


@lru_cache(maxsize=64)  # planning asks for each card a dozen times, and few name so many
def _parsed(path: Path, text: str) -> Card:
    data = parse_yaml(text, path)
    if not isinstance(data, dict):
        raise InputError(f"{path}: a dataset card is a mapping with `title` and `classes`")
    try:
        return Card.model_validate(data)
    except ValidationError as error:
        lines = [f"{path}: {problem}" for problem in problem_lines(error, Card)]
        raise InputError("\n".join(lines)) from None
