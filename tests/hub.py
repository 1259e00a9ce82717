"""A Hugging Face hub on loopback with one dataset, whose files it also serves as a plain folder."""

import hashlib
import io
import json
import re
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from tests.helpers import add_member, image_bytes

NAME = "owner/wds_pets"
ADDRESS = f"hf://datasets/{NAME}"
SHA = "5f" * 20
OLD = "7c" * 20


def tar_of(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in members.items():
            add_member(tar, name, data)
    return stream.getvalue()


def mirror() -> dict[str, bytes]:
    """Cats and dogs as CLIP benchmark exports datasets; the first number is that of dogs."""
    red, blue = (image_bytes(colour, size=(8, 6)) for colour in ((200, 30, 60), (30, 30, 200)))
    return {
        "README.md": b"# Pets",
        "classnames.txt": b"dog\ncat\n",
        "test/nshards.txt": b"2\n",
        "test/0.tar": tar_of({"s0.png": red, "s0.cls": b"0", "s1.png": blue, "s1.cls": b"1"}),
        "test/1.tar": tar_of({"s2.png": blue, "s2.cls": b"0"}),
        "train/0.tar": tar_of({"s0.png": red, "s0.cls": b"1"}),
    }


@dataclass
class Hub:
    """What the server has, and what it was asked for.

    Attributes:
        files: contents by path, of each commit.
        refs: commit by branch.
        gated: whether files need a token.
        cut: how many more answers with a file break off in the middle, by its path.
        sent: bytes sent of each file.
    """

    endpoint: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=lambda: {"main": SHA})
    gated: bool = False
    cut: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)

    @property
    def folder(self) -> str:
        """Address of the newest files as a folder of a plain web server."""
        return f"{self.endpoint}/plain"

    def commit_of(self, revision: str) -> str | None:
        """Commit of a branch or commit."""
        return revision if revision in self.files else self.refs.get(revision)


Answer = tuple[int, dict[str, str], bytes]


def _answer(hub: Hub, path: str) -> Answer:
    if match := re.fullmatch(r"/plain/(.+)", path):
        return _file(hub, SHA, match[1])
    if match := re.fullmatch(r"/cdn/(\w+)/(.+)", path):
        return _file(hub, match[1], match[2])
    if not (match := re.fullmatch(rf"/(?:api/)?datasets/{NAME}(?:/(\w+)/(.+))?", path)):
        return 404, {"X-Error-Code": "RepoNotFound"}, b""
    kind, rest = match[1] or "revision", match[2] or "main"
    revision, _, name = (rest, "", "") if kind != "resolve" else rest.partition("/")
    commit = hub.commit_of(revision)
    if commit is None:
        return 404, {"X-Error-Code": "RevisionNotFound"}, b""
    files = hub.files[commit]
    if kind == "resolve":
        return (403, {"X-Error-Code": "GatedRepo"}, b"") if hub.gated else _sent(hub, commit, name)
    if kind == "tree":
        listed = [
            {"type": "file", "path": path, "size": len(data), "oid": _oid(data)}
            for path, data in files.items()
        ]
        return 200, {}, json.dumps(listed).encode()
    about = {"id": NAME, "sha": commit, "siblings": [{"rfilename": path} for path in files]}
    return 200, {}, json.dumps(about).encode()


def _sent(hub: Hub, commit: str, name: str) -> Answer:
    """A file of the repository; large ones lie elsewhere."""
    status, headers, data = _file(hub, commit, name)
    if status != 200 or not name.endswith((".tar", ".parquet")):
        return status, headers, data
    linked = {"X-Linked-ETag": headers["ETag"], "X-Linked-Size": str(len(data))}
    return 302, {**linked, "X-Repo-Commit": commit, "Location": f"/cdn/{commit}/{name}"}, b""


def _file(hub: Hub, commit: str, name: str) -> Answer:
    data = hub.files[commit].get(name)
    if data is None:
        return 404, {"X-Error-Code": "EntryNotFound"}, b""
    return 200, {"ETag": f'"{_oid(data)}"', "X-Repo-Commit": commit, "X-Name": name}, data


def _oid(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:40]


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[Hub]:
    """Serve files as the newest commit of the dataset, on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            status, headers, body = _answer(hub, unquote(urlsplit(self.path).path))
            name, size = headers.pop("X-Name", ""), len(body)
            if status == 200 and (first := self.headers.get("Range")):
                start = int(first.removeprefix("bytes=").partition("-")[0])
                headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
                status, body = 206, body[start:]
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            if hub.cut[name] > 0:
                hub.cut[name] -= 1
                body = body[: size // 2]
                self.close_connection = True
            hub.sent[name] += len(body)
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub = Hub(f"http://127.0.0.1:{server.server_address[1]}", {SHA: dict(files)})
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
