"""Models that are on the hub, or were meant to be, and files of those that are not."""

import socket
from functools import partial
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import HfApi, constants, errors
from transformers import AutoConfig

from susx.config.encoders import TOKENIZER, local_files, published_models
from susx.config.schema import EncoderSettings
from susx.core.errors import InputError
from susx.encoders import hub, load_encoder
from susx.encoders.hub import folder_of, load_failure


def http_error(kind: type[errors.HfHubHTTPError]) -> Exception:
    error = kind.__new__(kind)
    Exception.__init__(error, "401 Client Error.\nlong explanation with a trace identifier")
    return error


FAILURES = [
    (http_error(errors.GatedRepoError), "it is gated: accept its terms"),
    (http_error(errors.RepositoryNotFoundError), "no such model on the hub, or it is private"),
    (http_error(errors.RevisionNotFoundError), "correct `revision`"),
    (errors.LocalEntryNotFoundError("offline"), "the hub cannot be reached"),
    (errors.OfflineModeIsEnabled("offline"), "HF_HUB_OFFLINE is set"),
    (errors.EntryNotFoundError("404"), "it lacks a file that is needed"),
    (ValueError("first line\nsecond line"), "ValueError: first line"),
]


@pytest.mark.parametrize(("cause", "says"), FAILURES, ids=lambda p: type(p).__name__)
def test_failure_of_the_hub_is_one_line_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, cause: Exception, says: str
) -> None:
    def fails(*arguments: object, **options: object) -> None:
        if isinstance(cause, ValueError):
            raise cause
        raise OSError("We could not connect\nand so on") from cause

    monkeypatch.setattr(AutoConfig, "from_pretrained", fails)
    with pytest.raises(InputError) as caught:
        load_encoder(EncoderSettings(library="transformers", model="owner/name", device="cpu"))
    text = str(caught.value)
    assert text.startswith("encoder model owner/name: cannot be loaded with transformers: ")
    assert says in text
    assert "\n" not in text


def test_trouble_with_a_folder_is_not_blamed_on_the_hub(tmp_path: Path) -> None:
    error = OSError("config.json is broken")
    error.__cause__ = errors.LocalEntryNotFoundError("offline")
    assert load_failure(error, str(tmp_path)) == "OSError: config.json is broken"


def test_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    assert folder_of(str(tmp_path), None, ["*.json"]) == tmp_path


def test_snapshot_is_of_the_pinned_revision(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = {}

    def download(model: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.update(model=model, revision=revision, patterns=allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr(hub, "snapshot_download", download)
    assert folder_of("owner/name", "abc", ["*.json"]) == tmp_path
    assert asked == {"model": "owner/name", "revision": "abc", "patterns": ["*.json"]}


def test_missing_snapshot_is_named() -> None:
    with pytest.raises(InputError, match=r"encoder model owner/name: .*HF_HUB_OFFLINE is set"):
        folder_of("owner/name", None, ["*.json"])


@pytest.mark.parametrize("model", ["owner/name", "no/such/folder"])
def test_model_of_the_hub_has_no_local_files(model: str) -> None:
    assert local_files(EncoderSettings(library="transformers", model=model)) == []


def test_an_empty_name_is_refused_in_the_configuration() -> None:
    with pytest.raises(ValueError, match="is empty; name a file or folder"):
        EncoderSettings(library="transformers", model="")


def test_local_files_are_all_that_a_library_could_read(tmp_path: Path) -> None:
    names = ["1_Pooling/config.json", "config.json", "merges.txt", "processor_config.json"]
    for name in [*names, "README.md", ".gitattributes", ".cache/huggingface/config.json"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "preprocessor_config.json").mkdir()
    found = local_files(EncoderSettings(library="transformers", model=str(tmp_path)))
    assert found == [f"{tmp_path}/{name}" for name in names]
    one = local_files(EncoderSettings(library="transformers", model=str(tmp_path / "README.md")))
    assert one == [str(tmp_path / "README.md")]


def test_models_of_the_hub_are_those_that_are_not_here(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").touch()
    here = str(tmp_path)
    cases = [
        (
            EncoderSettings(library="transformers", model="openai/clip", revision="v1"),
            [("openai/clip", "v1")],
        ),
        (EncoderSettings(library="transformers", model=here), []),
        (EncoderSettings(library="open-clip", model="hf-hub:laion/x"), [("laion/x", None)]),
        (EncoderSettings(library="open-clip", model="openai", architecture="RN50"), []),
        (EncoderSettings(library="blip", model=here), [(TOKENIZER, None)]),
        (
            EncoderSettings(library="blip", model=here, tokenizer="bert-base-uncased"),
            [("bert-base-uncased", None)],
        ),
        (EncoderSettings(library="blip", model=here, tokenizer=here), []),
    ]
    for settings, models in cases:
        assert published_models(settings) == models, settings


ASKED = [
    (http_error(errors.RepositoryNotFoundError), "no such model on the hub"),
    (http_error(errors.GatedRepoError), "it is gated"),
    (http_error(errors.RevisionNotFoundError), "correct `revision`"),
    (errors.HFValidationError("a//b"), "it is no hub identifier"),
    (http_error(errors.HfHubHTTPError), None),
    (TimeoutError(), None),
]


MODEL = ("owner/name", "abc", "model")
DATASET = ("owner/pool", None, "dataset")


def at(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Take a port of this machine for the hub."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "HfApi", partial(HfApi, f"http://127.0.0.1:{port}"))


def test_a_hub_that_nobody_answers_for_is_told_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    at(monkeypatch, port)
    unreached = hub.HubFiles(note=hub.UNREACHABLE, lacking=True, silent=True, is_unreached=True)
    assert hub.hub_files([MODEL, DATASET]) == dict.fromkeys([MODEL, DATASET], unreached)


def test_a_hub_that_is_slow_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        at(monkeypatch, server.getsockname()[1])
        assert hub.hub_files([MODEL]) == {MODEL: hub.SILENT}


def test_who_is_asked_for_too_long_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = Event()
    monkeypatch.setattr(hub, "PATIENCE", 0.05)

    def answers(self: object, name: str, **how: Any) -> SimpleNamespace:
        if name == "owner/pool":
            ended.wait()
        return SimpleNamespace(siblings=[], gated=False)

    monkeypatch.setattr(hub, "is_offline_mode", lambda: False)
    monkeypatch.setattr(hub.HfApi, "repo_info", answers)
    try:
        assert hub.hub_files([DATASET, MODEL]) == {DATASET: hub.SILENT, MODEL: hub.HubFiles({})}
    finally:
        ended.set()


def test_the_hub_tells_how_large_files_are(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answers(self: object, name: str, **how: Any) -> SimpleNamespace:
        asked.append((name, how["revision"], how["repo_type"]))
        assert how["timeout"] <= 10 and how["files_metadata"]
        files = [
            SimpleNamespace(rfilename="a.bin", size=3),
            SimpleNamespace(rfilename="b", size=None),
        ]
        return SimpleNamespace(siblings=files, gated="manual")

    monkeypatch.setattr(hub, "is_offline_mode", lambda: False)
    monkeypatch.setattr(hub.HfApi, "repo_info", answers)
    told = hub.HubFiles({"a.bin": 3, "b": 0}, hub.GATED)
    assert hub.hub_files([MODEL, DATASET]) == {MODEL: told, DATASET: told}
    assert sorted(asked, key=str) == [MODEL, DATASET]


@pytest.mark.parametrize(("cause", "says"), ASKED, ids=lambda p: type(p).__name__)
def test_a_hub_without_an_answer_tells_no_size(
    monkeypatch: pytest.MonkeyPatch, cause: Exception, says: str | None
) -> None:
    def answers(self: object, name: str, **how: Any) -> SimpleNamespace:
        raise cause

    monkeypatch.setattr(hub, "is_offline_mode", lambda: False)
    monkeypatch.setattr(hub.HfApi, "repo_info", answers)
    found = hub.hub_files([MODEL])[MODEL]
    assert found.sizes is None
    assert (found.lacking, found.silent) == ((False, True) if says is None else (True, False))
    assert (says or "its address is that of HF_ENDPOINT") in found.note


def test_the_hub_is_not_asked_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "is_offline_mode", lambda: True)
    found = hub.hub_files([MODEL])[MODEL]
    assert found.lacking and found.silent and not found.is_unreached
    assert "HF_HUB_OFFLINE is set" in found.note
