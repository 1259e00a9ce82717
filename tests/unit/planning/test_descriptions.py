"""What a language model writes, in chunks of classes."""

from pathlib import Path

import pytest

from susx.core.errors import InputError
from susx.planning import descriptions
from susx.planning.setup import Setup
from tests.planned_world import NAMES, setup_of

LOCAL, SERVER = ("asked", "descriptions"), ("asked", "descriptors")


def test_classes_are_asked_about_in_chunks(setup: Setup) -> None:
    assert descriptions.described_datasets(setup) == {"asked"}
    assert descriptions.chunk_files(setup, *LOCAL) == [
        f"work/asked/replies/descriptions/{number:04d}.json" for number in range(2)
    ]
    assert list(descriptions.chunk_names(setup, *LOCAL, chunk="0000")) == NAMES[:3]
    assert list(descriptions.chunk_names(setup, *LOCAL, chunk="0001")) == NAMES[3:]
    assert descriptions.chunk_names(setup, *SERVER, chunk="0000")["café"] == "café"


def test_bad_class_names_are_told_before_anything_is_asked(setup: Setup) -> None:
    Path("classes.txt").write_text("zebra\nzebra\n", "utf-8")
    with pytest.raises(InputError, match=r'classes.txt: class "zebra" stands at entries 1 and 2'):
        descriptions.chunk_files(setup, *LOCAL)


def test_nothing_is_written_where_no_model_is_named(setup: Setup) -> None:
    with pytest.raises(InputError) as caught:
        descriptions.written(setup, "tiny", "descriptions")
    assert str(caught.value) == (
        "config.yaml: datasets.tiny.descriptions: names no language model to write them"
    )


def test_a_local_model_is_read_and_needs_a_device(setup: Setup) -> None:
    assert descriptions.language_model_files(setup, *LOCAL) == ["writer/model.safetensors"]
    assert descriptions.local_language_model(setup, *LOCAL) == {"models": ["writer"]}
    assert descriptions.hub_language_model(setup, *LOCAL) == []
    assert descriptions.language_model_threads(setup, *LOCAL) == 3
    assert descriptions.language_model_gpus(setup, *LOCAL) == 1
    assert descriptions.language_model_requests(setup, *LOCAL) == 0
    files = ["writer/model.safetensors"]
    assert descriptions.language_model_memory(setup, *LOCAL, files, 2) == 2 * (4000 + 3 * 2)


def test_a_server_needs_neither(setup: Setup) -> None:
    assert descriptions.language_model_files(setup, *SERVER) == []
    assert descriptions.hub_language_model(setup, *SERVER) == []
    assert descriptions.language_model_threads(setup, *SERVER) == 1
    assert descriptions.language_model_gpus(setup, *SERVER) == 0
    assert descriptions.language_model_requests(setup, *SERVER) == 8
    assert descriptions.language_model_memory(setup, *SERVER, [], 1) == 1000


def test_a_model_of_the_hub_is_named_with_its_revision() -> None:
    model = {"backend": "transformers", "model": "owner/name", "revision": "abc"}
    setup = setup_of(lambda config: config["language_models"].update(local=model))
    assert descriptions.hub_language_model(setup, *LOCAL) == [("owner/name", "abc")]
    assert descriptions.language_model_files(setup, *LOCAL) == []


def test_how_a_model_runs_is_apart_from_what_it_writes(setup: Setup) -> None:
    runs = descriptions.language_model_runs(setup, *LOCAL)
    assert runs["name"] == "local"
    assert set(runs["runs"]) == {"device", "batch_size", "threads"}
    settings = descriptions.language_model_settings(setup, *LOCAL)
    assert settings.keys().isdisjoint(runs["runs"])
    assert {"questions", "seed"} < descriptions.asked_settings(setup, *LOCAL).keys()
    assert "chunk" not in descriptions.asked_settings(setup, *LOCAL)
