"""Features as their publishers store them, from a made-up problem."""

from pathlib import Path

import numpy as np
import torch

from tests.helpers import Problem

SPLIT = 0.6
"""Share of the images that are test images."""


def save(path: Path, values: np.ndarray, dtype: torch.dtype | None = torch.float16) -> None:
    """Save one tensor, in half precision as published features are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(torch.from_numpy(np.ascontiguousarray(values)).to(dtype), path)


def one_hot(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """(M, C) rows with a single 1."""
    return np.eye(n_classes)[labels]


def save_susx(
    root: Path, problem: Problem, name: str = "pets", backbone: str = "RN50", text: str = "combined"
) -> None:
    """Images, support set lc-photo and one text classifier, named as by the SuS-X authors."""
    n = round(SPLIT * len(problem.labels))
    for split, rows in {"test": slice(0, n), "val": slice(n, None)}.items():
        save(root / f"{name}_f_{split}_m{backbone}.pt", problem.images[rows])
        save(root / f"{name}_t_{split}_m{backbone}.pt", problem.labels[rows], torch.int64)
    hot = one_hot(problem.support_labels, len(problem.text))
    save(root / f"sus_lc_photo_{name}_f_m{backbone}.pt", problem.support.T)
    save(root / f"sus_lc_photo_{name}_t_m{backbone}.pt", hot)
    save(root / f"{name}_zeroshot_text_weights_m{backbone}_pt{text}.pt", problem.text.T)


def save_tip_adapter(root: Path, problem: Problem, name: str = "birds", shots: int = 2) -> None:
    """Images and a few-shot support set as Tip-Adapter leaves them behind, and texts beside."""
    folder = root / "caches" / name
    n = round(SPLIT * len(problem.labels))
    for split, rows in {"test": slice(0, n), "val": slice(n, None)}.items():
        save(folder / f"{split}_f.pt", problem.images[rows])
        save(folder / f"{split}_l.pt", problem.labels[rows], torch.int64)
    save(folder / f"keys_{shots}shots.pt", problem.support.T)
    hot = one_hot(problem.support_labels, len(problem.text))
    save(folder / f"values_{shots}shots.pt", hot)
    save(root / "ensemble.pt", problem.text.T)
