"""Replies of a language model, kept as they arrive: a run that fails loses none of them."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Lock

from susx.core.files import write_errors
from susx.prompts.language_models import Reply, Request

NAME = "replies.jsonl"


class KeptReplies:
    """Replies of one job in a file, one per line; many threads may add to it.

    Whatever else replies depend on is up to the folder: the settings and the model of a job are in
    its name.
    """

    def __init__(self, folder: Path | None) -> None:
        """Read what an earlier try has kept.

        Args:
            folder: where the file is, or will be; None keeps nothing.
        """
        self._path = folder / NAME if folder else None
        self._lock = Lock()
        self._known: dict[Request, Reply] = {}
        if self._path is not None and self._path.exists():
            for line in self._path.read_bytes().split(b"\n"):
                with suppress(
                    ValueError, TypeError, KeyError
                ):  # half a line of a job that was killed
                    entry = json.loads(line)
                    self._known[Request(**entry["request"])] = Reply(**entry["reply"])

    def __len__(self) -> int:
        return len(self._known)

    def find(self, request: Request) -> Reply | None:
        """The reply to a request, if there is one."""
        return self._known.get(request)

    def add(self, request: Request, reply: Reply) -> None:
        """Keep a reply, unless it is malformed: it is asked for again.

        Raises:
            InputError: if the disk is full or read-only.
        """
        if self._path is None or reply.malformed:
            return
        entry = {"request": asdict(request), "reply": asdict(reply)}
        line = json.dumps(entry).encode()  # escapes, so that half a character is one, too
        with self._lock, write_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as stream:
                stream.write(b"\n" + line)  # what half a line before it says is lost alone

    def forget(self) -> None:
        """Remove the file, and its folder when that is empty."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            with suppress(OSError):
                self._path.parent.rmdir()
