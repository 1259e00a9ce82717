"""Killing the pipeline at random moments, and what the next run makes of what is left."""

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.diffusion import save_tiny_pipeline
from tests.language_models import save_tiny_model
from tests.workflow.project import RESULT, Project, write_world

ROOTS = ("work", "cache", "results")
PATIENCE = 300  # seconds


def write_whole_world(root: Path) -> Project:
    """The tiny world with every stage that works offline: texts, images and patches too."""
    write_world(root)
    save_tiny_pipeline(root / "sd")
    save_tiny_model(root / "lm")
    project = Project(root)
    shots = root / "images/train"
    shots.symlink_to("validation")

    def everything(config: dict[str, Any]) -> None:
        config["language_models"] = {
            "local": {"backend": "transformers", "model": "lm", "threads": 1}
        }
        tiny = config["datasets"]["tiny"]
        tiny["descriptions"] = {"model": "local", "samples": 2, "chunk": 2}
        drawn = {"source": "synthesis", "model": "sd", "steps": 2, "guidance": 3.0}
        config["supports"]["sd"] = {**drawn, "query": "photo", "size": 2, "chunk": 2, "threads": 1}
        config["evaluation"]["methods"].append("calip")

    project.change_config(everything)
    return project


@dataclass
class Run:
    """One call of Snakemake: jobs that it announced and finished, by their outputs."""

    announced: dict[frozenset[str], str]
    finished: set[frozenset[str]]
    returncode: int | None
    output: str


@dataclass
class Record:
    """What happened in a series of kills."""

    kills: list[str] = field(default_factory=list)
    redone: list[str] = field(default_factory=list)
    running: list[int] = field(default_factory=list)

    @property
    def table(self) -> str:
        """Number of kills by kind and by the rule that was running."""
        return "\n".join(f"{n:4} {what}" for what, n in sorted(Counter(self.kills).items()))


def parse(output: str, returncode: int | None) -> Run:
    """Read Snakemake's messages."""
    announced, finished = {}, set()
    by_id: dict[str, frozenset[str]] = {}
    rule, outputs = "", frozenset[str]()
    for line in output.splitlines():
        if match := re.match(r"(?:local)?(?:rule|checkpoint) (\w+):$", line):
            rule, outputs = match[1], frozenset()
        elif match := re.match(r"    output: (.+)$", line):
            outputs = frozenset(match[1].split(", "))
        elif (match := re.match(r"    jobid: (\d+)$", line)) and outputs:
            announced[outputs] = rule
            by_id[match[1]] = outputs
        elif (match := re.match(r"Finished jobid: (\d+)", line)) and match[1] in by_id:
            finished.add(by_id[match[1]])
    return Run(announced, finished, returncode, output)


class Killed:
    """A project whose runs are killed."""

    def __init__(self, project: Project, chance: random.Random) -> None:
        self.project = project
        self.record = Record()
        self._chance = chance
        self._done: set[frozenset[str]] = set()

    def kill_once(self) -> bool:
        """Run, and kill at a random moment; False if the run ended before."""
        kind = self._chance.choice(["group", "group", "writing", "job"])
        jobs, delay = self._chance.randint(1, 3), self._chance.uniform(0, 5)
        log = self.project.root / "crash.log"
        with log.open("w") as stream:
            process = subprocess.Popen(
                self.project.command(RESULT),
                cwd=self.project.root,
                env=self.project.environment({"HF_HUB_OFFLINE": "1"}),
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                struck = self._wait(process, log, kind, jobs, delay)
            finally:
                if kind != "job" or process.poll() is None:
                    _kill_group(process)
                process.wait()
        self._note(parse(log.read_text(), process.returncode), kind if struck else "")
        self.project.run("--unlock")
        return struck

    def finish(self) -> None:
        """Run to the end."""
        outcome = self.project.run(RESULT)
        self._note(parse(outcome.output, outcome.returncode), "")

    def _note(self, run: Run, kind: str) -> None:
        self.record.redone += [run.announced[job] for job in self._done & set(run.announced)]
        running = set(run.announced) - run.finished
        self._done |= run.finished
        if kind:
            rules = sorted({run.announced[job] for job in running}) or ["between jobs"]
            self.record.kills += [f"{kind}: {', '.join(rules)}"]
            self.record.running.append(len(running))

    def _wait(
        self, process: subprocess.Popen[bytes], log: Path, kind: str, jobs: int, delay: float
    ) -> bool:
        """Wait for the moment; kill a single job right here. False if the run ended before."""
        end = time.monotonic() + PATIENCE
        moment: float | None = None
        while process.poll() is None:
            assert time.monotonic() < end, log.read_text()
            if moment is None and len(parse(log.read_text(), None).announced) >= jobs:
                moment = time.monotonic() + delay
            if moment is not None and time.monotonic() >= moment:
                if kind == "group":
                    return True
                if kind == "writing" and self._is_writing():
                    return True
                if kind == "job" and (running := scripts(self.project.root)):
                    os.kill(self._chance.choice(running), signal.SIGKILL)
                    process.wait(PATIENCE)
                    return True
            time.sleep(0.01)
        return False

    def _is_writing(self) -> bool:
        found = (
            name[0] == "."
            for root in ROOTS
            for _, _, names in os.walk(self.project.path(root))
            for name in names
        )
        return any(found)


def scripts(root: Path) -> list[int]:
    """Processes that run a rule's script in a project."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
                place = (entry / "cwd").readlink()
            except OSError:
                continue
            if place == root and any(b"/.snakemake/scripts/" in part for part in command[:2]):
                found.append(int(entry.name))
    return found


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
