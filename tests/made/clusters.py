"""Gaussian classes with noisy text and a support set that is partly noise."""

import torch
from torch import Tensor

from susx.methods import Context


def clusters(
    seed: int, shots: int, wrong: float = 0.0, foreign: float = 0.0, classes: int = 50
) -> tuple[Context, Tensor, Tensor]:
    """Gaussian classes in 128 dimensions, text that is noisy, support that is partly noise."""
    random = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random)

    def unit(rows: Tensor) -> Tensor:
        return torch.nn.functional.normalize(rows, dim=1)

    centres, truth = noise(classes, 128), torch.arange(20 * classes) % classes
    images = unit(centres[truth] + noise(len(truth), 128) + 3)
    text = unit(centres + 2 * noise(classes, 128) + 3)
    labels = torch.arange(shots * classes) % classes
    shown = torch.where(
        torch.rand(len(labels), generator=random) < wrong,
        torch.randint(classes, labels.shape, generator=random),
        labels,
    )
    support = centres[shown] + noise(len(labels), 128) + 3
    strange = torch.rand(len(labels), generator=random) < foreign
    support[strange] = noise(int(strange.sum()), 128)
    return Context(text, 30.0, unit(support), labels), images, truth
