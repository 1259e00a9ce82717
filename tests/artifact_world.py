"""A pipeline of toy stages in one process: the real plan and the real making, without Snakemake.

Its stages take milliseconds, so that hundreds of rounds of attacks can be compared with runs from
scratch.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable, Mapping
from contextlib import chdir, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from susx.artifacts.ground import Job, Storage
from susx.artifacts.making import Paths, make
from susx.artifacts.memory import Memory
from susx.artifacts.plan import WorkPlan, plan_work
from susx.core.errors import InputError

BUDGET = 2**20  # bytes; more than all sources of a world
RESULT = "results/out.json"


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def written(path: str, value: Any) -> None:
    Path(path).write_text(json.dumps(value), "utf-8")


def read(path: str) -> Any:
    return json.loads(Path(path).read_text("utf-8"))


def class_manifest(paths: Paths, settings: Mapping[str, Any]) -> None:
    names = Path(paths.inputs["file"][0]).read_text("utf-8").split()
    written(paths.outputs["output"], names)


def image_manifest(paths: Paths, settings: Mapping[str, Any]) -> None:
    root, classes = Path(paths.inputs["folder"][0]), read(paths.inputs["classes"][0])
    rows = [
        [
            str(p.relative_to(root)),
            digest(p.read_bytes()),
            classes.index(p.relative_to(root).parts[0]),
        ]
        for p in sorted(root.rglob("*"))
        if p.is_file()
    ]
    written(paths.outputs["output"], rows)


def embed_images(paths: Paths, settings: Mapping[str, Any]) -> None:
    model = b"".join(Path(p).read_bytes() for p in paths.inputs["model"])
    rows = [[k, digest(h.encode(), model, settings["precision"].encode()), label]
            for k, h, label in read(paths.inputs["manifest"][0])]  # fmt: skip
    written(paths.outputs["output"], rows)


def embed_shard(paths: Paths, settings: Mapping[str, Any]) -> None:
    model = b"".join(Path(p).read_bytes() for p in paths.inputs["model"])
    written(paths.outputs["output"], digest(Path(paths.inputs["shard"][0]).read_bytes(), model))


def select_support(paths: Paths, settings: Mapping[str, Any]) -> None:
    rows = [read(path) for path in paths.inputs["shards"]]
    written(paths.outputs["manifest"], [rows, settings["size"]])
    Path(paths.outputs["images"]).write_bytes(digest(str(rows).encode()).encode())


def evaluate(paths: Paths, settings: Mapping[str, Any]) -> None:
    made = [read(paths.inputs[name][0]) for name in ("classes", "images", "support")]
    tar = Path(paths.inputs["tar"][0]).read_bytes().decode()
    written(paths.outputs["output"], [made, tar, settings["seed"]])


def collate(paths: Paths, settings: Mapping[str, Any]) -> None:
    written(paths.outputs["output"], read(paths.inputs["part"][0]))


STAGES: dict[str, Callable[[Paths, Mapping[str, Any]], None]] = {
    stage.__name__: stage
    for stage in (
        *(class_manifest, image_manifest, embed_images, embed_shard),
        *(select_support, evaluate, collate),
    )
}


@dataclass
class World:
    """A project: its folder is the working folder while it runs."""

    root: Path
    store: str = "cache/store"
    settings: dict[str, Any] = field(
        default_factory=lambda: {"precision": "float32", "size": 2, "seed": 0}
    )
    ran: list[str] = field(default_factory=list)

    def write_sources(self) -> World:
        """Write what a run reads."""
        files = {
            "classes.txt": "ant bee cat",
            "model/config.json": "{}",
            "model/weights/a.bin": "weights",
            "pool/0.tar": "pool zero",
            "pool/1.tar": "pool one",
            **{f"images/{name}/{i}.png": f"{name} {i}" for name in ("ant", "bee") for i in (0, 1)},
        }
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return self

    @property
    def jobs(self) -> list[Job]:
        """All jobs, in order."""
        stores = ["work/store", self.store]
        own = Storage("work", stores)
        work, cache = (replace(own, store=store) for store in stores)
        model = sorted(str(p) for p in Path("model").rglob("*") if p.is_file())
        classes = {"classes": ["work/classes.json"]}
        s = self.settings

        def job(stage: str, inputs: Any, outputs: Any, kept: Storage, **params: Any) -> Job:
            named = {"output": outputs} if isinstance(outputs, str) else outputs
            return Job(stage, inputs, named, {**params, "how": {"threads": 3}}, kept)

        return [
            job("class_manifest", {"file": ["classes.txt"]}, "work/classes.json", work),
            job("image_manifest", {**classes, "folder": ["images"]}, "work/images.json", work),
            job("embed_images", {"manifest": ["work/images.json"], "model": model},
                "cache/images.json", cache, precision=s["precision"],
                listed={"models": ["model"]}),
            *(job("embed_shard", {"shard": [f"pool/{i}.tar"], "model": model},
                  f"cache/{i}.json", cache) for i in (0, 1)),
            job("select_support", {"shards": ["cache/0.json", "cache/1.json"]},
                {"manifest": "work/support.json", "images": "work/support.tar"}, work,
                size=s["size"]),
            job("evaluate", {**classes, "images": ["cache/images.json"],
                             "support": ["work/support.json"], "tar": ["work/support.tar"]},
                "work/evaluation.json", work, seed=s["seed"]),
            job("collate", {"part": ["work/evaluation.json"]}, RESULT, own),
        ]  # fmt: skip

    def planned(self) -> WorkPlan:
        """What a run would do."""
        with chdir(self.root):
            return plan_work(self.jobs, [RESULT], Memory("work/memory", BUDGET))

    def run(self, failing: str | None = None, during: Callable[[], None] | None = None) -> None:
        """Run as Snakemake does: delete what is made, then make it, stage by stage.

        Args:
            failing: stage whose job is killed before it has written anything.
            during: what happens while `image_manifest` runs.

        Raises:
            InputError: from a job.
        """
        with chdir(self.root):
            jobs = self.jobs
            found = plan_work(jobs, [RESULT], Memory("work/memory", BUDGET))
            found.prepare(Storage("work"))
            self.ran = []
            for job in _needed(jobs, found):
                for path in job.outputs.values():
                    Path(path).unlink(missing_ok=True)
                    Path(path).parent.mkdir(parents=True, exist_ok=True)
                if job.stage == failing:
                    raise Killed(failing)
                self._make(job, during if job.stage == "image_manifest" else None)

    def _make(self, job: Job, during: Callable[[], None] | None) -> None:
        def work(paths: Paths) -> None:
            self.ran.append(job.stage)
            STAGES[job.stage](paths, job.settings)
            if during:
                during()

        make(job, work)

    @property
    def result(self) -> Any:
        """The result that lies there."""
        return read(str(self.root / RESULT))

    def from_scratch(self, place: Path) -> Any:
        """Result of the same sources and settings in a folder where nothing was made.

        Stages are called one after the other, without a plan, a store or a memory.
        """
        shutil.rmtree(place, ignore_errors=True)
        outputs = shutil.ignore_patterns("work", "cache", "results")
        shutil.copytree(self.root, place, ignore=outputs, symlinks=False)
        fresh = World(place, settings=dict(self.settings))
        with chdir(place):
            for job in fresh.jobs:
                for path in job.outputs.values():
                    Path(path).parent.mkdir(parents=True, exist_ok=True)
                STAGES[job.stage](Paths(job.inputs, job.outputs), job.settings)
        return fresh.result


class Killed(Exception):
    """A job that was killed."""


def _needed(jobs: list[Job], found: WorkPlan) -> list[Job]:
    """Stale jobs, and those whose missing outputs these read."""
    running = {id(job) for job in jobs if not found.stale.keys().isdisjoint(job.outputs.values())}
    for job in reversed(jobs):
        readers = (j for j in jobs if id(j) in running)
        read_paths = {p for j in readers for paths in j.inputs.values() for p in paths}
        if any(p in read_paths and not Path(p).exists() for p in job.outputs.values()):
            running.add(id(job))
    return [job for job in jobs if id(job) in running]


class Attacks:
    """Random events of the kinds that a project meets, from a seed."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.events = [
            *(self.edit, self.edit, self.replace, self.replace, self.same_stamp, self.touch),
            *(self.add_image, self.remove_image, self.switch_model, self.new_model_file),
            *(self.reorder, self.change_setting, self.purge, self.purge_all, self.lose_link),
            *(self.damage, self.fail, self.forget_memory, self.chmod, self.old_result),
            self.copy_project,
        ]
        self.said: list[str] = []

    def strike(self) -> None:
        """One event."""
        event = self.chance.choice(self.events)
        self.said.append(event.__name__)
        event()

    def _source(self) -> Path:
        root = self.world.root
        names = ["model/config.json", "model/weights/a.bin", "pool/0.tar", "pool/1.tar"]
        images = sorted(p for p in (root / "images").rglob("*") if p.is_file())
        return self.chance.choice([*(root / n for n in names), *images])

    def _text(self) -> str:
        return f"text {self.chance.randrange(6)}"

    def edit(self) -> None:
        self._source().write_text(self._text())

    def replace(self) -> None:
        """What mv, cp -p, rsync -a and tar x do: a file with an older time takes the place."""
        path = self._source()
        other = path.with_name(".new")
        other.write_text(self._text())
        time = path.stat().st_mtime - self.chance.choice([0, 1, 10**6])
        os.utime(other, (time, time))
        other.replace(path)

    def same_stamp(self) -> None:
        """Overwritten in place, with size and modification time kept."""
        path = self._source()
        state, size = path.stat(), path.stat().st_size
        path.write_bytes((self._text().encode() * 9)[:size])
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))

    def touch(self) -> None:
        for path in self.world.root.rglob("*"):
            if path.is_file() and not path.is_symlink() and "store" not in path.parts:
                os.utime(path)

    def add_image(self) -> None:
        """An image in a subfolder of a class folder, whose times are put back."""
        folder = self.world.root / "images" / self.chance.choice(["ant", "bee"])
        state = folder.stat()
        below = folder / self.chance.choice([".", "more", "more/deep"])
        below.mkdir(parents=True, exist_ok=True)
        (below / f"{self.chance.randrange(9)}.png").write_text(self._text())
        os.utime(folder, ns=(state.st_atime_ns, state.st_mtime_ns))

    def remove_image(self) -> None:
        images = sorted(p for p in (self.world.root / "images").rglob("*") if p.is_file())
        if len(images) > 1:
            self.chance.choice(images).unlink()

    def switch_model(self) -> None:
        """The folder becomes a link, which is switched between versions."""
        root = self.world.root
        version = root / f"models/{self.chance.randrange(3)}"
        if not version.exists():
            shutil.copytree(root / "model", version)
            (version / "weights/a.bin").write_text(version.name)
        model = root / "model"
        if model.is_symlink():
            model.unlink()
        else:
            shutil.rmtree(model)
        model.symlink_to(version)

    def new_model_file(self) -> None:
        (self.world.root / "model" / f"{self.chance.randrange(3)}.txt").write_text(self._text())

    def reorder(self) -> None:
        names = ["ant", "bee", "cat", "dog"]
        self.chance.shuffle(names)
        path = self.world.root / "classes.txt"
        state = path.stat()
        path.write_text(" ".join(names))
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns - 10**9))

    def change_setting(self) -> None:
        name = self.chance.choice(["precision", "size", "seed"])
        values = {"precision": ["float32", "float16"], "size": [1, 2, 3], "seed": [0, 1]}
        self.world.settings[name] = self.chance.choice(values[name])

    def _stores(self) -> list[Path]:
        return [p for p in self.world.root.glob("*/store/*/*") if len(p.name) == 64]

    def purge(self) -> None:
        if objects := sorted(self._stores()):
            shutil.rmtree(self.chance.choice(objects))

    def purge_all(self) -> None:
        root = self.chance.choice(["cache", "work/store", "work"])
        shutil.rmtree(self.world.root / root, ignore_errors=True)

    def lose_link(self) -> None:
        links = sorted(p for p in self.world.root.glob("*/*.json") if p.is_symlink())
        if links:
            self.chance.choice(links).unlink()

    def damage(self) -> None:
        """An object is overwritten through the link that stands for it, its size kept or not."""
        links = sorted(p for p in self.world.root.glob("*/*.json") if p.exists())
        if links:
            target = self.chance.choice(links).resolve()
            size = target.stat().st_size
            target.chmod(0o644)
            target.write_bytes((b"[1, 2] " * size)[: size + self.chance.choice([0, 1])])

    def fail(self) -> None:
        """A job is killed; what it would have made stays unmade."""
        self.edit()
        with suppress(Killed, InputError):
            self.world.run(failing=self.chance.choice(sorted(STAGES)))

    def forget_memory(self) -> None:
        shutil.rmtree(self.world.root / "work/memory", ignore_errors=True)

    def chmod(self) -> None:
        path = self._source()
        path.chmod(0o600 if path.stat().st_mode & 0o044 else 0o644)

    def old_result(self) -> None:
        """Somebody puts another result where the pipeline's was."""
        path = self.world.root / RESULT
        if path.exists():
            written(str(path), ["of somebody else"])

    def copy_project(self) -> None:
        """The project is moved to another place by a copy, with its times or not."""
        other = self.world.root.with_name(f"{self.world.root.name}-copy")
        shutil.rmtree(other, ignore_errors=True)
        copy = self.chance.choice([shutil.copy2, shutil.copyfile])
        shutil.copytree(self.world.root, other, symlinks=True, copy_function=copy)
        shutil.rmtree(self.world.root)
        other.rename(self.world.root)
