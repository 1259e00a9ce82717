"""Jobs about features, classifiers, results and reports."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from susx.classifier.export import export_classifier
from susx.classifier.file import write_classifier
from susx.config.encoders import EncoderSettings
from susx.config.report import ReportSettings
from susx.core.files import write_checked
from susx.evaluation.case import Case as Row
from susx.evaluation.files import CacheFiles
from susx.evaluation.protocol import EvaluationPlan
from susx.evaluation.results import evaluate_caches
from susx.evaluation.tuning import TuningSettings
from susx.manifests.classes import class_manifest, embedded_records, records_sha256
from susx.manifests.tables import ImageRecord, Table, write_table
from susx.prompts.strategies import PromptSet
from tests.made.report import SUPPORTS, analysis_of, result_of, support_files, test_files
from tests.memory.case import Case, Job, case
from tests.memory.images import image_records
from tests.memory.made import CLASSES_IN_USE, TEXTS, names, written_classes
from tests.memory.pools import cache, unit
from tests.published import one_hot, save

CASES: list[Case] = []
TEST = 50_000
"""Test images of ImageNet, the most that are usual."""
IMAGENET = 1000
SHOTS = 16
ROW = {"method": "tip-adapter", "text": "cupl+e", "support": "lc", "protocol": "fixed"}
EVALUATED = ["zero-shot", "tip-adapter", "tip-x", "gda"]
TUNING = {"grid": {}, "fixed": {}, "continuous": False, "validation_split": "validation"}
TUNED = TuningSettings.of(TUNING)
HOW = {"device": "cpu", "memory_mib": None}


def caches(folder: Path, images: int, classes: int, texts: int = 2) -> CacheFiles:
    """What an evaluation reads."""
    known = written_classes(folder, classes)
    texts_of = {
        name: cache(folder / f"{name}.h5", texts * classes, known, 1, strategy=name, n_truncated=0)
        for name in ("ensemble", "cupl", "cupl+e")
    }
    return CacheFiles(
        classes=str(folder / "classes.json"),
        texts=texts_of,
        images={
            split: cache(folder / f"{split}.h5", images, known, seed, failed={}, input_sha256=split)
            for seed, split in enumerate(("test", "validation"), start=2)
        },
        supports={"lc": cache(folder / "lc.h5", SHOTS * classes, known, 4, failed={})},
        image_manifests={},
        support_manifests={},
    )


def plan() -> dict[str, Any]:
    return {
        "methods": EVALUATED,
        "protocols": ["fixed"],
        "leaks": "keep",
        "batches": {},
        "texts": ["cupl+e"],
        "unavailable_texts": {},
        "unavailable_supports": {},
        "seeds": {},
    }


def evaluated(folder: Path, images: int, classes: int) -> Job:
    files = caches(folder, images, classes)
    params = {"encoder": "clip", "model": "tiny", "names": files.names, "plan": plan()}
    return Job(files.inputs, params | {"tuning": TUNING, "how": HOW})


@case("evaluate", "images", (1000, 7000), TEST, CASES)
def evaluated_images(folder: Path, n: int) -> Job:
    return evaluated(folder, n, 50)


@case("evaluate", "classes", (50, 300), IMAGENET, CASES)
def evaluated_classes(folder: Path, n: int) -> Job:
    return evaluated(folder, 1000, n)


def of_evaluation(files: CacheFiles, folder: Path, *methods: str) -> str:
    """An evaluation by some methods, in a file."""
    settings = EvaluationPlan(["zero-shot", *methods], [ROW["text"]], ["fixed"], TUNED)
    made = evaluate_caches("clip", files, settings, lambda _: None)
    write_checked(folder / "evaluation.json", made)
    return str(folder / "evaluation.json")


def analysed(folder: Path, images: int, classes: int) -> Job:
    files = caches(folder, images, classes)
    wanted = ReportSettings().model_dump(include={"examples", "voters", "confusions"})
    return Job(
        files.inputs | {"evaluation": of_evaluation(files, folder, ROW["method"])},
        {
            "dataset": "tiny",
            "encoder": "clip",
            "names": files.names,
            "row": ROW,
            "wanted": wanted | {"leaks": "keep", "seed": 0},
            "how": HOW,
        },
    )


@case("analyse", "images", (1000, 7000), TEST, CASES)
def analysed_images(folder: Path, n: int) -> Job:
    return analysed(folder, n, 50)


@case("analyse", "classes", (50, 300), IMAGENET, CASES)
def analysed_classes(folder: Path, n: int) -> Job:
    return analysed(folder, 1000, n)


def exported(folder: Path, images: int, classes: int) -> Job:
    files = caches(folder, images, classes)
    return Job(
        files.inputs | {"evaluation": []},
        {
            "dataset": "tiny",
            "name": "clip",
            "names": files.names,
            "choice": ROW,
            "encoder": {"library": "transformers", "model": "tiny"},
            "tuning": TUNING,
            "leaks": "keep",
            "how": HOW,
        },
    )


@case("export_classifier", "images", (1000, 7000), TEST, CASES)
def exported_images(folder: Path, n: int) -> Job:
    return exported(folder, n, 50)


def predicted(folder: Path, images: int, classes: int) -> Job:
    files = caches(folder, images, classes)
    known = class_manifest(names(classes))
    table = Table(image_records(known, images), known.sha256, {"folder": "images"})
    write_table(folder / "manifest.parquet", table, ImageRecord)
    about = {"failed": {}, "input_sha256": records_sha256(embedded_records(table))}
    embedded = cache(folder / "images.h5", images, known, 5, table.records, **about)
    encoder = EncoderSettings(library="transformers", model="tiny")
    row = Row(**ROW)
    classifier = export_classifier("tiny", ("clip", encoder), files, row, TUNED)
    write_classifier(folder / "classifier.safetensors", classifier)
    return Job(
        {
            "classifier": str(folder / "classifier.safetensors"),
            "manifest": str(folder / "manifest.parquet"),
            "images": embedded,
        },
        {"how": {"device": "cpu"}},
    )


@case("predict", "images", (1000, 7000), TEST, CASES)
def predicted_images(folder: Path, n: int) -> Job:
    return predicted(folder, n, 50)


def tensor(path: Path, values: np.ndarray, dtype: torch.dtype = torch.float16) -> str:
    save(path, values, dtype)
    return str(path)


SOURCE = {"layout": "susx", "backbone": "RN50", "logit_scale": 100.0}


@case("import_classes", "images", (2000, 40_000), TEST, CASES)
def imported_classes(folder: Path, n: int) -> Job:
    return Job(
        {
            "images": imported(folder, n, 50),
            "text": tensor(folder / "text.pt", unit(50).T),
        }
    )


def imported(folder: Path, n: int, classes: int) -> list[str]:
    """Features (N, d) and labels (N,) of images."""
    labels = tensor(folder / "labels.pt", np.arange(n) % classes, torch.int64)
    return [tensor(folder / "images.pt", unit(n)), labels]


@case("import_images", "images", (2000, 40_000), TEST, CASES)
def imported_images(folder: Path, n: int) -> Job:
    written_classes(folder, 50)
    files = {"classes": str(folder / "classes.json"), "files": imported(folder, n, 50)}
    return Job(files | {"test": []}, {"source": SOURCE, "name": "test"})


@case("import_text", "classes", (100, 10_000), CLASSES_IN_USE, CASES)
def imported_text(folder: Path, n: int) -> Job:
    known = written_classes(folder, n)
    return Job(
        {
            "classes": str(folder / "classes.json"),
            "file": tensor(folder / "text.pt", unit(n).T),
            "test": cache(folder / "test.h5", 100, known),
        },
        {"source": SOURCE, "name": "ensemble"},
    )


@case("import_support", "classes", (50, 1000), CLASSES_IN_USE, CASES)
def imported_support(folder: Path, n: int) -> Job:
    known = written_classes(folder, n)
    labels = one_hot(np.repeat(np.arange(n), SHOTS), n)
    return Job(
        {
            "classes": str(folder / "classes.json"),
            "files": [
                tensor(folder / "support.pt", unit(SHOTS * n).T),
                tensor(folder / "labels.pt", labels),
            ],
            "test": cache(folder / "test.h5", 100, known),
        },
        {"source": SOURCE, "name": "lc-photo", "shots": 1},
    )


@case("collate", "classes", (50, 1000), IMAGENET, CASES)
def collated(folder: Path, n: int) -> Job:
    files = caches(folder, 1000, n)
    known = class_manifest(names(n))
    texts = [[f"{i} of a {name}" for i in range(TEXTS)] for name in known.names]
    PromptSet("cupl+e", texts, known.sha256, {}).write(folder / "prompts.json", known)
    return Job(
        {
            "classes": files.classes,
            "prompts": [str(folder / "prompts.json")],
            "parts": [of_evaluation(files, folder)],
        },
        {"dataset": "tiny", "config": {}},
    )


@case("report", "classes", (10, 80), IMAGENET, CASES)
def reported(folder: Path, n: int) -> Job:
    known = written_classes(folder, n)
    result, analysis = result_of(known), analysis_of(known)
    write_checked(folder / "result.json", result.model_dump(by_alias=True, exclude={"sha256"}))
    write_checked(folder / "analysis.json", analysis.model_dump(by_alias=True, exclude={"sha256"}))
    shown = [support_files(folder, name, known, (96, 72)) for name in SUPPORTS]
    return Job(
        {
            "result": str(folder / "result.json"),
            "analyses": [str(folder / "analysis.json")],
            "manifests": [files.manifest for files in shown],
            "images": [files.images for files in shown],
            "queries": [files.queries for files in shown if files.queries],
            "test": test_files(folder, known, (96, 72)),
        },
        {
            "supports": {name: name for name in SUPPORTS},
            "queried": [files.entry for files in shown if files.queries],
            "settings": ReportSettings().model_dump(),
            "how": {"stores": []},
        },
    )


@case("summary", "datasets", (2, 20), 20, CASES)
def summarised(folder: Path, n: int) -> Job:
    """Of a thousand classes each."""
    known = class_manifest(names(IMAGENET))
    for i in range(n):
        result = result_of(known, dataset=f"pets-{i}")
        (folder / f"{i}").mkdir()
        (folder / f"{i}/report.html").touch()
        write_checked(folder / f"{i}.json", result.model_dump(by_alias=True, exclude={"sha256"}))
    return Job(
        {
            "results": [str(folder / f"{i}.json") for i in range(n)],
            "reports": [f"{i}/report.html" for i in range(n)],
        }
    )
