"""A small analysis, made by hand; class names come from anyone."""

from typing import Any

from susx.report.schema import SCHEMA, Analysis, Surface

NAMES = ["ant", "<script>alert(1)</script>", 'a & "b"', "]]>", "日本"]
BEFORE = {"method": "zero-shot", "text": "ensemble", "support": None, "protocol": "none"}
SHOWN = {"method": "tip-x", "text": "cupl+e", "support": "lc", "protocol": "validation"}


def histogram(pairs: str, same_class: bool | None, quantity: str = "cosine") -> dict[str, Any]:
    shares = [0.1, 0.2, 0.4, 0.3] if same_class else [0.4, 0.4, 0.2, 0.0]
    return {
        "quantity": quantity,
        "pairs": pairs,
        "same_class": same_class,
        "edges": [-0.2, 0.0, 0.25, 0.5, 0.75],
        "shares": shares,
        "mean": 0.41 if same_class else 0.12,
        "n_pairs": 1000,
    }


def size_point(method: str, per_class: int, top1: float) -> dict[str, Any]:
    return {
        "case": SHOWN | {"method": method},
        "per_class": per_class,
        "n_images": 5 * per_class,
        "top1": top1,
        "ci95": [top1 - 2, top1 + 2],
    }


def surface(**changes: Any) -> Surface:
    values = {
        "case": SHOWN,
        "tuned_on": "validation",
        "x": "alpha",
        "y": "beta",
        "x_values": [0.5, 1.0, 2.0],
        "y_values": [1.0, 5.5],
        "accuracy": [[60.0, 62.5, 61.0], [59.0, 63.0, 60.5]],
        "chosen": {"alpha": 1.0, "beta": 5.5, "gamma": 0.25},
        "plateau": 61.8,
        "plateau_share": 2 / 6,
    }
    return Surface.model_validate(values | changes)


def analysis(**changes: Any) -> Analysis:
    pairs = ("test image - test image", "test image - support image", "test image - text")
    values = {
        "schema": SCHEMA,
        "dataset": "pets",
        "encoder": "clip",
        "classes_sha256": "c" * 64,
        "inputs": {},
        "before": BEFORE,
        "shown": SHOWN,
        "histograms": [
            *(histogram(name, same_class) for name in pairs for same_class in (True, False)),
            histogram("text - text", None),
            *(histogram(pairs[1], same_class, "affinity") for same_class in (True, False)),
        ],
        "sizes": [
            *(size_point("tip-x", k, 60 + k) for k in (1, 2, 4)),
            *(size_point("fusion", k, 61 + k) for k in (1, 2, 4)),
        ],
        "sizes_left_out": [],
        "surfaces": [surface().model_dump()],
        "n_corrected": 4,
        "n_broken": 2,
        "examples": [],
        "confused_before": [{"true": NAMES[1], "predicted": NAMES[2], "count": 7}],
        "confused_after": [
            {"true": NAMES[1], "predicted": NAMES[2], "count": 3},
            {"true": NAMES[3], "predicted": NAMES[0], "count": 1},
        ],
        "outliers": [],
        "classes": [
            {"name": name, "n": 10, "before": 5, "after": 5 + change}
            for name, change in zip(NAMES, [3, -2, 0, 1, 0], strict=True)
        ],
    }
    return Analysis.model_validate(values | changes)


def thousand_classes() -> Analysis:
    """As many classes as ImageNet has, with changes of all sizes."""
    rows = [
        {"name": f"class {i:04d}", "n": 50, "before": 25, "after": 25 + (i * 7) % 41 - 20}
        for i in range(1000)
    ]
    return analysis(classes=rows)
