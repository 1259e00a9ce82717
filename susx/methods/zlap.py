"""ZLaP: label propagation on a graph of texts and unlabelled images (CVPR 2024).

An image is joined to its nearest images by their cosine, and to its nearest texts by a power of
it. With the graph's normalised weights A the scores of class c are `(I - 0.3 A)^-1 e_c`. The
authors stop conjugate gradients at 1e-6, which decides images; here the series of powers of 0.3 A
is added up to rounding. `zlap-sparse` classifies an image by its own weights to texts and
unlabelled images, of which each keeps its best class only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from susx.methods.base import Context, Images, Method, Terms, in_double, row_blocks
from susx.methods.neighbours import neighbours_of

if TYPE_CHECKING:
    from torch import Tensor

NEIGHBOURS = 5
TEXT_POWER = 5
DAMPING = 0.3
"""k, gamma and alpha, as published for all datasets. Of the nearest images one is itself."""
TERMS = math.ceil(math.log(2.0**-52, DAMPING))
"""Powers of 0.3 A, whose norm is at most 0.3, until one is below a rounding in float64."""


def image_weights(text: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of images to their nearest texts, and the indices of these, (N, 5) each."""
    cosines, indices = neighbours_of(features, text, NEIGHBOURS)
    return cosines.clamp(min=0) ** TEXT_POWER, indices


def graph(text: Tensor, features: Tensor) -> Tensor:
    """(C + N, C + N) sparse normalised weights, texts first."""
    import torch

    n_classes, n = len(text), len(features)
    near, places = neighbours_of(features, features, NEIGHBOURS - 1, but_itself=True)
    to_texts, texts = image_weights(text, features)
    weights = torch.cat([near.clamp(min=0), to_texts], dim=1)
    ends = torch.cat([places + n_classes, texts], dim=1)
    starts = torch.arange(n_classes, n_classes + n, device=ends.device)[:, None].expand_as(ends)
    degrees = weights.new_zeros(n_classes + n)
    degrees.index_add_(0, starts.flatten(), weights.flatten())
    degrees.index_add_(0, ends.flatten(), weights.flatten())
    roots = degrees.clamp(min=torch.finfo(degrees.dtype).tiny).rsqrt()
    scaled = weights * roots[starts] * roots[ends]
    pairs = torch.stack([torch.cat([starts, ends]).flatten(), torch.cat([ends, starts]).flatten()])
    values = torch.cat([scaled, scaled]).flatten()
    return torch.sparse_coo_tensor(
        pairs, values, (n_classes + n,) * 2, check_invariants=True
    ).coalesce()


def propagated(text: Tensor, features: Tensor, use: Callable[[slice, Tensor], None]) -> None:
    """Hand over (C + N, c) scores of c classes at a time, in float64, with their slice."""
    import torch

    links = graph(text, features)
    for columns in row_blocks(len(text), len(links)):
        first = links.new_zeros(len(links), columns.stop - columns.start).to_dense()
        first[range(columns.start, columns.stop), range(columns.stop - columns.start)] = 1
        made = first
        for _ in range(TERMS):
            made = first + DAMPING * torch.sparse.mm(links, made)
        use(columns, made)


def shares_of(scores: Tensor, cosines: Tensor) -> Tensor:
    """Each row's scores as shares of their sum; an image that reaches no text keeps its cosines."""
    total = scores.sum(dim=1, keepdim=True)
    return (scores / total).where(total > 0, cosines)


def terms(context: Context, images: Images) -> Terms:
    """`s z`, the shares of an image's scores."""
    x, text = in_double(images.features), in_double(context.text)
    scores = images.features.new_empty(len(x), len(text)).to(x)

    def keep(columns: slice, made: Tensor) -> None:
        scores[:, columns] = made[len(text) :]

    propagated(text, x, keep)
    return Terms((context.logit_scale * shares_of(scores, x @ text.T)).to(images.features))


def calibrate(context: Context, images: Images) -> dict[str, Tensor]:
    """The images, and of every node of their graph the best class and its score."""
    x, text = in_double(images.features), in_double(context.text)
    best = x.new_full((len(text) + len(x),), -1)
    classes = best.new_zeros(len(best)).long()

    def keep(columns: slice, made: Tensor) -> None:
        highest, places = made.max(dim=1)
        better = (highest > best) | highest.isnan()
        best[better], classes[better] = highest[better], places[better] + columns.start

    propagated(text, x, keep)
    return {
        "unlabelled": images.features,
        "classes": classes.to(images.features.device),
        "scores": best.to(images.features),
    }


def sparse_terms(context: Context, images: Images) -> Terms:
    """`s y'Z`, as shares, with an image's weights y and the best score Z of every node."""
    known = context.constants or calibrate(context, images)
    x, text, seen = (in_double(t) for t in (images.features, context.text, known["unlabelled"]))
    best, classes = known["scores"].to(x), known["classes"].to(x.device)
    to_texts, texts = image_weights(text, x)
    near, places = neighbours_of(x, seen, NEIGHBOURS)
    scores = x.new_zeros(len(x), len(text))
    for weights, nodes in ((to_texts, texts), (near.clamp(min=0), places + len(text))):
        scores.scatter_add_(1, classes[nodes], weights * best[nodes])
    return Terms((context.logit_scale * shares_of(scores, x @ text.T)).to(images.features))


PAPER = "Stojnic, Kalantidis, Tolias, Label Propagation for Zero-shot Classification with "
PAPER += "Vision-Language Models, CVPR 2024"
ZLAP = Method(name="zlap", paper=PAPER, terms=terms, transductive=True)
ZLAP_SPARSE = Method(
    name="zlap-sparse",
    paper=f"{PAPER} (sparse inductive form)",
    terms=sparse_terms,
    transductive=True,
    calibrate=calibrate,
)
