"""The web application: one page, and predictions for the images that it sends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from susx.classifier.classifier import TOP, Classifier
from susx.evaluation.tuning_words import tuning_sentence

HOSTS = ["127.0.0.1", "localhost"]
"""Names that this machine has for itself: a page of another name cannot ask (DNS rebinding)."""
LARGEST = 64 * 2**20
"""Bytes of an image: raw photographs of cameras have about 50 million."""
VOTERS = 4
STATIC = Path(__file__).parent / "static"
FILES = {"/": "page.html", "/page.js": "page.js", "/page.css": "page.css"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def make_app(classifier: Classifier, pictures: Mapping[str, str]) -> Starlette:
    """The application of a classifier.

    Args:
        classifier: loaded.
        pictures: data URIs of its support images by key, as far as they are known.
    """
    lock = Lock()
    facts = _facts(classifier)

    def predict(data: bytes) -> dict[str, Any]:
        with lock:  # one forward pass takes all cores
            return prediction(classifier, pictures, data)

    async def predictions(request: Request) -> Response:
        data = bytearray()
        try:
            async for chunk in request.stream():
                data += chunk
                if len(data) > LARGEST:
                    reason = f"the file has more than {LARGEST // 2**20} MiB"
                    return JSONResponse({"reason": reason}, 413)
        except ClientDisconnect:  # nobody waits for an answer
            return Response(status_code=400)
        said = await run_in_threadpool(predict, bytes(data))
        return JSONResponse(said, 422 if "reason" in said else 200)

    async def about(request: Request) -> Response:
        return JSONResponse(facts)

    def file(name: str) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            return FileResponse(STATIC / name)

        return serve

    routes = [Route(path, file(name)) for path, name in FILES.items()]
    routes += [Route("/about", about), Route("/predictions", predictions, methods=["POST"])]
    middleware = [
        Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False),
        Middleware(BaseHTTPMiddleware, dispatch=_guarded),
    ]
    return Starlette(routes=routes, middleware=middleware)


def prediction(classifier: Classifier, pictures: Mapping[str, str], data: bytes) -> dict[str, Any]:
    """What is said of an image.

    Returns:
        `classes`, the five best as `{label, score}`, and `voters`, the support images that voted
        most for the first, as `{key, vote, picture}`; or `reason` if the image cannot be read.
    """
    found = classifier.embed([data])
    if found.reasons[0]:
        return {"reason": found.reasons[0]}
    said = classifier.predict_features(found.features, found.norms, found.patches)
    (voters,) = classifier.voters(found.features, said.ranks[:, 0].astype(np.int64), VOTERS)
    return {
        "classes": said.labelled(TOP)[0],
        "voters": [
            {"key": key, "vote": vote, "picture": pictures.get(key)} for key, vote in voters
        ],
    }


def _facts(classifier: Classifier) -> dict[str, Any]:
    meta = classifier.meta
    return {
        "dataset": meta.dataset,
        "classes": len(meta.classes),
        "method": meta.method,
        "support": meta.support,
        "tuning": tuning_sentence(meta.protocol, meta.tuned_on),
        "calibrated_on": meta.calibration.temperature_on,
    }


async def _guarded(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse what pages of other origins send, and give every answer its headers."""
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{request.headers.get('host')}":
        return JSONResponse({"reason": "only for the page of this server"}, 403)
    response = await call(request)
    response.headers.update(HEADERS)
    return response
