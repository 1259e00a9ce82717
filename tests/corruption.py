"""Every kind of file that the pipeline writes and reads back, and trials that damage one."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from susx.core.errors import InputError
from susx.core.files import read_checked, sha256_file, write_checked
from susx.embeddings.cache import Embeddings, read_cache, write_cache
from susx.evaluation.schema import read_result
from susx.manifests.classes import ClassManifest, class_manifest
from susx.manifests.tables import ImageRecord, SupportRecord, Table, read_table, write_table
from susx.pools.web import _listed
from susx.prompts.descriptions import REPLIES_FORMAT, join_replies
from susx.prompts.strategies import PromptSet, build_prompts
from susx.published.tensors import load_tensor
from susx.support.download import _stored
from susx.support.retrieval import Candidate
from susx.support.selection import stored_images, write_images
from susx.support.synthesis import GenerationJob, Progress, join_chunks
from susx.support.waves import read_wave
from tests.helpers import image_bytes, unit_rows
from tests.made.result import result, run

CLASSES = class_manifest(["zebra", {"name": "café au lait", "aliases": ["latte"]}, "a/b"])
TEXTS = {"template": "a photo of a {}.", "ensemble": ["a {}.", "the {}!"]}
JOB = GenerationJob(2, 0, "synthesis", {"model": "painter"})
PICTURES = {
    f"{c:05d}-{i:05d}": image_bytes((60 * c, 90 * i, 9), (12, 9), format="JPEG")
    for c in range(3)
    for i in range(2)
}
SUPPORT = [
    SupportRecord(
        key, int(key[:5]), CLASSES.names[int(key[:5])], int(key[6:]), 0.25, "lc", f"pool#{key}",
        "a caption", hashlib.sha256(data).hexdigest(), 12, 9, True, fingerprint="0f" * 32,
    )
    for key, data in PICTURES.items()
]  # fmt: skip
IMAGES = [
    ImageRecord(f"zebra/{i}.png", f"photos/zebra/{i}.png", i % 3, "zebra", f"{i:064x}", 12, 9)
    for i in range(40)
]
CANDIDATES = [Candidate(i % 3, i, 0.5 - i / 99, "s0", f"k{i}", f"http://h/{i}") for i in range(40)]


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: as in the table of docs/reliability.md.
        write: writes it, and what belongs to it, into a folder; returns its path.
        read: reads it as the pipeline does, to something that can be compared.
    """

    name: str
    write: Callable[[Path], Path]
    read: Callable[[Path], Any]


def _plain(embeddings: Embeddings) -> Any:
    arrays = (embeddings.features, embeddings.labels, embeddings.norms, embeddings.hashes)
    return (
        [a if a is None else (str(a.dtype), a.tolist()) for a in arrays],
        embeddings.keys,
        embeddings.meta,
    )


def _embeddings(shape: tuple[int, ...], norms: bool) -> Embeddings:
    rows = unit_rows(np.random.default_rng(0), int(np.prod(shape[:-1])), shape[-1])
    n = shape[0]
    return Embeddings(
        rows.reshape(shape).astype(np.float16 if norms else np.float32),
        np.arange(n, dtype=np.int32) % 3,
        [f"é/{i}" for i in range(n)],
        {"classes_sha256": CLASSES.sha256, "encoder": {"weights_sha256": "0"}, "n_failed": 0},
        np.linspace(8, 12, n, dtype=np.float32) if norms else None,
        np.arange(32 * n, dtype=np.uint8).reshape(n, 32),
    )


def _cache(name: str, shape: tuple[int, ...], norms: bool = False) -> Kind:
    def write(folder: Path) -> Path:
        write_cache(folder / "c.h5", _embeddings(shape, norms))
        return folder / "c.h5"

    return Kind(name, write, lambda path: _plain(read_cache(path, CLASSES.sha256, 3)))


def _table(name: str, records: list[Any], kind: type) -> Kind:
    def write(folder: Path) -> Path:
        write_table(folder / "t.parquet", Table(records, CLASSES.sha256, {"n": 7}), kind)
        return folder / "t.parquet"

    return Kind(name, write, lambda path: read_table(path, kind, CLASSES.sha256))


def _classes(folder: Path) -> Path:
    CLASSES.write(folder / "classes.json")
    return folder / "classes.json"


def _prompts(folder: Path) -> Path:
    build_prompts("e", {"e": "ensemble"}, CLASSES, TEXTS).write(folder / "p.json", CLASSES)
    return folder / "p.json"


def _replies(folder: Path) -> Path:
    said = {
        "question": 0,
        "text": "It has two long legs and a short tail.",
        "finished": True,
        "malformed": False,
        "withheld": False,
    }
    values = {
        "format": REPLIES_FORMAT,
        "asked": {"samples": 1},
        "model": {"model": "gpt"},
        "tokens": {"questions": 8, "replies": 9},
        "replies": {name: [said] for name in CLASSES.names},
    }
    write_checked(folder / "0000.json", values)
    return folder / "0000.json"


def _read_replies(path: Path) -> Any:
    return join_replies("descriptions", CLASSES, [path])


def _descriptions(folder: Path) -> Path:
    write_checked(folder / "d.json", _read_replies(_replies(folder)))
    return folder / "d.json"


def _read_descriptions(path: Path) -> Any:
    settings = TEXTS | {"descriptions": str(path)}
    return build_prompts("cupl", {"cupl": "descriptions"}, CLASSES, settings)


def _images(folder: Path) -> Path:
    write_images(folder / "images.tar", PICTURES.items())
    return folder / "images.tar"


def _chunk(folder: Path) -> Path:
    write_table(
        folder / "0.parquet", Table(SUPPORT, CLASSES.sha256, {"generator": {}}), SupportRecord
    )
    return _images(folder)


def _read_chunk(path: Path) -> Any:
    table = read_table(path.parent / "0.parquet", SupportRecord, CLASSES.sha256)
    joined = join_chunks([table], [path], CLASSES, 2, path.parent / "joined.tar")
    return joined, dict(stored_images(path.parent / "joined.tar", joined.records))


def _wave(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        part = folder / "0"
        part.mkdir()
        write_images(part / "0.tar", PICTURES.items())
        rows = [
            {"key": r.key, "status": "success", "width": 12, "height": 9, "sha256": r.sha256,
             "address": f"http://h/{r.key}", "error_message": None}
            for r in SUPPORT
        ]  # fmt: skip
        failed = {"key": "9", "status": "failed", "address": "http://h/9", "error_message": "404"}
        pq.write_table(pa.Table.from_pylist([*rows, failed]), part / "0.parquet")
        looks = {record.sha256: record.fingerprint for record in SUPPORT}
        notes = {"parquet": sha256_file(part / "0.parquet"), "fingerprints": looks}
        write_checked(part / "fingerprints.json", notes)
        return part / name

    return write


def _read_wave(path: Path) -> Any:
    outcomes = read_wave(path.parent.parent)
    good = {outcome.key: outcome for outcome in outcomes if not outcome.reason}
    return outcomes, dict(_stored(good))


def _answer(folder: Path) -> Path:
    hits = {"hits": [{"url": f"http://h/{i}", "similarity": i / 7} for i in range(6)]}
    write_checked(folder / "answer.json", hits)
    return folder / "answer.json"


def _listing(folder: Path) -> Path:
    write_checked(folder / "web.json", {"s3://b/*.npy": [f"s3://b/{i}.npy" for i in range(6)]})
    return folder / "web.json"


def _progress(suffix: str) -> Kind:
    entry = CLASSES.classes[0]

    def write(folder: Path) -> Path:
        progress = Progress(folder, JOB)
        own = [record for record in SUPPORT if record.label == 0]
        progress.save(entry, ["x"], own, [(record.key, PICTURES[record.key]) for record in own])
        return folder / f"{entry.slug}.{suffix}"

    def read(path: Path) -> Any:
        progress = Progress(path.parent, JOB)
        records = progress.load(entry, ["x"])
        if records is None:
            raise InputError("drawn again")
        return records, dict(progress.read(entry))

    return Kind(f"finished class of synthesis, {suffix}", write, read)


def _evaluation(folder: Path) -> Path:
    write_checked(folder / "e.json", {"encoder": "clip", "runs": [run(), run(top1=12.5)]})
    return folder / "e.json"


def _result(folder: Path) -> Path:
    write_checked(folder / "pets.json", result(run(), run(method="tip-x", top1=63.125)))
    return folder / "pets.json"


def _tensor(folder: Path) -> Path:
    torch.save(torch.from_numpy(_embeddings((9, 8), False).features), folder / "f.pt")
    return folder / "f.pt"


KINDS = [
    Kind("class manifest", _classes, ClassManifest.read),
    Kind("prompts", _prompts, lambda path: PromptSet.read(path, CLASSES)),
    Kind("replies of a language model", _replies, _read_replies),
    Kind("descriptions of a language model", _descriptions, _read_descriptions),
    _table("image manifest", IMAGES, ImageRecord),
    _table("support manifest", SUPPORT, SupportRecord),
    Kind("support images", _images, lambda path: list(stored_images(path, SUPPORT))),
    _table("candidates", CANDIDATES, Candidate),
    Kind("downloads, list", _wave("0.parquet"), _read_wave),
    Kind("downloads, fingerprints", _wave("fingerprints.json"), _read_wave),
    Kind("downloads, images", _wave("0.tar"), _read_wave),
    Kind("answers of a service", _answer, lambda p: read_checked(p, "delete it")["hits"]),
    Kind("listing of a bucket", _listing, lambda p: _listed("s3://b/*.npy", {}, "pools.x", p)),
    _progress("json"),
    _progress("tar"),
    Kind("chunk of synthesis, tar", _chunk, _read_chunk),
    _cache("cache of texts or images", (12, 8), norms=True),
    _cache("cache of patches", (6, 4, 8)),
    Kind("published features, .pt", _tensor, lambda path: load_tensor(str(path)).tolist()),
    Kind("evaluation", _evaluation, lambda path: read_checked(path, "delete it")),
    Kind("result", _result, read_result),
]


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Flip a bit, replace a byte, or cut the end off."""
    place = chance.randrange(len(data))
    before, byte, after = data[:place], data[place], data[place + 1 :]
    flipped = bytes([byte ^ 1 << chance.randrange(8)])
    other = bytes([chance.randrange(256)])
    return chance.choice([before + flipped + after, before + other + after, before])


def mangled(data: bytes, chance: random.Random) -> bytes:
    """Damage worse: many bytes, a stretch of zeros, a repeated or a missing stretch, or noise."""
    a, b = sorted(chance.choices(range(len(data) + 1), k=2))
    many = bytearray(data)
    for place in chance.choices(range(len(data)), k=chance.randrange(2, 40)):
        many[place] = chance.randrange(256)
    return chance.choice(
        [
            bytes(many),
            data[:a] + bytes(b - a) + data[b:],
            data[:b] + data[a:],
            data[:a] + data[b:],
            data[:a] + chance.randbytes(b - a) + data[b:],
            chance.randbytes(chance.randrange(200)),
        ]
    )


def trial(kind: Kind, path: Path, intact: bytes, truth: Any, data: bytes) -> str:
    """What became of a damaged file: detected, harmless, wrong, or the exception that escaped."""
    path.write_bytes(data)
    try:
        found = kind.read(path)
    except InputError:
        return "detected"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    finally:
        path.write_bytes(intact)
    return "harmless" if found == truth else "wrong"


def trials(
    kind: Kind,
    folder: Path,
    n: int,
    seed: int = 0,
    damage: Callable[[bytes, random.Random], bytes] = damaged,
) -> list[str]:
    """Outcomes of n damages to a file of a kind."""
    folder.mkdir(parents=True)
    path = kind.write(folder)
    intact = path.read_bytes()
    truth = kind.read(path)
    chance = random.Random(f"{kind.name}/{seed}")
    return [trial(kind, path, intact, truth, damage(intact, chance)) for _ in range(n)]
