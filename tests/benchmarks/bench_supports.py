"""What ways to choose a support set give on the demo: `python -m tests.benchmarks.bench_supports`.

Runs the demo once with a support set per way, and once more with a pool into which copies of test
photos were planted, and prints top-1 accuracies. Settings are given here, before any result.
"""

import argparse
import io
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from demo.world import class_names, slug
from susx.evaluation.schema import Result, read_result
from susx.images.decode import decode
from tests.e2e.demo_project import RESULT, copy_demo, demo_command
from tests.helpers import add_member

METHODS = ["cupl+e", "tip-adapter", "tip-x", "fusion"]
WAYS: dict[str, dict[str, Any]] = {
    "top": {},
    "agree": {"select": "agree"},
    "agree, margin 0.05": {"select": "agree", "margin": 0.05},
    "diverse": {"select": "diverse"},
    "top, max_cosine 0.95": {"max_cosine": 0.95},
}
SIZES = (4, 16)
PLANTED = 4


def supports(query: str) -> dict[str, dict[str, Any]]:
    """A support set per size and way; all choose among four candidates per image."""
    base = {"source": "retrieval", "pool": "flag-web", "encoder": "flag-clip", "candidates": 4}
    return {
        f"{size}-{number}": {**base, "query": query, "size": size, **way}
        for size in SIZES
        for number, way in enumerate(WAYS.values())
    }


def run(root: Path, **changes: Any) -> Result:
    """The demo with other support sets or another pool."""
    file = root / "demo/config.yaml"
    config = yaml.safe_load(file.read_text("utf-8"))
    config["evaluation"].update(methods=METHODS, protocols=["validation", "fixed"])
    config["evaluation"].update(changes.pop("evaluation", {}))
    config.update(changes)
    config["evaluation"]["supports"] = list(config["supports"])
    file.write_text(yaml.safe_dump(config), "utf-8")
    done = subprocess.run(demo_command(root), cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return read_result(root / RESULT)


def accuracy(result: Result, support: str, method: str, protocol: str) -> float:
    """Top-1 of the one such run."""
    (found,) = [
        r.top1
        for r in result.runs
        if (r.support, r.method, r.protocol) == (support, method, protocol)
    ]
    return found


CASES = (
    ("tip-adapter", "fixed"),
    ("tip-adapter", "validation"),
    ("tip-x", "fixed"),
    ("tip-x", "validation"),
    ("fusion", "none"),
)


def table_of(title: str, first: str) -> Table:
    """An empty table of `CASES`."""
    table = Table(title=title)
    table.add_column(first)
    for method, protocol in CASES:
        table.add_column(f"{method}\n{protocol}", justify="right")
    return table


def measure_ways(root: Path, query: str, console: Console) -> None:
    """Print a table per size."""
    result = run(root, supports=supports(query))
    (text,) = [r.top1 for r in result.runs if r.method == "cupl+e"]
    console.print(f"text alone (cupl+e): {text:.1f}")
    for size in SIZES:
        table = table_of(f"query {query}, {size} per class", "choice")
        for number, way in enumerate(WAYS):
            name = f"{size}-{number}"
            found = (f"{accuracy(result, name, *case):.1f}" for case in CASES)
            table.add_row(f"{way} ({result.supports[name].n_kept} images)", *found)
        console.print(table)


def plant_copies(root: Path) -> None:
    """Add a shard of recompressed test photos, named as a person would name them, to the pool."""
    import tarfile

    with tarfile.open(root / "demo/data/pool/planted.tar", "w") as tar:
        for name in class_names():
            for number in range(PLANTED):
                path = root / "demo/data/test" / slug(name) / f"{number:04d}.png"
                stream = io.BytesIO()
                decode(path.read_bytes()).convert("RGB").save(stream, "JPEG", quality=85)
                key = f"{slug(name)}-{number}"
                add_member(tar, f"{key}.jpg", stream.getvalue())
                add_member(tar, f"{key}.txt", f"flag of {name}".encode())


def measure_leaks(root: Path, console: Console) -> None:
    """Print accuracies with planted copies of test photos kept, and with them dropped."""
    plant_copies(root)
    pool = {"layout": "webdataset", "path": "demo/data/pool/{00000,00001,00002,00003,planted}.tar"}
    support = {"source": "retrieval", "pool": "flag-web", "encoder": "flag-clip", "query": "cupl"}
    table = table_of(f"{PLANTED} copies of test photos per class in the pool", "leaks")
    for leaks in ("keep", "drop"):
        result = run(
            root,
            pools={"flag-web": pool},
            supports={"leaky": {**support, "size": 16}},
            evaluation={"leaks": leaks},
        )
        found = result.supports["leaky"].leaks or []
        cells = (f"{accuracy(result, 'leaky', *case):.1f}" for case in CASES)
        table.add_row(f"{leaks} ({len(found)} found)", *cells)
    console.print(table)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--query", choices=("photo", "cupl"), default="photo")
    query = parser.parse_args().query
    console = Console(width=110)
    with tempfile.TemporaryDirectory(prefix="susx-supports-") as folder:
        root = Path(folder)
        copy_demo(root)
        measure_ways(root, query, console)
        measure_leaks(root, console)


if __name__ == "__main__":
    main()
