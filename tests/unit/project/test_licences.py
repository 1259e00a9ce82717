"""The page of licences."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from docs.generate_licences import NOT_INSTALLED, PAGE, ROOT, licence, locked

LOCK = (ROOT / "requirements.lock").read_text("utf-8")


def rows(path: Path) -> dict[str, tuple[str, str]]:
    """Version and licence by name."""
    lines = [line.strip("| ").split(" | ") for line in path.read_text("utf-8").splitlines()]
    return {cells[0]: (cells[1], cells[2]) for cells in lines if len(cells) == 3}


def test_the_page_has_the_locked_packages() -> None:
    listed = rows(PAGE)
    listed.pop("package")
    assert {name: version for name, (version, _) in listed.items()} == locked(LOCK)
    assert len(listed) > 100


def test_every_package_states_its_licence_and_the_page_has_it() -> None:
    for name, (locked_version, stated) in rows(PAGE).items():
        assert stated not in ("", "not stated", "not installed"), name
        try:
            installed = version(name).partition("+")[0]
        except PackageNotFoundError:
            continue
        if installed == locked_version:
            assert licence(name) == stated


def test_what_is_not_installed_is_told() -> None:
    assert licence("no-such-package") == "not installed"
    assert set(NOT_INSTALLED) <= set(locked(LOCK))
