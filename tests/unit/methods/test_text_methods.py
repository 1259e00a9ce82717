"""VisDesc, CLIP+DN and CALIP against plain loops in float64."""

import numpy as np
import pytest
import torch

from susx.core.errors import InputError
from susx.methods import METHODS, Context, Images
from tests.closeness import assert_close, random_walk
from tests.helpers import context_of, images_of, make_problem, unit_rows
from tests.plain import softmax, unit

PROBLEM = make_problem(5, n=9)
TEXT = PROBLEM.text.astype(float)
IMAGES = PROBLEM.images.astype(float)


def test_visdesc_averages_similarities_not_embeddings() -> None:
    random = np.random.default_rng(0)
    descriptors = [unit_rows(random, k, 8).astype(float) for k in (1, 4, 2)]
    expected = [[np.mean([70 * f @ q for q in rows]) for rows in descriptors] for f in IMAGES]
    means = np.stack([rows.mean(axis=0) for rows in descriptors])
    weights = means / np.linalg.norm(means, axis=1, keepdims=True)
    context = Context(torch.from_numpy(weights), 70.0, text_means=torch.from_numpy(means))
    made = METHODS["visdesc"].fit(context, {}).logits(Images(torch.from_numpy(IMAGES)))
    assert_close(made, expected, random_walk(8 + 4), scale=70)
    assert not np.allclose(made.numpy(), 70 * IMAGES @ weights.T, atol=1)


def test_dn_takes_a_quarter_of_the_means_away_before_normalising() -> None:
    random = np.random.default_rng(1)
    lengths = random.uniform(5, 15, 9)
    raw_images = IMAGES * lengths[:, None]
    raw_text = TEXT * random.uniform(5, 15, (5, 1))
    image_mean, text_mean = raw_images.sum(axis=0) / 9, raw_text.sum(axis=0) / 5
    expected = [
        [100 * unit(x - image_mean / 4) @ unit(t - text_mean / 4) for t in raw_text]
        for x in raw_images
    ]
    context = Context(torch.from_numpy(TEXT), 100.0, text_raw=torch.from_numpy(raw_text))
    images = Images(torch.from_numpy(IMAGES), torch.from_numpy(lengths))
    made = METHODS["dn"].fit(context, {}).logits(images)
    assert_close(made, expected, random_walk(9 + 8), scale=100)


def calip_loops(patches: np.ndarray, alpha: float, gamma: float) -> np.ndarray:
    logits = np.zeros((len(IMAGES), len(TEXT)))
    for n, (x, spatial) in enumerate(zip(IMAGES, patches, strict=True)):
        attention = np.array([[2 * s @ w for w in TEXT] for s in spatial])
        guided_texts = [
            sum(a * s for a, s in zip(softmax(attention[:, c]), spatial, strict=True))
            for c in range(len(TEXT))
        ]
        guided = np.array([softmax(row) @ TEXT for row in attention])
        pooled = guided.mean(axis=0) + guided.max(axis=0)
        for c, w in enumerate(TEXT):
            logits[n, c] = 100 * (x @ w + alpha * x @ guided_texts[c] + gamma * pooled @ w)
    return logits


@pytest.mark.parametrize("elements", [1, 100, 2**22])
def test_calip_attends_both_ways(elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("susx.methods.base.BLOCK_ELEMENTS", elements)
    images = images_of(PROBLEM)
    patches = images.required_patches.numpy()
    made = METHODS["calip"].fit(context_of(PROBLEM), {"alpha": 1.3, "gamma": 0.07}).logits(images)
    # Attention, its softmax over texts or patches, and logits.
    assert_close(made, calip_loops(patches, 1.3, 0.07), random_walk(8 + 5 + 3 + 8))


def test_calip_reads_patches_of_half_precision() -> None:
    images = images_of(PROBLEM, torch.float32)
    half = Images(images.features, None, images.required_patches.half())
    fitted = METHODS["calip"].fit(context_of(PROBLEM, dtype=torch.float32), METHODS["calip"].fixed)
    made = fitted.logits(half)
    assert made.dtype == torch.float32
    # A patch is rounded by up to half a spacing of its type.
    spacing = torch.finfo(torch.half).eps / torch.finfo(torch.float32).eps
    assert_close(made, fitted.logits(images), spacing / 2)


def test_calip_grid_is_the_published_one() -> None:
    alpha, gamma = (METHODS["calip"].grid[name].values(37.0) for name in ("alpha", "gamma"))
    assert (len(alpha), len(gamma)) == (200, 200)
    assert (alpha[0], gamma[0]) == (0.001, 0.001)
    assert alpha[-1] == pytest.approx(0.001 + 199 * 1.999 / 200)
    assert gamma[-1] == pytest.approx(0.001 + 199 * 0.099 / 200)


@pytest.mark.parametrize("name", ["visdesc", "waffle", "dn"])
def test_a_finished_classifier_is_not_enough(name: str) -> None:
    bare = Context(torch.from_numpy(TEXT), 100.0)
    with pytest.raises(InputError, match=r"needs .* not a finished classifier"):
        METHODS[name].fit(bare, {}).logits(images_of(PROBLEM))
