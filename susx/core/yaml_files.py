"""Reading YAML safely, and strictly: a key that stands twice is an error, not a silent loss."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from susx.core.errors import InputError

CONFIG = "config.yaml"
"""The configuration of a project, in the folder that Snakemake runs in."""
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where built
TEXT = "tag:yaml.org,2002:str"
MERGE = "tag:yaml.org,2002:merge"


def load_yaml(path: str | Path) -> Any:
    """Read a YAML file.

    Raises:
        InputError: if the file is missing or is not YAML, or a key stands twice in a mapping.
    """
    return parse_yaml(yaml_text(path), path)


def load_config(path: str | Path) -> dict[str, Any]:
    """Read a configuration file as Snakemake does, which takes JSON, too.

    Raises:
        InputError: if the file is missing, is neither JSON nor YAML, has a key twice in a mapping,
            or is no mapping.
    """
    try:
        data = json.loads(yaml_text(path), object_pairs_hook=partial(_unrepeated, path))
    except InputError:
        raise
    except ValueError:
        data = load_yaml(path)
    if not isinstance(data, dict):
        raise InputError(f"{path}: not a mapping of sections to settings")
    return data


def yaml_text(path: str | Path) -> str:
    """Text of a YAML file.

    Raises:
        InputError: if it is missing or no text.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: file not found") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not valid YAML: {error}") from None


def parse_yaml(text: str, path: str | Path) -> Any:
    """Read the text of a YAML file.

    Raises:
        InputError: if it is not YAML, or a key stands twice in a mapping.
    """
    try:
        with _without_collecting():
            loader = LOADER(text)
            node = loader.get_single_node()
            if repeated := _repeated(loader, node):
                raise InputError(f"{path}: {repeated}")
            return loader.construct_document(node) if node else None
    except InputError:
        raise
    except yaml.MarkedYAMLError as error:
        raise InputError(f"{path}: {_problem(error, text)}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid YAML: {error}") from None


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Look for no garbage meanwhile: it takes twice the time of reading a card of many classes."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _repeated(loader: Any, root: yaml.Node | None) -> str:
    """What is wrong with the first mapping that has a key twice; aliases are looked at once.

    Keys are compared as they are read: `TRUE` is `true`, `0x1` is `1`.
    """
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        if isinstance(node, yaml.MappingNode):
            first: dict[Any, yaml.ScalarNode] = {}
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
                    name = key.value if key.tag == TEXT else loader.construct_object(key)
                    if (other := first.setdefault(name, key)) is not key:
                        return _twice_in_lines(key, other)
                waiting += [key, value]
    return ""


def _unrepeated(path: str | Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        name = next(key for key in found if keys.count(key) > 1)
        raise InputError(f"{path}: {_twice(name)}")
    return found


def _twice(name: str, first: str = "") -> str:
    return f'key "{name}" stands there twice{first}; only one of them would count: join the two'


def _twice_in_lines(key: yaml.ScalarNode, first: yaml.ScalarNode) -> str:
    spelt = "" if first.value == key.value else f' as "{first.value}", which means the same'
    before = f", first in line {first.start_mark.line + 1}{spelt}"
    return f"line {key.start_mark.line + 1}: {_twice(key.value, before)}"


def _problem(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    said = f"not valid YAML: {error.problem or error.context}"
    if mark is None:
        return said
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    indent = line[: len(line) - len(line.lstrip())]
    hint = "; indent with spaces, not with tabs" if "\t" in indent else ""
    return f"line {mark.line + 1}: {said}{hint}"


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings at all depths, as `--configfile` does; lists are replaced."""
    result = dict(base)
    for key, value in over.items():
        if isinstance(value, Mapping):
            below = result.get(key)
            value = merged(below if isinstance(below, Mapping) else {}, value)
        result[key] = value
    return result
