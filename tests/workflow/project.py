"""A tiny world in a folder of its own, and Snakemake runs in it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import yaml

from tests import warm
from tests.helpers import write_class_folders, write_pool_tar
from tests.small_package import install_small, save_small_encoder
from tests.warm import clean_environment

REPO = Path(__file__).resolve().parents[2]
RESULT = "results/tiny.json"
NAMES = ["zebra", "a/b", "café", "apple"]  # label order is not alphabetical order
FOLDERS = ["zebra", "a-b", "café", "apple"]  # a name with a slash has its slug as folder
SHARDS = ["000", "001"]
BEHIND = {"store", "memory", "receipts", "meanings"}  # what lies behind the names of files
PACKAGES = "packages"  # of a project, in the place of what is installed
AXIS = {"start": 0.1, "stop": 10.0, "steps": 3}
# All but CALIP, whose patch embeddings take two more jobs, and VisDesc, which has no descriptors.
METHODS = [
    *("zero-shot", "cupl", "cupl+e", "dn", "transclip"),
    *("tip-adapter", "tip-x", "ape", "gda", "fusion"),
]
OF_OTHERS = {"calip": {"alpha": 0.2}}
"""Settings of a method that is not evaluated: evaluations are made again, and come out alike."""

# The tiny world gains nothing from threads; jobs of one thread run side by side, and start warm.
ONE_THREAD = [f"embed_{thing}=1" for thing in ("text", "images", "patches", "support", "shard")] + [
    *(f"{rule}=1" for rule in ("image_manifest", "list_unlabelled", "check_dataset")),
    *(f"{rule}=1" for rule in ("download_dataset", "download_support")),
    *(f"search_{thing}=1" for thing in ("shard", "embeddings", "index")),
    *(f"{rule}=1" for rule in ("evaluate", "analyse", "report", "export_classifier", "predict")),
]


def tiny_config() -> dict[str, Any]:
    """Four classes, one encoder, a pool of two shards, one support set, 27 grid points."""
    return {
        "datasets": {
            "tiny": {
                "classes": "classes.txt",
                "descriptions": "descriptions.json",
                "images": {"test": "images/test", "validation": "images/validation"},
            }
        },
        "encoders": {"clip": {"library": "small", "model": "model"}},
        "pools": {"web": {"layout": "webdataset", "path": "pool/{000..001}.tar"}},
        "supports": {
            "lc": {
                "source": "retrieval",
                "pool": "web",
                "encoder": "clip",
                "query": "photo",
                "size": 3,
            }
        },
        "evaluation": {
            "methods": METHODS,
            "grid": {
                "tip-adapter": {"alpha": AXIS, "beta": AXIS},
                "tip-x": {"alpha": AXIS, "beta": AXIS, "gamma": AXIS},
            },
        },
    }


def write_world(root: Path) -> None:
    """Write everything that a run reads."""
    root.mkdir(parents=True)
    install_small(root / PACKAGES)
    save_small_encoder(root / "model")
    for seed, (split, per_class) in enumerate({"test": 6, "validation": 3}.items()):
        write_class_folders(root / "images" / split, FOLDERS, per_class, seed=1000 * seed)
    for seed, shard in enumerate(SHARDS):
        write_pool_tar(root / "pool" / f"{shard}.tar", 40, seed=seed)
    (root / "classes.txt").write_text("\n".join(NAMES) + "\n", "utf-8")
    descriptions = {name: [f"it looks like a {name}.", f"{name}, seen close."] for name in NAMES}
    Project(root).write_descriptions(descriptions)
    Project(root).write_config(tiny_config())


@dataclass(frozen=True)
class Job:
    """A job that Snakemake announced."""

    rule: str
    outputs: frozenset[str]


@dataclass(frozen=True)
class Outcome:
    """What a call of Snakemake ended with; `output` joins stdout and stderr."""

    returncode: int
    output: str

    @property
    def jobs(self) -> list[Job]:
        """Announced jobs, rule `all` left out; dry runs announce those of a group indented."""
        found: list[Job] = []
        for line in self.output.splitlines():
            if match := re.match(r" *(?:local)?(?:rule|checkpoint) (\w+):$", line):
                found.append(Job(match[1], frozenset()))
            elif (match := re.match(r" +output: (.+)$", line)) and found:
                found[-1] = Job(found[-1].rule, frozenset(match[1].split(", ")))
        return [job for job in found if job.rule != "all"]

    @property
    def rules(self) -> set[str]:
        """Rules of the announced jobs."""
        return {job.rule for job in self.jobs}

    @property
    def made(self) -> set[str]:
        """Outputs of the announced jobs."""
        return {path for job in self.jobs for path in job.outputs}


class Project:
    """A folder with a config.yaml and the data that it names."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def copy(self, root: Path) -> "Project":
        """Copy everything, modification times and Snakemake's records included."""
        shutil.copytree(self.root, root, symlinks=True)
        return Project(root)

    def path(self, name: str) -> Path:
        """Path of a file of the project."""
        return self.root / name

    @property
    def config(self) -> dict[str, Any]:
        """Contents of config.yaml, to change and hand to `write_config`."""
        config: dict[str, Any] = yaml.safe_load(self.path("config.yaml").read_text("utf-8"))
        return config

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write config.yaml."""
        text = yaml.safe_dump(config, allow_unicode=True, sort_keys=False)
        self.path("config.yaml").write_text(text, "utf-8")

    def change_config(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Apply a function to the configuration."""
        config = self.config
        change(config)
        self.write_config(config)

    def write_descriptions(self, descriptions: Mapping[str, list[str]]) -> None:
        """Write the description file."""
        self.path("descriptions.json").write_text(json.dumps(descriptions), "utf-8")

    def read_descriptions(self) -> dict[str, list[str]]:
        """Read the description file."""
        found: dict[str, list[str]] = json.loads(self.path("descriptions.json").read_text("utf-8"))
        return found

    def read_json(self, name: str) -> Any:
        """Read a JSON file of the project."""
        return json.loads(self.path(name).read_text("utf-8"))

    def command(self, *arguments: str) -> list[str]:
        """Snakemake with the repository's workflow in this folder."""
        return [
            *(sys.executable, "-m", "snakemake"),
            *("--snakefile", str(REPO / "Snakefile"), "--directory", str(self.root)),
            *("--cores", "2", *arguments),
            *("--set-threads", *ONE_THREAD),
        ]

    def attempt(self, *arguments: str, env: Mapping[str, str] | None = None) -> Outcome:
        """Call Snakemake, whatever becomes of it."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment(env or {"HF_HUB_OFFLINE": "1"}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        return Outcome(done.returncode, done.stdout)

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """Environment of a call, whose processes start warm."""
        return warm.environment(self.cold_environment(env))

    def cold_environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """Environment of a call, with the packages of the project."""
        found = {**clean_environment(), **env}
        paths = [found.get("PYTHONPATH", ""), str(self.path(PACKAGES))]
        return {**found, "PYTHONPATH": os.pathsep.join(filter(None, paths))}

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Outcome:
        """Call Snakemake and expect success."""
        outcome = self.attempt(*arguments, env=env)
        assert outcome.returncode == 0, outcome.output
        return outcome

    def plan(self, *arguments: str) -> Outcome:
        """Dry run."""
        return self.run("--dry-run", *arguments)

    def kill_midway(self, name: str, *arguments: str) -> None:
        """Start a run and SIGKILL it, with all its jobs, as soon as a file appears."""
        process = subprocess.Popen(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment({"HF_HUB_OFFLINE": "1"}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 300
            while not list(self.root.glob(name)):
                assert process.poll() is None, "the run ended before it could be killed"
                assert time.monotonic() < deadline, f"{name} did not appear"
                time.sleep(0.05)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def files(self, *folders: str) -> set[str]:
        """Relative paths of all files below the given folders, but for stores and receipts."""
        found = (
            path.relative_to(self.root)
            for folder in folders
            for path in self.path(folder).rglob("*")
            if path.is_file()
        )
        return {path.as_posix() for path in found if path.parts[1] not in BEHIND}

    def hidden_files(self) -> set[str]:
        """Hidden files below the output folders: what an interrupted write would leave."""
        return {
            path for path in self.files("work", "cache", "results") if Path(path).name[0] == "."
        }


def without_times(value: Any) -> Any:
    """Drop from result data what may differ between equal runs."""
    if isinstance(value, dict):
        varying = {"seconds", "peak_mib", "git_commit", "identity"}  # of files with times
        return {key: without_times(v) for key, v in value.items() if key not in varying}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def input_hashes(provenance: Any) -> set[str]:
    """Hashes under key `inputs` of an encoder's provenance, however they are grouped."""

    def leaves(value: Any) -> list[str]:
        return (
            [leaf for v in value.values() for leaf in leaves(v)]
            if isinstance(value, dict)
            else [value]
        )

    return set(leaves(provenance["inputs"]))


def cache_contents(path: Path) -> dict[str, Any]:
    """Datasets and attributes of a cache as plain values."""
    with h5py.File(path) as file:
        datasets = {name: file[name][:].tolist() for name in file}
        return {"attributes": dict(file.attrs), **datasets}


def assert_same_outputs(first: Project, second: Project, part: bool = False) -> None:
    """Expect equal files, caches compared by content and results without times.

    A killed process may have left temporary files behind; those are hidden. With `part`, the second
    has only some of the files.
    """
    expected = first.files("work", "cache", "results")
    names = second.files("work", "cache", "results") - second.hidden_files()
    assert names <= expected if part else names == expected
    for name in sorted(names):
        paths = first.path(name), second.path(name)
        if name.endswith(".h5"):
            assert cache_contents(paths[0]) == cache_contents(paths[1]), name
        elif name.endswith(".json"):
            one, other = (without_times(json.loads(path.read_text("utf-8"))) for path in paths)
            if isinstance(one, dict):  # seals, over the times too
                one, other = ({**part, "sha256": None} for part in (one, other))
            assert one == other, name
        else:
            assert paths[0].read_bytes() == paths[1].read_bytes(), name
