"""Wording of what is wrong with a configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from susx.config.registered import Registered
from susx.core.errors import suggestion

NOT_MEANT = {True: "list_type", False: "string_type"}
"""What alternatives say, a list or a path, where the other one was given, by whether it is text."""
TAGGED = (
    ["supports"], ["pools"], ["language_models"], ["sources"], ["evaluation", "batches"]
)  # fmt: skip
"""Maps of entries of several kinds, in whose locations the kind follows the name."""


class SparseEntry(ValueError):
    """An entry that says too little for its name, which may be misspelled.

    Attributes:
        known: names whose entries may say as little.
    """

    def __init__(self, message: str, known: Iterable[str]) -> None:
        super().__init__(message)
        self.known = list(known)


def problem_lines(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line per error, naming its key; of alternatives, only the one that was meant."""
    items = error.errors()

    def meant(item: Mapping[str, Any]) -> bool:
        if not item["loc"]:  # of the whole
            return True
        *place, tag = item["loc"]
        text = isinstance(item["input"], str)
        if not (tag == "str" or "[" in str(tag)) or item["type"] != NOT_MEANT[text]:
            return True
        others = (other["loc"] for other in items if other is not item)
        return not any(list(loc[: len(place)]) == place for loc in others)

    return list(dict.fromkeys(_problem(item, model) for item in items if meant(item)))


def _problem(error: Mapping[str, Any], model: type[BaseModel]) -> str:
    location = [str(part) for part in error["loc"] if "[" not in str(part)]
    kinds = {len(place) + 1 for place in TAGGED if location[: len(place)] == place}  # are no keys
    key = ".".join(part for i, part in enumerate(location) if i not in kinds)
    if error["type"] == "extra_forbidden":
        valid = _valid_keys(model, map(str, error["loc"][:-1]))
        return f"{key}: unknown key{suggestion(location[-1], valid) or choices(valid)}"
    if error["type"] == "missing":
        return f"{key}: missing"
    if error["type"] == "union_tag_not_found":
        return f"{key}.{_discriminator(error)}: missing"
    if error["type"] == "union_tag_invalid":
        valid = error["ctx"]["expected_tags"]
        tag = _discriminator(error)
        return f"{key}.{tag}: expected one of {valid} (got {error['input'].get(tag)!r})"
    if error["type"] == "value_error":
        cause = error["ctx"]["error"]
        near = suggestion(location[-1], cause.known) if isinstance(cause, SparseEntry) else ""
        return f"{key}: {cause}{near}" if key else str(cause)
    return f"{key}: {error['msg']} (got {error['input']!r})"


def _discriminator(error: Mapping[str, Any]) -> str:
    return str(error["ctx"]["discriminator"]).strip("'")


def choices(valid: Iterable[str]) -> str:
    """List what could stand there."""
    return f"; valid keys: {', '.join(sorted(valid))}"


def _valid_keys(model: type[BaseModel], location: Iterable[str]) -> list[str]:
    annotation: Any = model
    for part in location:
        annotation = _descend(annotation, part)
    return list(dict.fromkeys(_keys(annotation)))


def _keys(annotation: Any) -> Iterable[str]:
    yield from getattr(annotation, "model_fields", {})
    for argument in get_args(annotation):
        yield from _keys(argument)


def _descend(annotation: Any, part: str) -> Any:
    """Return the type below `part` of a location, skipping the tags that unions add."""
    for mark in get_args(annotation):
        if isinstance(mark, Registered) and (section := mark.section(part)):
            return section
    if "[" in part:
        return annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(part)
        return field.annotation if field else annotation
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return arguments[1]
    if origin is list:
        return arguments[0] if part.isdigit() else annotation
    nested = [a for a in arguments if get_origin(a) or hasattr(a, "model_fields")]
    for model in nested:
        fields = getattr(model, "model_fields", {}).values()
        if any(part in get_args(field.annotation) for field in fields):
            return model
    return _descend(nested[0], part) if nested else annotation
