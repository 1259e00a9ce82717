"""COYO-700M in miniature: addresses and captions as Kakao Brain publishes them on the hub."""

import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COYO = "datasets/kakaobrain/coyo-700m"
RUN = "17da4908-939c-46e5-91d0-15f256041956"
"""What its writer called all parts."""
PUBLISHED = 128
"""Parts there are on the hub."""
OF_OTHERS = ["Olive oil infused with herbs", "a quiet street at night", "sale!!! 50% off", ""]
"""Captions that name no class."""


def part_name(part: int) -> str:
    """Path of a part in the dataset."""
    return f"data/part-{part:05d}-{RUN}-c000.snappy.parquet"


def coyo(web: str, names: Sequence[str], per_class: int, parts: int = 2) -> dict[str, bytes]:
    """Files of the dataset.

    Args:
        web: address of the server of images (`tests.web`).
        names: what captions name.
        per_class: live images of each; as many rows more lead nowhere, or to pages in place of
            images.
        parts: number of files, which share the rows.
    """
    rows = [
        (f"{web}/{_kind(turn, number)}", _caption(name, turn))
        for turn in range(2 * per_class)
        for number, name in enumerate(names)
    ]
    rows += [(f"{web}/photo/{90_000 + n}.png", OF_OTHERS[n % 4]) for n in range(len(names))]
    return {part_name(part): _table(rows[part::parts], part) for part in range(parts)}


def _kind(turn: int, number: int) -> str:
    place = 1000 * number + turn
    if turn % 2 == 0:
        return f"photo/{place}.png"
    return f"status/404?{place}" if turn % 4 == 1 else f"html/{place}"


def _caption(name: str, turn: int) -> str:
    return (f"a {name}", f"{name} in the morning", f"Photo of the {name}, no. {turn}")[turn % 3]


def _table(rows: Sequence[tuple[str, str]], part: int) -> bytes:
    n = len(rows)
    random = np.random.default_rng(part)
    scores = random.uniform(0, 0.4, (6, n)).astype(np.float32)
    table = pa.table(
        {
            "id": pa.array([562_949_953_421_312 + 2**40 * part + i for i in range(n)], pa.int64()),
            "url": [url for url, _ in rows],
            "text": [caption for _, caption in rows],
            "width": pa.array([80] * n, pa.int64()),
            "height": pa.array([72] * n, pa.int64()),
            "image_phash": [f"{random.integers(2**63):016x}" for _ in rows],
            "text_length": pa.array([len(caption) for _, caption in rows], pa.int64()),
            "word_count": pa.array([len(caption.split()) for _, caption in rows], pa.int64()),
            "num_tokens_bert": pa.array([1 + len(caption.split()) for _, caption in rows]),
            "num_tokens_gpt": pa.array([2 + len(caption.split()) for _, caption in rows]),
            "num_faces": pa.array([0] * n, pa.int64()),
            "clip_similarity_vitb32": scores[0],
            "clip_similarity_vitl14": scores[1],
            "nsfw_score_opennsfw2": scores[2],
            "nsfw_score_gantman": scores[3],
            "watermark_score": scores[4],
            "aesthetic_score_laion_v2": 10 * scores[5],
        }
    )
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="snappy")
    return stream.getvalue()
