"""Jobs about pools and support sets."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from susx.config.pools import DownloadSettings, ServicePool
from susx.config.supports import Retrieval
from susx.config.synthesis import Synthesis
from susx.embeddings.cache import Embeddings, hash_rows, write_cache
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import ImageRecord, SupportRecord, Table, write_table
from susx.planning.synthesis import DRAWN_ANYHOW
from susx.planning.web import FETCHED_BY, RULES_NOT
from susx.pools.indices import IndexShard
from susx.pools.shards import Shard
from susx.pools.web import WebShard
from susx.prompts.strategies import PromptSet
from susx.support.retrieval import Candidate
from susx.support.selection import write_images
from susx.support.service import query_service
from tests.helpers import image_bytes, unit_rows
from tests.memory.case import Case, Job, case
from tests.memory.images import (
    CLASSES,
    DIMENSION,
    IMAGE,
    IN_USE,
    SHARD,
    image_records,
    linked_images,
    support_records,
)
from tests.memory.made import CLASSES_IN_USE, TEXTS, written_classes

CASES: list[Case] = []
LIMIT = {"lc": 32, "vectors": 160}
"""Candidates per query by default, of a pool with images and one whose images are downloaded."""
ROWS = 1_000_000
"""Of a shard of LAION's embeddings."""
PHOTOS = 500
"""Images that candidates of the web lead to."""
QUERIES = 1000 * TEXTS
"""Texts of ImageNet-1k, as CuPL has them."""


def unit(n: int, dtype: str = "float32", seed: int = 0) -> Any:
    return unit_rows(np.random.default_rng(seed), n, DIMENSION).astype(dtype)


def cache(
    path: Path,
    n: int,
    classes: ClassManifest | None = None,
    seed: int = 0,
    records: Sequence[ImageRecord] = (),
    **meta: Any,
) -> str:
    """Embeddings of n texts or images, of every class as many; of records, if there are any."""
    hashes = np.random.default_rng(seed).integers(0, 256, (n, 32), dtype=np.uint8)
    labels = np.arange(n) % len(classes) if classes else np.full(n, -1)
    encoder = {"library": "transformers", "weights_sha256": "0", "precision": "float32"}
    about = {"encoder": encoder, "n_failed": 0, "logit_scale": 100.0, "input_sha256": "i" * 64}
    about |= {"classes_sha256": classes.sha256 if classes else "", **meta}
    made = Embeddings(
        features=unit(n, seed=seed),
        labels=np.sort(labels).astype(np.int32),
        keys=[record.key for record in records] or [f"{i:09d}" for i in range(n)],
        meta=about,
        norms=np.full(n, 10, np.float32),
        hashes=hash_rows([record.sha256 for record in records]) if records else hashes,
    )
    write_cache(path, made)
    return str(path)


def searched(folder: Path, queries: int, rows: int) -> Job:
    classes = written_classes(folder, CLASSES)
    return Job(
        {
            "classes": str(folder / "classes.json"),
            "queries": cache(folder / "queries.h5", queries, classes),
            "pool": cache(folder / "pool.h5", rows),
        },
        {"shard": "00000", "limit": LIMIT["lc"]},
        {"dataset": "tiny", "support": "lc"},
    )


@case("search_shard", "images", (1000, 30_000), SHARD * 100, CASES)
def searched_images(folder: Path, n: int) -> Job:
    return searched(folder, 100, n)


@case("search_shard", "texts", (200, 4000), QUERIES, CASES)
def searched_texts(folder: Path, n: int) -> Job:
    return searched(folder, n, 2000)


def published(folder: Path, rows: int) -> WebShard:
    """A shard of embeddings, with addresses and captions."""
    np.save(folder / "rows.npy", np.resize(unit(1000, "float16"), (rows, DIMENSION)))
    pq.write_table(pa.table(addresses(rows)), folder / "rows.parquet")
    return WebShard(str(folder / "rows.npy"), str(folder / "rows.parquet"))


def addresses(rows: int) -> dict[str, list[str]]:
    return {
        "url": [f"https://images.example.org/a/folder/of/photos/{i:09d}.jpg" for i in range(rows)],
        "caption": [f"a photo of the thing {i} in the green grass by the sea" for i in range(rows)],
    }


def searched_published(folder: Path, queries: int, rows: int) -> Job:
    classes, shard = written_classes(folder, CLASSES), published(folder, rows)
    return Job(
        {
            "classes": str(folder / "classes.json"),
            "queries": cache(folder / "queries.h5", queries, classes),
            "shard": shard.local_files,
        },
        {
            "name": "rows",
            "shard": shard.settings,
            "limit": LIMIT["vectors"],
            "encoder": "clip",
        },
        {"dataset": "tiny", "support": "vectors"},
    )


@case("search_embeddings", "rows", (40_000, 160_000), ROWS, CASES)
def searched_rows(folder: Path, n: int) -> Job:
    return searched_published(folder, 20, n)


@case("search_embeddings", "texts", (100, 1000), QUERIES, CASES)
def searched_texts_in_rows(folder: Path, n: int) -> Job:
    return searched_published(folder, n, 5000)


def searched_index(folder: Path, queries: int, rows: int) -> Job:
    import faiss

    job = searched_published(folder, queries, rows)
    index = faiss.index_factory(DIMENSION, "Flat", faiss.METRIC_INNER_PRODUCT)
    index.add(np.load(folder / "rows.npy").astype(np.float32))
    faiss.write_index(index, str(folder / "image.index"))
    tables = {"tables": [str(folder / "rows.parquet")]}
    arrays = {"arrays": {str(folder / "rows.parquet"): str(folder / "rows.npy")}}
    shard = IndexShard(str(folder / "image.index"), **tables, **arrays)
    params = {"name": "image", "shard": shard.settings, "limit": LIMIT["vectors"]}
    files = {"index": shard.path, "shard": shard.local_files}
    return Job(job.input | files, params, {"dataset": "tiny", "support": "index"})


@case("search_index", "rows", (10_000, 50_000), ROWS, CASES)
def searched_index_rows(folder: Path, n: int) -> Job:
    return searched_index(folder, 20, n)


@case("search_index", "texts", (100, 1000), QUERIES, CASES)
def searched_index_texts(folder: Path, n: int) -> Job:
    return searched_index(folder, n, 5000)


def matched(folder: Path, n: int, classes: int) -> Job:
    known = written_classes(folder, classes)
    found = addresses(n)
    found["caption"] = [f"a photo of a {known.names[i % classes]} no. {i}" for i in range(n)]
    pq.write_table(pa.table(found), folder / "captions.parquet")
    shard = WebShard(str(folder / "captions.parquet"))
    return Job(
        {"classes": str(folder / "classes.json"), "shard": shard.local_files},
        {"name": "captions", "shard": shard.settings, "limit": LIMIT["vectors"]},
        {"dataset": "tiny", "support": "captions"},
    )


@case("match_captions", "captions of a row group", (20_000, 200_000), 2**20, CASES)
def matched_captions(folder: Path, n: int) -> Job:
    return matched(folder, n, CLASSES)


@case("match_captions", "classes", (20, 500), CLASSES_IN_USE, CASES)
def matched_classes(folder: Path, n: int) -> Job:
    return matched(folder, n * LIMIT["vectors"], n)


@case("query_service", "texts", (20, 400), QUERIES, CASES)
def asked(folder: Path, n: int) -> Job:
    """Every answer was given before, by a stand-in for the service."""
    classes = written_classes(folder, CLASSES)
    texts = [[f"{i} of a {name}" for i in range(n // CLASSES)] for name in classes.names]
    prompts = PromptSet("cupl", texts, classes.sha256, {})
    prompts.write(folder / "prompts.json", classes)
    service = ServicePool(layout="service", url="http://localhost:9", index="i")
    hits = addresses(LIMIT["vectors"])
    rows = zip(hits["url"], hits["caption"], strict=True)
    body = json.dumps([{"url": url, "caption": text, "similarity": 0.3} for url, text in rows])
    with patch("susx.support.service._asked", lambda *_: body.encode()):
        query_service(service, prompts, classes, LIMIT["vectors"], folder / "answers")
    return Job(
        {"classes": str(folder / "classes.json"), "prompts": str(folder / "prompts.json")},
        {
            "service": service.model_dump(),
            "limit": LIMIT["vectors"],
            "how": {"folder": str(folder / "answers")},
        },
        {"dataset": "tiny", "support": "service"},
    )


@case("draw_support", "images", (1000, 50_000), IN_USE, CASES)
def drawn(folder: Path, n: int) -> Job:
    classes = written_classes(folder, CLASSES)
    linked_images(folder, classes.names, n)
    table = Table(image_records(classes, n, str(folder / "images")), classes.sha256)
    write_table(folder / "train.parquet", table, ImageRecord)
    files = {"classes": str(folder / "classes.json"), "train": str(folder / "train.parquet")}
    return Job(files, {"size": 16, "seed": 0})


def candidates(
    folder: Path, classes: ClassManifest, queries: int, limit: int, url: str = ""
) -> list[str]:
    """A table of the candidates of every query."""
    sha256 = "" if url else hashlib.sha256(IMAGE).hexdigest()
    scores = np.random.default_rng(0).random(queries * limit).tolist()
    records = [
        Candidate(
            label=q * len(classes) // queries,
            query=q,
            score=scores[q * limit + i],
            shard="00000",
            key=key(q, i),
            url=url.format(i % PHOTOS),
            caption="a photo of the thing in the green grass" if url else "",
            sha256=sha256,
        )
        for q in range(queries)
        for i in range(limit)
    ]
    meta = {"queries_sha256": "i" * 64, "rows": {"searched": 9}}
    write_table(folder / "00000.parquet", Table(records, classes.sha256, meta), Candidate)
    return [str(folder / "00000.parquet")]


def key(query: int, place: int) -> str:
    """Neighbouring queries share their hits, as those of one class do."""
    return f"{(query // 10 * 100 + query % 10 + place) % SHARD:05d}"


@case("select_support", "candidates", (10_000, 200_000), QUERIES * LIMIT["lc"], CASES)
def selected(folder: Path, n: int) -> Job:
    limit = LIMIT["lc"]
    classes = written_classes(folder, CLASSES)
    tables = candidates(folder, classes, n // limit, limit)
    write_images(folder / "00000.tar", ((f"{i:05d}", IMAGE) for i in range(SHARD)))
    return Job(
        {
            "classes": str(folder / "classes.json"),
            "candidates": tables,
            "shards": [str(folder / "00000.tar")],
            "features": [],
            "text": [],
        },
        {
            "limit": limit,
            "selection": selection(),
            "source": "retrieval from web",
            "shards": {"00000": Shard("webdataset", str(folder / "00000.tar")).settings},
        },
        {"dataset": "tiny", "support": "lc"},
    )


def selection() -> dict[str, Any]:
    section = Retrieval(source="retrieval", pool="web", refuse={})
    return section.model_dump(include={"size", "select", "margin", "max_cosine", "refuse"})


@case("download_support", "candidates", (10_000, 100_000), QUERIES * LIMIT["vectors"], CASES)
def downloaded(folder: Path, n: int) -> Job:
    """From a folder of images; none has to be fetched from the web."""
    limit = LIMIT["vectors"]
    classes = written_classes(folder, CLASSES)
    (folder / "photos").mkdir()
    for i in range(PHOTOS):
        image = image_bytes((i, 120, 30), (80, 72), seed=i)
        (folder / f"photos/{i}.png").write_bytes(image)
    return Job(
        {
            "classes": str(folder / "classes.json"),
            "candidates": candidates(folder, classes, n // limit, limit, "file:{}.png"),
            "model": [],
            "ranking": [],
            "agreeing": [],
        },
        {
            "limit": limit,
            "wanted": {"size": 4, "quota": 4, "wave_factor": 2, "source": "web", "refuse": {}},
            "rules": DownloadSettings().model_dump(exclude=RULES_NOT),
            "crawler": "susx",
            "encoder": None,
            "selection": selection(),
            "how": {
                "folder": str(folder / "downloads"),
                "fetch": DownloadSettings().model_dump(include=FETCHED_BY),
                "encoder": {},
                "images": str(folder / "photos"),
            },
        },
        {"dataset": "tiny", "support": "vectors"},
    )


@case("synthesise", "images per class", (1, 8), 16, CASES)
def synthesised(folder: Path, n: int) -> Job:
    from tests.diffusion import save_tiny_pipeline  # diffusers take seconds to import

    classes = written_classes(folder, 5)
    prompts = PromptSet("photo", [[f"a {name}"] for name in classes.names], classes.sha256, {})
    prompts.write(folder / "prompts.json", classes)
    save_tiny_pipeline(folder / "model")
    settings = Synthesis(
        source="synthesis", model=str(folder / "model"), steps=1, guidance=0, size=n
    )
    return Job(
        {
            "classes": str(folder / "classes.json"),
            "prompts": str(folder / "prompts.json"),
            "model": [str(path) for path in sorted((folder / "model").rglob("*.*"))],
        },
        {
            "settings": settings.model_dump(exclude=DRAWN_ANYHOW),
            "chunk": 0,
            "how": {"runs": {"device": "cpu"}},
        },
        {"dataset": "tiny", "support": "drawn"},
    )


@case("join_chunks", "images", (1000, 20_000), 16 * CLASSES_IN_USE, CASES)
def joined(folder: Path, n: int) -> Job:
    classes, image = written_classes(folder, CLASSES), IMAGE
    table = support_records(classes, image, n)
    half = len(table.records) // 2
    files: dict[str, list[str]] = {"manifests": [], "images": []}
    for number, records in enumerate((table.records[:half], table.records[half:])):
        chunk = Table(records, classes.sha256, {"generator": {}})
        write_table(folder / f"{number}.parquet", chunk, SupportRecord)
        write_images(folder / f"{number}.tar", ((record.key, image) for record in records))
        files["manifests"].append(str(folder / f"{number}.parquet"))
        files["images"].append(str(folder / f"{number}.tar"))
    return Job({"classes": str(folder / "classes.json"), **files}, {"size": n // CLASSES})
