"""A classifier file on a CUDA device: `python -m pytest -m gpu`."""

from pathlib import Path

import pytest
import torch

from susx.classifier.file import load_classifier, write_classifier
from tests.made.photos import photos_classifier, unlabelled

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("method", ["tip-x", "ape", "gda", "calip", "zero-shot"])
def test_a_classifier_predicts_on_cuda_what_it_predicts_on_the_cpu(
    tiny_clip: Path, tmp_path: Path, method: str
) -> None:
    file = tmp_path / "c.safetensors"
    write_classifier(file, photos_classifier(tiny_clip, tmp_path, method))
    table, cache = unlabelled(tiny_clip, tmp_path)
    paths = [record.path for record in table.records]
    on = {device: load_classifier(file, device=device) for device in ("cpu", "cuda")}
    found = {device: classifier.predict(paths) for device, classifier in on.items()}
    assert found["cuda"].reasons == found["cpu"].reasons
    shares = [torch.from_numpy(found[device].probabilities) for device in on]
    assert torch.allclose(*shares, atol=1e-3, equal_nan=True)
    best = found["cpu"].ranks[[not reason for reason in found["cpu"].reasons], 0]
    voters = [classifier.voters(cache.features, best, 1) for classifier in on.values()]
    assert [[key for key, _ in row] for row in voters[0]] == [
        [key for key, _ in row] for row in voters[1]
    ]
