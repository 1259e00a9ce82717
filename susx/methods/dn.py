"""CLIP+DN: distribution normalisation (Zhou et al., NeurIPS 2023, section 4).

A quarter of the mean embedding is taken away on both sides, of images and of texts, before
normalisation. The mean of the images is that of the unlabelled images to classify; the paper
takes 100 unlabelled ones of the training split.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from susx.core.errors import InputError
from susx.methods.base import Context, Images, Method, Terms, scaled_cosines

if TYPE_CHECKING:
    from torch import Tensor

WEIGHT = 0.25


def without_mean(raw: Tensor, mean: Tensor) -> Tensor:
    """Rows of (n, d) without `WEIGHT` times a mean, of unit length."""
    from torch.nn.functional import normalize

    return normalize(raw - WEIGHT * mean, dim=1)


def calibrate(context: Context, images: Images) -> dict[str, Tensor]:
    """The (d,) `mean` of the raw embeddings of images."""
    return {"mean": raw_embeddings(images).mean(dim=0)}


def raw_embeddings(images: Images) -> Tensor:
    """(N, d) embeddings before normalisation.

    Raises:
        InputError: if their lengths are unknown.
    """
    return images.features * images.required_norms[:, None]


def terms(context: Context, images: Images) -> Terms:
    """`s norm(x - mean(x) / 4) norm(t - mean(t) / 4)'` with raw embeddings x and t.

    Raises:
        InputError: if the lengths of the raw embeddings are unknown.
    """
    texts = context.text_raw
    if texts is None:
        raise InputError("dn needs raw text embeddings, not a finished classifier")
    constants = context.constants or calibrate(context, images)
    rows = without_mean(raw_embeddings(images), constants["mean"])
    return Terms(scaled_cosines(context, rows, without_mean(texts, texts.mean(dim=0))))


DN = Method(
    name="dn",
    paper="Zhou et al., Test-Time Distribution Normalization for Contrastively Learned "
    "Vision-language Models, NeurIPS 2023",
    terms=terms,
    texts=("photo",),
    needs=("norms",),
    transductive=True,
    reads="text_raw",
    calibrate=calibrate,
)
