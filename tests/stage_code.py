"""The code behind every stage, as it was when the version of the stage was last thought about.

`python -m tests.stage_code` writes it down; tests/unit/artifacts/test_stages.py compares.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from susx.artifacts.stages import STAGES

REPO = Path(__file__).resolve().parents[1]
NOTED = REPO / "tests/stage_code.json"
PACKAGES = ("susx", "demo")
CARDS = "datasets/cards"
DATA_NAME = re.compile(
    r"\w[\w/-]*(\.\w+)*"
)  # of texts in the code, those that may be names of files
AROUND = "susx.artifacts"  # decides whether a stage runs, not what comes out


@cache
def module_file(name: str) -> Path | None:
    """File of a module of this project, if it is one."""
    if name.split(".")[0] not in PACKAGES:
        return None
    path = REPO / Path(*name.split("."))
    found = (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file())
    return next(found, None)


@cache
def parsed(file: Path) -> tuple[str, tuple[str, ...]]:
    """Digest of a file's code without comments, docstrings and layout, and modules it imports."""
    tree = ast.parse(file.read_text("utf-8"))
    names = tuple(imported(tree))
    beside = [digest_of(path) for path in data_beside(file, tree)]
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [n for n in body if not is_text(n)] or [ast.Pass()]  # type: ignore[attr-defined]
    text = json.dumps([outline(tree), beside])
    return hashlib.sha256(text.encode()).hexdigest(), names


def outline(node: Any) -> Any:
    """A syntax tree as lists, without what is empty: later versions of Python have more fields."""
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, [])]
        return [type(node).__name__, *([name, outline(value)] for name, value in fields)]
    return [outline(part) for part in node] if isinstance(node, list) else repr(node)


def data_beside(file: Path, tree: ast.AST) -> list[Path]:
    """Files that lie beside a module and are named in it: templates, tables of figures.

    What a card holds becomes part of the settings of the stages that it concerns.
    """
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    named = {text for text in texts if isinstance(text, str) and DATA_NAME.fullmatch(text)}
    places = [file.parent / name for name in sorted(named - {CARDS})]
    data = [place for place in places if not (place / "__init__.py").exists()]
    files = [[p] if p.is_file() else sorted(p.rglob("*")) for p in data]
    return [p for some in files for p in some if p.is_file() and p.suffix not in (".py", ".pyc")]


def digest_of(path: Path) -> str:
    """SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_text(node: ast.AST) -> bool:
    """Whether a statement is a bare string."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def imported(tree: ast.AST) -> Iterator[str]:
    """Modules of this project that are imported anywhere in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if module_file(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and module_file(node.module):
            yield node.module
            below = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name for name in below if module_file(name))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            name, colon, _ = node.value.partition(":")  # `module:function` of a registry
            if colon and " " not in name and module_file(name):
                yield name


def closure(script: Path) -> dict[str, str]:
    """Digests of a script and of all modules behind it, by name."""
    digest, waiting = parsed(script)
    found, queue = {script.stem: digest}, list(waiting)
    while queue:
        name = queue.pop()
        if name in found or name.startswith(AROUND):
            continue
        file = module_file(name)
        assert file is not None
        found[name], more = parsed(file)
        queue += more
    return found


def code_of(stage: str) -> str:
    """Digest of everything that a stage runs."""
    parts = sorted(closure(REPO / f"workflow_scripts/{stage}.py").items())
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def now() -> dict[str, dict[str, int | str]]:
    """Version and code of every stage."""
    return {stage: {"version": STAGES[stage], "code": code_of(stage)} for stage in sorted(STAGES)}


if __name__ == "__main__":
    NOTED.write_text(json.dumps(now(), indent=1) + "\n", "utf-8")
