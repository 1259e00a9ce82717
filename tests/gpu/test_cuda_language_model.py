"""Replies of a language model on a CUDA device. Run with `python -m pytest -m gpu`."""

from pathlib import Path

import pytest

from susx.prompts.language_models import Request, Sampling, load_language_model
from tests.language_models import save_tiny_model

pytestmark = pytest.mark.gpu


def test_replies_are_those_of_the_cpu(tmp_path: Path) -> None:
    settings = {"backend": "transformers", "model": str(save_tiny_model(tmp_path / "model"))}
    requests = [Request("a black wings .", seed) for seed in range(40)]
    on_cpu, on_gpu = (
        load_language_model("local", {**settings, "device": device}).answer(
            requests, Sampling(0.9, 1.0, 12)
        )
        for device in ("cpu", "cuda")
    )
    same = sum(one == other for one, other in zip(on_cpu, on_gpu, strict=True))
    assert same >= 38
