"""HTTP and HTTPS for addresses that nobody vouches for.

Links of a web pool can point anywhere, also into the network that the job runs in, directly, by a
redirect or by a name that resolves to a private address. So the address is checked of every
connection that is made, bodies are cut off at a size and a time, and nothing but HTTP is spoken.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import ipaddress
import socket
import ssl
import threading
import time
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from susx.web.refusal import RefusedResponse

if TYPE_CHECKING:
    from susx.web.etiquette import Etiquette

PIECE = 65536
PATIENCE = 1.25  # so that a silent host is reported as what it is
UNICAST6 = ipaddress.ip_network("2000::/3")
"""All that is assigned of IPv6; what lies outside is local, or carries addresses of IPv4."""
RESERVED4 = [ipaddress.ip_network(net) for net in ("192.0.0.0/24", "192.88.99.0/24")]
"""Which some versions of Python take for public."""
ROBOTS_BYTES: Final = 500 * 1024
"""Bytes of a robots.txt that are read: the least that RFC 9309, section 2.5, asks for."""
DISALLOWED: Final = "Use of image disallowed by X-Robots-Tag directive"
NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True)
class Limits:
    """What a connection may do.

    Attributes:
        seconds: for connecting, sending and receiving together.
        max_bytes: of a body.
        allow_private: whether addresses that are not public may be used.
        user_agent: what the request says of its sender.
    """

    seconds: float
    max_bytes: int
    allow_private: bool
    user_agent: str


@contextmanager
def guarded(limits: Limits, etiquette: Etiquette | None = None) -> Iterator[None]:
    """Let `urllib.request.urlopen` of this process keep within limits, and to etiquette."""
    urllib.request.install_opener(opener(limits, etiquette))
    try:
        yield
    finally:
        urllib.request.install_opener(urllib.request.build_opener())


def opener(limits: Limits, etiquette: Etiquette | None = None) -> urllib.request.OpenerDirector:
    """An opener of HTTP and HTTPS addresses that keeps within limits, and to etiquette."""
    director = urllib.request.OpenerDirector()
    # No proxies: behind one, the address of the target cannot be checked.
    for handler in (
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Handler(limits, etiquette),
    ):
        director.add_handler(handler)
    return director


class _Handler(urllib.request.AbstractHTTPHandler):
    def __init__(self, limits: Limits, etiquette: Etiquette | None) -> None:
        super().__init__()
        self._limits = limits
        self._etiquette = etiquette
        self._thread = threading.local()
        self._context = _trusted()

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        """Sign the request, whatever its maker wrote."""
        request.add_unredirected_header("User-agent", self._limits.user_agent)
        return self.do_request_(request)

    https_request = http_request

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open an HTTP address."""
        return self._open(_Connection, request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open an HTTPS address."""
        return self._open(_SecureConnection, request, context=self._context)

    def _open(
        self, kind: Any, request: urllib.request.Request, **arguments: Any
    ) -> http.client.HTTPResponse:
        request.timeout = self._limits.seconds
        for_image = not getattr(self._thread, "reads_robots", False)
        if self._etiquette and for_image:
            self._etiquette.check(request.full_url, self._robots)
        opened: http.client.HTTPResponse = self.do_open(
            functools.partial(kind, limits=self._limits), request, **arguments
        )
        if self._etiquette:
            self._etiquette.heed(request.full_url, opened.status, opened.headers)
            if for_image and opened.status == 200 and self._etiquette.disallows(opened.headers):
                opened.close()
                raise RefusedResponse(DISALLOWED)
        return opened

    def _robots(self, address: str) -> str:
        """The text of a robots.txt; where that leads is not asked for its own."""
        self._thread.reads_robots = True
        try:
            with self.parent.open(address) as response:
                body = response.read(ROBOTS_BYTES)
                encoding = response.headers.get("Content-Encoding", "")
            return decoded(body, encoding, ROBOTS_BYTES).decode("utf-8-sig", "replace")
        finally:
            self._thread.reads_robots = False


class _Connection(http.client.HTTPConnection):
    def __init__(self, host: str, *, limits: Limits, **arguments: Any) -> None:
        super().__init__(host, **arguments)
        self._limits = limits
        self._watch = _Watch(PATIENCE * limits.seconds)
        self.response_class = functools.partial(  # type: ignore[assignment]
            _Response, watch=self._watch, max_bytes=limits.max_bytes
        )

    def connect(self) -> None:
        """Connect to an address that may be used, for a limited time."""
        self.sock = self._watch.socket = _connected(self.host, self.port, self._limits)
        self._watch.start()


class _SecureConnection(_Connection):
    default_port = 443
    _tunnel_host: str | None

    def __init__(self, host: str, *, context: ssl.SSLContext, **arguments: Any) -> None:
        super().__init__(host, **arguments)
        self._tls = context

    def connect(self) -> None:
        """Connect, and see that it is the host of that name."""
        super().connect()
        if self._tunnel_host:
            self._tunnel()  # type: ignore[attr-defined]
            self._watch.start()  # which the proxy's answer has stopped
        host = self._tunnel_host or self.host
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=host)
        self._watch.socket = self.sock


def _trusted() -> ssl.SSLContext:
    """The authorities that this machine trusts; certifi's if Python finds none, as on macOS."""
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:
        with contextlib.suppress(ImportError):
            import certifi

            context.load_verify_locations(certifi.where())
    return context


class _Watch:
    """Shuts a connection down at a time, whoever waits for it: a drip resets other timeouts."""

    def __init__(self, seconds: float) -> None:
        self.socket: socket.socket | None = None
        self.deadline = time.monotonic() + seconds
        self._timer: threading.Timer | None = None

    def start(self) -> None:
        self.stop()
        self._timer = threading.Timer(max(0.0, self.deadline - time.monotonic()), self._hang_up)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            if self.socket is not None:
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


class _Response(http.client.HTTPResponse):
    def __init__(self, *arguments: Any, watch: _Watch, max_bytes: int, **named: Any) -> None:
        self._watch = watch
        self._max_bytes = max_bytes
        super().__init__(*arguments, **named)

    def close(self) -> None:
        """Close, and forget the time."""
        self._watch.stop()
        super().close()

    def read(self, amount: int | None = None) -> bytes:
        """Read the body, or refuse one that is too large or too slow."""
        if amount is not None:
            return super().read(amount)
        if self.length is not None and self.length > self._max_bytes:
            raise RefusedResponse(f"larger than {self._max_bytes} bytes")
        expected, parts, n_bytes = self.length, [], 0
        while part := self.read1(PIECE):
            parts.append(part)
            n_bytes += len(part)
            if n_bytes > self._max_bytes:
                raise RefusedResponse(f"larger than {self._max_bytes} bytes")
        if time.monotonic() >= self._watch.deadline:
            raise TimeoutError("timed out")
        if expected is not None and n_bytes < expected:
            raise http.client.IncompleteRead(b"", expected - n_bytes)
        encoding = self.headers.get("Content-Encoding", "")
        body = decoded(b"".join(parts), encoding, self._max_bytes + 1)
        if len(body) > self._max_bytes:
            raise RefusedResponse(f"larger than {self._max_bytes} bytes")
        return body


def decoded(body: bytes, encoding: str, limit: int) -> bytes:
    """At most `limit` bytes of a body that was packed unasked; others are as they came."""
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    # What is no gzip is zlib, or, of servers that read RFC 9110 otherwise, bare deflate.
    for bits in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        with contextlib.suppress(zlib.error):
            return zlib.decompressobj(bits).decompress(body, limit)
    return body


def _connected(host: str, port: int, limits: Limits) -> socket.socket:
    """A connection to the first reachable address of a host, none of which may be private."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, address in addresses:
        _check(str(address[0]), limits)
    problem: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in addresses:
        try:
            connection = socket.socket(family, kind, protocol)
        except OSError as error:
            problem = error
            continue
        try:
            connection.settimeout(limits.seconds)
            connection.connect(address)
            _check(connection.getpeername()[0], limits)
        except OSError as error:
            connection.close()
            problem = error
        else:
            return connection
    raise problem


def _check(address: str, limits: Limits) -> None:
    ip = ipaddress.ip_address(address.split("%")[0])
    forms: list[Any] = [ip, getattr(ip, "ipv4_mapped", None), getattr(ip, "sixtofour", None)]
    if ip in NAT64:
        forms.append(ipaddress.ip_address(int(ip) & 0xFFFFFFFF))
    elif ip.version == 6 and ip.ipv4_mapped is None and ip not in UNICAST6:
        forms.append(ipaddress.ip_address("::"))
    public = all(
        form.is_global and not form.is_multicast and not any(form in net for net in RESERVED4)
        for form in forms
        if form is not None
    )
    if not (public or limits.allow_private):
        raise RefusedResponse(f"{address} is not a public address")
