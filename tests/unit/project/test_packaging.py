"""Locked versions, environments, and what importing the library costs."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
LOCK_TEXT = (ROOT / "requirements.lock").read_text("utf-8")
LOCK = [line for line in LOCK_TEXT.splitlines() if line and not line.startswith("#")]
PIN = re.compile(r"([a-z0-9][a-z0-9._-]*)==([0-9][0-9a-z.!]*)")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    pins = [PIN.fullmatch(line) for line in LOCK]
    return {normalised(pin[1]): pin[2] for pin in pins if pin}


def test_lock_pins_every_package_exactly_and_says_nothing_else() -> None:
    assert [line for line in LOCK if not PIN.fullmatch(line)] == []
    assert len(locked()) == len(LOCK) > 20


def test_lock_names_no_host_and_no_local_version() -> None:
    assert not re.search(r"://|\+|@|--|\.(com|org|net|io|local)\b", LOCK_TEXT)


def test_lock_has_the_promised_torch() -> None:
    assert "torch==2.13.0" in LOCK


@pytest.mark.parametrize(
    "group",
    [
        "dependencies",
        "dev",
        "docs",
        "faiss",
        "heic",
        "open-clip",
        "report",
        "sd",
        "siglip",
        "slurm",
    ],
)
def test_declared_dependencies_are_locked(group: str) -> None:
    declared = (
        PROJECT["dependencies"]
        if group == "dependencies"
        else PROJECT["optional-dependencies"][group]
    )
    names = [normalised(re.split(r"[<>=!~ \[;]", requirement)[0]) for requirement in declared]
    assert [name for name in names if name not in locked()] == []


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.name)
def test_environments_have_the_locked_versions(path: Path) -> None:
    dependencies = yaml.safe_load(path.read_text("utf-8"))["dependencies"]
    lines = [line for part in dependencies if isinstance(part, dict) for line in part["pip"]]
    assert lines
    pins = {normalised(m[1]): m[2] for line in lines if (m := PIN.fullmatch(line))}
    assert len(pins) == len(lines)
    assert pins.items() <= locked().items()


@pytest.mark.parametrize(
    ("name", "extras"), [("susx", []), ("llm", ["llm"]), ("encoders", ["open-clip", "siglip"])]
)
def test_an_environment_has_every_dependency(name: str, extras: list[str]) -> None:
    text = (ROOT / f"envs/{name}.yaml").read_text("utf-8")
    lines = yaml.safe_load(text)["dependencies"][-1]["pip"]
    names = {normalised(line.split("==")[0]) for line in lines}
    optional = [d for extra in extras for d in PROJECT["optional-dependencies"][extra]]
    declared = [*PROJECT["dependencies"], *optional]
    assert names == {normalised(re.split(r"[<>=]", d)[0]) for d in declared}


@pytest.mark.parametrize(("environment", "extra"), [("synthesis", "sd"), ("report", "report")])
def test_an_environment_with_an_extra_adds_only_that(environment: str, extra: str) -> None:
    lines = {
        name: yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text("utf-8"))["dependencies"][-1]
        for name in ("susx", environment)
    }
    added = set(lines[environment]["pip"]) - set(lines["susx"]["pip"])
    assert set(lines["susx"]["pip"]) < set(lines[environment]["pip"])
    declared = {re.split(r"[<>=]", d)[0] for d in PROJECT["optional-dependencies"][extra]}
    assert {line.split("==")[0] for line in added} == declared


def test_configuration_is_parsed_without_heavy_libraries() -> None:
    code = (
        "import sys, susx.config, susx.pools.shards, susx.methods, susx.manifests.classes\n"
        "import susx.prompts.strategies, susx.images.listing, susx.core.compute, susx.encoders\n"
        "import susx.evaluation.schema, susx.evaluation.statistics, susx.manifests.names\n"
        "import susx.prompts.descriptions, susx.prompts.language_models, susx.prompts.sentences\n"
        "import susx.datasets.sources, susx.cli\n"
        "heavy = {'torch', 'transformers', 'h5py', 'pyarrow', 'PIL', 'scipy', 'snakemake', "
        "'webdataset', 'openai'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def imported(path: Path) -> set[str]:
    """Modules that a file imports, anywhere."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_snakemake_is_known_in_few_places() -> None:
    paths = (ROOT / "susx").rglob("*.py")
    known = re.compile(r"snakemake(\.|$)")
    knowing = {
        path.relative_to(ROOT).as_posix() for path in paths if any(map(known.match, imported(path)))
    }
    assert knowing == {"susx/cli/run.py", "susx/workflow/graph.py"}


@pytest.mark.parametrize(
    ("files", "forbidden"),
    [
        ("evaluation/intervals.py", r"susx|torch|h5py|pathlib"),
        ("evaluation/statistics.py", r"torch|h5py|pathlib"),
        ("evaluation/protocol.py", r"h5py|pathlib"),
        ("evaluation/schema.py", r"torch|h5py|numpy"),
        ("methods/*.py", r"susx\.core\.files|h5py|pathlib"),
        ("search/*.py", r"h5py|pathlib"),
        ("embeddings/cache.py", r"susx\.(?!core\b)\w+|torch"),
        ("classifier/[!e]*.py", r"susx\.(search|evaluation\.(protocol|results|inputs))"),
        ("prompts/sentences.py", r"susx\.(?!prompts\b)\w+|pathlib"),
        ("prompts/thoughts.py", r"susx|pathlib"),
        ("prompts/lists.py", r"susx|pathlib"),
        ("prompts/lines.py", r"susx\.(?!prompts\b)\w+|pathlib"),
        ("prompts/chatter.py", r"susx|pathlib"),
    ],
)
def test_dependencies_point_one_way(files: str, forbidden: str) -> None:
    paths = sorted((ROOT / "susx").glob(files))
    assert paths
    pattern = re.compile(rf"(?:{forbidden})(?:\.|$)")
    found = {str(p): sorted(filter(pattern.match, imported(p))) for p in paths}
    assert {path: names for path, names in found.items() if names} == {}
