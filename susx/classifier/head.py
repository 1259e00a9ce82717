"""A classifier's method as a graph: what is left of it when only the images may change.

A method fits, works in blocks and checks while it classifies. A graph has to hold plain operations
on any number of images, so that it is found from what the method does, in two ways:

- logits that are an affine function of the features are known by their values at 0 and at the d
  unit vectors;
- else the method is run on a placeholder for the images (`torch.fx`). What depends on text and
  support set alone is then worked out at once, and what depends on the images is written down.

Either is compared with the method itself, in float64 on made rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx import symbolic_trace
from torch.nn.functional import normalize, one_hot
from torch.utils._python_dispatch import TorchDispatchMode

from susx.classifier.classifier import Classifier, on_device, with_tensors
from susx.core.errors import InputError
from susx.methods import Context, Images
from susx.methods.base import Fit

UNIT = 2.0**-24
"""Rounding unit of float32."""
FINER = 2.0**-29
"""What that of float64 is of it."""
ROUNDINGS = 8
"""Of one operation that is no sum: exp, erf and softmax of runtimes are within some units in the
last place, a unit being two roundings."""
MADE_ROWS = 64
SEED = 0
"""Images that are made to compare two forms of a classifier on, and the seed of their drawing."""
LENGTHS = 0.5, 2.0
"""Least and greatest length of made embeddings, in mean lengths of what the method knows."""


class Head(nn.Module):
    """Logits and probabilities of embedded images.

    Attributes:
        inputs: names of the arguments of `forward`: `features`, and what the method needs beside.
    """

    def __init__(self, logits: nn.Module, temperature: float, inputs: Sequence[str]) -> None:
        super().__init__()
        self.inputs = tuple(inputs)
        self._logits = logits
        self._temperature = temperature

    def forward(self, *images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C) logits, and probabilities `softmax(logits / T)`."""
        logits: Tensor = self._logits(*images)
        return logits, (logits / self._temperature).softmax(dim=1)


class Affine(nn.Module):
    """`f W + b`, with (d, C) weights and (C,) offsets."""

    def __init__(self, weights: Tensor, offsets: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights)
        self.register_buffer("offsets", offsets)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C) logits of (N, d) features."""
        return torch.addmm(self.get_buffer("offsets"), features, self.get_buffer("weights"))


def head_of(classifier: Classifier) -> Head:
    """The head of a classifier, in float64.

    Raises:
        InputError: if no graph can hold what the method does.
    """
    method, values = classifier.method, classifier.meta.hyperparameters
    fit = method.fit(in_float64(classifier.context), values)
    needs = [need for need in method.needs if need != "support"]
    images = made_images(fit.context)
    for make in (affine_form, traced_form):
        logits = make(fit, needs)
        if logits is None:
            continue
        head = Head(logits, classifier.meta.temperature, ["features", *needs]).eval()
        given = arguments(head, images)
        difference = float((head(*given)[0] - fit.logits(images)).abs().max())
        if difference <= 2 * FINER * rounding(head, given):  # both sides round, in float64
            return head
    raise InputError(
        f"{method.name} works on images block by block or goes by what is in them, which no graph "
        "of operations can; choose another method under classifier"
    )


def affine_form(fit: Fit, needs: Sequence[str]) -> nn.Module | None:
    """The affine function that has the method's logits at 0 and at the unit vectors.

    There is none of a method that `needs` more of images than their features.
    """
    if needs:
        return None
    width = fit.context.text.shape[1]
    corners = torch.cat([fit.context.text.new_zeros(1, width), torch.eye(width).double()])
    try:
        offsets, *_ = logits = fit.logits(Images(corners))
    except InputError:  # such rows are no images; a method may say so
        return None
    return Affine(logits[1:] - offsets, offsets)


def traced_form(fit: Fit, needs: Sequence[str]) -> nn.Module | None:
    """The operations that the method's terms are made of; None if these cannot be told."""
    if not set(needs) <= {"norms"}:
        return None
    method, values = fit.method, fit.hyperparameters

    def logits(images: Images) -> Tensor:
        terms = method.terms(fit.context, images)
        made = terms.zero_shot
        if method.votes_of is not None:
            labels, classes = fit.context.required_labels, fit.context.n_classes
            votes = method.votes_of(fit.context, images.features, values)
            made = made + votes @ one_hot(labels, classes).double()
        elif terms.votes is not None:
            point = tuple(values[name] for name in terms.nonlinear)
            made = made + values.get("alpha", 1.0) * terms.votes(slice(None), [point])[0]
        return made if terms.penalty is None else made - values["gamma"] * terms.penalty

    def of_features(features: Tensor) -> Tensor:
        return logits(Images(features))

    def of_raw_features(features: Tensor, norms: Tensor) -> Tensor:
        return logits(Images(features, norms))

    try:
        return symbolic_trace(of_raw_features if needs else of_features)
    except Exception:  # a placeholder is no tensor: what a method does with it can fail in any way
        return None


def in_float64(context: Context) -> Context:
    """The same context with numbers of float64, on the CPU."""
    return with_tensors(on_device(context, "cpu"), _double)


def made_images(context: Context, count: int = MADE_ROWS) -> Images:
    """Made images in float64: unit rows, every second one near a text or support image."""
    drawn = torch.Generator().manual_seed(SEED)
    known = context.text if context.support is None else torch.cat([context.text, context.support])
    rows = normalize(torch.randn(count, known.shape[1], generator=drawn).double(), dim=1)
    near = known[torch.randint(len(known), (count,), generator=drawn)]
    rows[::2] += near[::2]
    low, high = LENGTHS
    shares = low + (high - low) * torch.rand(count, generator=drawn).double()
    typical = 1.0 if context.text_raw is None else float(context.text_raw.norm(dim=1).mean())
    return Images(normalize(rows, dim=1), typical * shares)


def arguments(head: Head, images: Images) -> list[Tensor]:
    """The inputs of a head, in their order."""
    return [getattr(images, name) for name in head.inputs]


def rounding(module: nn.Module, inputs: Iterable[Tensor]) -> float:
    """By how much logits may differ if a module is worked out in float32.

    A sum of n products that is worked out with rounding unit u, in whatever order, is the exact sum
    of factors that are off by n u at most (Wilkinson; Higham, Accuracy and Stability of Numerical
    Algorithms, 2002, section 3.1). So weights and inputs are moved by that much, and what every
    operation gives by some roundings, all in float64: each number up or down by chance, then all
    numbers of a row together, as what they share is rounded once. The largest change of a logit
    counts.

    Args:
        module: gives logits first.
        inputs: of the module.
    """
    given = list(inputs)

    def logits(change: Callable[[Tensor], Tensor], during: AbstractContextManager[Any]) -> Tensor:
        weights = chain(module.named_parameters(), module.named_buffers())
        own = {name: change(_double(part)) for name, part in weights}
        shown = tuple(change(_double(part)) for part in given)
        with during:
            made: Tensor = functional_call(module, own, shown)[0]
        return made

    with torch.no_grad():
        exact = logits(lambda part: part, nullcontext())
        moves = Moves(by_row=False), Moves(by_row=True)
        return max(float((logits(m.of_factors, m) - exact).abs().max()) for m in moves)


class Moves(TorchDispatchMode):  # type: ignore[no-untyped-call]  # the library's own
    """Moves numbers up or down by chance: while it is entered, what operations give.

    Args:
        by_row: whether all numbers along the last axis move alike.
    """

    def __init__(self, by_row: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the library's own
        self._by_row = by_row
        self._drawn = torch.Generator().manual_seed(SEED)

    def of_factors(self, values: Tensor) -> Tensor:
        """Factors of sums as long as the longest axis, moved by as many roundings."""
        return self._moved(values.clone(), max(values.shape)) if values.ndim else values

    def _moved(self, values: Tensor, roundings: int) -> Tensor:
        if not values.is_floating_point():
            return values
        shape = (*values.shape[:-1], 1) if self._by_row and values.ndim else values.shape
        signs = 2 * torch.randint(2, shape, generator=self._drawn).to(values) - 1
        return values.mul_(1 + roundings * UNIT * signs)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call an operation, and move its results; a view is no result of its own."""
        made = func(*args, **(kwargs or {}))
        results = made if isinstance(made, tuple | list) else (made,)
        for result, said in zip(results, func._schema.returns, strict=False):
            is_view = said.alias_info is not None and not said.alias_info.is_write
            if isinstance(result, Tensor) and not is_view:
                self._moved(result, ROUNDINGS)
        return made


def _double(part: Tensor) -> Tensor:
    return part.double() if part.is_floating_point() else part
