"""Things that are found by name: built in, or brought by packages that are installed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from susx.config import parse_config
from susx.config.cards import Card
from susx.config.encoders import LIBRARIES
from susx.config.pools import POOLS
from susx.config.problems import problem_lines
from susx.config.sources import LAYOUTS
from susx.config.texts import BACKENDS
from susx.core.errors import InputError
from susx.core.registry import Registry, packages_behind, packages_called
from susx.methods import METHODS
from tests import warm
from tests.pages import ROOT
from tests.small_package import SMALL, install_small, write_dist_info
from tests.warm import clean_environment

FRUIT = {"apple": 1, "pear": "math:pi"}
REGISTRIES = (METHODS, LIBRARIES, LAYOUTS, POOLS, BACKENDS)


def fruit(problem: Callable[[str, Any], str | None] = lambda name, found: None) -> Registry[Any]:
    return Registry("fruit", "susx.fruit", FRUIT, problem)


@pytest.fixture
def install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, dict[str, str]], Path]:
    """Install a package with entry points of fruit, in a folder of its own on the path."""

    def installed(name: str, entries: dict[str, str]) -> Path:
        folder = tmp_path / name
        write_dist_info(folder, name, "1.0", {"susx.fruit": entries})
        monkeypatch.syspath_prepend(folder)
        return folder

    return installed


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small package, installed."""
    monkeypatch.syspath_prepend(install_small(tmp_path / "site"))
    return tmp_path / "site"


def test_built_in_things_are_there_at_once_or_imported_when_used() -> None:
    assert fruit()["apple"] == 1
    assert fruit()["pear"] == pytest.approx(3.14159, abs=1e-5)
    assert list(fruit()) == fruit().built_in == ["apple", "pear"]
    with pytest.raises(KeyError):
        fruit()["plum"]


def test_a_package_adds_behind_what_is_built_in(install: Any) -> None:
    install("susx-figs", {"fig": "math:tau", "date": "math:e"})
    assert list(fruit()) == ["apple", "pear", "date", "fig"]
    assert fruit().added == ["date", "fig"]
    assert "fig" in fruit() and len(fruit()) == 4
    assert fruit()["fig"] == pytest.approx(6.28319, abs=1e-5)


def test_a_name_of_nothing_is_told_with_those_there_are(install: Any) -> None:
    install("susx-figs", {"fig": "math:tau"})
    says = 'no fruit "figg"; did you mean "fig"?; there are "apple", "pear", "fig"'
    with pytest.raises(InputError) as told:
        fruit().named("figg")
    assert str(told.value) == says


@pytest.mark.parametrize(
    ("entries", "owners"), [("apple", "susx and by susx-a"), ("fig", "susx-a and by susx-b")]
)
def test_a_name_given_twice_is_an_error_that_names_both(
    install: Any, entries: str, owners: str
) -> None:
    for name in ("susx-b", "susx-a")[entries == "apple" :]:
        install(name, {entries: "math:tau"})
    with pytest.raises(InputError, match=f'fruit "{entries}" is brought by {owners}; uninstall'):
        fruit()[entries]
    assert fruit()["pear"]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("nothing_of_this_name:X", "ModuleNotFoundError"),
        ("math:nothing", "AttributeError"),
        ("raises_here:X", "ZeroDivisionError"),
    ],
)
def test_what_cannot_be_imported_is_told_when_it_is_used(
    install: Any, place: str, reason: str
) -> None:
    folder = install("susx-figs", {"fig": place})
    (folder / "raises_here.py").write_text("1 / 0\n", "utf-8")
    assert list(fruit()) == ["apple", "pear", "fig"]
    assert fruit()["apple"] == 1
    says = rf'package susx-figs: entry point "fig" of susx\.fruit: {place} cannot .*{reason}'
    with pytest.raises(InputError, match=says):
        fruit()["fig"]
    with pytest.raises(InputError, match=says):
        list(fruit().values())


def test_what_is_of_another_kind_is_told(install: Any) -> None:
    install("susx-figs", {"fig": "math:tau"})
    with pytest.raises(InputError, match=r"package susx-figs: .*math:tau is no fruit"):
        fruit(lambda name, found: "is no fruit")["fig"]


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda r: r.kind)
def test_every_registry_refuses_what_is_no_such_thing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry[Any]
) -> None:
    write_dist_info(tmp_path, "susx-figs", "1.0", {registry.group: {"fig": "math:tau"}})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"package susx-figs: .* is no "):
        registry["fig"]


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda r: r.kind)
def test_every_registry_refuses_the_name_of_what_is_built_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry[Any]
) -> None:
    name = registry.built_in[0]
    write_dist_info(tmp_path, "susx-figs", "1.0", {registry.group: {name: "math:tau"}})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=f'"{name}" is brought by susx and by susx-figs'):
        registry.named(name)


def test_a_method_has_the_name_of_its_entry(
    small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entries = {"susx.methods": {"middles": "susx_small.method:CENTRES"}}
    write_dist_info(tmp_path / "other", "susx-other", "1.0", entries)
    monkeypatch.syspath_prepend(tmp_path / "other")
    with pytest.raises(InputError, match='is a Method called "centres"'):
        METHODS["middles"]


def test_a_package_is_known_by_name_version_and_code(small: Path) -> None:
    used = METHODS.packages("zero-shot", "centres") | LIBRARIES.packages("small")
    assert used == {"susx.methods": ["centres"], "susx.encoders": ["small"]}
    assert METHODS.packages("zero-shot") == {}
    (package,) = packages_behind(used)
    assert (package.name, package.version) == ("susx-small", "1.0")
    assert packages_called("susx-small") == [package]
    with pytest.raises(InputError, match=r'no installed package brings "plum" of susx\.methods'):
        packages_behind({"susx.methods": ["plum"]})


def identities(paths: list[Path]) -> list[str]:
    """Of the small package, as a process finds it that looks there."""
    code = (
        "from susx.core.registry import packages_called\n"
        "print(packages_called('susx-small')[0].identity)"
    )
    return [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": f"{path}:{ROOT}", "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for path in paths
    ]


def test_identities_differ_by_version_and_code_and_not_by_place(tmp_path: Path) -> None:
    places = [install_small(tmp_path / name) for name in ("a", "b", "edited")]
    places.append(install_small(tmp_path / "newer", "1.1"))
    (tmp_path / "edited/susx_small/__init__.py").write_text("# another\n", "utf-8")
    first, same, edited, newer = identities(places)
    assert first == same
    assert len({first, edited, newer}) == 3


def test_an_installer_writes_what_the_tests_lay_out(tmp_path: Path) -> None:
    project = tmp_path / "project"
    install_small(project)
    (project / "pyproject.toml").write_bytes((SMALL / "pyproject.toml").read_bytes())
    (about,) = project.glob("*.dist-info")
    laid_out = (about / "entry_points.txt").read_text("utf-8").split()
    for file in [*about.iterdir()]:
        file.unlink()
    about.rmdir()
    options = ["--no-index", "--no-build-isolation", "--no-deps", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *options]
    subprocess.run([*command, "--target", str(tmp_path / "site"), str(project)], check=True)
    (about,) = (tmp_path / "site").glob("*.dist-info")
    assert sorted((about / "entry_points.txt").read_text("utf-8").split()) == sorted(laid_out)
    assert identities([tmp_path / "site"]) == identities([install_small(tmp_path / "laid-out")])


@pytest.mark.long
def test_all_that_the_package_brings_keeps_the_contracts(tmp_path: Path) -> None:
    site = install_small(tmp_path)
    chosen = "small or zip or parrot or centres or held_to_the_contract"
    env = {**clean_environment(), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/contract", "-k", chosen, "-q", "-n", "0"],
        cwd=ROOT,
        env=warm.environment(env),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.rsplit(" passed", 1)[0].split()[-1]) > 80


def test_planning_imports_nothing_heavy_of_a_package(small: Path) -> None:
    code = (
        "import sys\n"
        "from susx.methods import METHODS\n"
        "from susx.config.encoders import LIBRARIES\n"
        "from susx.config.sources import LAYOUTS\n"
        "from susx.config.pools import POOLS\n"
        "from susx.config.texts import BACKENDS\n"
        "things = [METHODS['centres'], LIBRARIES['small'], LAYOUTS['zip'], POOLS['zip']]\n"
        "things.append(BACKENDS['parrot'])\n"
        "print(sorted({'torch', 'transformers', 'PIL', 'pyarrow'} & set(sys.modules)))"
    )
    env = {"PYTHONPATH": f"{small}:{ROOT}", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_importing_asks_for_no_packages() -> None:
    code = (
        "import importlib.metadata\n"
        "own = importlib.metadata.entry_points\n"
        "def of_group(*, group):\n"  # as pydantic asks
        "    return own(group=group)\n"
        "importlib.metadata.entry_points = of_group\n"
        "import susx.config, susx.methods, susx.encoders, susx.pools.shards\n"
        "import susx.datasets.sources, susx.prompts.language_models"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_sections_of_a_package_are_strict_and_kept_whole(small: Path) -> None:
    data: dict[str, Any] = {
        "datasets": {"pets": {"classes": ["cat"], "images": {"test": "images"}}},
        "encoders": {"own": {"library": "small", "model": "m", "contrast": 2.0}},
        "pools": {"web": {"layout": "zip", "path": "p.zip"}},
        "language_models": {"writer": {"backend": "parrot"}},
    }
    dumped = parse_config(data).model_dump()
    assert dumped["encoders"]["own"]["contrast"] == 2.0
    assert dumped["pools"]["web"]["captions"] == "captions.json"
    assert dumped["language_models"]["writer"]["voice"] == "Everyone sees that"
    wrong = data | {
        "encoders": {"own": {"library": "small", "model": "m", "contrst": 2.0, "contrast": -1.0}},
        "pools": {
            "web": {"layout": "zip", "path": "p.zip", "caption": "x"},
            "b": {"layout": "zop"},
        },
        "language_models": {"writer": {"backend": "parrot", "voice": 3}},
    }
    with pytest.raises(InputError) as told:
        parse_config(wrong)
    assert str(told.value).splitlines() == [
        "config.yaml: language_models.writer.voice: Input should be a valid string (got 3)",
        "config.yaml: encoders.own.contrast: Input should be greater than 0 (got -1.0)",
        'config.yaml: encoders.own.contrst: unknown key; did you mean "contrast"?',
        'config.yaml: pools.web.caption: unknown key; did you mean "captions"?',
        "config.yaml: pools.b.layout: expected one of 'folder', 'webdataset', 'parquet', "
        "'embeddings', 'captions', 'service', 'zip' (got 'zop')",
    ]


def test_a_card_takes_a_layout_of_a_package(small: Path) -> None:
    source: dict[str, Any] = {"name": "z", "layout": "zip", "splits": {"test": "t.zip"}}
    card = {"title": "Pets", "classes": ["cat"]}
    found = Card.model_validate(card | {"sources": [source]})
    assert found.model_dump()["sources"][0]["splits"] == {"test": "t.zip"}
    with pytest.raises(ValidationError) as told:
        Card.model_validate(card | {"sources": [source | {"splitz": {}}, {"layout": "zop"}]})
    assert problem_lines(told.value, Card) == [
        'sources.0.splitz: unknown key; did you mean "splits"?',
        "sources.1.layout: expected one of 'class-folders', 'coop-json', 'fgvc-lists', "
        "'cub-lists', 'cifar', 'csv', 'webdataset', 'parquet', 'ilsvrc', 'zip' (got 'zop')",
    ]
