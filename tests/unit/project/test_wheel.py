"""The wheel: what it holds and says of itself, and that it runs the pipeline without a checkout."""

import json
import re
import shutil
import subprocess
import sys
import tarfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from susx.core.pipeline import PIPELINE, SNAKEFILE
from tests.made.checkout import checkout_files
from tests.pages import ROOT
from tests.workflow.project import clean_environment
from workflow_scripts.susx_job import load_package

PARTS = ("Snakefile", "config.yaml", "envs/", "profiles/", "rules/", "workflow_scripts/")
"""What the workflow is made of, beside the package."""
PAGE = re.compile(r"docs/\w+\.md")
ENCODER = {"library": "transformers", "model": "model"}
CLASSES = "work/pets/classes.json"
FOREIGN = f"""
from susx.core.pipeline import SNAKEFILE

configfile: "config.yaml"

module susx:
    snakefile: SNAKEFILE
    config: config

use rule * from susx

rule count:
    input: "{CLASSES}"
    output: "count.txt"
    shell: "wc -c < {{input}} > {{output}}"
"""
MODELS = ("demo/diffusion_model/", "demo/model/")
RELATIVE = re.compile(r"\]\((?!\w+:|#)[^)]*\)")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")))
    return Path(path)


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with nothing but the wheel."""
    folder = tmp_path_factory.mktemp("site-packages")
    shutil.unpack_archive(wheel, folder, "zip")
    return folder


@pytest.fixture(scope="session")
def metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        return message_from_bytes(archive.read(name))


def test_it_holds_the_package_and_the_workflow_and_nothing_else(wheel: Path) -> None:
    tracked = checkout_files()
    wanted = {name for name in tracked if name.startswith("susx/")}
    wanted |= {f"susx/pipeline/{name}" for name in tracked if name.startswith(PARTS)}
    wanted |= {f"susx/pipeline/{name}" for name in tracked if PAGE.fullmatch(name)}
    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == wanted
    assert {"susx/py.typed", "susx/pipeline/Snakefile"} < names
    assert wheel.stat().st_size < 2 << 20  # the demo's models have 14 MB


def test_the_source_archive_lacks_the_models_and_nothing_else(tmp_path: Path) -> None:
    (path,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path))
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = {*checkout_files()}
    left_out = {name for name in tracked if name.startswith(MODELS)}
    assert names == (tracked - left_out) | {"PKG-INFO"}
    assert {"demo/model/model.safetensors", "demo/config.yaml"} - left_out == {"demo/config.yaml"}


def test_its_page_leads_nowhere_that_is_not_there(metadata: Message) -> None:
    page = str(metadata.get_payload())
    assert "begins at its home page" in " ".join(page.split()) and "https://arxiv.org" in page
    assert RELATIVE.findall(page) == []
    assert RELATIVE.search((ROOT / "README.md").read_text("utf-8"))


def test_it_says_what_it_needs(metadata: Message) -> None:
    required = metadata.get_all("Requires-Dist") or []
    light = {re.split(r"[<>=\[;]", line)[0] for line in required if "extra ==" not in line}
    assert {"torch", "transformers"} <= light
    assert not light & {"snakemake", "pyarrow", "h5py"}
    assert [line for line in required if line.startswith("torch") and "==" in line] == []
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Typing :: Typed" in (metadata.get_all("Classifier") or [])


def test_a_checkout_is_its_own_installation() -> None:
    assert PIPELINE == ROOT
    assert SNAKEFILE.is_file()


def run(installed: Path, folder: Path, *arguments: str) -> str:
    """Run Python in a folder, where susx is that of the wheel; return what it says."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**clean_environment(), "PYTHONPATH": str(installed)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a configuration, and nothing of a checkout."""
    pets = {"classes": ["pug", "boxer"], "images": {"unlabelled": "photos"}}
    config = {"datasets": {"pets": pets}, "encoders": {"clip": {**ENCODER}}}
    (tmp_path / "config.yaml").write_text(json.dumps(config), "utf-8")
    return tmp_path


def test_it_runs_outside_a_checkout(installed: Path, project: Path) -> None:
    """`susx run` plans with the workflow of the wheel, and a job loads the package around it."""
    call = ("-c", "from susx.cli import app; app()", "run", "--cores", "1", CLASSES)
    said = run(installed, project, *call)
    made = json.loads((project / CLASSES).read_text("utf-8"))
    assert [entry["name"] for entry in made["classes"]] == ["pug", "boxer"]
    assert str(installed / "susx/pipeline") in said
    assert str(ROOT) not in said


@pytest.mark.long
def test_its_rules_are_a_module_of_other_workflows(installed: Path, project: Path) -> None:
    (project / "Snakefile").write_text(FOREIGN, "utf-8")
    call = ("-m", "snakemake", "--cores", "1", "count.txt")
    assert "2 of 2 steps" in run(installed, project, *call)
    assert (project / "count.txt").read_text("utf-8").strip().isdigit()
    assert "Nothing to be done" in run(installed, project, *call, "--dry-run")
    text = (project / "config.yaml").read_text("utf-8").replace("pug", "beagle")
    (project / "config.yaml").write_text(text, "utf-8")
    assert "2 of 2 steps" in run(installed, project, *call)


def test_a_job_takes_its_package_alone_from_around_the_workflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages/susx"
    (package / "pipeline").mkdir(parents=True)
    (package / "__init__.py").write_text("from susx.part import PLACE\n", "utf-8")
    (package / "part.py").write_text("PLACE = __file__\n", "utf-8")
    path = list(sys.path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "susx"]:
        monkeypatch.delitem(sys.modules, name)

    load_package(package / "pipeline")

    import susx

    assert str(package / "part.py") == susx.PLACE  # type: ignore[attr-defined]
    assert sys.path == path
    monkeypatch.delitem(sys.modules, "susx.part")
