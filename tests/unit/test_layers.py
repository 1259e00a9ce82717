"""Packages of susx lie in layers: what one imports lies below it, and no modules form a circle."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = (
    *("core", "web", "methods", "config", "search", "manifests", "encoders", "images", "prompts"),
    *("datasets", "pools", "embeddings", "support", "published", "evaluation", "artifacts"),
    *("planning", "classifier", "progress", "verify", "report", "cli"),
)
"""Packages, the lowest first."""


def module_of(path: Path) -> str:
    """Dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports() -> dict[str, set[str]]:
    """Modules of susx that every module of susx imports, for types, inside functions and all."""
    paths = {module_of(path): path for path in (ROOT / "susx").rglob("*.py")}
    found: dict[str, set[str]] = {}
    for module, path in paths.items():
        found[module] = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("susx"):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                found[module] |= {n if n in paths else str(node.module) for n in names}
            elif isinstance(node, ast.Import):
                found[module] |= {a.name for a in node.names if a.name.startswith("susx.")}
    return found


def package_of(module: str) -> str:
    """Package below susx that a module lies in."""
    return module.split(".")[1]


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
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    listed = re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.M)
    stated = [
        (name, (import_module(f"susx.{name}").__doc__ or "").splitlines()[0])
        for name in reversed(LAYERS)
    ]
    assert listed == stated
