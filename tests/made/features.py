"""A report of made features: evaluated, analysed and drawn as published ones are, of any size."""

from pathlib import Path

import numpy as np

from susx.embeddings.cache import Embeddings, write_cache
from susx.evaluation.case import Case
from susx.evaluation.collation import collate
from susx.evaluation.files import CacheFiles
from susx.evaluation.protocol import EvaluationPlan
from susx.evaluation.results import evaluate_caches
from susx.evaluation.schema import Result
from susx.evaluation.tuning import TuningSettings
from susx.manifests.classes import ClassManifest, class_manifest
from susx.methods import Axis
from susx.report.analysis import AnalysisSettings, analyse
from susx.report.drawn import drawings
from susx.report.page import ImageFiles, write_page
from susx.report.schema import Analysis
from tests.helpers import unit_rows

D = 64
METHODS = ["zero-shot", "cupl+e", "tip-adapter", "tip-x", "fusion"]
TUNING = TuningSettings(
    grid={
        "tip-adapter": {"alpha": Axis(0.5, 8.0, 6), "beta": Axis(1.0, 9.0, 5)},
        "tip-x": {
            "alpha": Axis(0.5, 8.0, 6),
            "beta": Axis(1.0, 9.0, 5),
            "gamma": Axis(0.0, 2.0, 3),
        },
    }
)
SHOWN = Case(method="tip-x", text="cupl+e", support="lc-photo", protocol="validation")
MANY = 100
"""Classes up to which there are several images of each to test and to support."""
MODALITIES = 1.2
"""Distance of images and texts, which do not mix in CLIP either."""


def names_as_given(n: int) -> list[str]:
    """Names as long as those of datasets are, and some that are longer."""
    long = ["great crested grebe of the northern lakes", "Boeing 737-800", "日本スピッツ" * 3]
    return [f"{long[i % 3]} {i}" if i % 4 == 0 else f"class {i}" for i in range(n)]


def write_features(folder: Path, classes: ClassManifest, sizes: tuple[int, int]) -> CacheFiles:
    """Caches of texts, a support set and images; every class has neighbours it is taken for."""
    random = np.random.default_rng(len(classes))
    n = len(classes)
    centres = unit_rows(random, n, D)
    centres[1::2] = 0.9 * centres[: n - n % 2 : 2] + 0.45 * centres[1::2]
    apart = MODALITIES * unit_rows(random, 1, D)

    def near(labels: np.ndarray, noise: float, offset: np.ndarray) -> np.ndarray:
        rows = centres[labels] + noise * unit_rows(random, len(labels), D) + offset
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def write(name: str, labels: np.ndarray, noise: float, offset: np.ndarray, **meta: str) -> str:
        path = folder / f"{name}.h5"
        keys = [f"{i:06d}" for i in range(len(labels))]
        made = {
            "encoder": {"library": "transformers", "weights_sha256": None, "precision": "float32"},
            "classes_sha256": classes.sha256,
            "input_sha256": None,
            "logit_scale": 100.0,
            "failed": {},
            "n_truncated": 0,
        }
        features = near(labels, noise, offset)
        write_cache(path, Embeddings(features, labels.astype(np.int32), keys, made | meta))
        return str(path)

    every = np.arange(n)
    many, support = (np.repeat(every, size) for size in sizes)
    classes.write(folder / "classes.json")
    return CacheFiles(
        classes=str(folder / "classes.json"),
        texts={
            "ensemble": write("ensemble", every, 1.1, -apart, strategy="ensemble"),
            "cupl+e": write("cupl-e", every, 0.9, -apart, strategy="cupl+e"),
        },
        images={split: write(split, many, 0.9, apart) for split in ("test", "validation")},
        supports={"lc-photo": write("support", support, 0.9, apart)},
        image_manifests={},
        support_manifests={},
    )


def evaluated_report(folder: Path, n_classes: int) -> Path:
    """The page of made features, in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    classes = class_manifest(names_as_given(n_classes))
    files = write_features(folder, classes, (6, 8) if n_classes <= MANY else (2, 2))
    plan = EvaluationPlan(METHODS, ["cupl+e"], ["validation", "fixed"], TUNING)
    evaluation = evaluate_caches("ViT-B32", files, plan, lambda _: None)
    found = collate("made", classes, [], [evaluation], {"versions": {}})
    wanted = AnalysisSettings(examples=4, voters=2, confusions=10)
    analysis = Analysis.model_validate(analyse("made", "ViT-B32", files, evaluation, SHOWN, wanted))
    result = Result.model_validate(found)
    page = folder / "report.html"
    write_page(str(page), result, [analysis], ImageFiles(), drawings(result, [analysis]))
    return page
