"""An internet of one host for this process and every Python process that it starts.

Put this folder on PYTHONPATH. Names below `.example` are those of one public address; who connects
to it talks to the port of loopback that `SMALL_INTERNET` says. All that is asked of names and
addresses before and after stays as it is: what may not be connected to is refused as ever.

Where torchvision is missing, open_clip is imported with what stands in for it in tests.
"""

import os
import socket
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

PUBLIC = "198.41.0.4"
"""Of a root server of names, whose port of the web nobody listens on."""
PORT = int(os.environ["SMALL_INTERNET"])
resolve = socket.getaddrinfo
connect = socket.socket.connect
peer = socket.socket.getpeername


def getaddrinfo(host: Any, port: Any, *arguments: Any, **named: Any) -> list[Any]:
    """Addresses of a host."""
    if isinstance(host, str) and host.endswith(".example"):
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*kind, (PUBLIC, int(port)))]
    return resolve(host, port, *arguments, **named)


def connect_to_server(self: socket.socket, address: Any) -> None:
    """Connect, to the server if it is asked for the public address."""
    public = isinstance(address, tuple) and address[0] == PUBLIC
    connect(self, ("127.0.0.1", PORT) if public else address)


def getpeername(self: socket.socket) -> Any:
    """Whom a socket is connected to."""
    found = peer(self)
    return (PUBLIC, 80) if found == ("127.0.0.1", PORT) else found


class OpenClipFinder:
    """Finds open_clip, and lends it torchvision while it is imported."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where a module is, and how it is loaded."""
        spec = PathFinder.find_spec(name, path, target) if name == "open_clip" else None
        if spec is None or spec.loader is None or find_spec("torchvision") is not None:
            return spec
        load = spec.loader.exec_module

        def load_with_loan(module: ModuleType) -> None:
            from tests.torchvision_stand_in import stand_in

            with stand_in():
                load(module)

        spec.loader.exec_module = load_with_loan  # type: ignore[method-assign]
        return spec


socket.getaddrinfo = getaddrinfo  # type: ignore[assignment]
socket.socket.connect = connect_to_server  # type: ignore[method-assign, assignment]
socket.socket.getpeername = getpeername  # type: ignore[method-assign]
sys.meta_path.insert(0, OpenClipFinder)  # type: ignore[arg-type]
