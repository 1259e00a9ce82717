"""TIP-X on real CLIP features against results of an independent float64 oracle."""

import json
from pathlib import Path

import pytest
import torch

from susx.methods import METHODS, Context, Images
from susx.search.grid import search

FEATURES = Path(__file__).parents[4] / "shared" / "data" / "susx_features"
pytestmark = pytest.mark.skipif(
    not FEATURES.is_dir(), reason="the published feature sets are not beside this project"
)
DATASETS = ["caltech101", "ucf101"]


def load(name: str, dtype: torch.dtype) -> torch.Tensor:
    tensor = torch.load(FEATURES / f"{name}_mViT-B32.pt", weights_only=True)
    return torch.nn.functional.normalize(tensor.to(dtype), dim=-1)


def problem(dataset: str, split: str, dtype: torch.dtype):  # type: ignore[no-untyped-def]
    text = torch.load(
        FEATURES / f"{dataset}_zeroshot_text_weights_mViT-B32_ptcombined.pt", weights_only=True
    )
    support = torch.load(FEATURES / f"sus_lc_photo_{dataset}_f_mViT-B32.pt", weights_only=True)
    one_hot = torch.load(FEATURES / f"sus_lc_photo_{dataset}_t_mViT-B32.pt", weights_only=True)
    unit = torch.nn.functional.normalize
    context = Context(
        unit(text.to(dtype).T), 100.0, unit(support.to(dtype).T, dim=-1), one_hot.argmax(1)
    )
    labels = torch.load(FEATURES / f"{dataset}_t_{split}_mViT-B32.pt", weights_only=True).long()
    expected = json.loads((FEATURES / f"expected_{dataset}.json").read_text())
    return context, load(f"{dataset}_f_{split}", dtype), labels, expected


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 0), (torch.float32, 1e-5)], ids=["double", "single"]
)
def test_the_full_grid_has_the_oracles_counts(
    dataset: str, dtype: torch.dtype, tolerance: float
) -> None:
    context, features, labels, expected = problem(dataset, "val", dtype)
    method = METHODS["tip-x"]
    grid = {name: axis.values(100.0) for name, axis in method.grid.items()}
    found = search(method.terms(context, Images(features)), labels, grid)
    assert found.correct == expected["best_val_correct"]
    assert found.hyperparameters == pytest.approx(
        {name: expected[name] for name in ("alpha", "beta", "gamma")}
    )
    assert abs(int(found.counts.sum()) - expected["grid_sum"]) <= tolerance * expected["grid_sum"]


@pytest.mark.parametrize("dataset", DATASETS)
def test_test_accuracies_equal_the_oracles(dataset: str) -> None:
    context, features, labels, expected = problem(dataset, "test", torch.float64)

    def correct(name: str, values: dict[str, float]) -> int:
        logits = METHODS[name].fit(context, values).logits(Images(features))
        return int((logits.argmax(1) == labels).sum())

    chosen = {name: expected[name] for name in ("alpha", "beta", "gamma")}
    assert correct("tip-x", chosen) / len(labels) == pytest.approx(expected["tipx_test"])
    point = expected["fixed_point"]
    values = {name: point[name] for name in ("alpha", "beta", "gamma")}
    assert correct("tip-x", values) == point["test_correct"]
    point = expected["tip_adapter_fixed_test_correct"]
    values = {name: point[name] for name in ("alpha", "beta")}
    assert correct("tip-adapter", values) == point["correct"]
