"""How much work the jobs of a run are, by rule: things to do, and what each of them takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from susx.config.encoders import EncoderSettings
from susx.methods import METHODS
from susx.planning.amounts import class_count, image_count, support_size, texts_per_class
from susx.planning.datasets import UNLABELLED
from susx.planning.descriptions import language_model
from susx.planning.image_sizes import (
    DEMO_PHOTO,
    DEMO_WEB_IMAGE,
    pool_image_size,
    training_image_size,
)
from susx.planning.machine import Width
from susx.planning.networks import Passes, drawing_of, encoder_passes, token_operations
from susx.planning.run import PlannedJob
from susx.planning.setup import Setup
from susx.planning.supports import evaluated_supports, support_views
from susx.planning.web import judging_encoder, local_images, wanted_images

ModelKind = Literal["encoder", "drawer", "writer"]

LISTED = 3e-3
"""Processor seconds that an image takes to be decoded and hashed (docs/cluster.md, measured)."""
PREPROCESSED = 6e-3
"""The same with resizing to an encoder's input (docs/encoders.md, measured)."""
TUNED = 0.22 * 3600 / 50_000 / 100_000
"""Processor seconds of TIP-X's grid per image and support image (docs/cluster.md, measured)."""
EVALUATED = 1.0
"""Processor seconds of a row of a result besides, with its comparisons: as in the demo."""
FOUND = 0.05
"""Seconds of a download per address that is tried, 20 in a second: assumed."""
ANSWERED = 0.5
"""Seconds of an answer of a retrieval service: assumed."""
PROMPT = 40
"""Tokens of a question with its instruction and the chat template around them."""
PHOTO = 100_000
"""Bytes of an image that is not here: LAION's and ImageNet's have about so many on average."""
MEMBER = 768
"""Bytes of a tar besides per image: its head, and half a block behind it."""
RENDERED = 6e-3
"""Processor seconds of an image of the demo (tests/benchmarks/bench_demo.py, measured)."""
DRAWN = 0.5e6 / 512**2
"""Bytes of a PNG per pixel (docs/synthesis.md, measured)."""
ROW = 100
"""Bytes of a cache's row besides its numbers (docs/cluster.md, measured)."""
LISTED_ROW = 160
"""Bytes of a listed image (docs/cluster.md, measured)."""
PATCHES = 100
"""Patches of an image, between the 49 of RN50 and ViT-B/32 and the 196 of ViT-B/16."""
START, SMALL_START = 10.0, 2.0
"""Processor seconds of the start of a job with PyTorch (docs/cluster.md, measured), and without."""


@dataclass(frozen=True)
class Load:
    """What a job has to do.

    Attributes:
        n: number of things; None where that is not known before something is read.
        unit: what they are.
        flops: operations of a model per thing; None where its size is not known.
        model: kind of that model, if one runs.
        width: of its numbers.
        gpu: whether it runs on a GPU if there is one.
        cpu: processor seconds per thing besides.
        waits: seconds per thing in which nothing is computed.
        size: bytes that are kept per thing.
        fetched: bytes from the web per thing.
        start: processor seconds before the first thing.
    """

    n: int | None
    unit: str
    flops: float | None = 0.0
    model: ModelKind | None = None
    width: Width = "float32"
    gpu: bool = False
    cpu: float = 0.0
    waits: float = 0.0
    size: float = 0.0
    fetched: float = 0.0
    start: float = SMALL_START


def load_of(setup: Setup, job: PlannedJob) -> Load:
    """The work of a job; of a rule that is not listed, its start."""
    known = LOADS.get(job.rule)
    return known(setup, job) if known else Load(0, "")


def _times(count: int | None, by: float) -> int | None:
    return None if count is None else round(count * by)


def _prompts(setup: Setup, job: PlannedJob) -> Load:
    dataset = job.names["dataset"]
    each = texts_per_class(setup, dataset, job.names["strategy"])
    return Load(_times(class_count(setup, dataset), each), "texts", size=ROW)


def _listed(setup: Setup, job: PlannedJob) -> Load:
    count = image_count(setup, job.names["dataset"], job.names.get("split", UNLABELLED))
    return Load(count, "images", cpu=LISTED, size=LISTED_ROW)


def _fetched_dataset(setup: Setup, job: PlannedJob) -> Load:
    count = image_count(setup, job.names["dataset"], job.names["split"])
    return Load(count, "images")


def _written(setup: Setup, job: PlannedJob) -> Load:
    dataset, texts = job.names["dataset"], job.names["texts"]
    model, asked = language_model(setup, dataset, texts), job.job.params["asked"]
    count = len(job.job.params["classes"]) * len(asked["questions"]) * asked["samples"]
    tokens = PROMPT + asked["max_tokens"] + getattr(model, "thinking_tokens", 0)
    if not job.job.params["listed"]["models"]:  # a server writes them
        return Load(count, "replies", None, "writer", size=4 * tokens)
    each = token_operations(str(getattr(model, "model", "")), getattr(model, "revision", None))
    return Load(
        count,
        "replies",
        None if each is None else each * tokens,
        "writer",
        _width(getattr(model, "precision", "float32")),
        getattr(model, "device", "cpu") != "cpu",
        size=4 * tokens,
        start=START,
    )


def _width(precision: str) -> Width:
    return "float32" if precision == "float32" else "float16"


def _encoder(setup: Setup, name: str) -> tuple[EncoderSettings, Passes]:
    settings = setup.config.encoders[name]
    return settings, encoder_passes(settings)


def _embedded(setup: Setup, name: str, count: int | None, unit: str, **more: Any) -> Load:
    settings, passes = _encoder(setup, name)
    width = 2 if settings.store == "float16" else 4
    per_thing = {"flops": passes.image, "size": width * passes.dim + ROW, "cpu": PREPROCESSED}
    how = {"width": _width(settings.precision), "gpu": settings.device != "cpu", "start": START}
    return Load(count, unit, **{"model": "encoder", **per_thing, **how, **more})


def _embedded_text(setup: Setup, job: PlannedJob) -> Load:
    encoder, prompts = job.names["encoder"], _prompts(setup, job)
    flops = _encoder(setup, encoder)[1].text
    return _embedded(setup, encoder, prompts.n, "texts", flops=flops, cpu=0.0)


def _embedded_images(setup: Setup, job: PlannedJob) -> Load:
    count = image_count(setup, job.names["dataset"], job.names["split"])
    return _embedded(setup, job.names["encoder"], count, "images")


def _embedded_patches(setup: Setup, job: PlannedJob) -> Load:
    encoder = job.names["encoder"]
    count = image_count(setup, job.names["dataset"], job.names["split"])
    size = PATCHES * 2 * _encoder(setup, encoder)[1].dim
    return _embedded(setup, encoder, count, "images", size=size)


def _embedded_support(setup: Setup, job: PlannedJob) -> Load:
    views = max(1, support_views(setup, job.names["support"]).get("views", 1))
    return _embedded(setup, job.names["encoder"], _times(_support(setup, job), views), "images")


def _embedded_shard(setup: Setup, job: PlannedJob) -> Load:
    return _embedded(setup, job.names["encoder"], None, "images")


def _support(setup: Setup, job: PlannedJob) -> int | None:
    size = support_size(setup, job.names["support"])
    return _times(class_count(setup, job.names["dataset"]), size)


def _selected(setup: Setup, job: PlannedJob) -> Load:
    return _chosen(setup, job, pool_image_size(setup, job.names["support"]))


def _drawn_from_training(setup: Setup, job: PlannedJob) -> Load:
    return _chosen(setup, job, training_image_size(setup, job.names["dataset"]))


def _chosen(setup: Setup, job: PlannedJob, size: float | None) -> Load:
    return Load(_support(setup, job), "images", cpu=LISTED, size=(size or PHOTO) + MEMBER)


def _answered(setup: Setup, job: PlannedJob) -> Load:
    dataset, entry = job.names["dataset"], setup.retrieved[job.names["support"]]
    each = texts_per_class(setup, dataset, entry.query)
    return Load(_times(class_count(setup, dataset), each), "texts", waits=ANSWERED)


def _downloaded(setup: Setup, job: PlannedJob) -> Load:
    support = job.names["support"]
    judge, wanted = judging_encoder(setup, support), wanted_images(setup, support)
    kept = wanted["quota"] / wanted["size"]
    web: dict[str, Any]
    if local_images(setup, support):
        web = {"size": (pool_image_size(setup, support) or PHOTO) + MEMBER}
    else:
        waits = kept * wanted["wave_factor"] * FOUND
        web = {"waits": waits, "fetched": kept * PHOTO, "size": PHOTO + MEMBER}
    count = _support(setup, job)
    if judge is None:
        return Load(count, "images", **web)
    flops = kept * _encoder(setup, judge)[1].image
    return _embedded(setup, judge, count, "images", flops=flops, cpu=kept * PREPROCESSED, **web)


def _drawn(setup: Setup, job: PlannedJob) -> Load:
    settings = setup.synthesised[job.names["support"]]
    classes = class_count(setup, job.names["dataset"])
    begin = int(job.names["chunk"]) * settings.chunk
    drawing = drawing_of(settings)
    here = None if classes is None else max(0, min(settings.chunk, classes - begin))
    return Load(
        _times(here, settings.size),
        "images",
        drawing.operations,
        "drawer",
        _width("float16" if settings.precision == "auto" else settings.precision),
        settings.device != "cpu",
        size=DRAWN * drawing.side**2,
        start=START,
    )


def _joined(setup: Setup, job: PlannedJob) -> Load:
    side = drawing_of(setup.synthesised[job.names["support"]]).side
    return Load(_support(setup, job), "", size=DRAWN * side**2)  # already counted as drawn


def _evaluated(setup: Setup, job: PlannedJob) -> Load:
    dataset = job.names["dataset"]
    count = image_count(setup, dataset, "test") if dataset in setup.images else None
    methods = [METHODS[name] for name in setup.config.evaluation.methods]
    voting = sum(method.needs_support for method in methods)
    supports = [
        support_size(setup, name)
        for name in evaluated_supports(setup, dataset)
        if dataset in setup.images
    ]
    images = sum(supports) * (class_count(setup, dataset) or 0)
    protocols = len(setup.config.evaluation.protocols)
    rows = sum(
        (len(supports) if method.needs_support else 1) * (protocols if method.grid else 1)
        for method in methods
    )
    start = START + rows * EVALUATED
    return Load(count, "images", cpu=TUNED * voting * images, start=start)


def _searched(setup: Setup, job: PlannedJob) -> Load:
    return Load(None, "")  # rows of a shard are counted by reading it


def _analysed(setup: Setup, job: PlannedJob) -> Load:
    return Load(0, "", start=START)


def _demo_photos(setup: Setup, job: PlannedJob) -> Load:
    """Images of a split; their classes are those of the dataset that names their folder."""
    split, (folder,) = job.names["split"], job.outputs
    entries = setup.entries.items()
    named = (
        name for name, entry in entries if entry.images and vars(entry.images)[split] == folder
    )
    classes = next((class_count(setup, name) for name in named), None)
    count = _times(classes, job.job.params["per_class"])
    return Load(count, "images", cpu=RENDERED, size=DEMO_PHOTO)


def _demo_shard(setup: Setup, job: PlannedJob) -> Load:
    size = DEMO_WEB_IMAGE + 2 * MEMBER  # an image and its caption
    return Load(job.job.params["size"], "images", cpu=RENDERED, size=size)


LOADS: dict[str, Callable[[Setup, PlannedJob], Load]] = {
    "demo_images": _demo_photos,
    "demo_pool": _demo_shard,
    "prompts": _prompts,
    "image_manifest": _listed,
    "list_unlabelled": _listed,
    "download_dataset": _fetched_dataset,
    "describe_classes": _written,
    "embed_text": _embedded_text,
    "embed_images": _embedded_images,
    "embed_patches": _embedded_patches,
    "embed_support": _embedded_support,
    "embed_shard": _embedded_shard,
    "search_shard": _searched,
    "search_embeddings": _searched,
    "search_index": _searched,
    "match_captions": _searched,
    "draw_support": _drawn_from_training,
    "select_support": _selected,
    "query_service": _answered,
    "download_support": _downloaded,
    "synthesise": _drawn,
    "join_chunks": _joined,
    "evaluate": _evaluated,
    "analyse": _analysed,
}
