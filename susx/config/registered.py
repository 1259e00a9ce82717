"""Sections of config.yaml and of cards whose keys depend on what installed packages bring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, PydanticKnownError, core_schema

from susx.core.registry import Registry


@dataclass(frozen=True)
class Registered:
    """Lets a field take, besides its own sections, those that installed packages register.

    Attributes:
        registry: of things that have a `section`.
        key: of the section, which names the thing.
        tagged: whether errors of built-in sections have the name in their place, as those of a
            union do; else it stands there in brackets, which are not shown.
        whole: whether the built-in sections are found in the registry, too.
    """

    registry: Registry[Any]
    key: str
    tagged: bool = True
    whole: bool = False

    def section(self, tag: str) -> type[BaseModel] | None:
        """Section that is found in the registry, by its tag in the place of an error."""
        name = tag.removeprefix("[").removesuffix("]")
        return section_of(self.registry[name]) if self._is_found(name) else None

    def _is_found(self, name: str) -> bool:
        return name in self.registry and (self.whole or name not in self.registry.built_in)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Wrap the validation of the built-in sections; what is written is what was read."""
        return core_schema.no_info_wrap_validator_function(
            self._validated, handler(source), serialization=core_schema.simple_ser_schema("any")
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Describe the built-in sections."""
        if not self.whole:
            return handler(schema)
        names = self.registry.built_in
        sections = {n: section_of(self.registry[n]).__pydantic_core_schema__ for n in names}
        return handler(core_schema.tagged_union_schema(sections, self.key))

    def _validated(self, value: Any, built_in: Callable[[Any], Any]) -> Any:
        name = value.get(self.key) if isinstance(value, dict) else getattr(value, self.key, None)
        if not isinstance(name, str) or (section := self.section(name)) is None:
            self._require_known(value, name)
            return built_in(value)
        try:
            return section.model_validate(value)
        except ValidationError as error:
            tag = name if self.tagged else f"[{name}]"
            lines = [_below(tag, line) for line in error.errors()]
            raise ValidationError.from_exception_data(error.title, lines) from None

    def _require_known(self, value: Any, name: Any) -> None:
        """Say which names there are, as unions of pydantic say it."""
        told = {"discriminator": repr(self.key)}
        if self.whole and not isinstance(value, dict | BaseModel):
            raise PydanticKnownError("model_attributes_type")
        if self.whole and name is None:
            raise PydanticKnownError("union_tag_not_found", told)
        if name is not None and self.tagged and name not in self.registry.built_in:
            told |= {"tag": str(name), "expected_tags": ", ".join(map(repr, self.registry))}
            raise PydanticKnownError("union_tag_invalid", told)


def section_of(found: Any) -> type[BaseModel]:
    """Section of a registered thing, which may be its section itself."""
    section: type[BaseModel] = found if isinstance(found, type) else found.section
    return section


def wrong_section(name: str, found: Any, kind: type, base: type[BaseModel], key: str) -> str | None:
    """Say why what an entry point leads to cannot be registered, or None if it can.

    Args:
        name: of the entry point.
        found: what it leads to.
        kind: what it should be an instance of, or, if that is `type`, a class.
        base: what its section should be a subclass of.
        key: of the section, which names it.
    """
    if not isinstance(found, kind):
        return f"is no {kind.__name__}"
    section = section_of(found)
    if not issubclass(section, base):
        return f"has a section that is no {base.__name__}"
    field = section.model_fields.get(key)
    if field is None:
        return f"has a section without the key `{key}`"
    if get_origin(field.annotation) is Literal and name not in get_args(field.annotation):
        return f"has a section whose `{key}` is not {name!r}"
    return None


def _below(tag: str, line: Any) -> InitErrorDetails:
    return InitErrorDetails(
        type=line["type"],
        loc=(tag, *line["loc"]),
        input=line["input"],
        ctx=line.get("ctx", {}),
    )
