"""The hub of the tests answers the libraries as the real one does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, HfFileSystem, hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError

from tests.hub import SHA, TOKEN, Hub, point_to, serving

MODEL = "owner/model"
DATASET = "datasets/owner/pairs"
FILES = {"config.json": b"{}", "unet/a.safetensors": bytes(range(200)), "unet/config.json": b"[]"}
PARTS = {f"data/part-{n}.parquet": bytes([n]) * 100 for n in range(2)} | {"README.md": b"#"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with serving({MODEL: FILES, DATASET: PARTS}) as hub:
        point_to(hub, monkeypatch, tmp_path / "cache")
        yield hub


def test_a_model_tells_its_commit_and_the_sizes_of_its_files(hub: Hub) -> None:
    api = HfApi(endpoint=hub.endpoint)
    info = api.model_info(MODEL)
    assert (info.id, info.sha, info.gated) == (MODEL, SHA, False)
    assert info.siblings is not None
    assert [sibling.rfilename for sibling in info.siblings] == list(FILES)
    tree = {entry.path: entry for entry in api.list_repo_tree(MODEL, recursive=True)}
    assert {path: tree[path].size for path in FILES} == {k: len(v) for k, v in FILES.items()}
    assert [entry.path for entry in api.list_repo_tree(MODEL)] == ["unet", "config.json"]
    inner = [entry.path for entry in api.list_repo_tree(MODEL, "unet")]
    assert inner == ["unet/a.safetensors", "unet/config.json"]


def test_only_files_of_a_pattern_are_sent_and_only_once(hub: Hub) -> None:
    for _ in range(2):
        folder = Path(snapshot_download(MODEL, allow_patterns=["unet/*"]))
    assert (folder / "unet/a.safetensors").read_bytes() == FILES["unet/a.safetensors"]
    sent = hub.repositories[MODEL].sent
    assert sent == {"unet/a.safetensors": 200, "unet/config.json": 2}
    assert hub.sent == 202
    assert hub.asked[f"/api/models/{MODEL}/tree/{SHA}"] == 1


def test_what_is_not_there_is_told_apart(hub: Hub) -> None:
    with pytest.raises(EntryNotFoundError):
        hf_hub_download(MODEL, "none.json")
    with pytest.raises(RepositoryNotFoundError):
        hf_hub_download("owner/none", "config.json")


def test_files_of_a_gated_model_need_the_token_of_one_who_agreed(hub: Hub) -> None:
    hub.repositories[MODEL].gated = True
    assert HfApi(endpoint=hub.endpoint).model_info(MODEL).gated == "manual"
    for token in (False, "hf_of_another"):
        with pytest.raises(GatedRepoError):
            hf_hub_download(MODEL, "config.json", token=token)
    assert Path(hf_hub_download(MODEL, "config.json", token=TOKEN)).read_bytes() == b"{}"


def test_parts_of_a_file_of_a_dataset_are_read_alone(hub: Hub) -> None:
    system = HfFileSystem(endpoint=hub.endpoint, skip_instance_cache=True)
    assert system.glob(f"{DATASET}/data/*.parquet") == [f"{DATASET}/{n}" for n in list(PARTS)[:2]]
    with system.open(f"{DATASET}/data/part-1.parquet", block_size=10) as file:
        file.seek(95)
        assert file.read(5) == bytes([1]) * 5
    assert hub.repositories[DATASET].sent["data/part-1.parquet"] < 100
