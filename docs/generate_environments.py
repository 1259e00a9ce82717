"""Environments of jobs in envs/, and the recipe of a container.

`python -m docs.generate_environments` writes them from pyproject.toml, which says what is needed,
and requirements.lock, which says in which version.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from docs.generate_licences import ROOT, locked

WRITTEN = "Written by `python -m docs.generate_environments`"
ENVIRONMENTS = {
    "susx": ("pipeline",),
    "encoders": ("pipeline", "open-clip", "siglip"),
    "llm": ("pipeline", "llm"),
    "report": ("pipeline", "report"),
    "synthesis": ("pipeline", "sd"),
    "web": ("pipeline", "faiss", "s3", "web"),
}
"""Extras of the environments that rules name."""
IN_CONTAINER = ("faiss", "hub", "llm", "s3", "siglip", "slurm")
"""All that jobs may import, but for HEIC, whose binary package is under the GPL."""
INSTALLED = ("LICENSE", "README.md", "pyproject.toml", "requirements.lock")
"""What an installation reads besides the files of the wheel."""


def needed(project: dict[str, Any], extras: Iterable[str]) -> list[str]:
    """Names of the packages that a base installation and extras need, sorted.

    What only later versions of Python need is left out.
    """
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    asked, python = map(Requirement, lines), {"python_version": _python(project)}
    return sorted({r.name.lower() for r in asked if r.marker is None or r.marker.evaluate(python)})


def environment(extras: Iterable[str], project: dict[str, Any], lock: str) -> str:
    """A conda environment with the locked versions of all that is needed."""
    versions, extras = locked(lock), [*extras]
    pins = "".join(f"      - {name}=={versions[name]}\n" for name in needed(project, extras))
    return (
        f"# {WRITTEN}.\n"
        "# For `snakemake --software-deployment-method conda`: what susx needs with the extras\n"
        f"# {', '.join(extras)}.\n"
        "channels:\n  - conda-forge\n  - nodefaults\n"
        f"dependencies:\n  - python={_python(project)}\n  - pip\n  - pip:\n{pins}"
    )


def container(pyproject: dict[str, Any]) -> str:
    """A Dockerfile that installs this checkout with the locked versions."""
    wheel = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]
    parts = {*wheel["only-include"], *wheel["force-include"]}
    files = sorted(name for name in {*INSTALLED, *parts} if (ROOT / name).is_file())
    folders = sorted(parts - {*files})
    copied = "".join(f"COPY {name} {name}\n" for name in folders)
    return (
        f"# {WRITTEN}.\n"
        "#   docker build --tag susx .\n"
        '#   docker run --rm --volume "$PWD:/project" susx run results/pets.json\n'
        f"FROM python:{_python(pyproject['project'])}-slim\n"
        "WORKDIR /susx\n"
        f"COPY {' '.join(files)} ./\n{copied}"
        "RUN pip install --no-cache-dir --constraint requirements.lock "
        f"'.[{','.join(IN_CONTAINER)}]'\n"
        'WORKDIR /project\nENTRYPOINT ["susx"]\n'
    )


def pages() -> Iterator[tuple[Path, str]]:
    """Every file that is written, and its text."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    for name, extras in ENVIRONMENTS.items():
        yield ROOT / f"envs/{name}.yaml", environment(extras, pyproject["project"], lock)
    yield ROOT / "Dockerfile", container(pyproject)


def _python(project: dict[str, Any]) -> str:
    """The oldest version of Python, for which the lock was made."""
    return str(project["requires-python"]).removeprefix(">=")


if __name__ == "__main__":
    for file, text in pages():
        file.write_text(text, "utf-8")
