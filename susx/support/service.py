"""Candidates from a clip-retrieval backend, by its HTTP API.

Every answer is kept in a file of its own, so that a run that was interrupted, or whose server went
down, asks only for what it lacks.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from susx.config.pools import ServicePool
from susx.core.errors import InputError
from susx.core.files import read_checked, sha256_json, write_checked
from susx.core.plain import address, caption
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import Table
from susx.prompts.strategies import PromptSet
from susx.support.account import NO_ADDRESS, SEARCHED
from susx.support.retrieval import Candidate
from susx.web.servers import Answer, Client, RefusedAnswer

LARGEST_ANSWER = 256 * 2**20
"""Bytes of an answer: 100,000 images, at 2,600 bytes each."""
OK = 200
PASSING = (429, 500, 502, 503, 504)
"""Statuses that may be others next time: a limited rate, and servers that fail."""
FIRST_PAUSE = 0.25
"""Seconds before the first repetition; they double."""
LONGEST_PAUSE = 120.0
"""Seconds: what a service may ask for with `Retry-After`, as the client of language models does."""
LARGEST_SCORE = 1e6
KNOWN = ("url", "caption", "similarity", "id", "image")


def query_service(
    service: ServicePool,
    prompts: PromptSet,
    classes: ClassManifest,
    limit: int,
    folder: str | Path,
) -> Table:
    """Ask for the images nearest to every text.

    Args:
        service: address, index, patience.
        prompts: texts per class; each is a query.
        classes: class manifest.
        limit: images per text.
        folder: where answers are kept.

    Returns:
        Table of Candidate by query, in the order of the answers; the score is their similarity.

    Raises:
        InputError: if the service does not answer as a clip-retrieval backend does; answers so far
            are kept.
    """
    texts = [(label, text) for label, row in enumerate(prompts.texts) for text in row]
    records = []
    rows: Counter[str] = Counter()
    client = Client(service.timeout, LARGEST_ANSWER)
    for query, (label, text) in enumerate(texts):
        hits = _hits(client, service, text, limit, Path(folder))
        addressed = [hit for hit in hits if address(hit.get("url"))]
        rows += Counter({SEARCHED: len(addressed), NO_ADDRESS: len(hits) - len(addressed)})
        records += [
            _candidate(label, query, place, hit) for place, hit in enumerate(addressed[:limit])
        ]
    logging.info("%d texts, %d candidates", len(texts), len(records))
    meta = {"service": service.url, "index": service.index, "rows": dict(rows)}
    return Table(records, classes.sha256, meta)


def _hits(
    client: Client, service: ServicePool, text: str, limit: int, folder: Path
) -> Sequence[dict[str, Any]]:
    """The answer to one text, kept or asked for."""
    request = {
        "text": text,
        "image": None,
        "image_url": None,
        "embedding_input": None,
        "modality": "image",
        "num_images": limit,
        "num_result_ids": limit,
        "indice_name": service.index,
        "use_mclip": False,
        "deduplicate": True,
        "use_safety_model": True,
        "use_violence_detector": True,
        "aesthetic_score": "",
        "aesthetic_weight": 0,
    }
    path = folder / f"{sha256_json([service.url, request])[:32]}.json"
    if path.exists():
        kept: list[dict[str, Any]] = read_checked(path, "delete it and run again")["hits"]
        return kept
    endpoint = f"{service.url.rstrip('/')}/knn-service"
    hits = _parsed(_asked(client, endpoint, request, service), endpoint)
    if not isinstance(hits, list) or not all(isinstance(hit, dict) for hit in hits):
        raise InputError(f"{endpoint}: answers {json.dumps(hits)[:80]}, not a list of images")
    try:
        write_checked(path, {"hits": hits})
    except ValueError as error:  # infinite numbers, halves of characters
        raise InputError(f"{endpoint}: answers with what is no JSON ({error})") from None
    return hits


def _asked(
    client: Client, endpoint: str, request: Mapping[str, Any], service: ServicePool
) -> bytes:
    """Body of the answer, after as many tries as it takes and the pool allows."""
    body, headers = json.dumps(request).encode(), {"Content-Type": "application/json"}
    problem = ""
    for attempt in range(service.retries + 1):
        pause = min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE)
        try:
            answer = client.post(endpoint, body, headers)
        except RefusedAnswer as error:
            raise InputError(f"{endpoint}: sends an answer that is {error}") from None
        except (TimeoutError, ConnectionError) as error:
            problem = str(error)
        else:
            if answer.status == OK:
                return answer.body
            problem = _refusal(answer, endpoint)
            pause = answer.pause(LONGEST_PAUSE) or pause
        if attempt < service.retries:
            time.sleep(pause)
    raise InputError(
        f"{endpoint}: {problem}; see whether the service runs and has index {service.index}, and "
        "run again; answers so far are kept"
    )


def _refusal(answer: Answer, endpoint: str) -> str:
    """Why an answer is none, if it may be one next time.

    Raises:
        InputError: if it will not.
    """
    if 300 <= answer.status < 400:
        target = answer.headers.get("location", "nowhere")
        raise InputError(f"{endpoint}: redirects to {target}; if it is right, set it as url")
    said = f"answers with status {answer.status}"
    if answer.status not in PASSING:
        raise InputError(f"{endpoint}: {said}; see whether it is a clip-retrieval backend")
    return said


def _parsed(body: bytes, endpoint: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        start = body[:80].decode("utf-8", "replace")
        raise InputError(f"{endpoint}: answers {start!r}, which is not JSON") from None


def _score(similarity: Any) -> float:
    """A similarity, or 0 where a service answers with no number."""
    usable = isinstance(similarity, int | float) and abs(similarity) <= LARGEST_SCORE
    return float(similarity) if usable else 0.0


def _candidate(label: int, query: int, place: int, hit: dict[str, Any]) -> Candidate:
    rest = {k: v for k, v in hit.items() if k not in KNOWN and isinstance(v, str | int | float)}
    return Candidate(
        label,
        query,
        _score(hit.get("similarity")),
        "service",
        f"{place:09d}",
        url=address(hit["url"]),
        caption=caption(hit.get("caption")),
        metadata=json.dumps(rest) if rest else "",
    )
