"""What jobs need and lack is told before the first of them starts, and only if they would run."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.workflow.project import REPO, RESULT, Outcome, Project

WITHOUT = """
import sys
sys.modules.update(dict.fromkeys({modules!r}))
from snakemake.cli import main
main({arguments!r})
"""

pytestmark = pytest.mark.pipeline


def attempt_without(project: Project, modules: list[str], *targets: str) -> Outcome:
    """Plan where some packages are not installed."""
    arguments = project.command("--dry-run", *targets)[3:]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(modules=modules, arguments=arguments)],
        cwd=project.root,
        env=project.cold_environment({"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(REPO)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    return Outcome(done.returncode, done.stdout)


def test_missing_extra_of_an_encoder_is_named(fresh_project: Project) -> None:
    fresh_project.path("model/open_clip_config.json").write_text("{}", "utf-8")
    fresh_project.change_config(lambda c: c["encoders"]["clip"].update(library="open-clip"))

    outcome = attempt_without(fresh_project, ["open_clip"], RESULT)

    assert outcome.returncode != 0
    assert outcome.output.splitlines()[-1] == (
        "config.yaml: encoders.clip: needs open_clip, which is not installed: "
        "pip install 'susx[open-clip]'"
    )
    assert fresh_project.files("logs") == set()


def test_missing_extra_of_an_index_is_named(fresh_project: Project) -> None:
    for name in ("laion/image.index", "laion/metadata/metadata_0.parquet"):
        fresh_project.path(name).parent.mkdir(parents=True, exist_ok=True)
        fresh_project.path(name).write_bytes(b"")
    pool = {"layout": "embeddings", "path": "laion", "encoder": "clip"}

    def change(config: dict[str, Any]) -> None:
        config["pools"]["web"] = pool | {"index": "laion/image.index"}
        del config["supports"]["lc"]["encoder"]

    fresh_project.change_config(change)

    outcome = attempt_without(fresh_project, ["faiss"], RESULT)

    assert outcome.returncode != 0
    assert outcome.output.splitlines()[-1] == (
        "rule search_index: needs faiss, which is not installed: pip install 'susx[faiss]'"
    )


def test_what_is_made_already_needs_nothing(project: Project) -> None:
    done = attempt_without(project, ["altair"], RESULT)
    assert (done.returncode, done.made) == (0, set()), done.output

    outcome = attempt_without(project, ["altair"], "results/report.html")

    says = "rule summary: needs altair, which is not installed: pip install 'susx[report]'"
    assert outcome.returncode != 0
    assert says in outcome.output.splitlines()


def test_every_wrong_model_is_named_at_once(fresh_project: Project) -> None:
    (fresh_project.path("blip")).mkdir()
    fresh_project.path("blip/config.json").write_text(json.dumps({"model_type": "blip"}), "utf-8")
    wrong = {
        "folder": {"library": "open-clip", "model": "blip"},
        "file": {"library": "tcl", "model": "model/nowhere.pth"},
    }
    fresh_project.change_config(lambda c: c["encoders"].update(wrong))

    lines = fresh_project.attempt("--dry-run", RESULT).output.splitlines()

    assert lines[-2:] == [
        "config.yaml: encoders.file.model: model/nowhere.pth: not found",
        "config.yaml: encoders.folder.model: blip: is a folder in the format of another library; "
        "set `library: blip`",
    ]
