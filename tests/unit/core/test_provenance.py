"""The code that makes numbers."""

import subprocess
from pathlib import Path

import pytest

from susx.core import provenance
from susx.core.provenance import PACKAGES, git_commit, made_with


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def committed(folder: Path) -> str:
    """Commit of a new repository of all that a folder holds."""
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")
    return git(folder, "rev-parse", "HEAD")


def package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package in a folder; the commit is then asked of it."""
    module = folder / "susx/core/provenance.py"
    module.parent.mkdir(parents=True)
    module.write_text("x = 1\n")
    monkeypatch.setattr(provenance, "__file__", str(module))
    return module


def test_commit_of_the_code_is_marked_when_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = package(tmp_path, monkeypatch)
    commit = committed(tmp_path)
    assert git_commit() == commit
    module.write_text("x = 2\n")
    assert git_commit() == f"{commit}+"


@pytest.mark.parametrize("ignored", [False, True])
def test_a_foreign_repository_around_the_package_is_not_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ignored: bool
) -> None:
    """As where a project under version control holds the environment that the package is in."""
    (tmp_path / "config.yaml").write_text("x: 1\n")
    (tmp_path / ".gitignore").write_text(".venv\n" if ignored else "")
    committed(tmp_path)
    package(tmp_path / ".venv/lib", monkeypatch)
    assert git_commit() is None


def test_the_package_is_found_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = package(tmp_path / "own", monkeypatch)
    commit = committed(tmp_path / "own")
    (tmp_path / "link").symlink_to(module.parent)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "link" / module.name))
    assert git_commit() == commit


@pytest.mark.parametrize("repository", [False, True], ids=["no repository", "no commit"])
def test_code_outside_a_repository_has_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: bool
) -> None:
    package(tmp_path, monkeypatch)
    if repository:
        git(tmp_path, "init", "--quiet")
        git(tmp_path, "add", ".")
    assert git_commit() is None


def test_what_makes_numbers_is_told() -> None:
    made = made_with()
    assert list(made) == ["git_commit", "versions", "python", "machine"]
    assert list(made["versions"]) == list(PACKAGES)
    assert made["versions"]["torch"].startswith("2.13.0")
