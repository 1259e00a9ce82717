"""Locked versions, environments, and what importing the library costs."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from docs.generate_environments import ENVIRONMENTS, environment, needed, pages

ROOT = Path(__file__).parents[3]
LOCK_TEXT = (ROOT / "requirements.lock").read_text("utf-8")
LOCK = [line for line in LOCK_TEXT.splitlines() if line and not line.startswith("#")]
PIN = re.compile(r"([a-z0-9][a-z0-9._-]*)==([0-9][0-9a-z.!]*)")
LIBRARIES = [f"encoders/{name}.py" for name in ("transformers_models", "blip", "open_clip_models")]
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
        "pipeline",
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


def test_environments_and_container_are_those_of_pyproject_and_lock() -> None:
    written = dict(pages())
    assert {path.relative_to(ROOT).as_posix() for path in written} == {
        "Dockerfile",
        *(f"envs/{path.name}" for path in (ROOT / "envs").iterdir()),
    }
    assert {path.name: path.read_text("utf-8") for path in written} == {
        path.name: text for path, text in written.items()
    }


def test_an_environment_pins_what_is_needed_and_no_more() -> None:
    project = {
        "requires-python": ">=3.12",
        "dependencies": ["A-b>=1", "torch>=2"],
        "optional-dependencies": {"more": ["c[d]<3", "torch"], "other": ["e"]},
    }
    lock = "a-b==1.5\nc==2.0\ne==4\ntorch==2.13.0\n"
    made = yaml.safe_load(environment(["more"], project, lock))["dependencies"]
    assert made == ["python=3.12", "pip", {"pip": ["a-b==1.5", "c==2.0", "torch==2.13.0"]}]
    with pytest.raises(KeyError, match="torch"):
        environment([], project, lock.replace("torch", "pytorch"))


def test_rules_name_environments_that_are_there() -> None:
    rules = "".join(path.read_text("utf-8") for path in (ROOT / "rules").glob("*.smk"))
    assert set(re.findall(r"envs/(\w+)\.yaml", rules)) == {*ENVIRONMENTS}


@pytest.mark.parametrize("roots", [["classifier/file.py"], ["cli/__init__.py"], LIBRARIES])
def test_classifiers_need_no_extra(roots: list[str]) -> None:
    """What is imported at the tops of modules, from those that `susx classify` begins with."""
    waiting, seen, foreign = [ROOT / "susx" / root for root in roots], set[Path](), set[str]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in imported_at_top(path):
            own = ROOT / Path(*name.split("."))
            files = [own.with_suffix(".py"), own / "__init__.py"]
            waiting += [file for file in files if file.is_file() and name.startswith("susx")]
            foreign.add(name.partition(".")[0])
    modules = {"huggingface-hub": "huggingface_hub", "pillow": "PIL", "pyyaml": "yaml"}
    modules |= {"python-slugify": "slugify", "pydantic": "pydantic"}
    core = {modules.get(name, name) for name in needed(PROJECT, [])} | {"pydantic_core"}
    assert foreign - core - sys.stdlib_module_names - {"susx"} == set()


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


def imported_at_top(path: Path) -> set[str]:
    """Modules that importing a file imports."""
    names = set()
    for node in ast.parse(path.read_text("utf-8")).body:
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
    own = {f"susx/workflow/{name}.py" for name in ("forks", "graph", "scheduler")}
    assert knowing == {"susx/cli/run.py", *own}


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
