"""COYO-700M in miniature: addresses and captions as Kakao Brain publishes them on the hub."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COYO = "datasets/kakaobrain/coyo-700m"
RUN = "17da4908-939c-46e5-91d0-15f256041956"
"""What its writer called all parts."""
PUBLISHED = 128
"""Parts there are on the hub."""
FORBIDDEN = "kept"
"""Folder of the server that its robots.txt forbids."""
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
        per_class: images of each, of which three of five are neither marked nor unsafe; as many
            rows more lead nowhere, to pages in place of images, or where no robot may go.
        parts: number of files, which share the rows.
    """
    rows = [
        Row(f"{web}/{_kind(turn, number)}", _caption(name, turn), turn)
        for turn in range(2 * per_class)
        for number, name in enumerate(names)
    ]
    rows += [Row(f"{web}/photo/{900_000 + n}.png", OF_OTHERS[n % 4], 0) for n in range(len(names))]
    return {part_name(part): _table(rows[part::parts], part) for part in range(parts)}


class Row(NamedTuple):
    """An address, its caption, and which one of its class it is."""

    url: str
    text: str
    turn: int


def _kind(turn: int, number: int) -> str:
    place = 1000 * number + turn
    if turn % 2 == 0:
        return f"photo/{place}.png"
    if turn % 4 == 1:
        return f"status/404?{place}"
    return f"html/{place}" if number % 2 else f"{FORBIDDEN}/{place}"


def _caption(name: str, turn: int) -> str:
    return (f"a {name}", f"{name} in the morning", f"Photo of the {name}, no. {turn}")[turn % 3]


def _table(rows: Sequence[Row], part: int) -> bytes:
    n = len(rows)
    random = np.random.default_rng(part)
    scores = random.uniform(0, 0.4, (6, n)).astype(np.float32)
    turns = np.array([row.turn for row in rows])
    scores[2, turns % 10 == 4] = 0.9  # unsafe
    scores[4, turns % 10 == 8] = 0.9  # marked
    table = pa.table(
        {
            "id": pa.array([562_949_953_421_312 + 2**40 * part + i for i in range(n)], pa.int64()),
            "url": [row.url for row in rows],
            "text": [row.text for row in rows],
            "width": pa.array([80] * n, pa.int64()),
            "height": pa.array([72] * n, pa.int64()),
            "image_phash": [f"{random.integers(2**63):016x}" for _ in rows],
            "text_length": pa.array([len(row.text) for row in rows], pa.int64()),
            "word_count": pa.array([len(row.text.split()) for row in rows], pa.int64()),
            "num_tokens_bert": pa.array([1 + len(row.text.split()) for row in rows]),
            "num_tokens_gpt": pa.array([2 + len(row.text.split()) for row in rows]),
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
