"""Time of reading many class names, and of planning with them.

`python -m tests.benchmarks.bench_names --classes 50000` prints seconds at a tenth of the names and
at all of them: what is linear takes ten times as long. A plan is a dry run, most of which is not
the names'; a list in config.yaml is read by Snakemake itself, with a slower reader of YAML.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from susx.config import parse_config
from susx.config.cards import load_card
from susx.manifests.classes import ClassManifest, find_all
from susx.manifests.names import named_classes
from susx.prompts.strategies import read_descriptions
from tests.workflow.project import RESULT, Project, write_world


def names_of(count: int) -> list[str]:
    """Names that differ."""
    return [f"species number {i} of genus {i % 97}" for i in range(count)]


def card_of(names: list[str]) -> str:
    """A card with an alias and a wnid for every name."""
    entries = (
        f"- {{name: {name}, aliases: [other {i}], wnid: n{i:08d}}}\n"
        for i, name in enumerate(names)
    )
    return "title: Many\nclasses:\n" + "".join(entries)


def write_names(folder: Path, names: list[str]) -> None:
    """Write a class list, a card and descriptions."""
    (folder / "names.txt").write_text("\n".join(names) + "\n", "utf-8")
    (folder / "card.yaml").write_text(card_of(names), "utf-8")
    texts = {name: [f"it looks like {name}."] for name in names}
    (folder / "texts.json").write_text(json.dumps(texts), "utf-8")


def readings(folder: Path, names: list[str]) -> dict[str, Callable[[], object]]:
    """What is done with names, by what it is."""
    dataset = {"classes": names, "images": {"test": "images"}}
    encoders = {"clip": {"library": "transformers", "model": "owner/name"}}
    config = {"datasets": {"many": dataset}, "encoders": encoders}
    classes = named_classes(str(folder / "names.txt"), None, "names")
    classes.write(folder / "classes.json")
    return {
        "configuration": lambda: parse_config(config),
        "class list": lambda: named_classes(str(folder / "names.txt"), None, "names"),
        "card": lambda: load_card(folder / "card.yaml"),
        "manifest of the card": lambda: named_classes(None, str(folder / "card.yaml"), "names"),
        "class manifest": lambda: ClassManifest.read(folder / "classes.json"),
        "labels": lambda: find_all(classes, names, "labels"),
        "descriptions": lambda: read_descriptions(folder / "texts.json", classes),
    }


def plans(folder: Path, names: list[str]) -> dict[str, Callable[[], object]]:
    """Dry runs of a project with such names, by where they stand."""

    def planned(kind: str, **dataset: Any) -> Callable[[], object]:
        write_world(folder / kind)
        write_names(folder / kind, names)
        project = Project(folder / kind)
        project.change_config(lambda config: config["datasets"]["tiny"].pop("classes"))
        project.change_config(lambda config: config["datasets"]["tiny"].update(dataset))
        command = project.command(RESULT, "--dry-run", "--quiet", "all")
        return lambda: subprocess.run(command, cwd=project.root, check=True, capture_output=True)

    return {
        "plan, class list": planned("list", classes="names.txt"),
        "plan, card": planned("card", card="card.yaml"),
        "plan, configuration": planned("configuration", classes=names),
    }


def seconds(work: Callable[[], object]) -> float:
    """Seconds that something takes once."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=50_000)
    arguments = parser.parse_args()
    counts = (arguments.classes // 10, arguments.classes)
    found: list[dict[str, float]] = []
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            folder, names = Path(name), names_of(count)
            write_names(folder, names)
            works = readings(folder, names) | plans(folder, names)
            found.append({what: seconds(work) for what, work in works.items()})
    table = Table(title="Seconds")
    table.add_column("what")
    for count in counts:
        table.add_column(f"{count:,} names", justify="right")
    for what in found[0]:
        table.add_row(what, *(f"{column[what]:.2f}" for column in found))
    Console().print(table)


if __name__ == "__main__":
    main()
