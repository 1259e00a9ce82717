"""Encoders: their files, and which settings decide what a cache holds."""

from pathlib import Path

import pytest

from susx.core.errors import InputError
from susx.planning import encoders
from susx.planning.setup import Setup
from tests.planned_world import setup_of


def test_files_of_a_local_model_are_read(setup: Setup) -> None:
    assert encoders.model_files(setup, "clip") == ["model/config.json"]
    assert encoders.hub_models(setup, "clip") == []
    assert encoders.listed_models(setup, "clip") == {"models": ["model"]}


def test_a_model_of_the_hub_has_no_files(setup: Setup) -> None:
    assert encoders.model_files(setup, "hub") == []
    assert encoders.hub_models(setup, "hub") == [("owner/name", None)]


def test_a_model_in_a_folder_of_the_pipeline_is_refused() -> None:
    Path("work/model").mkdir(parents=True)
    setup = setup_of(lambda c: c["encoders"]["clip"].update(model="work/model"))
    with pytest.raises(InputError, match=r"config.yaml: encoders.clip.model: work/model lies in"):
        encoders.model_files(setup, "clip")


def test_a_local_model_is_known_by_its_files_not_by_its_place(setup: Setup) -> None:
    settings = encoders.encoder_settings(setup, "clip")
    runs = encoders.encoder_runs(setup, "clip")["runs"]
    assert settings.keys().isdisjoint(runs)
    assert {"model", "device", "batch_size", "threads"} <= runs.keys()
    assert encoders.encoder_settings(setup, "hub")["model"] == "hf-hub:owner/name"
    assert encoders.exported_settings(setup, "clip")["model"] == "model"
    assert encoders.patch_settings(setup, "clip") == settings | {"store": "float16"}


def test_jobs_ask_for_what_the_encoder_runs_on(setup: Setup) -> None:
    assert (encoders.encoder_gpus(setup, "clip"), encoders.encoder_gpus(setup, "hub")) == (0, 1)
    assert encoders.encoder_threads(setup, "clip") == 4


def test_features_are_evaluated_as_of_one_encoder(setup: Setup) -> None:
    assert encoders.evaluated_encoders(setup, "tiny") == ["clip", "hub"]
    assert encoders.evaluated_encoders(setup, "keys") == ["RN101"]
    named = setup_of(lambda config: config.update(evaluation={"encoders": ["hub"]}))
    assert encoders.evaluated_encoders(named, "tiny") == ["hub"]
    assert encoders.encoder_model_name(setup, "clip") == "model"
    assert encoders.encoder_model_name(setup, "RN101") is None
