"""Looking ahead at a run: what it takes and lacks, and how that is said."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from susx.artifacts.ground import Job, Storage
from susx.encoders import hub
from susx.encoders.hub import HubFiles, HubRepository
from susx.planning.costs import StepCost
from susx.planning.datasets import image_files, image_settings, lacks_images, listed_files
from susx.planning.downloads import Download, loaded_size, needed_downloads
from susx.planning.forecast import DAY, Forecast, forecast, rough_number
from susx.planning.gaps import Gaps
from susx.planning.hub import HubAnswers
from susx.planning.machine import Machine
from susx.planning.run import PlannedJob, RunJobs
from susx.planning.setup import Setup
from susx.planning.staleness import ONCE, decide, preview
from susx.planning.words import first_screen, headline, rough_size, rough_time, step_time
from tests.planned_world import CONFIG, setup_of

MODEL = ("owner/name", None)


def planned(setup: Setup, rule: str, names: dict[str, str], **params: Any) -> PlannedJob:
    kept = Storage(setup.work, setup.stores, setup.stores[0])
    output = f"{setup.work}/{rule}-{'-'.join(names.values())}"
    return PlannedJob(Job(rule, {}, {"output": output}, {"kept": "own", **params}, kept), names)


def drawing(setup: Setup, chunk: str = "00000") -> PlannedJob:
    names = {"dataset": "tiny", "support": "drawn", "chunk": chunk}
    return planned(setup, "synthesise", names, settings={"model": "m"}, hub=[MODEL])


def run_of(*jobs: PlannedJob, **how: Any) -> RunJobs:
    outputs = {path for job in jobs for path in job.outputs}
    return RunJobs(list(jobs), outputs, outputs, **how)


def step(seconds: float, jobs: int = 1, **more: Any) -> StepCost:
    values = {"things": {"images": 9}, "size": 2e9, "fetched": 0.0, "unknown": 0} | more
    return StepCost("images", jobs, 2, seconds=seconds, basis="assumed", **values)


@pytest.fixture
def silent_hub(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A hub that is not reached; what it was asked."""
    asked: list[Any] = []

    def answers(repositories: Iterable[HubRepository]) -> dict[HubRepository, HubFiles]:
        asked.append([*repositories])
        return dict.fromkeys(asked[-1], HubFiles(note="the hub cannot be reached", silent=True))

    monkeypatch.setattr(hub, "hub_files", answers)
    return asked


def with_gaps(config: dict[str, Any]) -> Setup:
    return Setup.of(config, Gaps())


def test_missing_images_are_noted_and_planning_goes_on() -> None:
    config = {**CONFIG, "datasets": {"card": {**CONFIG["datasets"]["card"]}}}
    config["datasets"]["card"]["images"] = {"root": "gone"}
    setup = with_gaps(config)
    assert image_files(setup, "card", "test") == []
    assert listed_files(setup, "card", "test") == {}
    assert image_settings(setup, "card", "test")["source"]["name"] == "list"
    assert lacks_images(setup, "card")
    made = forecast(setup, [], set(), HubAnswers())
    assert made.missing == ["config.yaml: datasets.card.images.root: folder not found: gone"]


def test_a_card_tells_where_its_images_are_published() -> None:
    images = {"root": "gone"}
    setup = with_gaps({**CONFIG, "datasets": {"imagenet": {"card": "imagenet", "images": images}}})
    image_files(setup, "imagenet", "test")
    (line,) = forecast(setup, [], set(), HubAnswers()).missing
    assert "folder not found: gone; `download: true` with `source`, one of" in line
    assert line.endswith(
        "ImageNet (ILSVRC 2012) is published at https://www.image-net.org/, licence: For "
        "non-commercial research and education, on registration."
    )


def test_a_source_that_an_earlier_run_made_is_told_as_done(setup: Setup) -> None:
    made, due = (
        PlannedJob(Job("demo_pool", {}, {"output": f"pool/{tar}.tar"}, {"kept": ONCE, "size": 9}))
        for tar in ("000", "002")
    )
    Path("pool").mkdir(exist_ok=True)
    Path(*made.outputs).touch()
    (cost,) = preview(setup, run_of(made, due)).steps
    assert (cost.step, cost.jobs, cost.current) == ("demo data", 1, 1)
    done = preview(setup, run_of(made))
    assert headline(done) == "nothing to do: 1 job current"
    assert [step_time(cost) for cost in done.steps] == ["done"]
    told = decide(setup, run_of(made, due, deploys=True)).told
    assert told[0].startswith("plan: 1 job to do, 1 current; ")


def test_a_run_asks_the_hub_once_for_what_it_needs(silent_hub: list[Any], setup: Setup) -> None:
    decide(setup, run_of(drawing(setup), deploys=True))
    assert silent_hub == [[(*MODEL, "model")]]


def test_a_preview_notes_what_would_end_a_run(silent_hub: list[Any]) -> None:
    setup = with_gaps(CONFIG)
    receipt = Storage(setup.work, setup.stores).receipt_file("work/old.json")
    receipt.parent.mkdir(parents=True)
    receipt.touch()
    job = drawing(setup)
    before = {*Path().rglob("*")}
    run = replace(run_of(job), read={"work/old.json", *job.outputs})
    made = preview(setup, run)
    assert made.jobs == 1
    assert any("work/old.json was made before" in line for line in made.missing)
    assert {*Path().rglob("*")} == before


def test_a_run_begins_with_what_it_will_take(silent_hub: list[Any], setup: Setup) -> None:
    job = drawing(setup)
    told = decide(setup, run_of(job, deploys=True)).told
    assert told[0].startswith("plan: 1 job to do, 0 current; ")
    assert "fetches 1 of a size not known" in told[0]
    for how in ({"is_dry": True}, {"is_quiet": True}, {"is_locked": True}):
        assert decide(setup, run_of(job, deploys=True, **how)).told == []


def test_an_error_in_estimating_stops_no_run(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: Any) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("susx.planning.staleness.forecast", fails)
    told = decide(setup, run_of(planned(setup, "collate", {"dataset": "tiny"}))).told
    assert told == ["plan: no estimate (ZeroDivisionError: by nothing)"]


def test_what_takes_days_is_warned_of_with_its_switch(
    silent_hub: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("susx.planning.forecast.timed_machine", lambda: Machine(2, 1e9))
    setup = setup_of(lambda c: c["supports"]["drawn"].update(size=10_000))
    job = drawing(setup)
    made = forecast(setup, [job], {*job.outputs}, HubAnswers())
    (warning,) = made.warnings
    assert warning.startswith("support: synthesis may take ")
    assert "days here, without a GPU; leave out " in warning
    assert '"drawn" by `evaluation: {supports: [lc, ' in warning
    assert f"warning: {warning}" in [*first_screen(made)]
    json.dumps(made.plain())


def test_the_hub_is_asked_once_after_it_kept_silent(silent_hub: list[Any], setup: Setup) -> None:
    fast = drawing(setup)
    other = planned(
        setup,
        "embed_text",
        {"encoder": "hub", "dataset": "tiny", "strategy": "photo"},
        hub=[("owner/other", None)],
    )
    answers = HubAnswers()
    found = needed_downloads(setup, [fast, fast, other], answers)
    captions = {"dataset": "tiny", "support": "captions", "shard": "0"}
    shard = {"path": "hf://datasets/owner/pool/0.parquet"}
    needed_downloads(setup, [planned(setup, "match_captions", captions, shard=shard)], answers)
    assert silent_hub == [[(*MODEL, "model"), ("owner/other", None, "model")]]
    assert [(one.name, one.keys) for one in found] == [
        ("owner/name", ("config.yaml: supports.drawn",)),
        ("owner/other", ("config.yaml: encoders.hub",)),
    ]
    assert {one.note for one in found} == {"the hub cannot be reached"}


def test_data_sets_of_the_hub_are_weighed(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"data/0.parquet": 3, "data/1.parquet": 4, "test/0.tar": 5, "README.md": 1}
    told = HubFiles(sizes, "it is gated")
    monkeypatch.setattr(hub, "hub_files", lambda wanted: dict.fromkeys(wanted, told))
    address = "hf://datasets/owner/pool"
    shards = [
        planned(
            setup,
            "match_captions",
            {"dataset": "tiny", "support": "captions", "shard": str(number)},
            shard={"path": f"{address}/data/{number}.parquet"},
        )
        for number in (0, 1)
    ]
    download = {"address": address, "pattern": "test/*.tar", "names": [], "key": "config.yaml: x"}
    images = planned(
        setup, "download_dataset", {"dataset": "fetched", "split": "test"}, download=download
    )
    found = {one.kind: one for one in needed_downloads(setup, [*shards, images], HubAnswers())}
    assert (found["pool"].size, found["images"].size) == (7, 5)
    assert found["pool"].note == "it is gated"
    elsewhere = replace(
        images,
        job=replace(images.job, params={"download": download | {"address": "https://x.org/y"}}),
    )
    assert needed_downloads(setup, [elsewhere], HubAnswers())[0].size is None
    unclear = replace(images, job=replace(images.job, params={"download": {"address": None}}))
    assert needed_downloads(setup, [unclear], HubAnswers()) == []


def test_only_what_a_library_loads_is_weighed() -> None:
    clip = {"model.safetensors": 10, "pytorch_model.bin": 10, "flax_model.msgpack": 10}
    assert loaded_size(clip | {"config.json": 1, "README.md": 5}) == 11
    parts = {f"model-0000{i}-of-00002.safetensors": 6 for i in (1, 2)}
    assert loaded_size(parts | {"pytorch_model.bin": 12}) == 12
    pipeline = {
        "model_index.json": 1,
        "whole.safetensors": 100,
        "unet/diffusion_pytorch_model.safetensors": 20,
        "unet/diffusion_pytorch_model.fp16.safetensors": 10,
        "vae/diffusion_pytorch_model.bin": 3,
    }
    assert loaded_size(pipeline) == 24


def test_numbers_are_rough() -> None:
    assert [rough_number(value) for value in (0.34, 8.7, 12.3, 4567)] == ["0.3", "9", "10", "5,000"]
    assert rough_time(20, 50) == "< 1 min"
    assert rough_time(70, 280) == "1 to 5 min"
    assert rough_time(30, 120) == "up to 2 min"
    assert rough_time(3600, 4 * 3600) == "1 to 4 h"
    assert rough_time(2 * 3600, 3 * 3600, is_measured=True) == "about 2 h"
    assert rough_time(2 * DAY, 8 * DAY) == "2 to 8 days"
    assert [rough_size(size) for size in (None, 3, 2.2e9)] == ["size not known", "< 1 MB", "2 GB"]


def test_a_short_run_begins_with_a_line_and_a_long_one_with_a_dozen() -> None:
    assert [*first_screen(Forecast([], [step(0, jobs=0)]))] == []
    (line,) = first_screen(Forecast([], [step(60)]))
    assert line == "plan: 1 job to do, 2 current; up to 2 min on this machine; keeps 2 GB"
    many = Forecast([], [step(7200)] * 8, [], [], ["slow"] * 20)
    lines = [*first_screen(many)]
    assert len(lines) <= 12
    assert lines[1] == "  images: 1 to 4 h (assumed), 9 images"


def test_a_headline_tells_what_is_not_known() -> None:
    downloads = [Download("a", ("x",), "model", size=10**9), Download("b", ("y",), "model")]
    made = Forecast([], [step(60, unknown=1, fetched=1e9)], downloads)
    assert "and 1 job whose time is not known" in headline(made)
    assert headline(made).endswith("fetches 2 GB and 1 of a size not known")
    assert headline(Forecast([], [step(0, jobs=0)])) == "nothing to do: 2 jobs current"
