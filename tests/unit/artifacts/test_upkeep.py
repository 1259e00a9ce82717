"""`susx cache`: what lies in stores, what is damaged, what goes, and what is made anew."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from susx.artifacts.contents import contents
from susx.artifacts.ground import Storage
from susx.artifacts.project import Project
from susx.artifacts.store import DAY, Store, link
from susx.artifacts.upkeep import PruneRules, check, remove, waste
from susx.cli import app
from susx.cli.cache import bytes_in, bytes_of
from susx.core.errors import InputError
from susx.core.files import write_json
from tests.made.project import (
    CONFIG,
    EVALUATION,
    MANIFEST,
    RESULT,
    MadeProject,
    finished,
    folder_of,
    put,
    snapshot,
    write,
)

RUN = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})
HOST = socket.gethostname()
FOREIGN = "f" * 64


def cache(*arguments: str, code: int = 0) -> str:
    done = RUN.invoke(app, ["cache", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def dead_process() -> int:
    """Number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def leave(store: Store, name: str, text: str = "half", days: float = 0) -> Path:
    """Leave a folder in `tmp`."""
    folder = store.root / "tmp" / name
    write(f"{folder}/half.h5", text)
    then = time.time() - days * DAY
    for path in (folder / "half.h5", folder):
        os.utime(path, (then, then))
    return folder


def total(root: Path) -> int:
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files)


def stated_bytes(output: str) -> list[int]:
    """Exact sizes in a text."""
    return [int(found.replace(",", "")) for found in re.findall(r"([\d,]+) bytes", output)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeProject:
    """A finished project in the working folder."""
    return finished(tmp_path, monkeypatch)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of a project without anything else."""
    monkeypatch.chdir(tmp_path)
    write_json("config.yaml", CONFIG)
    return Store("work/store")


def test_a_list_counts_objects_and_what_the_project_stands_on(project: MadeProject) -> None:
    put(Store("work/store"), "of another setting", "image_manifest", made="2020-01-01T00:00:00Z")
    one, other = json.loads(cache("list", "--json"))["stores"]

    row = one["stages"]["image_manifest"]
    assert (row["objects"], row["reachable"]) == (2, 1)
    assert row["oldest"].startswith(("2020-01-01", "2019-12-31"))
    assert row["newest"] > "2026"
    assert row["bytes"] == one["bytes"] == total(Path("work/store/image_manifest"))
    assert other["stages"]["evaluate"]["reachable"] == other["objects"] == 1
    shown = cache("list")
    assert f"work/store: 2 objects, {bytes_of(one['bytes'])}" in shown
    assert re.search(r"evaluate +1 ", shown)


def test_what_only_a_result_remembers_is_reachable(project: MadeProject) -> None:
    Path(EVALUATION).unlink()
    Path(MANIFEST).unlink()
    stores = json.loads(cache("list", "--json"))["stores"]
    assert [row["reachable"] for one in stores for row in one["stages"].values()] == [1, 1]


def test_leftovers_tell_whose_they_are(store: Store) -> None:
    leave(store, f"{HOST}-{os.getpid()}-00000001")
    leave(store, f"{HOST}-{dead_process()}-00000002")
    leave(store, "node-7-42-00000003", days=2)
    leave(store, f"parts/embed_images-{FOREIGN}", days=1)
    lines = sorted(re.findall(r"left over: work/store/tmp/(\S+): (.+), 4 bytes", cache("list")))
    states = dict(re.sub(r"-\d+-0000000", "-", "=".join(line)).split("=") for line in lines)
    assert states == {
        f"{HOST}-1": "its process runs, 0.0 h old",
        f"{HOST}-2": "its process ended, 0.0 h old",
        "node-7-3": "of another machine, node-7, 48.0 h old",
        f"parts/embed_images-{FOREIGN}": "finished parts, 24.0 h old",
    }


def test_stores_are_listed_without_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    put(Store("elsewhere"), "one")
    assert re.search(r"prompts .* unknown", cache("list", "--store", "elsewhere"))
    assert "name --work and --cache" in cache(
        "prune", "--store", "elsewhere", "--unreachable", code=2
    )
    assert "config.yaml: not found" in cache("list", code=2)
    assert "0 objects" in cache("list", "--work", "w", "--cache", "c")


def test_a_store_that_is_no_folder_is_an_error(store: Store) -> None:
    write("work/store", "text")
    assert "work/store: cannot be read (Not a directory)" in cache("list", code=2)


FAULTS = {
    "contents": ("damaged", "output.txt has other contents"),
    "size": ("damaged", "output.txt has another size"),
    "link": ("damaged", "output.txt is a link"),
    "missing": ("incomplete", "output.txt is missing"),
    "no receipt": ("incomplete", "has no receipt"),
    "receipt": ("damaged", "do not fit the stored checksum"),
    "renamed": ("foreign", "its receipt is that of prompts/"),
}


def break_object(folder: Path, fault: str) -> Path:
    file = folder / "output.txt"
    text = file.read_text("utf-8")
    if fault == "contents":
        file.chmod(0o644)
        file.write_text(text[::-1], "utf-8")
    elif fault == "size":
        file.chmod(0o644)
        file.write_text(text[1:], "utf-8")
    elif fault == "link":
        file.rename("away.txt")
        file.symlink_to(Path("away.txt").absolute())
    elif fault == "missing":
        file.unlink()
    elif fault == "no receipt":
        (folder / "receipt.json").unlink()
    elif fault == "receipt":
        receipt = folder / "receipt.json"
        receipt.write_text(receipt.read_text("utf-8").replace('"version": 1', '"version": 2'))
    else:
        return folder.rename(folder.with_name(FOREIGN))
    return folder


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_removed_alone(store: Store, fault: str) -> None:
    good, bad = put(store, "intact"), put(store, "to be broken")
    assert "no faults" in cache("verify")
    place = break_object(folder_of(store, bad), fault)
    kind, reason = FAULTS[fault]

    said = cache("verify", code=1)
    assert re.search(rf"^{kind}: {place}: .*{re.escape(reason)}", said, re.MULTILINE), said
    assert "1 fault\n" in said
    size = total(store.root)
    said = cache("verify", "--remove", code=1)
    assert not place.exists()
    freed = re.search(r"^freed .*$", said, re.MULTILINE)
    assert freed and stated_bytes(freed[0])[-1] == size - total(store.root)
    assert store.find("prompts", good.recipe.key)
    assert "no faults" in cache("verify")
    if fault == "link":
        assert Path("away.txt").read_text("utf-8") == "to be broken"


def test_what_no_store_puts_there_is_told_and_left_alone(store: Store) -> None:
    put(store, "intact")
    write("work/store/notes.txt", "mine")
    write("work/store/prompts/mine/notes.txt", "mine")
    write(f"work/store/containers/{FOREIGN}/config.json", "of another program")
    write("work/store/tmp/mine/notes.txt", "mine")
    write("elsewhere/notes.txt", "mine")
    Path(f"work/store/prompts/{FOREIGN}").symlink_to(Path("elsewhere").absolute())
    said = cache("verify", "--remove", code=1)
    assert said.count("foreign: ") == 5
    assert "freed 0 bytes" in said
    cache("prune", "--older-than", "0", "--leftovers")
    assert not list(Path("work/store/prompts").glob("[0-9a-e]*/"))
    for name in ("", "prompts/mine/", "tmp/mine/"):
        assert Path(f"work/store/{name}notes.txt").exists()
    assert Path(f"work/store/containers/{FOREIGN}/config.json").exists()
    assert Path("elsewhere/notes.txt").exists()


@pytest.mark.parametrize("name", ["../other", "prompts/mine", "prompts", "tmp/mine", "tmp/parts"])
def test_only_objects_and_leftovers_can_be_removed(store: Store, name: str) -> None:
    write(f"work/store/{name}/file", "mine")
    with pytest.raises(InputError, match="no object of a store"):
        remove(store, store.root / name)
    assert Path(f"work/store/{name}/file").exists()


def test_removal_does_not_follow_links(store: Store) -> None:
    write("elsewhere/notes.txt", "mine")
    folder = folder_of(store, put(store, "one"))
    (folder / "away").symlink_to(Path("elsewhere").absolute())
    write(f"elsewhere/{FOREIGN}/file", "mine")
    (store.root / "evaluate").symlink_to(Path("elsewhere").absolute())
    with pytest.raises(InputError, match="no object of a store"):
        remove(store, store.root / "evaluate" / FOREIGN)
    cache("prune", "--older-than", "0")
    assert not folder.exists()
    assert Path("elsewhere/notes.txt").exists()
    assert Path(f"elsewhere/{FOREIGN}/file").exists()


def test_without_options_only_leftovers_go(store: Store) -> None:
    one = put(store, "one")
    gone = [
        leave(store, f"{HOST}-{dead_process()}-00000002"),
        leave(store, "node-7-42-00000003", days=1.1),
        leave(store, f"parts/prompts-{one.recipe.key}"),
        leave(store, f"parts/embed_images-{FOREIGN}", days=8),
    ]
    kept = [
        leave(store, f"{HOST}-{os.getpid()}-00000001", days=30),
        leave(store, "node-7-42-00000004", days=0.9),
        leave(store, f"parts/embed_text-{FOREIGN}", days=6),
        folder_of(store, one),
    ]
    before = total(store.root)
    dry = cache("prune", "--dry-run")
    assert [path for path in (*gone, *kept) if not path.exists()] == []
    said = cache("prune")
    assert [path.exists() for path in (*gone, *kept)] == [False] * 4 + [True] * 4
    assert said == dry.replace("would remove", "removed").replace("would free", "freed")
    *each, freed, left = stated_bytes(said)
    assert sum(each) == freed == before - total(store.root) == 16
    assert left == total(store.root)
    cache("prune", "--parts-older-than", "5")
    assert not kept[2].exists()


def test_a_dry_run_touches_nothing(project: MadeProject) -> None:
    put(Store("work/store"), "unreached")
    leave(Store("work/store"), f"{HOST}-{dead_process()}-00000002")
    before = snapshot(Path())
    rules = ("--older-than", "0", "--larger-than", "0", "--unreachable", "--leftovers")
    assert "would free" in cache("prune", *rules, "--dry-run")
    assert snapshot(Path()) == before


def aged(store: Store, *days: float) -> list[Path]:
    """Objects of the same size that were used so many days ago."""
    folders = []
    for number, age in enumerate(days):
        receipt = put(store, f"object {number}", made="2020-01-01T00:00:00Z")
        store.note_use("prompts", receipt.recipe.key)
        then = time.time() - age * DAY
        os.utime(store.root / f"used/prompts-{receipt.recipe.key}", (then, then))
        folders.append(folder_of(store, receipt))
    return folders


def test_age_is_that_of_the_last_use(store: Store) -> None:
    old, young = aged(store, 40, 20)
    never = folder_of(store, put(store, "made long ago", made="2020-01-01T00:00:00Z"))
    said = cache("prune", "--older-than", "30")
    assert [path.exists() for path in (old, young, never)] == [False, True, False]
    assert f"removed {old}: unused for 40 days" in said
    assert not (store.root / f"used/prompts-{old.name}").exists()


def test_a_store_is_cut_to_a_size_from_what_was_used_longest_ago(store: Store) -> None:
    folders = aged(store, 1, 5, 3, 4)
    each = total(folders[0])
    said = cache("prune", "--larger-than", str(2 * each))
    assert [path.exists() for path in folders] == [True, False, True, False]
    assert stated_bytes(said)[-2:] == [2 * each, 2 * each]
    assert "freed 0 bytes" in cache("prune", "--larger-than", "1GiB")


def test_all_rules_have_to_fit(store: Store) -> None:
    folders = aged(store, 1, 5, 3, 4)
    for name, folder in (("a", folders[1]), ("b", folders[0])):
        link(folder / "output.txt", f"work/{name}")
    cache("prune", "--unreachable", "--older-than", "3.5")
    assert [path.exists() for path in folders] == [True, True, True, False]
    found = contents(store)
    assert waste(found, PruneRules(older_than=10 * DAY, larger_than=0), time.time()) == []


def test_further_projects_keep_what_they_stand_on(project: MadeProject) -> None:
    shared = Store(Path("cache/store").absolute())
    mine, theirs, nobodys = (put(shared, name) for name in ("mine", "theirs", "nobody's"))
    link(folder_of(shared, mine) / "output.txt", "cache/mine.txt")
    write("other/config.yaml", json.dumps({**CONFIG, "roots": {"cache": "c"}}))
    link(folder_of(shared, theirs) / "output.txt", "other/c/theirs.txt")
    said = cache("prune", "--unreachable", "--project", "other")
    assert "not known" in said
    there = [bool(shared.find("prompts", r.recipe.key)) for r in (mine, theirs, nobodys)]
    assert there == [True, True, False]
    cache("prune", "--unreachable")
    assert not shared.find("prompts", theirs.recipe.key)
    assert "error: " in cache("prune", "--unreachable", "--project", "nowhere", code=2)
    assert project.planned().stale == {}


def test_dangling_links_are_no_trouble(project: MadeProject) -> None:
    shutil.rmtree("work/store/image_manifest")
    link(Path(f"work/store/prompts/{FOREIGN}/output.txt"), "work/dangling.txt")
    assert "work/store: 0 objects" in cache("list")
    assert "no faults" in cache("verify")
    assert "freed 0 bytes" in cache("prune", "--unreachable")


def test_a_store_that_cannot_be_written_is_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = put(store, "one")

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        for call in ("mkdir", "touch", "rename", "unlink"):
            patch.setattr(Path, call, refused)
        store.note_use("prompts", receipt.recipe.key)
        assert "1 object" in cache("list")
        assert "no faults" in cache("verify")
        said = cache("prune", "--older-than", "0", code=2)
        assert re.fullmatch(r"error: .*: cannot be removed \(Permission denied\)\n", said)
    assert store.find("prompts", receipt.recipe.key)
    assert store.last_use("prompts", receipt.recipe.key) == 0


def test_uses_are_noted_once_a_day_and_without_touching_the_object(project: MadeProject) -> None:
    store = Store("work/store")
    (one,) = contents(store).objects
    mark = store.root / f"used/{one.stage}-{one.key}"
    assert mark.exists()
    before = snapshot(one.folder)
    for age, noted in ((0.9, False), (1.1, True)):
        then = time.time() - age * DAY
        os.utime(mark, (then, then))
        project.planned().prepare(Storage("work"))
        assert (mark.stat().st_mtime > then + 1) is noted
    mark.unlink()
    project.planned().prepare(Storage("work"))
    assert mark.exists()
    assert snapshot(one.folder) == before


def test_what_is_forgotten_is_made_anew_although_results_remember_it(project: MadeProject) -> None:
    (one,) = contents(Store("work/store")).objects
    assert project.planned().stale == {}
    said = cache("forget", MANIFEST)
    assert stated_bytes(said) == [one.size] * 2
    assert not one.folder.exists()
    assert project.planned().stale[MANIFEST] == "forgotten, to be made anew"
    project.run()
    assert one.folder.exists()
    assert project.planned().stale == {}
    assert not list(Path("work/store/forgotten").iterdir())


def test_what_is_only_pruned_is_not_made_anew(project: MadeProject) -> None:
    (one,) = contents(Store("work/store")).objects
    remove(Store("work/store"), one.folder)
    assert project.planned().stale == {}


def test_a_folder_of_names_is_forgotten_at_once(project: MadeProject) -> None:
    said = cache("forget", "work/pets")
    assert f"forgot {MANIFEST}" in said
    assert f"forgot {EVALUATION}" in said
    assert [contents(store).objects for store in Project.at().stores] == [[], []]


REFUSED = {
    RESULT: "a file of its own",
    "work/nothing.json": "not found",
    "photos": "no file below it",
    "strange.txt": "stands for nothing in a store of this project",
}


@pytest.mark.parametrize("path", REFUSED)
def test_only_names_of_objects_can_be_forgotten(project: MadeProject, path: str) -> None:
    other = Store("elsewhere")
    link(folder_of(other, put(other, "one")) / "output.txt", "strange.txt")
    assert f"error: {path}: {REFUSED[path]}" in cache("forget", MANIFEST, path, code=2)
    assert Path(MANIFEST).exists()


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("500", 500), ("10GB", 10**10), ("1.5 GiB", 3 * 2**29), ("2KB", 2000)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert bytes_in(text) == size


@pytest.mark.parametrize("text", ["", "ten", "10G", "-1", "1e3"])
def test_other_sizes_are_refused(store: Store, text: str) -> None:
    assert "not a size" in cache("prune", f"--larger-than={text}", code=2)


def test_sizes_are_told_for_people_and_exactly() -> None:
    assert [bytes_of(size) for size in (0, 1023, 1536, 3 * 2**40)] == [
        *("0 bytes", "1,023 bytes", "1.5 KiB (1,536 bytes)"),
        "3.0 TiB (3,298,534,883,328 bytes)",
    ]


def test_what_goes_meanwhile_is_no_fault(store: Store) -> None:
    put(store, "one")
    found = contents(store)
    shutil.rmtree(store.root)
    assert list(check(found)) == []
