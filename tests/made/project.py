"""A small project whose artifacts are made by `make`, without Snakemake: photos, a model, a result.

image_manifest -> evaluate -> collate, as in the workflow; the work of each is a few lines.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from susx.artifacts.ground import Job, Storage
from susx.artifacts.making import Paths, make
from susx.artifacts.memory import Memory
from susx.artifacts.plan import WorkPlan, plan_work
from susx.artifacts.recipe import Output, Receipt, Recipe, Source
from susx.artifacts.store import Store
from susx.config import parse_config
from susx.config.datasets import ImageSettings
from susx.config.shown import evaluated_config
from susx.core.files import sha256_file, write_checked, write_json
from susx.datasets.sources import locate
from susx.manifests.tables import ImageRecord, Table, write_table
from tests.made.result import result

RESULT = "results/pets.json"
MANIFEST = "work/pets/images/test.parquet"
EVALUATION = "work/pets/evaluation/clip.json"
HUB_MODEL = "openai/clip"
COMMITS = ("a" * 40, "b" * 40)
CONFIG: dict[str, Any] = {
    "datasets": {"pets": {"classes": ["Pug", "Boxer"], "images": {"test": "photos"}}},
    "encoders": {"clip": {"library": "transformers", "model": "model"}},
}
OWN = {
    "work": "work",
    "stores": ["work/store", "cache/store"],
}


@dataclass
class MadeProject:
    """A project in the working folder; `images` is a folder or a list."""

    images: str = "photos"

    def jobs(self) -> list[tuple[Job, Callable[[Paths], None]]]:
        """Jobs in order, with their work."""
        place = locate(ImageSettings(test=self.images), None, "images")
        files = [str(path) for path in place.files("test")]
        looked = {"place": place.settings("test"), "listed": {"place": place.settings("test")}}
        model = ["model/a.bin", "model/b.bin"]
        stored = Storage(**OWN, store="work/store")
        cached = Storage(**OWN, store="cache/store")
        return [
            (Job("image_manifest", {"files": files}, {"output": MANIFEST}, looked, stored), listed),
            (
                Job(
                    "evaluate",
                    {"manifest": [MANIFEST], "model": model},
                    {"output": EVALUATION},
                    {"hub": [(HUB_MODEL, None)]},
                    cached,
                ),
                evaluated,
            ),
            (
                Job("collate", {"parts": [EVALUATION]}, {"output": RESULT}, {}, Storage(**OWN)),
                collated,
            ),
        ]

    def write_sources(self) -> None:
        """Write photos, model and configuration."""
        for name in ("pug/a.png", "pug/b.png", "boxer/c.png"):
            write(f"photos/{name}", name)
        write("photos/notes.txt", "of the photographer")
        for name in ("a.bin", "b.bin"):
            write(f"model/{name}", name)
        write_json("config.yaml", CONFIG)

    def run(self) -> None:
        """Make what is not there."""
        for job, work in self.jobs():
            make(job, work)

    def planned(self) -> WorkPlan:
        """What a run would do."""
        return plan_work([job for job, _ in self.jobs()], [RESULT], Memory("work/memory"))


def finished(folder: Path, monkeypatch: pytest.MonkeyPatch) -> MadeProject:
    """A project that has run, in a folder that becomes the working folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    load_commit(COMMITS[0])
    project = MadeProject()
    project.write_sources()
    project.run()
    return project


def load_commit(commit: str) -> None:
    """Let the local cache of the hub hold a commit of the model."""
    folder = f"{constants.HF_HUB_CACHE}/models--openai--clip"
    write(f"{folder}/refs/main", commit)
    write(f"{folder}/snapshots/{commit}/config.json", "{}")


def listed(paths: Paths) -> None:
    """List photos, as rule image_manifest does."""
    (first, *_) = paths.inputs["files"]
    found = sorted(Path(first).rglob("*.png")) if Path(first).is_dir() else csv_rows(Path(first))
    records = [
        ImageRecord(str(path), str(path), 0, "Pug", sha256_file(path), 1, 1) for path in found
    ]
    write_table(paths.outputs["output"], Table(records, "f" * 64), ImageRecord)


def csv_rows(file: Path) -> list[Path]:
    """Photos of a list."""
    lines = file.read_text("utf-8").splitlines()[1:]
    return [file.parent / line.split(",")[0] for line in lines]


def evaluated(paths: Paths) -> None:
    """The size of the model stands for its accuracy, so that another may come to the same."""
    sizes = [Path(path).stat().st_size for path in paths.inputs["model"]]
    write_checked(paths.outputs["output"], {"model": sizes})


def collated(paths: Paths) -> None:
    """Write a result with everything that led to it."""
    assert paths.receipt
    config = evaluated_config(parse_config(CONFIG), "pets")
    provenance = {"config": config, "identity": paths.receipt.identity}
    write_checked(paths.outputs["output"], result(provenance=provenance))


def write(path: str, text: str) -> None:
    """Write a small file, and its folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, "utf-8")


def rewrite_unseen(path: str, text: str) -> None:
    """Change a file and put its modification time back, as some tools do."""
    times = Path(path).stat()
    Path(path).write_text(text, "utf-8")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def put(
    store: Store,
    content: str,
    stage: str = "prompts",
    inputs: Sequence[Source] = (),
    made: str = "2026-01-02T03:04:05Z",
) -> Receipt:
    """Add an object whose key follows from its content."""
    recipe = Recipe(stage, 1, {"content": content}, {"": tuple(inputs)})
    with store.making() as folder:
        file = folder / "output.txt"
        file.write_text(content, "utf-8")
        digest = hashlib.sha256(content.encode()).hexdigest()
        outputs = {"output": Output(file.name, digest, file.stat().st_size)}
        return store.add(folder, Receipt(recipe, outputs, {"time": made}))


def folder_of(store: Store, receipt: Receipt) -> Path:
    """Where an object lies."""
    return store.folder(receipt.recipe.stage, receipt.recipe.key)


def snapshot(root: Path) -> dict[str, Any]:
    """Everything below a folder: contents, links and times."""
    found: dict[str, Any] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file():
            found[name] = (path.read_bytes(), path.stat().st_mtime_ns)
        else:
            found[name] = None
    return found
