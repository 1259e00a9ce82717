"""The commands `susx cache`: what lies in stores, whether it is intact, and what may go."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from susx.cli.errors import reported_errors
from susx.cli.printing import AsJson, Quiet, many, print_json, say, silent
from susx.core.errors import InputError
from susx.core.yaml_files import CONFIG

if TYPE_CHECKING:
    from susx.artifacts.contents import Contents, Leftover
    from susx.artifacts.project import Named, Project
    from susx.artifacts.store import Store

UNITS = {"": 1} | {
    f"{letter}{suffix}B": base**power
    for power, letter in enumerate("KMGT", start=1)
    for suffix, base in (("", 1000), ("i", 1024))
}
"""Bytes per unit, by the International System and IEC 80000-13."""

app = typer.Typer(no_args_is_help=True)

Stores = Annotated[
    list[Path] | None, typer.Option("--store", help="Stores to look at [those of the project].")
]
Work = Annotated[str | None, typer.Option(help="Folder `work` of the project [of config.yaml].")]
Cache = Annotated[str | None, typer.Option(help="Folder `cache` of the project [of config.yaml].")]


@app.callback()
def cache() -> None:
    """Look after the stores of `work` and `cache`; call it in the folder of a project."""


@app.command("list")
def list_stores(
    store: Stores = None,
    work: Work = None,
    cache: Cache = None,
    as_json: AsJson = False,
) -> None:
    """Tell what stores hold, by stage, and what of it this project stands on."""
    with reported_errors():
        project, stores = _looked_at(store, work, cache)
        reached = project.reached() if project else None
        described = [_described(contents, reached) for contents in _contents(stores)]
    if as_json:
        print_json({"stores": described})
        return
    for number, one in enumerate(described):
        _print_store(one, first=number == 0)


@app.command()
def verify(
    store: Stores = None,
    work: Work = None,
    cache: Cache = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove objects with faults.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare all objects with their receipts. The exit status is 1 if any has a fault."""
    from susx.artifacts import upkeep

    tell, warn = _lines(as_json, quiet)
    stores: list[dict[str, Any]] = []
    with reported_errors():
        for contents in _contents(_looked_at(store, work, cache)[1]):
            one: dict[str, Any] = {"path": str(contents.store.root), "faults": []}
            one |= {"objects": len(contents.objects), "bytes": contents.size}
            stores.append(one)
            tell(f"{one['path']}: {many(one['objects'], 'object')}, {bytes_of(one['bytes'])}")
            for finding in upkeep.check(contents):
                removed = finding.lost.size if remove and finding.lost else None
                if removed is not None:
                    upkeep.remove(contents.store, finding.path)
                fault = {"kind": finding.kind, "path": str(finding.path)}
                one["faults"].append({**fault, "reason": finding.reason, "bytes_removed": removed})
                gone = "" if removed is None else "; removed"
                warn(f"{finding.kind}: {finding.path}: {finding.reason}{gone}")
    faults = [fault for one in stores for fault in one["faults"]]
    freed = sum(fault["bytes_removed"] or 0 for fault in faults)
    if as_json:
        print_json({"stores": stores, "bytes_freed": freed})
    if remove:
        tell(f"freed {bytes_of(freed)}")
    tell(many(len(faults), "fault") if faults else "no faults")
    if faults:
        raise typer.Exit(1)


@app.command()
def prune(
    store: Stores = None,
    work: Work = None,
    cache: Cache = None,
    older_than: Annotated[
        float | None, typer.Option(min=0, metavar="DAYS", help="Remove objects unused for so long.")
    ] = None,
    larger_than: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Those used longest ago, until each store is no larger than e.g. 10GB, 500MiB.",
        ),
    ] = None,
    unreachable: Annotated[
        bool,
        typer.Option(
            "--unreachable",
            help="Objects that neither names nor results of this project and those of --project "
            "stand on. What others make of a shared store is not known.",
        ),
    ] = False,
    project: Annotated[
        list[Path] | None, typer.Option(help="Other projects whose objects are kept.")
    ] = None,
    leftovers: Annotated[
        bool, typer.Option("--leftovers", help="Remove what interrupted jobs left in `tmp`.")
    ] = False,
    parts_older_than: Annotated[
        float,
        typer.Option(min=0, metavar="DAYS", help="Age of finished parts that count as left."),
    ] = 7,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would be removed.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Remove leftovers of interrupted jobs and, if told to, objects that fit ALL rules given.

    What is removed is only work lost: it is made again when it is needed. Not while a run is at
    work, which may be about to read it.
    """
    from susx.artifacts.project import Project
    from susx.artifacts.store import DAY
    from susx.artifacts.upkeep import PruneRules, remove, waste

    tell, warn = _lines(as_json, quiet)
    removed: list[dict[str, Any]] = []
    left = 0
    with reported_errors():
        own, stores = _looked_at(store, work, cache)
        if unreachable and own is None:
            raise InputError("--unreachable: no project here; name --work and --cache")
        reached: Named | None = None
        if unreachable and own:
            others = [Project.at(path) for path in project or []]
            reached = set().union(*(one.reached() for one in (own, *others)))
            warn("other projects that may share these stores are not known; --project keeps")
        limit = None if larger_than is None else bytes_in(larger_than)
        days = None if older_than is None else older_than * DAY
        rules = PruneRules(days, limit, reached, leftovers, parts_older_than * DAY)
        if not rules.of_objects:
            rules = PruneRules(leftovers=True, parts_kept=parts_older_than * DAY)
        for contents in _contents(stores):
            gone = waste(contents, rules, time.time())
            for one in gone:
                if not dry_run:
                    remove(contents.store, one.folder)
                verb = "would remove" if dry_run else "removed"
                tell(f"{verb} {one.folder}: {one.reason}, {bytes_of(one.size)}")
            removed += [
                {"path": str(one.folder), "bytes": one.size, "reason": one.reason} for one in gone
            ]
            left += contents.size - sum(one.size for one in gone)
    freed = sum(one["bytes"] for one in removed)
    if as_json:
        said = {"dry_run": dry_run, "removed": removed, "bytes_freed": freed, "bytes_left": left}
        print_json(said)
    would = "would free" if dry_run else "freed"
    tell(f"{would} {bytes_of(freed)}; {bytes_of(left)} left")


@app.command()
def forget(
    paths: Annotated[list[Path], typer.Argument(help="Files of `work` or `cache`, or folders.")],
    store: Annotated[str | None, typer.Option(help="Store of `cache` [of config.yaml].")] = None,
    work: Work = None,
    cache: Cache = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Remove the objects that names stand for, so that the next run makes them anew."""
    from susx.artifacts.project import Project
    from susx.artifacts.upkeep import forget_objects

    with reported_errors():
        gone = forget_objects(paths, Project.at(".", work, cache, store))
    freed = sum(size for _, size in gone)
    if as_json:
        objects = [{"path": str(path), "bytes": size} for path, size in gone]
        print_json({"forgotten": objects, "bytes_freed": freed})
    tell, _ = _lines(as_json, quiet)
    for path, size in gone:
        tell(f"forgot {path}: {bytes_of(size)}")
    tell(f"freed {bytes_of(freed)}")


def bytes_of(size: int) -> str:
    """A size for people, and exactly."""
    exact = f"{size:,} bytes"
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size >= UNITS[unit]:
            return f"{size / UNITS[unit]:.1f} {unit} ({exact})"
    return exact


def bytes_in(text: str) -> int:
    """Bytes of a size such as `10GB` or `1.5 GiB`.

    Raises:
        InputError: if it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B|)", text.strip())
    if not found:
        raise InputError(f"{text}: not a size; write bytes, or e.g. 500MB, 10GB, 1.5GiB")
    return int(float(found[1]) * UNITS[found[2]])


def _lines(as_json: bool, quiet: bool) -> tuple[Callable[[str], None], Callable[[str], None]]:
    """What prints lines on what is done, and on what is wrong."""
    return silent if as_json or quiet else say, silent if as_json else say


def _looked_at(
    stores: list[Path] | None, work: str | None, cache: str | None
) -> tuple[Project | None, list[Store]]:
    """The project here, if there is one, and the stores that are meant."""
    from susx.artifacts.project import Project
    from susx.artifacts.store import Store

    if stores and not (work or cache or Path(CONFIG).exists()):
        return None, [Store(path) for path in stores]
    project = Project.at(".", work, cache)
    return project, [Store(path) for path in stores] if stores else project.stores


def _contents(stores: list[Store]) -> Iterator[Contents]:
    from susx.artifacts.contents import contents

    return map(contents, stores)


def _described(contents: Contents, reached: Named | None) -> dict[str, Any]:
    """What `list` tells of a store, as plain values; ages in seconds, times in ISO 8601."""
    now, stages = time.time(), {}
    for stage in dict.fromkeys(one.stage for one in contents.objects):
        objects = [one for one in contents.objects if one.stage == stage]
        made = [one.made for one in objects if one.made is not None]
        among = None if reached is None else sum((stage, one.key) in reached for one in objects)
        stages[stage] = {
            "objects": len(objects),
            "bytes": sum(one.size for one in objects),
            "oldest": _iso(min(made, default=None)),
            "newest": _iso(max(made, default=None)),
            "reachable": among,
        }
    return {
        "path": str(contents.store.root),
        "objects": len(contents.objects),
        "bytes": contents.size,
        "stages": stages,
        "leftovers": [_leftover(one, now) for one in contents.leftovers],
        "foreign": list(map(str, contents.foreign)),
    }


def _leftover(one: Leftover, now: float) -> dict[str, Any]:
    return {
        "path": str(one.folder),
        "bytes": one.size,
        "age": round(now - one.changed),
        "host": one.host,
        "pid": one.pid,
        "alive": one.alive,
    }


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def _print_store(one: dict[str, Any], first: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    if not first:
        typer.echo()
    say(f"{one['path']}: {many(one['objects'], 'object')}, {bytes_of(one['bytes'])}")
    if one["stages"]:
        table = Table(box=None, pad_edge=False)
        for column in ("stage", "objects", "bytes", "size", "oldest", "newest", "reachable"):
            right = column in ("objects", "bytes", "size", "reachable")
            table.add_column(column, justify="right" if right else "left", no_wrap=True)
        for stage, row in one["stages"].items():
            size = bytes_of(row["bytes"]).split(" (")[0]
            times = [
                (row[name] or "unknown")[:16].replace("T", " ") for name in ("oldest", "newest")
            ]
            reached = "unknown" if row["reachable"] is None else f"{row['reachable']:,}"
            counts = (f"{row['objects']:,}", f"{row['bytes']:,}", size)
            table.add_row(stage, *counts, *times, reached)
        Console().print(table)
    for left in one["leftovers"]:
        say(f"left over: {left['path']}: {_state(left)}, {bytes_of(left['bytes'])}")
    for path in one["foreign"]:
        say(f"foreign: {path}")


def _state(left: dict[str, Any]) -> str:
    age = f"{left['age'] / 3600:.1f} h old"
    if left["host"] is None:
        return f"finished parts, {age}"
    states: dict[bool | None, str] = {
        True: "its process runs",
        False: "its process ended",
        None: f"of another machine, {left['host']}",
    }
    return f"{states[left['alive']]}, {age}"
