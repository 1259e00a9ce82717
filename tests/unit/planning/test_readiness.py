"""What jobs need and lack is told before the first of them starts."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from susx.artifacts.ground import Job
from susx.core.errors import InputError
from susx.encoders.hub import UNREACHABLE, HubFiles, HubRepository
from susx.planning import readiness
from susx.planning.hub import HubAnswers
from susx.planning.run import PlannedJob
from susx.planning.setup import Setup
from tests.planned_world import setup_of


def job(rule: str, hub: object = (), **names: str) -> PlannedJob:
    """A job of a rule."""
    return PlannedJob(Job(rule, {}, {}, {"hub": hub, "kept": None}), names)


def refusal(
    setup: Setup, *jobs: PlannedJob, hub: HubAnswers | None = None, has_own_packages: bool = True
) -> str:
    """What is said of jobs that cannot run."""
    with pytest.raises(InputError) as caught:
        readiness.require_ready(setup, jobs, hub, has_own_packages)
    return str(caught.value)


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    """No extra is installed."""
    monkeypatch.setattr(readiness, "extra_problem", lambda extra: f"needs {extra}")


def test_jobs_that_have_all_are_ready(setup: Setup) -> None:
    jobs = [job("class_manifest", dataset="tiny"), job("embed_text", encoder="clip")]
    readiness.require_ready(setup, jobs, HubAnswers(), has_own_packages=False)


@pytest.mark.parametrize(
    ("planned", "says"),
    [
        (job("report", dataset="tiny"), "rule report: needs report"),
        (job("download_support", support="vectors"), "rule download_support: needs web"),
        (job("search_index", support="index"), "rule search_index: needs faiss"),
        (
            job("describe_classes", dataset="asked", texts="descriptors"),
            "config.yaml: language_models.server: needs llm",
        ),
        (job("embed_text", encoder="hub"), "config.yaml: encoders.hub: needs open-clip"),
        (
            job("download_support", support="captions"),
            "config.yaml: encoders.hub: needs open-clip\nrule download_support: needs web",
        ),
    ],
    ids=["rule", "download", "index", "server", "encoder", "judge"],
)
def test_a_missing_package_is_told_with_what_needs_it(
    planned: PlannedJob, says: str, lacking: None, setup: Setup
) -> None:
    assert refusal(setup, planned, planned, has_own_packages=False) == says


@pytest.mark.parametrize(
    "planned",
    [
        job("download_support", support="files"),
        job("describe_classes", dataset="asked", texts="descriptions"),
        job("embed_text", encoder="clip"),
    ],
    ids=["images of this machine", "model of this machine", "transformers"],
)
def test_what_needs_no_extra_is_ready(planned: PlannedJob, lacking: None, setup: Setup) -> None:
    readiness.require_ready(setup, [planned], None, has_own_packages=False)


def test_packages_that_are_deployed_are_not_looked_for(lacking: None, setup: Setup) -> None:
    jobs = [job("report", dataset="tiny")]
    readiness.require_ready(setup, jobs, None, has_own_packages=True)


def test_a_model_of_another_library_is_told_before_the_hub_is_asked() -> None:
    setup = setup_of(lambda c: c["encoders"]["clip"].update(library="open-clip"))
    planned = job("embed_text", hub=[("owner/name", None)], encoder="clip")
    assert refusal(setup, planned, hub=HubAnswers()) == (
        "config.yaml: encoders.clip.model: model: is a folder in the format of another library; "
        "set `library: transformers`"
    )


def test_every_model_that_cannot_be_loaded_is_told_at_once() -> None:
    Path("blip").mkdir()
    Path("blip/config.json").write_text(json.dumps({"model_type": "blip"}), "utf-8")
    wrong = {
        "file": {"library": "tcl", "model": "model/nowhere.pth"},
        "folder": {"library": "open-clip", "model": "blip"},
        "lost": {"library": "transformers", "model": "models/nowhere"},
    }
    setup = setup_of(lambda c: c["encoders"].update(wrong))
    assert refusal(setup, *(job("embed_text", encoder=encoder) for encoder in wrong)) == (
        "config.yaml: encoders.file.model: model/nowhere.pth: not found\n"
        "config.yaml: encoders.folder.model: blip: is a folder in the format of another library; "
        "set `library: blip`\n"
        "config.yaml: encoders.lost.model: models/nowhere: not found"
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[HubRepository]]:
    """What a hub was asked for, which has nothing."""
    calls: list[list[HubRepository]] = []

    def answers(repositories: Iterable[HubRepository]) -> dict[HubRepository, HubFiles]:
        calls.append([*repositories])
        return {one: HubFiles(note="it is not there", lacking=True) for one in calls[-1]}

    monkeypatch.setattr("susx.encoders.hub.hub_files", answers)
    return calls


def test_models_that_the_hub_has_not_are_told(
    setup: Setup, asked: list[list[HubRepository]]
) -> None:
    model: Any = [("owner/name", "abc")]
    jobs = [
        job("embed_text", hub=model, encoder="hub"),
        job("describe_classes", hub=model, dataset="asked", texts="descriptions"),
        job("synthesise", hub=model, support="drawn"),
    ]
    keys = ("encoders.hub", "language_models.local", "supports.drawn")
    says = [f"config.yaml: {key}: owner/name: it is not there" for key in keys]
    hub = HubAnswers()
    for _ in range(2):
        assert refusal(setup, *jobs, hub=hub).splitlines() == says
    assert asked == [[("owner/name", "abc", "model")]]
    readiness.require_ready(setup, jobs, None, has_own_packages=True)


def test_models_in_the_cache_of_the_hub_are_not_asked_for(
    setup: Setup, asked: list[list[HubRepository]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "snapshot_folder", lambda name, revision: Path(name))
    planned = job("embed_text", hub=[("owner/name", None)], encoder="hub")
    readiness.require_ready(setup, [planned], HubAnswers(), has_own_packages=True)
    assert asked == []


def test_a_hub_that_cannot_be_reached_is_told_where_jobs_run(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = HubFiles(note=UNREACHABLE, lacking=True, silent=True, is_unreached=True)
    monkeypatch.setattr("susx.encoders.hub.hub_files", lambda models: dict.fromkeys(models, nobody))
    planned = job("embed_text", hub=[("owner/name", None)], encoder="hub")
    assert refusal(setup, planned, hub=HubAnswers()).endswith(f"owner/name: {UNREACHABLE}")
    readiness.require_ready(setup, [planned], HubAnswers(), True, run_elsewhere=True)
