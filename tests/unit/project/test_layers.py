"""Packages of susx lie in layers: what one imports lies below it, and no modules form a circle."""

from graphlib import CycleError, TopologicalSorter
from importlib import import_module

import pytest

from docs.generate_architecture import (
    FIGURE,
    ROOT,
    between_packages,
    direct,
    figure,
    imports,
    lanes,
    layers,
    package_of,
)

LAYERS = (
    *("core", "web", "methods", "config", "search", "manifests", "encoders", "images", "prompts"),
    *("datasets", "pools", "embeddings", "support", "published", "evaluation", "artifacts"),
    *("planning", "workflow", "classifier", "progress", "verify", "report", "server", "cli"),
)
"""Packages, the lowest first."""


def test_packages_and_layers_are_the_same() -> None:
    assert {path.parent.name for path in (ROOT / "susx").glob("*/__init__.py")} == set(LAYERS)
    assert [path.name for path in (ROOT / "susx").glob("*.py")] == ["__init__.py"]


def test_what_a_package_imports_lies_below_it() -> None:
    upward = [
        f"{module} -> {other}"
        for module, others in imports().items()
        for other in others
        if module != "susx" and LAYERS.index(package_of(other)) > LAYERS.index(package_of(module))
    ]
    assert upward == []


def test_no_modules_form_a_circle() -> None:
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_page_lists_the_layers() -> None:
    stated = [
        (name, (import_module(f"susx.{name}").__doc__ or "").splitlines()[0])
        for name in reversed(LAYERS)
    ]
    assert layers() == stated


def test_the_figure_is_that_of_the_imports() -> None:
    assert FIGURE.read_text("utf-8") == figure(), "make docs"


def test_what_is_reached_through_others_is_left_out() -> None:
    modules = {
        "susx.a.x": {"susx.b.y", "susx.c", "susx.a.z"},
        "susx.b.y": {"susx.c"},
        "susx.c": {"susx.d"},
        "susx.d": set(),
    }
    found = between_packages(modules)
    assert found == {"a": {"b", "c"}, "b": {"c"}, "c": {"d"}}
    assert direct(found) == {"a": {"b"}, "b": {"c"}, "c": {"d"}}


def test_no_line_lies_on_another() -> None:
    rows = {name: row for row, name in enumerate("abcde")}
    assert lanes({"b": [0], "c": [1], "e": [0, 3]}, rows) == {"b": 0, "c": 1, "e": 2}
    assert lanes({"b": [0], "d": [2], "e": [0]}, rows) == {"b": 0, "d": 0, "e": 1}
