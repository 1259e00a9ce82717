"""Changes behind the pipeline's back, of the kinds that leave no newer time."""

import json
import os
import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.helpers import image_bytes
from tests.workflow.project import RESULT, Project, without_times

LONG_AGO = 10**9  # seconds since 1970
KILL = """\
import os, signal, sys
if any("/.snakemake/scripts/" in part and {rule!r} in part for part in sys.orig_argv):
    os.kill(os.getpid(), signal.SIGKILL)
"""
OVERTAKE = """\
import sys
from pathlib import Path
if any("/.snakemake/scripts/" in part and {rule!r} in part for part in sys.orig_argv):
    with Path("work/memory/runs").open("a") as runs:
        runs.write("\\nanother")
"""
RAISE = """\
from susx.artifacts import stages
stages.STAGES[{stage!r}] += 1
"""


def put_older(path: Path, data: bytes) -> None:
    """Replace a file by one with an older time, as mv, cp -p, rsync -a and tar x do."""
    other = path.with_name(f"{path.name}.new")
    other.write_bytes(data)
    os.utime(other, (LONG_AGO, LONG_AGO))
    other.replace(path)


def replace_older(path: Path, other: Path) -> None:
    """Replace a folder by another one, whose files are older."""
    for file in (p for p in other.rglob("*") if p.is_file()):
        os.utime(file, (LONG_AGO, LONG_AGO))
    shutil.rmtree(path)
    other.rename(path)


def overwrite_unseen(path: Path, data: bytes) -> None:
    """Overwrite a file in place; its size and modification time stay."""
    state = path.stat()
    assert len(data) == state.st_size
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def add_unseen(path: Path, data: bytes) -> None:
    """Add a file below a folder whose times are put back."""
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    state = folder.stat()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(folder, ns=(state.st_atime_ns, state.st_mtime_ns))


def python_startup(folder: Path, code: str) -> Mapping[str, str]:
    """Environment in which every Python runs some code before anything else."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(code)
    return {"HF_HUB_OFFLINE": "1", "PYTHONPATH": f"{folder}{os.pathsep}{Path.cwd()}"}


def killing(project: Project, rule: str) -> Mapping[str, str]:
    """Environment in which the jobs of a rule are killed when they begin."""
    return python_startup(project.root / "startup", KILL.format(rule=rule))


def overtaking(project: Project, rule: str) -> Mapping[str, str]:
    """Environment in which another run seems to be planned when the jobs of a rule begin."""
    return python_startup(project.root / "startup", OVERTAKE.format(rule=rule))


def raising(project: Project, stage: str) -> Mapping[str, str]:
    """Environment in which the code of a stage has a later version."""
    return python_startup(project.root / "startup", RAISE.format(stage=stage))


def numbers(project: Project, result: str = RESULT) -> Any:
    """What a result says but for times."""
    found = project.read_json(result)
    return without_times({key: value for key, value in found.items() if key != "sha256"})


def fresh(project: Project, place: Path, result: str = RESULT) -> Project:
    """The same sources and settings in a place where nothing was made, run to the end."""
    made = ("work", "cache", "results", "logs", "benchmarks", ".snakemake", "startup")
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(project.root, place, ignore=shutil.ignore_patterns(*made))
    scratch = Project(place)
    scratch.change_config(lambda config: config.pop("roots", None))  # others' caches among them
    scratch.run(result)
    return scratch


class Events:
    """Random events in a project's life, from a seed."""

    def __init__(self, project: Project, chance: random.Random, result: str = RESULT) -> None:
        """Look where the images, models and lists of the project's only dataset are."""
        self.project, self.chance, self.result = project, chance, result
        config = project.config
        (self.dataset,) = config["datasets"]
        images = config["datasets"][self.dataset]["images"]["test"]
        self.images = sorted(project.path(images).rglob("*.[jp][pn]g"))
        (encoder,) = config["encoders"].values()
        self.model = project.path(encoder["model"])
        self.descriptions = project.path(config["datasets"][self.dataset]["descriptions"])
        self.classes = config["datasets"][self.dataset].get("classes")
        (pool,) = config["pools"].values()
        self.shards = project.path(pool["path"]).parent

    def strike(self) -> str:
        """One event; its name."""
        event = self.chance.choice(
            [
                *(self.add_image, self.replace_image, self.overwrite_image, self.remove_image),
                *(self.add_model_file, self.change_weights, self.switch_model),
                *(self.edit_descriptions, self.reorder_classes, self.swap_shards),
                *(self.change_setting, self.touch),
                *(self.forget_records, self.purge, self.damage, self.fail, self.old_result),
            ]
        )
        event()
        return event.__name__

    def _image(self) -> Path:
        return self.chance.choice([path for path in self.images if path.exists()])

    def _picture(self) -> bytes:
        colour = tuple(self.chance.randrange(256) for _ in range(3))
        return image_bytes(colour, seed=self.chance.randrange(99))  # type: ignore[arg-type]

    def add_image(self) -> None:
        """Below a class folder, whose times are put back."""
        name = f"deep/{self.chance.randrange(9)}.png"
        add_unseen(self._image().parent / name, self._picture())

    def replace_image(self) -> None:
        """By one with an older time."""
        put_older(self._image(), self._picture())

    def overwrite_image(self) -> None:
        """With size and time kept."""
        path = self._image()
        data = bytearray(path.read_bytes())
        data[-9] ^= 1 + self.chance.randrange(255)
        overwrite_unseen(path, bytes(data))

    def remove_image(self) -> None:
        """Unless few are left of its class."""
        path = self._image()
        if len(list(path.parent.iterdir())) > 3:
            path.unlink()

    def add_model_file(self) -> None:
        """With an older time."""
        put_older(self.model / "added.json", f"[{self.chance.randrange(3)}]".encode())

    def change_weights(self) -> None:
        """With size and time kept."""
        path = self.model / "model.safetensors"
        data = bytearray(path.read_bytes())
        for _ in range(99):
            number = self.chance.randrange(1, len(data) // 8)  # the last half has no names
            data[len(data) - 4 * number + 2] ^= 0x40  # of a mantissa
        overwrite_unseen(path, bytes(data))

    def edit_descriptions(self) -> None:
        """One sentence more or less of one class, in an older file."""
        texts = json.loads(self.descriptions.read_text("utf-8"))
        name = self.chance.choice(sorted(texts))
        kept = texts[name][: self.chance.randrange(1, len(texts[name]) + 1)]
        texts[name] = [*kept, f"a {name}, number {self.chance.randrange(9)}."]
        put_older(self.descriptions, json.dumps(texts).encode())

    def reorder_classes(self) -> None:
        """In an older file, if classes are listed in one."""
        if self.classes is not None:
            path = self.project.path(self.classes)
            names = path.read_text("utf-8").splitlines()
            self.chance.shuffle(names)
            put_older(path, "\n".join([*names, ""]).encode())

    def swap_shards(self) -> None:
        """Two shards of the pool, which have other keys, change their names."""
        one, other = self.chance.sample(sorted(self.shards.glob("*.tar")), 2)
        place = self.shards / "swapped"
        for path, target in ((one, place), (other, one), (place, other)):
            path.rename(target)

    def switch_model(self) -> None:
        """A link takes the place of the model's folder; what it leads to is the same."""
        if not self.model.is_symlink():
            moved = self.model.with_name(f"{self.model.name}-moved")
            self.model.rename(moved)
            self.model.symlink_to(moved.name)

    def change_setting(self) -> None:
        """To and fro."""
        template = self.chance.choice(["a photo of a {}.", "a sketch of a {}.", "{}"])
        leaks, own = self.chance.choice(["keep", "drop"]), {"template": template}
        self.project.change_config(
            lambda c: (
                c["datasets"][self.dataset].update(own),
                c["evaluation"].update(leaks=leaks),
            )
        )

    def touch(self) -> None:
        """Everything but stores."""
        for path in self.project.root.rglob("*"):
            if path.is_file() and not path.is_symlink() and "store" not in path.parts:
                os.utime(path)

    def forget_records(self) -> None:
        """Of Snakemake."""
        shutil.rmtree(self.project.path(".snakemake"), ignore_errors=True)

    def purge(self) -> None:
        """A cache or a part of it."""
        objects = sorted(self.project.root.glob("cache/store/*/*"))
        everything = self.chance.random() < 0.3 or not objects
        place = self.project.path("cache") if everything else self.chance.choice(objects)
        shutil.rmtree(place, ignore_errors=True)

    def damage(self) -> None:
        """An object, through the link that stands for it."""
        links = [p for p in sorted(self.project.root.glob("cache/*/*/*.h5")) if p.exists()]
        if links:
            path = self.chance.choice(links).resolve()
            path.chmod(0o644)
            data = bytearray(path.read_bytes())
            data[self.chance.randrange(len(data))] ^= 1
            path.write_bytes(data)

    def fail(self) -> None:
        """A job is killed after an edit."""
        self.replace_image()
        rule = self.chance.choice(["image_manifest", "embed_images", "evaluate", "collate"])
        self.project.attempt(self.result, env=killing(self.project, rule))

    def old_result(self) -> None:
        """Another file is put where the result was."""
        path = self.project.path(self.result)
        if path.exists():
            put_older(path, path.read_bytes().replace(b'"n_test": ', b'"n_test": 1'))
