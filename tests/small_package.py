"""Packages laid out as if they were installed, the one in tests/small among them."""

import shutil
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

SMALL = Path(__file__).parent / "small"


def install_small(folder: Path, version: str | None = None) -> Path:
    """Put the small package into a folder for PYTHONPATH."""
    project = tomllib.loads((SMALL / "pyproject.toml").read_text("utf-8"))["project"]
    package = project["name"].replace("-", "_")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SMALL / package, folder / package, dirs_exist_ok=True, ignore=ignored)
    version = version or project["version"]
    write_dist_info(folder, project["name"], version, project["entry-points"])
    return folder


def write_dist_info(
    folder: Path, name: str, version: str, entries: Mapping[str, Mapping[str, str]]
) -> None:
    """Write what an installer notes of a package: its name, version and entry points by group."""
    for earlier in folder.glob(f"{name.replace('-', '_')}-*.dist-info"):
        shutil.rmtree(earlier)
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    said = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (about / "METADATA").write_text(said, "utf-8")
    lines = [
        line
        for group, named in entries.items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in named.items()))
    ]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n", "utf-8")


def save_small_encoder(folder: Path, seed: int = 0) -> None:
    """Write a model of the small package, which only tests find without help."""
    if str(SMALL) not in sys.path:
        sys.path.append(str(SMALL))
    from susx_small.encoder import save

    save(folder, seed)
