"""A made report: result, analysis, support sets and test images of any number of classes."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from susx.evaluation.schema import Result
from susx.manifests.classes import ClassManifest, class_manifest
from susx.manifests.tables import ImageRecord, SupportRecord, Table, write_table
from susx.prompts.strategies import PromptSet
from susx.report.card import share_card
from susx.report.drawn import drawings
from susx.report.page import ImageFiles, SupportFiles, write_page
from susx.report.schema import SCHEMA, Analysis
from susx.report.thumbnails import both_sizes
from susx.support.selection import write_images
from tests.helpers import colour_of, image_bytes
from tests.made.result import difference, image_counts, result, run, spread, support_counts

SUPPORTS = {"lc": "retrieval from web", "sd": "synthesis with model"}
PER_CLASS = 4

shrunk = cache(both_sizes)


@dataclass(frozen=True)
class Made:
    """What a page is made from."""

    result: Result
    classes: ClassManifest
    analysis: Analysis
    files: ImageFiles

    def write(self, path: Path, **others: Any) -> str:
        """Write the page and return it; equal pictures are made smaller once."""
        made_from = self.result, [self.analysis], self.files
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("susx.report.gallery.both_sizes", shrunk)
            write_page(str(path), *made_from, **others)
        return path.read_text("utf-8")


def names_of(n: int) -> list[str]:
    return [f"class number {i}" for i in range(n)]


def pictures(n: int, per_class: int, size: tuple[int, int], seed: int) -> list[list[bytes]]:
    """Encoded images per class; classes share them where there are many."""
    colours = [
        [
            image_bytes(colour_of(i, min(n, 40)), size, format="JPEG", seed=seed + j)
            for j in range(per_class)
        ]
        for i in range(min(n, 40))
    ]
    return [colours[i % len(colours)] for i in range(n)]


def support_files(
    folder: Path, name: str, classes: ClassManifest, size: tuple[int, int], **changes: Any
) -> SupportFiles:
    """A support set of `PER_CLASS` kept images per class, written to its files."""
    drawn = name == "sd"
    records, stored = [], []
    seed = 100 * len(name) + ord(name[0])
    for entry, images in zip(classes, pictures(len(classes), PER_CLASS, size, seed), strict=True):
        for rank, data in enumerate(images):
            key = f"{entry.index:05d}-{rank:05d}"
            stored.append((key, data))
            values = {
                "key": key,
                "label": entry.index,
                "class_name": entry.name,
                "rank": rank,
                "score": 0.0 if drawn else 0.3 - 0.01 * rank,
                "source": SUPPORTS[name],
                "location": f"seed {rank}" if drawn else f"pool/000.tar#{key}",
                "caption": f"a photo of a {entry.name}.",
                "sha256": hashlib.sha256(data).hexdigest(),
                "width": size[0],
                "height": size[1],
                "kept": True,
                "query": -1 if drawn else 2 * entry.index + rank % 2,
                **changes,
            }
            records.append(SupportRecord(**values))
    manifest, tar = folder / f"{name}.parquet", folder / f"{name}.tar"
    write_table(manifest, Table(records, classes.sha256), SupportRecord)
    write_images(tar, stored)
    if drawn:
        return SupportFiles(str(manifest), str(tar), name)
    texts = [[f"a {kind} of {entry.name}" for kind in ("photo", "picture")] for entry in classes]
    PromptSet("two", texts, classes.sha256, {}).write(folder / "two.json", classes)
    return SupportFiles(str(manifest), str(tar), name, str(folder / "two.json"))


def test_files(folder: Path, classes: ClassManifest, size: tuple[int, int]) -> str:
    """Test images of every class, and their manifest."""
    records = []
    for entry, images in zip(classes, pictures(len(classes), PER_CLASS, size, 7), strict=True):
        for i, data in enumerate(images):
            key = f"{entry.slug}/{i}.jpg"
            path = folder / "test" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            records.append(ImageRecord(key, str(path), entry.index, entry.name, digest, *size))
    meta = {"n_unreadable": 0, "n_other_files": 0, "classes_without_folder": []}
    write_table(folder / "test.parquet", Table(records, classes.sha256, meta), ImageRecord)
    return str(folder / "test.parquet")


test_files.__test__ = False


def analysis_of(classes: ClassManifest, **changes: Any) -> Analysis:
    """An analysis with one corrected and one broken example, and gains and losses."""
    names, slugs = classes.names, [entry.slug for entry in classes]
    case = {"text": "ensemble", "support": None, "protocol": "none", "seed": None}
    shown = case | {"method": "tip-x", "support": "lc", "protocol": "fixed"}
    voters = [
        {"key": f"00000-0000{i}", "class_name": names[0], "vote": 1.5 - i / 2} for i in range(3)
    ]
    examples = [
        {
            "change": change,
            "key": f"{slugs[i]}/0.jpg",
            "true": names[i],
            "before": names[1 - i],
            "after": names[i if change == "corrected" else 1 - i],
            "voters": voters,
        }
        for i, change in enumerate(("corrected", "broken"))
    ]
    random = np.random.default_rng(0)
    before, after = random.integers(0, 41, (2, len(names))).tolist()
    values = {
        "schema": SCHEMA,
        "dataset": "pets",
        "encoder": "clip",
        "classes_sha256": classes.sha256,
        "inputs": {},
        "before": case | {"method": "zero-shot"},
        "shown": shown,
        "histograms": [
            {
                "quantity": quantity,
                "pairs": "test image - support image",
                "same_class": same,
                "edges": [-0.5, 0.0, 0.5, 1.0],
                "shares": [0.25, 0.5, 0.25],
                "mean": 0.4 if same else 0.1,
                "n_pairs": 100,
            }
            for quantity in ("cosine", "affinity")
            for same in (True, False)
        ],
        "sizes": [
            {"case": shown, "per_class": k, "n_images": k, "top1": 60.0 + k, "ci95": [58.0, 66.0]}
            for k in (1, 2, 4)
        ],
        "sizes_left_out": [],
        "surfaces": [
            {
                "case": shown,
                "tuned_on": "validation",
                "x": "alpha",
                "y": "beta",
                "x_values": [0.5, 1.0, 1.5],
                "y_values": [1.0, 5.5],
                "accuracy": [[60.0, 61.0, 62.0], [61.5, 63.0, 62.0]],
                "chosen": {"alpha": 1.0, "beta": 5.5},
                "plateau": 62.0,
                "plateau_share": 0.5,
            }
        ],
        "n_corrected": 12,
        "n_broken": 3,
        "examples": examples,
        "confused_before": [{"true": names[0], "predicted": names[1], "count": 9}],
        "confused_after": [{"true": names[1], "predicted": names[0], "count": 4}],
        "classes": [
            {"name": name, "n": 40, "before": b, "after": a}
            for name, b, a in zip(names, before, after, strict=True)
        ],
        "outliers": [
            {
                "support": "lc",
                "n_judged": PER_CLASS * len(names),
                "images": [
                    {"key": f"00000-0000{i}", "by_images": names[1], "by_text": names[0]}
                    for i in range(2)
                ],
            }
        ],
    }
    return Analysis.model_validate(values | changes)


def result_of(classes: ClassManifest, **changes: Any) -> Result:
    """A result with few-shot seeds, skipped cases, losses and rows of every kind."""
    n = len(classes)
    delta = {"delta_vs_zero_shot": difference(4.0, 2.0, 6.0)}
    few = {"method": "tip-x", "support": "few", "protocol": "fixed"}
    fusion = {"method": "fusion", "support": "lc", "top1": 72.5, "transductive": True}
    tuned = {"method": "tip-adapter", "support": "lc", "protocol": "validation"}
    fates = {"kept": 14, "duplicate": 2, "failed": 110, "not tried": 774}
    leak = {"key": "00000-00000", "location": "pool/000.tar#7", "class_name": classes.names[0]}
    values = result(
        run(per_class=[60.0] * n),
        run(**tuned, tuned_on="test", top1=80.0, per_class=[80.0] * n, **delta),
        run(**few, seed=0, top1=71.0, per_class=[71.0] * n, **delta),
        run(**few, seed=1, top1=72.0, per_class=[72.0] * n, **delta),
        run(**fusion, per_class=[72.5] * n, **delta),
        dataset="pets",
        n_classes=n,
        supports={
            "lc": {
                **support_counts(16, {classes.names[0]: fates}),
                "leaks": [leak | {"image": "a/0.jpg", "distance": 3}],
            }
        },
        images={"test": image_counts(9, n, unreadable={"a/9.jpg": "empty file"})},
        classes=classes.names,
        encoders={"clip": encoder_facts()},
        skipped=[run_of_skipped()],
        seeds=[spread(n_seeds=2)],
        provenance=provenance(classes),
    )
    return Result.model_validate(values | changes)


def run_of_skipped() -> dict[str, Any]:
    case = {"encoder": "clip", "method": "calip", "text": "ensemble", "support": None}
    return {**case, "protocol": "none", "seed": None, "reason": "needs patch embeddings"}


def encoder_facts() -> dict[str, Any]:
    """What is told of the encoder."""
    return {
        "library": "transformers",
        "model": "model",
        "weights_sha256": "ab" * 32,
        "logit_scale": 100.0,
        "inputs": {"text-ensemble": "cd" * 32},
        "texts_truncated": {"ensemble": 2},
    }


def provenance(classes: ClassManifest) -> dict[str, Any]:
    """What made a result; its configuration is valid."""
    encoder = {"library": "transformers", "model": "model"}
    config = {
        "seed": 3,
        "encoders": {"clip": encoder},
        "pools": {"web": {"layout": "webdataset", "path": "pool/{000..001}.tar"}},
        "supports": {"lc": {"source": "retrieval", "pool": "web", "encoder": "clip", "size": 4}},
        "dataset": {"classes": classes.names, "images": {"test": "photos"}},
    }
    return {
        "config": json.loads(json.dumps(config)),
        "config_sha256": "ef" * 32,
        "git_commit": "0123abc",
        "versions": {"susx": "0.1.0"},
        "classes_sha256": classes.sha256,
    }


def made_report(
    folder: Path, names: list[str], size: tuple[int, int] = (48, 36), **changes: Any
) -> Made:
    """Everything that a page is made from; `changes` are those of every support record."""
    folder.mkdir(parents=True, exist_ok=True)
    classes = class_manifest(names)
    supports = {name: support_files(folder, name, classes, size, **changes) for name in SUPPORTS}
    files = ImageFiles(test_files(folder, classes, size), supports)
    return Made(result_of(classes), classes, analysis_of(classes), files)


def drawn_report(folder: Path, names: list[str], size: tuple[int, int] = (48, 36)) -> Path:
    """A report with figures."""
    made = made_report(folder / "files", names, size)
    page = folder / "report.html"
    card = share_card(made.result, [made.analysis])
    made.write(page, figures=drawings(made.result, [made.analysis]), card=card)
    return page
