"""The page of this machine: what it answers, and to whom."""

import socket
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from susx.classifier.classifier import Classifier
from susx.classifier.file import load_classifier, write_classifier
from susx.cli import app
from susx.cli.serve import listening
from susx.core.errors import InputError
from susx.core.extras import EXTRAS
from susx.server import app as server
from susx.server.app import HEADERS, make_app, prediction
from susx.server.support_pictures import support_pictures
from tests.helpers import image_bytes
from tests.made.photos import photos_classifier
from tests.made.report import support_files

IMAGE = image_bytes((200, 30, 60))


@pytest.fixture(scope="module")
def path(tiny_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    write_classifier(folder / "c.safetensors", photos_classifier(tiny_clip, folder))
    return folder / "c.safetensors"


@pytest.fixture(scope="module")
def loaded(path: Path) -> Classifier:
    return load_classifier(path, device="cpu")


@pytest.fixture(scope="module")
def client(loaded: Classifier) -> TestClient:
    return TestClient(make_app(loaded, {}), base_url="http://127.0.0.1:8000")


def test_answers_are_those_of_the_classifier(client: TestClient, loaded: Classifier) -> None:
    said = client.post("/predictions", content=IMAGE)
    found = loaded.predict(IMAGE)
    assert said.status_code == 200
    assert said.json()["classes"] == found.labelled()[0]
    keys = [voter["key"] for voter in said.json()["voters"]]
    assert set(keys) <= set(loaded.meta.support_keys)
    about = client.get("/about").json()
    assert about["classes"] == len(loaded.meta.classes)
    assert about["tuning"] == "fixed values"


def test_what_is_no_image_is_said(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    said = client.post("/predictions", content=b"no image")
    assert (said.status_code, "reason" in said.json()) == (422, True)
    monkeypatch.setattr(server, "LARGEST", 2**20)
    said = client.post("/predictions", content=bytes(2**20 + 1))
    assert (said.status_code, said.json()["reason"]) == (413, "the file has more than 1 MiB")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "example.org"}, 400),
        ({"origin": "http://example.org"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://[x"}, 403),
        ({"origin": "http://127.0.0.1:9"}, 403),
        ({"origin": "http://127.0.0.1:8000"}, 200),
        ({"host": "localhost:8000"}, 200),
    ],
)
def test_pages_of_others_cannot_ask(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    said = client.post("/predictions", content=IMAGE, headers=headers)
    assert said.status_code == status


@pytest.mark.parametrize("place", ["/", "/page.js", "/page.css", "/about"])
def test_every_answer_has_its_headers(client: TestClient, place: str) -> None:
    said = client.get(place)
    assert said.status_code == 200
    assert HEADERS.items() <= {key: said.headers.get(key) for key in HEADERS}.items()


def test_no_other_file_is_served(client: TestClient) -> None:
    for place in ("/app.py", "/../app.py", "/static/page.html", "/%2e%2e/app.py"):
        assert client.get(place).status_code == 404


def test_support_images_are_shown_and_those_of_another_set_refused(
    loaded: Classifier, tmp_path: Path
) -> None:
    files = support_files(tmp_path, "lc", loaded.classes, (40, 30))
    Path(files.manifest).rename(tmp_path / "manifest.parquet")
    Path(files.images).rename(tmp_path / "images.tar")
    keys = ["00000-00000", "00001-00001"]
    found = support_pictures(tmp_path, loaded.meta.model_copy(update={"support_keys": keys}))
    assert sorted(found) == keys
    assert all(uri.startswith("data:image/webp;base64,") for uri in found.values())
    said = prediction(loaded, dict.fromkeys(loaded.meta.support_keys, "data:,"), IMAGE)
    assert said["voters"] and {voter["picture"] for voter in said["voters"]} == {"data:,"}
    other = loaded.meta.model_copy(update={"support_keys": [*keys, "another"]})
    with pytest.raises(InputError, match="lacks 1 of the classifier's 3 support images, \"another"):
        support_pictures(tmp_path, other)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"port {port}: .*choose another by --port"):
            listening(port)
    with listening(0) as link:
        assert link.getsockname()[0] == "127.0.0.1"


def test_without_its_extra_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    monkeypatch.setitem(EXTRAS, "serve", ("no_such_module",))
    done = CliRunner().invoke(app, ["serve", str(path)])
    assert done.exit_code == 2
    assert "susx serve needs no_such_module" in done.stderr
    assert "pip install 'susx[serve]'" in done.stderr


def test_a_wrong_file_is_one_line(tmp_path: Path, path: Path) -> None:
    for arguments in ([str(tmp_path / "none")], [str(path), "--support", str(tmp_path)]):
        done = CliRunner().invoke(app, ["serve", *arguments])
        assert done.exit_code == 2
        assert "file not found" in done.stderr
        assert len(done.stderr.splitlines()) == 1
