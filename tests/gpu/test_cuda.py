"""The same numbers on a CUDA device as on the CPU. Run with `python -m pytest -m gpu`."""

from dataclasses import fields, replace
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from torch import Tensor

from susx.config.schema import EncoderSettings
from susx.datasets.manifest import image_manifest
from susx.embeddings.cache import read_cache
from susx.embeddings.embed import embed_images
from susx.encoders import load_encoder
from susx.images.decode import decode
from susx.manifests.classes import class_manifest
from susx.methods import METHODS, Context, Images, Method
from susx.search.grid import search
from tests.benchmarks.bench_search import make
from tests.helpers import (
    colour_of,
    context_of,
    image_bytes,
    images_of,
    make_problem,
    write_class_folders,
)

pytestmark = pytest.mark.gpu

Kind = TypeVar("Kind", Context, Images)
ALL = pytest.mark.parametrize("method", METHODS.values(), ids=lambda m: m.name)
TUNED = pytest.mark.parametrize(
    "method", [m for m in METHODS.values() if m.grid], ids=lambda m: m.name
)
PROBLEM = make_problem(0, n=101)


def on_gpu(held: Kind) -> Kind:
    """A copy on the GPU."""
    parts = {field.name: getattr(held, field.name) for field in fields(held)}
    return replace(held, **{k: v.cuda() for k, v in parts.items() if isinstance(v, Tensor)})


@ALL
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_logits_are_those_of_the_cpu(method: Method, dtype: torch.dtype) -> None:
    context, images = context_of(PROBLEM, dtype=dtype), images_of(PROBLEM, dtype)
    values = method.scaled(method.fixed, context.logit_scale)

    found = method.fit(on_gpu(context), values).logits(on_gpu(images))

    assert found.is_cuda
    assert found.dtype == dtype
    expected = method.fit(context, values).logits(images)
    tolerance = 1e-8 if dtype == torch.float64 else 5e-3
    assert torch.allclose(found.cpu(), expected, rtol=tolerance, atol=tolerance)


@TUNED
@pytest.mark.parametrize("continuous", [False, True], ids=["grid", "continuous"])
def test_the_search_counts_what_the_cpu_counts(method: Method, continuous: bool) -> None:
    context, images = context_of(PROBLEM), images_of(PROBLEM)
    labels = torch.from_numpy(PROBLEM.labels)
    grid = {name: axis.values(100.0)[::7] for name, axis in method.grid.items()}

    expected = search(method.terms(context, images), labels, grid, continuous=continuous)
    terms = method.terms(on_gpu(context), on_gpu(images))
    found = search(terms, labels.cuda(), grid, continuous=continuous)

    assert (found.counts == expected.counts).all()
    assert found.hyperparameters == expected.hyperparameters
    assert (found.continuous is None) == (expected.continuous is None)
    if found.continuous and expected.continuous:
        assert found.continuous.correct == expected.continuous.correct


@pytest.mark.parametrize("memory", [256, 1024])
def test_the_search_keeps_to_its_memory(memory: int) -> None:
    problem = make(4000, 8000, 200, 128, "cuda")
    terms = METHODS["tip-x"].terms(problem.context, Images(problem.features))
    grid = {name: axis.values(100.0) for name, axis in METHODS["tip-x"].grid.items()}
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()

    search(terms, problem.labels, grid, memory_mib=memory)

    assert torch.cuda.max_memory_allocated() - before < 1.5 * memory * 2**20 + 600 * 2**20


@pytest.mark.parametrize(
    ("precision", "least"), [("float32", 0.99999), ("float16", 0.999), ("bfloat16", 0.99)]
)
def test_embeddings_are_those_of_the_cpu(tiny_clip: Path, precision: str, least: float) -> None:
    images = [decode(image_bytes(colour_of(i, 5), (40, 30), seed=i)) for i in range(5)]
    embeddings = []
    for device, used in (("cpu", "float32"), ("cuda", precision)):
        settings = EncoderSettings(
            library="transformers", model=str(tiny_clip), device=device, precision=used
        )
        encoder = load_encoder(settings)
        pixels = torch.stack([torch.as_tensor(encoder.preprocess(image)) for image in images])
        embeddings.append(torch.as_tensor(encoder.encode_images(pixels)).cpu().float())
    cosines = torch.nn.functional.cosine_similarity(*embeddings)
    assert float(cosines.min()) > least


def test_images_that_processes_decode_ahead_are_embedded_as_on_the_cpu(
    tiny_clip: Path, tmp_path: Path
) -> None:
    write_class_folders(tmp_path / "photos", ["ant", "bee"], 20)
    (tmp_path / "photos/ant/003.png").write_bytes(b"broken")
    table = image_manifest(tmp_path / "photos", class_manifest(["ant", "bee"]))
    made = []
    for device in ("cpu", "cuda"):
        settings = EncoderSettings(
            library="transformers", model=str(tiny_clip), device=device, batch_size=7
        )
        embed_images(settings, table, tmp_path / f"{device}.h5", threads=4)
        made.append(read_cache(tmp_path / f"{device}.h5"))
    assert made[0].keys == made[1].keys
    assert len(made[0].keys) == 39
    assert made[0].labels.tolist() == made[1].labels.tolist()
    assert made[1].features == pytest.approx(made[0].features, abs=1e-3)
