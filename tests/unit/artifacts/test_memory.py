"""What is remembered of files and folders, and when it is looked at again."""

import os
import shutil
import time
from pathlib import Path

import pytest

from susx.artifacts.memory import NOT_THERE, Memory
from susx.core.files import sha256_file

LONG_AGO = 10**9  # seconds since 1970


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "memory"


@pytest.fixture
def old_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that runs ahead, so that no file counts as young."""
    now = time.time_ns
    monkeypatch.setattr("susx.artifacts.memory.time.time_ns", lambda: now() + 10**10)


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


@pytest.mark.usefixtures("old_clock")
def test_a_file_is_hashed_once(memory: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a", "one")

    first = Memory(memory).sha256(path)

    assert first == sha256_file(path)
    assert Memory(memory, budget=0).sha256(path) == first


@pytest.mark.usefixtures("old_clock")
@pytest.mark.parametrize("how", ["replaced", "same size and time", "link switched", "touched"])
def test_a_change_is_a_change_older_or_newer(how: str, memory: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "real", "one")
    if how == "link switched":
        link = tmp_path / "link"
        link.symlink_to(path)
        path = str(link)
    first = Memory(memory).sha256(path)
    state = Path(path).stat()
    if how == "replaced":
        other = write(tmp_path / "other", "two")
        os.utime(other, (LONG_AGO, LONG_AGO))
        Path(other).replace(path)
    elif how == "link switched":
        os.utime(write(tmp_path / "other", "two"), (LONG_AGO, LONG_AGO))
        Path(path).unlink()
        Path(path).symlink_to(tmp_path / "other")
    else:
        write(Path(path), "one" if how == "touched" else "two")
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))

    assert Memory(memory, budget=0).sha256(path) is None
    assert (Memory(memory).sha256(path) == first) == (how == "touched")


def test_a_young_file_is_not_remembered(memory: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a", "one")
    Memory(memory).sha256(path)

    assert Memory(memory, budget=0).sha256(path) is None
    assert Memory(memory).recalled(path) is None


def test_a_settled_file_is_remembered_however_young(memory: Path, tmp_path: Path) -> None:
    from susx.core.stamps import stamp_of

    path = write(tmp_path / "a", "one")
    Memory(memory).remember(path, "digest", stamp_of(path), settled=True)

    assert Memory(memory, budget=0).sha256(path) == "digest"


def test_what_is_no_file_is_not_there(memory: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")

    for name in ("pipe", "dangling", "missing"):
        assert Memory(memory).sha256(str(tmp_path / name)) == NOT_THERE


def test_a_budget_is_for_all_files_together(memory: Path, tmp_path: Path) -> None:
    paths = [write(tmp_path / str(i), "x" * 60) for i in range(3)]
    looking = Memory(memory, budget=130)

    assert [looking.identity(path) is None for path in paths] == [False, False, True]
    assert looking.identity(write(tmp_path / "model", "y" * 500), at_any_cost=True) is not None
    assert looking.identity(write(tmp_path / "small", "z")) is not None


@pytest.mark.usefixtures("old_clock")
def test_folders_are_looked_at_to_the_bottom(memory: Path, tmp_path: Path) -> None:
    root = tmp_path / "images"
    write(root / "ant/deep/er/0.png", "zero")
    before = Memory(memory).identity(str(root))
    state = (root / "ant").stat()
    write(root / "ant/deep/er/1.png", "one")
    os.utime(root / "ant", ns=(state.st_atime_ns, state.st_mtime_ns))

    assert Memory(memory, budget=0).identity(str(root)) is None
    after = Memory(memory).identity(str(root))
    assert after != before
    (root / "ant/deep/er/1.png").unlink()
    assert Memory(memory, budget=0).identity(str(root)) == before


@pytest.mark.usefixtures("old_clock")
def test_links_are_followed_and_circles_end(memory: Path, tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "images", tmp_path / "elsewhere"
    write(root / "ant/0.png", "zero")
    write(elsewhere / "1.png", "one")
    (root / "bee").symlink_to(elsewhere)
    (root / "ant/again").symlink_to(root)
    before = Memory(memory).identity(str(root))
    write(elsewhere / "1.png", "two")

    assert Memory(memory).identity(str(root)) not in (None, before)


@pytest.mark.usefixtures("old_clock")
def test_equal_folders_have_equal_identities(memory: Path, tmp_path: Path) -> None:
    root = tmp_path / "images"
    write(root / "ant/0.png", "zero")
    write(root / ".git/index", "hidden")
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    write(tmp_path / "copy/.snakemake_timestamp", "")
    write(tmp_path / "copy/.git/index", "other")

    assert Memory(memory).identity(str(root)) == Memory(memory).identity(str(tmp_path / "copy"))


@pytest.mark.usefixtures("old_clock")
def test_a_file_that_a_list_names_appears(memory: Path, tmp_path: Path) -> None:
    paths = [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    write(tmp_path / "a.png", "a")
    before = Memory(memory).listing("list", paths)
    write(tmp_path / "b.png", "b")

    assert Memory(memory).listing("list", paths) != before


def test_damaged_memory_is_forgotten(memory: Path, tmp_path: Path) -> None:
    root = tmp_path / "images"
    write(root / "ant/0.png", "zero")
    before = Memory(memory).identity(str(root))
    for path in memory.rglob("*.*"):
        path.write_text("[1, 2")

    assert Memory(memory).identity(str(root)) == before


def test_a_place_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("a file")
    path = write(tmp_path / "a", "one")

    assert Memory(tmp_path / "memory").sha256(path) == sha256_file(path)


@pytest.mark.usefixtures("old_clock")
def test_a_file_of_the_future_is_remembered(memory: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a", "one")
    os.utime(path, (4 * LONG_AGO, 4 * LONG_AGO))
    first = Memory(memory).sha256(path)

    assert Memory(memory, budget=0).sha256(path) == first
