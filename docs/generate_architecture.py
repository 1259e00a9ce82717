"""Draw which packages of susx import which, in docs/figures/architecture.svg."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/architecture.md"
FIGURE = ROOT / "docs/figures/architecture.svg"
COLOURS = ("#4269d0", "#c2700a", "#2b8a57", "#b8336a", "#6f4fbf", "#7a6a3a", "#0f7f8c")
"""Of the lines, in turn: dark enough to be told apart on white."""
BAND, GAP, WIDTH, LANE, MARGIN = 26, 6, 170, 24, 12
"""Height of a band, room below it, its width, room for a line and around everything, in pixels."""
APART = 5  # of the line that leaves a band below the one that ends there, from its middle
TIP = 7  # length of the point of an arrow

Imports = Mapping[str, set[str]]


def layers() -> list[tuple[str, str]]:
    """Packages and what they hold as the page lists them, the highest first."""
    return re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE.read_text("utf-8"), re.M)


def module_of(path: Path) -> str:
    """Dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(module: str) -> str:
    """Package below susx that a module lies in."""
    return module.split(".")[1]


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


def between_packages(found: Imports) -> dict[str, set[str]]:
    """Packages that every package imports from."""
    pairs = {
        (package_of(module), package_of(other))
        for module, others in found.items()
        for other in others
        if "susx" not in (module, other)
    }
    return {one: {b for a, b in pairs if a == one != b} for one in {a for a, _ in pairs}}


def direct(found: Imports) -> dict[str, set[str]]:
    """Without packages that are reached through others."""

    def below(package: str) -> set[str]:
        own = found.get(package, set())
        return own.union(*map(below, own))

    return {
        package: own - set().union(*(below(other) for other in own))
        for package, own in found.items()
    }


def lanes(importers: Mapping[str, list[int]], rows: Mapping[str, int]) -> dict[str, int]:
    """Places of the upright lines, one per imported package: short ones near, none on another."""
    taken: list[list[range]] = []
    found = {}
    for name in sorted(importers, key=lambda n: (rows[n] - min(importers[n]), rows[n])):
        span = range(min(importers[name]), rows[name] + 1)
        free = (i for i, other in enumerate(taken) if not any(set(span) & set(o) for o in other))
        place = next(free, len(taken))
        taken[place:] = taken[place:] or [[]]
        taken[place].append(span)
        found[name] = place
    return found


def figure() -> str:
    """The figure as SVG: a band per package, and lines from those that import to the imported."""
    names = [name for name, _ in layers()]
    rows = {name: row for row, name in enumerate(names)}
    edges = direct(between_packages(imports()))
    importers = {
        name: found for name in names if (found := [rows[a] for a in names if name in edges[a]])
    }
    places = lanes(importers, rows)
    width = MARGIN * 2 + WIDTH + LANE * (max(places.values()) + 1)
    height = MARGIN * 2 + len(names) * (BAND + GAP) - GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="monospace" font-size="14">',
        "<title>Packages of susx: lines lead from those that import down to the imported</title>",
        f'<rect width="{width}" height="{height}" rx="6" fill="#ffffff"/>',
    ]
    for name, row in rows.items():
        ends = [places[other] for other in edges.get(name, ())]
        parts += _band(name, row, max(ends, default=None))
    for index, (name, place) in enumerate(places.items()):
        parts += _line(importers[name], rows[name], place, COLOURS[index % len(COLOURS)])
    return "\n".join([*parts, "</svg>"]) + "\n"


def _middle(row: int) -> float:
    return MARGIN + row * (BAND + GAP) + BAND / 2


def _across(place: int) -> int:
    return MARGIN + WIDTH + LANE * (place + 1)


def _band(name: str, row: int, farthest: int | None) -> Iterator[str]:
    top = MARGIN + row * (BAND + GAP)
    if farthest is not None:
        way = f"M{MARGIN + WIDTH} {_middle(row) + APART}H{_across(farthest)}"
        yield f'<path d="{way}" stroke="#8a92a3" stroke-width="1.6"/>'
    yield f'<rect x="{MARGIN}" y="{top}" width="{WIDTH}" height="{BAND}" rx="4" fill="#e8ecf4"/>'
    yield f'<text x="{MARGIN + 10}" y="{top + 18}" fill="#1b1f2a">{name}</text>'


def _line(importers: list[int], row: int, place: int, colour: str) -> Iterator[str]:
    edge, x, end = MARGIN + WIDTH, _across(place), _middle(row) - APART
    starts = [_middle(other) + APART for other in sorted(importers)]
    way = f"M{x} {starts[0]}V{end}H{edge + TIP}"
    yield f'<path d="{way}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
    yield f'<path d="M{edge} {end}l{TIP} -{TIP / 2}v{TIP}z" fill="{colour}"/>'
    for start in starts:
        yield f'<circle cx="{x}" cy="{start}" r="3" fill="{colour}"/>'


if __name__ == "__main__":
    FIGURE.write_text(figure(), "utf-8")
