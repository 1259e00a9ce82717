"""What the hub of the tests does with uploads: makes repositories, and takes commits."""

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.hub import Answer, Hub

WRITER = "hf_of_one_who_writes"


def upload(hub: "Hub", path: str, body: bytes, token: str) -> "Answer | None":
    """The answer to a request that writes, as the hub documents them; None for any other."""
    parts = path.removeprefix("/api/").split("/")
    if path == "/api/validate-yaml":
        return 200, {}, b'{"errors": [], "warnings": []}'
    if path != "/api/repos/create" and (len(parts) < 5 or parts[3] not in ("preupload", "commit")):
        return None
    if token != WRITER:
        return 401, {}, b'{"error": "Invalid username or password."}'
    if path == "/api/repos/create":
        return _create(hub, json.loads(body))
    name = "/".join(parts[1:3])
    if parts[3] == "preupload":
        given = json.loads(body)["files"]
        modes = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in given]
        return 200, {}, json.dumps({"files": modes}).encode()
    files = hub.repositories[name].files
    lines = [json.loads(line) for line in body.splitlines()]
    added = {
        line["value"]["path"]: base64.b64decode(line["value"]["content"])
        for line in lines
        if line["key"] == "file"
    }
    commit = f"{len(files):040x}"
    files[commit] = {**files[hub.repositories[name].refs["main"]], **added}
    hub.repositories[name].refs["main"] = commit
    address = f"{hub.endpoint}/{name}/commit/{commit}"
    said = {"success": True, "commitOid": commit, "commitUrl": address, "hookOutput": ""}
    return 200, {}, json.dumps(said).encode()


def _create(hub: "Hub", wanted: Mapping[str, object]) -> "Answer":
    from tests.hub import SHA, Repository

    name = f"{wanted['organization']}/{wanted['name']}"
    if name in hub.repositories:
        said = {"error": "You already created this model repo", "url": f"{hub.endpoint}/{name}"}
        return 409, {}, json.dumps(said).encode()
    hub.repositories[name] = Repository(name, hub.endpoint, {SHA: {}})
    return 200, {}, json.dumps({"url": f"{hub.endpoint}/{name}"}).encode()
