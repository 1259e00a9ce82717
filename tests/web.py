"""A web server on loopback that serves images, and everything that goes wrong on the web."""

import gzip
import io
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import numpy as np
from PIL import Image

Colour = tuple[int, int, int]


def image_bytes(colour: Colour, size: tuple[int, int], seed: int = 0, format: str = "PNG") -> bytes:
    """An image of one colour with noise."""
    noise = np.random.default_rng(seed).integers(-20, 21, (size[1], size[0], 3))
    pixels, stream = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8), io.BytesIO()
    Image.fromarray(pixels).save(stream, format)
    return stream.getvalue()


def photo(number: int) -> bytes:
    """Image `number` of the server."""
    return image_bytes((37 * number % 256, 91 * number % 256, 150), (80, 72), seed=number)


def bomb() -> bytes:
    """A small PNG that says it has ten thousand million pixels."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    data = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


class Web:
    """What was asked of the server.

    `asked` counts paths but /robots.txt, whose text is `robots`; `agents` holds user agents; `down`
    makes it answer 503. `waits` is how often it asks to wait `retry_after`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: Counter[str] = Counter()
        self.agents: set[str] = set()
        self.down = False
        self.robots: str | None = None
        self.robots_asked = 0
        self.waits = 0
        self.retry_after: str | None = None

    def images(self, *numbers: int) -> list[str]:
        """Addresses of images."""
        return [f"{self.url}/photo/{number}.png" for number in numbers]


@contextmanager
def serving() -> Iterator[Web]:
    """Serve on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            if self.path == "/robots.txt":
                web.robots_asked += 1
                self.answer((web.robots or "").encode(), 404 if web.robots is None else 200)
                return
            web.asked[self.path] += 1
            web.agents.add(self.headers.get("User-Agent", ""))
            kind, _, rest = unquote(self.path.split("?")[0]).strip("/").partition("/")
            if web.waits > 0:
                web.waits -= 1
                wanted = {} if web.retry_after is None else {"Retry-After": web.retry_after}
                self.answer(b"", 429, **wanted)
            elif web.down or (kind == "flaky" and web.asked[self.path] == 1):
                self.answer(b"", 503)
            elif kind in ("photo", "flaky"):
                self.answer(photo(int(rest.split(".")[0])))
            elif kind == "status":
                self.answer(b"nothing here", int(rest))
            elif kind == "to":
                self.answer(b"", 302, Location=rest.replace("~", "/"))
            elif kind == "loop":
                self.answer(b"", 302, Location=self.path)
            elif kind == "noai":
                self.answer(photo(1), X_Robots_Tag=rest.replace("~", ":"))
            elif kind == "packed":
                packed = gzip.compress(photo(2)) if rest == "gzip" else zlib.compress(photo(2))
                self.answer(packed, Content_Encoding=rest)
            elif kind == "unpacked":
                self.answer(photo(2), Content_Encoding="gzip")
            elif kind == "swelling":
                self.answer(gzip.compress(bytes(3 * 2**20)), Content_Encoding="gzip")
            elif kind == "avif":
                self.answer(image_bytes((9, 90, 9), (80, 72), 3, "AVIF"))
            elif kind == "html":
                self.answer(b"<html>gone</html>", Content_Type="image/png")
            elif kind == "half":
                self.send_response(200)
                self.send_header("Content-Length", str(len(photo(2))))
                self.end_headers()
                self.wfile.write(photo(2)[:900])
            elif kind == "cut":  # no length: only the image itself can tell
                self.send_response(200)
                self.end_headers()
                self.wfile.write(photo(2)[:900])
            elif kind == "drip":
                self.send_response(200)
                self.end_headers()
                for byte in photo(3):
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.1)
            elif kind == "late":
                time.sleep(30)
            elif kind == "huge":
                self.answer(bytes(3 * 2**20))
            elif kind == "endless":
                self.send_response(200)
                self.end_headers()
                while True:
                    self.wfile.write(bytes(65536))
            elif kind == "bomb":
                self.answer(bomb())
            elif kind == "small":
                self.answer(image_bytes((9, 9, 9), (20, 200)))
            elif kind == "thin":
                self.answer(image_bytes((9, 9, 9), (64, 640)))
            else:
                self.answer(b"", 404)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """Clients that hang up are what is tested."""

    server = Server(("127.0.0.1", 0), Handler)
    web = Web(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
