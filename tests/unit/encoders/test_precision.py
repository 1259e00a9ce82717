"""`precision: auto`, and how near bfloat16 comes to float32 with a trained encoder."""

import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from susx.config import encoders
from susx.config.encoders import encoder_section
from tests.benchmarks.bench_precision import class_names, flags, load, texts

CLIP = {"library": "transformers", "model": "org/clip"}
LEAST_COSINE = 1 - 2**-12
"""A rounding to bfloat16 is off by 2**-9.8 in the root mean square. The four layers of the
demo's encoder, some 25 roundings each, are off by 100 * 2**-19.6 in the square, which is twice what
a cosine lacks of one: 2**-14. This is 4 times that."""


@pytest.mark.parametrize("units", [True, False])
def test_auto_is_resolved_as_the_section_is_read(
    monkeypatch: pytest.MonkeyPatch, units: bool
) -> None:
    """Recipes, caches and jobs on other machines then name a precision."""
    monkeypatch.setattr(encoders, "has_bfloat16_units", lambda: units)
    for device in ("auto", "cpu", "cuda", "mps"):
        section = encoder_section(**CLIP, device=device, precision="auto")
        fast = units and device in ("auto", "cpu")
        assert section.precision == ("bfloat16" if fast else "float32")
        assert section == encoder_section(**CLIP, device=device, precision=section.precision)
    assert encoder_section(**CLIP).precision == "float32"


def test_bfloat16_stays_near_float32() -> None:
    exact, half = load("float32"), load("bfloat16")
    pixels, _ = flags(exact, 2)
    one, two = (encoder.encode_images(pixels) for encoder in (exact, half))
    names = texts(class_names())
    first, second = (encoder.encode_texts(names) for encoder in (exact, half))
    assert cosine_similarity(one, two).min() > LEAST_COSINE
    assert cosine_similarity(first, second).min() > LEAST_COSINE
    assert not torch.equal(one, two)
    before = normalize(one) @ normalize(first).T
    after = normalize(two) @ normalize(second).T
    # A cosine moves by the angles of both rows at most; a prediction within twice that may change.
    moved = 2 * 2 * (2 * 2**-12) ** 0.5
    sure = before.topk(2).values.diff().abs()[:, 0] > moved
    assert sure.float().mean() > 0.2
    assert torch.equal(before.argmax(dim=1)[sure], after.argmax(dim=1)[sure])
    # bench_precision counts 7 of 2,000; of 100, 3 are not exceeded but once in a thousand times.
    assert (before.argmax(dim=1) != after.argmax(dim=1)).float().mean() <= 0.03
    assert half.provenance["precision"] == "bfloat16"
