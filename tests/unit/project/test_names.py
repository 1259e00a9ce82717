"""One name means one thing: public names are not defined twice."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]

SHARED = {
    "app": "the commands of one level",
    "calibrate": "a function of a method",
    "growing": "a function of a method whose support set can grow",
    "load": "a function of a library of encoders or of language models",
    "load_classifier": "offered by the package itself",
    "terms": "a function of a method",
    "votes_of": "a function of a method with votes",
}
"""Public names that several modules define on purpose, with what they mean in each."""


def public_names(path: Path) -> Iterator[str]:
    """Public classes, functions and types of a module; a constant belongs to its module."""
    for node in ast.parse(path.read_text("utf-8")).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                names = [name]
            case ast.AsyncFunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                names = [name]
            case ast.Assign(targets=targets):
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            case _:
                continue
        yield from (name for name in names if name[0] != "_" and not name.isupper())


def test_a_public_name_means_one_thing() -> None:
    modules: dict[str, list[str]] = {}
    for path in sorted((ROOT / "susx").rglob("*.py")):
        if path.parent.name == "cli":  # commands have the names that people type
            continue
        for name in public_names(path):
            modules.setdefault(name, []).append(str(path.relative_to(ROOT)))

    shared = {name: paths for name, paths in modules.items() if len(paths) > 1}

    assert {name: paths for name, paths in shared.items() if name not in SHARED} == {}
