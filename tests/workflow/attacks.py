"""Changes behind the pipeline's back, of the kinds that leave no newer time."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.workflow.project import Project

LONG_AGO = 10**9  # seconds since 1970
KILL = """\
import os, signal, sys
if any("/.snakemake/scripts/" in part and {rule!r} in part for part in sys.orig_argv):
    os.kill(os.getpid(), signal.SIGKILL)
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


def raising(project: Project, stage: str) -> Mapping[str, str]:
    """Environment in which the code of a stage has a later version."""
    return python_startup(project.root / "startup", RAISE.format(stage=stage))
