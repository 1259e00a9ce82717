"""A Hugging Face hub on loopback: models and datasets by name, as its libraries ask for them."""

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from huggingface_hub import constants

from tests.helpers import image_bytes, tar_bytes
from tests.hub_uploads import upload

MIRROR = "datasets/owner/wds_pets"
ADDRESS = f"hf://{MIRROR}"
SHA = "5f" * 20
OLD = "7c" * 20
TOKEN = "hf_of_one_who_agreed"  # noqa: S105
LARGE = (".tar", ".parquet", ".safetensors", ".bin", ".ckpt", "tokenizer.json")
"""What lies in large file storage, to which the hub redirects."""
NO_REPOSITORY = 404, {"X-Error-Code": "RepoNotFound"}, b""
NO_REVISION = 404, {"X-Error-Code": "RevisionNotFound"}, b""
NO_ENTRY = 404, {"X-Error-Code": "EntryNotFound"}, b""
GATED = 403, {"X-Error-Code": "GatedRepo"}, b""


def mirror() -> dict[str, bytes]:
    """Cats and dogs as CLIP benchmark exports datasets; the first number is that of dogs."""
    red, blue = (image_bytes(colour, size=(8, 6)) for colour in ((200, 30, 60), (30, 30, 200)))
    return {
        "README.md": b"# Pets",
        "classnames.txt": b"dog\ncat\n",
        "test/nshards.txt": b"2\n",
        "test/0.tar": tar_bytes({"s0.png": red, "s0.cls": b"0", "s1.png": blue, "s1.cls": b"1"}),
        "test/1.tar": tar_bytes({"s2.png": blue, "s2.cls": b"0"}),
        "train/0.tar": tar_bytes({"s0.png": red, "s0.cls": b"1"}),
    }


def files_below(folder: Path) -> dict[str, bytes]:
    """Contents of a folder by path, as a repository has them."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@dataclass
class Repository:
    """What a repository has, and what it was asked for.

    Attributes:
        name: `owner/model`, or `datasets/owner/dataset`.
        endpoint: address of its hub.
        files: contents by path, of each commit.
        refs: commit by branch.
        gated: whether files need a token.
        cut: how many more answers with a file break off in the middle, by its path.
        sent: bytes sent of each file.
    """

    name: str
    endpoint: str
    files: dict[str, dict[str, bytes]]
    refs: dict[str, str] = field(default_factory=lambda: {"main": SHA})
    gated: bool = False
    cut: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)

    @property
    def folder(self) -> str:
        """Address of the newest files as a folder of a plain web server."""
        return f"{self.endpoint}/plain/{self.name}"

    def commit_of(self, revision: str) -> str | None:
        """Commit of a branch or commit."""
        return revision if revision in self.files else self.refs.get(revision)


@dataclass
class Hub:
    """Repositories by name, and how often each path was asked for."""

    endpoint: str
    repositories: dict[str, Repository]
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def sent(self) -> int:
        """Bytes of files that were sent."""
        return sum(repository.sent.total() for repository in self.repositories.values())


Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Asked:
    """A request: what for, and with what."""

    path: str
    query: Mapping[str, list[str]]
    body: Mapping[str, list[str]]
    token: str

    def parts(self, hub: Hub) -> tuple[Repository | None, str]:
        """The repository that a path leads to, and the rest of the path."""
        path = re.sub(r"^/(?:api/models|api|plain|cdn)/", "/", self.path).removeprefix("/")
        names = sorted(hub.repositories, key=len, reverse=True)
        name = next((n for n in names if f"{path}/".startswith(f"{n}/")), None)
        return (None, path) if name is None else (hub.repositories[name], path[len(name) + 1 :])


def _answer(hub: Hub, asked: Asked) -> Answer:
    repository, rest = asked.parts(hub)
    if repository is None:
        return NO_REPOSITORY
    kind, _, place = rest.partition("/")
    if asked.path.startswith("/plain/"):
        return _file(repository, SHA, rest)
    if asked.path.startswith("/cdn/"):
        return _file(repository, kind, place)
    if not asked.path.startswith("/api/"):
        return _resolved(repository, place, asked.token) if kind == "resolve" else NO_ENTRY
    if kind in ("tree", "paths-info"):
        revision, folder = _split(repository, place)
    else:
        revision, folder = place or "main", ""
    commit = repository.commit_of(revision)
    if commit is None:
        return NO_REVISION
    files = repository.files[commit]
    if kind == "tree":
        listed = _listed(files, folder, recursive="true" in asked.query.get("recursive", ["false"]))
        return (200, {}, json.dumps(listed).encode()) if listed or not folder else NO_ENTRY
    if kind == "paths-info":
        known = _listed(files, "", recursive=True)
        found = [entry for entry in known if entry["path"] in asked.body.get("paths", [])]
        return 200, {}, json.dumps(found).encode()
    if kind not in ("", "revision"):  # discussions and the like
        return NO_ENTRY
    siblings = [{"rfilename": path} for path in files]
    identifier = repository.name.removeprefix("datasets/")
    about = {"id": identifier, "modelId": identifier, "sha": commit, "siblings": siblings}
    gated = "manual" if repository.gated else False
    return 200, {}, json.dumps({**about, "gated": gated, "private": False}).encode()


def _split(repository: Repository, place: str) -> tuple[str, str]:
    """Revision, which may have slashes, and path."""
    known = sorted([*repository.refs, *repository.files], key=len, reverse=True)
    revision = next((ref for ref in known if f"{place}/".startswith(f"{ref}/")), None)
    if revision is None:
        revision = place.partition("/")[0]
    return revision, place[len(revision) + 1 :]


def _resolved(repository: Repository, place: str, token: str) -> Answer:
    """A file of the repository; large ones lie elsewhere."""
    revision, name = _split(repository, place)
    commit = repository.commit_of(revision)
    if commit is None:
        return NO_REVISION
    if repository.gated and token != TOKEN:
        return GATED
    status, headers, data = _file(repository, commit, name)
    if status != 200 or not name.endswith(LARGE):
        return status, headers, data
    linked = {"X-Linked-ETag": headers["ETag"], "X-Linked-Size": str(len(data))}
    location = f"/cdn/{repository.name}/{commit}/{name}"
    return 302, {**linked, "X-Repo-Commit": commit, "Location": location}, b""


def _file(repository: Repository, commit: str, name: str) -> Answer:
    data = repository.files[commit].get(name)
    if data is None:
        status, headers, body = NO_ENTRY
        return status, {**headers, "X-Repo-Commit": commit}, body
    return 200, {"ETag": f'"{_etag(name, data)}"', "X-Repo-Commit": commit, "X-Name": name}, data


def _listed(files: Mapping[str, bytes], folder: str, recursive: bool) -> list[dict[str, object]]:
    """Files and folders below a folder, as the hub lists them."""
    below = {path: data for path, data in files.items() if not folder or _is_in(path, folder)}
    entries = []
    folders = {str(parent) for path in below for parent in PurePosixPath(path).parents}
    for path in sorted(folders - {"."}):
        if path != folder and (not folder or _is_in(path, folder)):
            entries.append({"type": "directory", "path": path, "size": 0, "oid": _git(b"", "tree")})
    for path, data in below.items():
        entry = {"type": "file", "path": path, "size": len(data), "oid": _git(data)}
        if path.endswith(LARGE):
            digest = hashlib.sha256(data).hexdigest()
            entry["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 130}
        entries.append(entry)
    depth = len(PurePosixPath(folder).parts) + 1
    return [e for e in entries if recursive or len(PurePosixPath(str(e["path"])).parts) == depth]


def _is_in(path: str, folder: str) -> bool:
    return path.startswith(f"{folder.rstrip('/')}/")


def _etag(name: str, data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if name.endswith(LARGE) else _git(data)


def _git(data: bytes, kind: str = "blob") -> str:
    """Git's name of an object."""
    return hashlib.sha1(f"{kind} {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


def point_to(hub: Hub, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Let the libraries of this process take it for the hub, with a cache of its own."""
    template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))


@contextmanager
def serving(repositories: Mapping[str, Mapping[str, bytes]]) -> Iterator[Hub]:
    """Serve files by repository, as its newest commit, on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # libraries ask for dozens of files one after the other

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            said = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            path, form = unquote(address.path), parse_qs(said.decode())
            asked = Asked(path, parse_qs(address.query), form, token)
            hub.asked[asked.path] += 1
            status, headers, body = upload(hub, path, said, token) or _answer(hub, asked)
            headers = dict(headers)
            name, size = headers.pop("X-Name", ""), len(body)
            if status == 200 and (wanted := self.headers.get("Range")):
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                start, end = int(first), min(int(last or size), size - 1)
                headers["Content-Range"] = f"bytes {start}-{end}/{size}"
                status, body = 206, body[start : end + 1]
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            repository, _ = asked.parts(hub)
            if repository and repository.cut[name] > 0:
                repository.cut[name] -= 1
                body = body[: size // 2]
                self.close_connection = True
            if repository and name:
                repository.sent[name] += len(body)
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    found = {n: Repository(n, endpoint, {SHA: dict(files)}) for n, files in repositories.items()}
    hub = Hub(endpoint, found)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
