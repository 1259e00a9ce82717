"""Forbid the network to this process and every Python process that it starts.

Put this folder on PYTHONPATH. `NO_NETWORK_LOG` names a folder: `processes` there gets a line per
process that is watched, `attempts` one per forbidden call.
"""

import os
import socket
import sys
from pathlib import Path

FORBIDDEN = {
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyaddr",
    "socket.gethostbyname",
    "socket.getnameinfo",
    "socket.sendmsg",
    "socket.sendto",
}
# Libraries find out whether there is IPv6 by binding to it, which reaches nobody.
LOOPBACK = {"127.0.0.1", "::1"}
LOG = Path(os.environ["NO_NETWORK_LOG"])


def note(file: str, line: str) -> None:
    """Append a line; short appends of several processes do not mix."""
    with (LOG / file).open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")


def forbid(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: refuse everything but sockets within this machine's file system."""
    if event not in FORBIDDEN:
        return
    if isinstance(arguments[0], socket.socket):
        _, address = arguments[:2]
        if arguments[0].family == socket.AF_UNIX:
            return
        if event == "socket.bind" and isinstance(address, tuple) and address[0] in LOOPBACK:
            return
    note("attempts", f"{event} {arguments[1:]} {sys.orig_argv}")
    raise PermissionError(f"{event}: the network is forbidden in this test")


note("processes", " ".join(sys.orig_argv))
sys.addaudithook(forbid)
