"""A fresh clone with small cards, and around it a hub and an internet of one host on loopback."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tests import hub, warm, web
from tests.made.cards import class_names, shipped_cards, small_cards, write_cards
from tests.made.checkout import copy_checkout
from tests.made.coyo import COYO, FORBIDDEN, coyo
from tests.workflow.project import Outcome, Project

INTERNET = Path(__file__).parent / "small_internet"
SITE = "http://images.example"
SEARCHED = 30
"""Live images of each class in the pool, and dead ones: 18 that nothing refuses, of which a support
set takes 16."""
OF_HUB = ("HF_ENDPOINT", "HF_HOME")
LIBRARIES = "tests.e2e.libraries"
"""What the shipped configuration imports besides."""
TIMEOUT = 1200
"""Seconds after which a command of a test hangs."""


@dataclass(frozen=True)
class Clone:
    """A checkout of its own, in which commands are called as a person types them."""

    root: Path
    hub: hub.Hub
    web: web.Web

    @property
    def project(self) -> Project:
        """Its files."""
        return Project(self.root)

    @property
    def env(self) -> dict[str, str]:
        """Environment of commands: the programs of this Python, the hub and the internet."""
        home = self.root.parent / "home"
        usual = {k: v for k, v in warm.clean_environment().items() if not k.startswith("SUSX_")}
        env = {
            **usual,
            "HF_ENDPOINT": self.hub.endpoint,
            "HF_HOME": str(home / "huggingface"),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join([str(INTERNET), str(self.root)]),
            "SMALL_INTERNET": str(urlsplit(self.web.url).port),
            "SNAKEMAKE_PROFILE": str(home / "profile"),
        }
        return warm.environment(env, OF_HUB, self.root, [warm.LIBRARIES, LIBRARIES])

    def attempt(self, command: str, timeout: float | None = TIMEOUT, **env: str) -> Outcome:
        """Call a command, whatever becomes of it."""
        done = subprocess.run(
            shlex.split(command),
            cwd=self.root,
            env={**self.env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        return Outcome(done.returncode, done.stdout)

    def run(self, command: str, timeout: float | None = TIMEOUT, **env: str) -> Outcome:
        """Call a command and expect success."""
        outcome = self.attempt(command, timeout, **env)
        assert outcome.returncode == 0, outcome.output
        return outcome


@contextmanager
def cloned(
    root: Path, models: Mapping[str, Mapping[str, bytes]], small: bool = True
) -> Iterator[Clone]:
    """Clone the checkout into `root`/susx, without data.

    Args:
        root: an empty folder, for the clone and the home of who runs it.
        models: files of models by name, for the hub.
        small: whether cards have few classes, which is then all that differs.
    """
    copy_checkout(root / "susx")
    if small:
        write_cards(root / "susx")
    _write_profile(root / "home/profile")
    names = class_names(small_cards() if small else shipped_cards())
    with web.serving() as pages:
        pages.robots = f"User-agent: *\nDisallow: /{FORBIDDEN}/\n"
        with hub.serving({**models, COYO: coyo(SITE, names, SEARCHED)}) as served:
            yield Clone(root / "susx", served, pages)


def _write_profile(folder: Path) -> None:
    """Jobs of one thread, which start warm: tiny models gain nothing from more."""
    folder.mkdir(parents=True)
    rules = (Path(__file__).parents[2] / "rules").glob("*.smk")
    names = [name for path in rules for name in re.findall(r"^rule (\w+):", path.read_text(), re.M)]
    threads = {"set-threads": dict.fromkeys(names, 1)}
    (folder / "config.yaml").write_text(yaml.safe_dump(threads), "utf-8")
