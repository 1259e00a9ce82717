"""Prompts: the texts that stand for a class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from susx.core.errors import InputError, listing
from susx.core.files import read_checked, read_json, verified, write_checked
from susx.manifests.classes import ClassManifest, ClassName
from susx.prompts.description_keys import keys_of_classes
from susx.prompts.waffle import random_descriptors

FORMAT = "susx-prompts-1"
REBUILD = "delete it, rule prompts rebuilds it"
DESCRIPTIONS_FORMAT = "susx-descriptions-1"
"""Descriptions or descriptors that a language model wrote, with their provenance."""
ARTICLES = ("a", "an", "used")
VERBS = ("has", "often", "typically", "may", "can")


@dataclass(frozen=True)
class PromptSet:
    """Texts per class, in label order, and where they come from."""

    strategy: str
    texts: list[list[str]]
    classes_sha256: str
    provenance: dict[str, Any]

    def write(self, path: str | Path, classes: ClassManifest) -> None:
        """Write {class name: [text, ...]} with its provenance as JSON."""
        write_checked(
            path,
            {
                "format": FORMAT,
                "strategy": self.strategy,
                "classes_sha256": self.classes_sha256,
                "provenance": self.provenance,
                "prompts": dict(zip(classes.names, self.texts, strict=True)),
            },
        )

    @classmethod
    def read(cls, path: str | Path, classes: ClassManifest) -> PromptSet:
        """Read what `write` wrote.

        Raises:
            InputError: if the file is broken or belongs to another class list.
        """
        return cls.of_classes(path, classes.names, classes.sha256)

    @classmethod
    def of_classes(cls, path: str | Path, names: Sequence[str], classes_sha256: str) -> PromptSet:
        """The same where only the names and the hash of the class manifest are at hand.

        Raises:
            InputError: as `read` does.
        """
        data = read_checked(path, REBUILD)
        if data.get("format") != FORMAT:
            raise InputError(f"{path}: not a prompt file; {REBUILD}")
        if data.get("classes_sha256") != classes_sha256:
            raise InputError(f"{path}: belongs to another class list; {REBUILD}")
        try:
            return cls(
                strategy=data["strategy"],
                texts=[data["prompts"][name] for name in names],
                classes_sha256=classes_sha256,
                provenance=data["provenance"],
            )
        except (KeyError, TypeError):
            raise InputError(f"{path}: incomplete; {REBUILD}") from None


def fill(template: str, name: str) -> str:
    """Put a class name into a template's `{}`; neither is ever format-ted."""
    return template.replace("{}", name)


def build_prompts(
    strategy: str,
    sources: Mapping[str, str],
    classes: ClassManifest,
    settings: Mapping[str, Any],
    shown: Mapping[str, str | None] | None = None,
) -> PromptSet:
    """Build the texts of one strategy.

    Args:
        strategy: its name.
        sources: what it joins, in order: strategy name -> key of `SOURCES`.
        classes: class manifest.
        settings: the dataset's `template`, `ensemble`, `descriptions` and `descriptors`, the
            `keys` of the last two if its card has a table of them (`read_descriptions`), what
            `susx.prompts.frequent_names` chose under `frequent_names`, and the seed of `waffle`.
        shown: how files are called in the provenance, if not by their paths.

    Raises:
        InputError: from the sources.
    """
    parts = [SOURCES[source](classes, settings) for source in sources.values()]
    texts = [[text for part in row for text in part] for row in zip(*parts, strict=True)]
    called = {**settings, **(shown or {})}
    used = {s: _origin(s, settings[s], called[s]) for s in sources.values()}
    return PromptSet(strategy, texts, classes.sha256, used)


def left_to_names(prompts: PromptSet, classes: ClassManifest) -> list[str]:
    """Classes that have no text but their name, for want of descriptors."""
    return [
        entry.name
        for entry, texts in zip(classes, prompts.texts, strict=True)
        if texts == [entry.prompt_name]
    ]


def _origin(source: str, value: Any, called: Any) -> Any:
    """What a source was given; of a file that a language model wrote also how it did."""
    data = read_json(value) if source in FILES else {}
    return {"file": called, **data["provenance"]} if _is_generated(data) else called


def _is_generated(data: Mapping[str, Any]) -> bool:
    return data.get("format") == DESCRIPTIONS_FORMAT


def with_descriptor(name: str, descriptor: str) -> str:
    """Join a class name and a descriptor: `hen, which has two legs`, `hen, which is a bird`.

    VisDesc (Menon and Vondrick, ICLR 2023, section 3); theirs takes every descriptor that begins
    with the letter a for one that begins with an article.
    """
    first, _, _ = descriptor.partition(" ")
    verb = " is" if first in ARTICLES else "" if first in VERBS else " has"
    return f"{name}, which{verb} {descriptor}" if descriptor else name


def read_descriptions(
    path: str | Path,
    classes: ClassManifest,
    allow_empty: bool = False,
    keys: Mapping[str, Any] | None = None,
) -> list[list[str]]:
    """Read a published description file {class name: [sentence, ...]} in label order.

    The texts of a file that `join_replies` made are such a mapping, too. A class that
    has the sentences of another (`described_as`) gets its own name in front of them, so that
    the two differ; descriptors follow their class's name anyway.

    Args:
        path: JSON file.
        classes: class manifest.
        allow_empty: whether a class may have no sentence.
        keys: `described_as` and `described_besides` of `description_keys.keys_of_classes`, which
            says how keys match.

    Raises:
        InputError: naming all classes that are missing and keys that are unknown, the class that is
            given twice, or has no sentence (unless `allow_empty`).
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, count in Counter(key for key, _ in pairs).items():
            if count > 1:
                raise InputError(f'{path}: class "{key}" is described twice; merge the two entries')
        return dict(pairs)

    data = read_json(path, unique)
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected a mapping {{class name: [sentence, ...]}}")
    generated = _is_generated(data)
    if generated:
        _check_generated(path, data)
    counts = data["provenance"].get("classes", {}) if generated else {}
    entries = data["texts"] if generated else data
    texts = []
    found = keys_of_classes(path, entries, classes, **(keys or {}))
    for entry, key in zip(classes, found, strict=True):
        sentences = entries[key]
        if not isinstance(sentences, list) or not all(isinstance(s, str) for s in sentences):
            raise InputError(f'{path}: class "{key}": expected a list of sentences')
        kept = [sentence.strip() for sentence in sentences if sentence.strip()]
        if not kept and not allow_empty:
            raise InputError(f'{path}: class "{key}" has no sentence{_remedy(counts.get(key))}')
        if not allow_empty and classes.find(key) not in (entry.index, None):
            kept = [f"{entry.prompt_name}: {sentence}" for sentence in kept]
        texts.append(kept)
    return texts


def _check_generated(path: str | Path, data: Mapping[str, Any]) -> None:
    if not all(isinstance(data.get(k), dict) for k in ("texts", "provenance")):
        raise InputError(
            f"{path}: lacks `texts` or `provenance`, which rule join_descriptions wrote"
        )
    if unknown := data.keys() - {"format", "texts", "provenance", "sha256"}:
        raise InputError(f"{path}: unknown entry {listing(sorted(unknown))}; remove it")
    if "sha256" in data:
        verified(
            path,
            data,
            "delete it, rule join_descriptions rebuilds it; if this is a copy that you edited, "
            "remove its entry `sha256`",
        )


def _template(classes: ClassManifest, settings: Mapping[str, Any]) -> list[list[str]]:
    return [[fill(settings["template"], entry.prompt_name)] for entry in classes]


def _ensemble(classes: Iterable[ClassName], settings: Mapping[str, Any]) -> list[list[str]]:
    return [
        [fill(template, entry.prompt_name) for template in settings["ensemble"]]
        for entry in classes
    ]


def _frequent_names(classes: ClassManifest, settings: Mapping[str, Any]) -> list[list[str]]:
    names = settings["frequent_names"]["renamed"]
    renamed = [replace(entry, name=names.get(entry.name, entry.name)) for entry in classes]
    return _ensemble(renamed, settings)


def _waffle(classes: ClassManifest, settings: Mapping[str, Any]) -> list[list[str]]:
    """The photo template with `NAME, which has DESCRIPTOR`; no grammar is looked for in these."""
    descriptors = random_descriptors(classes, settings["waffle"])
    return [
        [fill(settings["template"], f"{entry.prompt_name}, which has {d}") for d in descriptors]
        for entry in classes
    ]


def _descriptions(classes: ClassManifest, settings: Mapping[str, Any]) -> list[list[str]]:
    path = settings["descriptions"]
    if not path:
        raise InputError(
            "the dataset has no `descriptions`: name a JSON file {class name: [sentence, ...]}, "
            "or leave out the methods and texts that need descriptions"
        )
    return read_descriptions(path, classes, keys=settings.get("keys"))


def _descriptors(classes: ClassManifest, settings: Mapping[str, Any]) -> list[list[str]]:
    path = settings["descriptors"]
    if not path:
        raise InputError(
            "the dataset has no `descriptors`: name a JSON file {class name: [descriptor, ...]}, "
            "or leave out the method visdesc"
        )
    rows = read_descriptions(path, classes, allow_empty=True, keys=settings.get("keys"))
    return [
        [with_descriptor(entry.prompt_name, text.rstrip(".")) for text in row or [""]]
        for entry, row in zip(classes, rows, strict=True)
    ]


def _remedy(counts: Mapping[str, Any] | None) -> str:
    """What to do about a class without a sentence, and why a language model's were dropped."""
    dropped = counts.get("n_dropped", {}) if counts else {}
    if not dropped:
        return "; give at least one"
    reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
    return (
        f" (dropped: {reasons}); change `questions` or raise `samples`, or add a sentence to a "
        "copy of this file, remove its entry `sha256`, and name that as the dataset's file"
    )


FILES = ("descriptions", "descriptors")
SOURCES: dict[str, Callable[[ClassManifest, Mapping[str, Any]], list[list[str]]]] = {
    "template": _template,
    "ensemble": _ensemble,
    "descriptions": _descriptions,
    "descriptors": _descriptors,
    "frequent_names": _frequent_names,
    "waffle": _waffle,
}
