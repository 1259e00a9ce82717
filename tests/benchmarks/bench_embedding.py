"""Embedding of JPEG files against the bare forward pass on tensors that are already there.

    python -m tests.benchmarks.bench_embedding [--patch 16] [--precision float32 bfloat16]
        [--compile] [--device cuda]

A CLIP of the published size with random weights, in all precisions that are named; `--compile`
compiles the last of them, once more. Every round measures of each, one after the other, the forward
pass alone, the job as the pipeline runs it (files read, verified, decoded, preprocessed, embedded,
written to a cache), and decoding and preprocessing alone; printed are the median images/s, the
median of the rounds' ratios, and that of each job to the first one's.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from transformers import CLIPConfig, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from susx.config.schema import EncoderSettings
from susx.core.compute import limit_threads, reuse_memory
from susx.datasets.manifest import image_manifest
from susx.embeddings import embed as embedding
from susx.embeddings.prepare import Item, prepared
from susx.encoders import load_encoder
from susx.encoders.base import TorchEncoder
from susx.images.decode import decode
from susx.manifests.classes import class_manifest
from susx.manifests.tables import ImageRecord, Table
from tests.encoder_cases import case_sensitive_tokenizer
from tests.helpers import image_bytes

PHOTOS = Path(__file__).parents[3] / "shared/data/photos"
GENERATED = 64


def photos() -> tuple[list[bytes], str]:
    """Real photos where they are at hand, else noise of their usual size."""
    real = [path.read_bytes() for path in sorted(PHOTOS.glob("*.JPEG"))]
    if real:
        return real, f"{len(real)} photos"
    made = [
        image_bytes((i, 90, 200 - i), (500, 375), seed=i, format="JPEG") for i in range(GENERATED)
    ]
    return made, f"{len(made)} generated images"


def save_model(folder: Path, patch: int) -> None:
    """A CLIP ViT-B with random weights, as save_pretrained writes it."""
    torch.manual_seed(0)
    tokenizer = case_sensitive_tokenizer(77, ["input_ids", "attention_mask"])
    config = CLIPConfig(
        text_config={"eos_token_id": tokenizer.eos_token_id},
        vision_config={"patch_size": patch},
        projection_dim=512,
    )
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)


def repeated(folder: Path, number: int) -> Table:
    """So many files of one class."""
    images, what = photos()
    print(f"{number} images, by repeating {what}")
    (folder / "photo").mkdir(parents=True)
    for i in range(number):
        (folder / f"photo/{i:06d}.jpg").write_bytes(images[i % len(images)])
    return image_manifest(folder, class_manifest(["photo"]), threads=2)


def rate(number: int, work: Callable[[], object]) -> float:
    """Images/s."""
    start = time.perf_counter()
    work()
    return number / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patch", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", nargs="+", default=["float32"])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jpeg-draft", action="store_true")
    chosen = parser.parse_args()
    limit_threads(chosen.threads)
    reuse_memory()  # of both sides
    forms = [(precision, False) for precision in chosen.precision]
    if chosen.compile:
        forms.append((chosen.precision[-1], True))
    with TemporaryDirectory() as folder:
        save_model(Path(folder, "model"), chosen.patch)
        settings = [
            EncoderSettings(
                library="transformers",
                model=str(Path(folder, "model")),
                device=chosen.device,
                precision=precision,
                compile=compiled,
                batch_size=chosen.batch_size,
                jpeg_draft=chosen.jpeg_draft,
            )
            for precision, compiled in forms
        ]
        table = repeated(Path(folder, "images"), chosen.images)
        measure(settings, table, Path(folder), chosen.threads, chosen.rounds)


def works(
    settings: EncoderSettings, table: Table, folder: Path, threads: int
) -> Sequence[Callable[[], None]]:
    """The forward pass, the job, and decoding."""
    encoder = load_encoder(settings)
    assert isinstance(encoder, TorchEncoder)
    records: list[ImageRecord] = list(table.records)
    n, size = len(records), settings.batch_size
    distinct = [encoder.preprocess(decode(Path(r.path).read_bytes())) for r in records[:size]]
    levels = torch.stack(distinct)
    pixels = encoder.scale(levels).to(settings.device, getattr(torch, settings.precision))
    processes = settings.device == "cuda"

    @torch.inference_mode()
    def forward() -> None:
        for start in range(0, n, size):
            encoder._images(pixels[: min(size, n - start)]).float().cpu()

    def decoding() -> None:
        items = [Item(r.key, r.label, r.sha256, r) for r in records]
        batches = [(0, items[start : start + size]) for start in range(0, n, size)]
        for _ in prepared(batches, encoder, threads, processes, settings.jpeg_draft):
            pass

    def job() -> None:
        embedding.load_encoder = lambda _: encoder  # loading is not what is measured
        embedding.embed_images(settings, table, folder / "c.h5", threads)

    forward()
    return forward, job, decoding


def measure(
    forms: Sequence[EncoderSettings], table: Table, folder: Path, threads: int, rounds: int
) -> None:
    n = len(table.records)
    each = [works(settings, table, folder, threads) for settings in forms]
    made = [[[rate(n, work) for work in of_form] for of_form in each] for _ in range(rounds)]
    for number, settings in enumerate(forms):
        of_form = [found[number] for found in made]
        print(f"{settings.precision}{', compiled' if settings.compile else ''}")
        for name, column in zip(
            ("forward pass", "job", "decoding"), zip(*of_form, strict=True), strict=True
        ):
            print(f"{name:>14}: {median(column):8.1f} images/s")
        print(f"job / forward pass: {median(row[1] / row[0] for row in of_form):.1%}")
        if median(row[2] / row[0] for row in of_form) < 1:
            print(f"job / decoding: {median(row[1] / row[2] for row in of_form):.1%}")
        if number:
            ratio = median(found[number][1] / found[0][1] for found in made)
            print(f"job / job in {forms[0].precision}: {ratio:.2f}")


if __name__ == "__main__":
    main()
