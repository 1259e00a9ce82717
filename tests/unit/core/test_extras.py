"""Extras are those of pyproject.toml, and what they lack is told before jobs run."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from susx.core.extras import EXTRAS, extra_problem

ROOT = Path(__file__).parents[3]
NOT_FOR_JOBS = {"hub", "slurm", "docs", "dev"}
MODULES = {
    "faiss_cpu": "faiss",
    "open_clip_torch": "open_clip",
    "scikit_learn": "sklearn",
    "vl_convert_python": "vl_convert",
}


def test_extras_are_those_of_the_package() -> None:
    """But for what only some versions of Python need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {
        extra: sorted(
            re.split(r"[<>=\[]", name)[0].replace("-", "_") for name in names if ";" not in name
        )
        for extra, names in project["optional-dependencies"].items()
        if extra not in NOT_FOR_JOBS
    }
    assert EXTRAS.keys() == wanted.keys()
    for extra, names in wanted.items():
        assert sorted(EXTRAS[extra]) == sorted(MODULES.get(name, name) for name in names)


def test_what_is_lacking_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    said = "needs open_clip, which is not installed: pip install 'susx[open-clip]'"
    assert extra_problem("open-clip") == said


def test_nothing_is_said_of_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "there", ("json", "ast"))
    assert extra_problem("there") is None
