"""The contract of a method.

A method is linear in all but one of its hyper-parameters:
`logits = zero_shot + alpha * vote(beta) - gamma * penalty`. It supplies these terms; fitting,
classifying and exact hyper-parameter search are the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from susx.core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

PUBLISHED_SCALE = 100.0
"""CLIP's logit scale, in whose units published grids of alpha and gamma are given."""


Need = Literal["support", "patches", "norms"]
NEEDS: Mapping[Need, str] = {
    "support": "a support set; name one under supports",
    "patches": "patch embeddings, which this encoder or feature set does not offer",
    "norms": "the lengths of raw embeddings, which are unknown for published features",
}
"""What methods may need beside text and image features, in words."""

TEXT_FORMS = ("text_means", "text_raw", "texts", "text_labels")
"""Fields of `Context` that hold the texts in another form than its classifier."""

BLOCK_ELEMENTS = 2**22
"""Entries of a matrix with one row per image that are held at once."""


@dataclass(frozen=True)
class Axis:
    """Arithmetic grid of a hyper-parameter: `steps` values from `start`, `stop` excluded.

    `scaled` marks factors on cosine-sized terms, which grow with the encoder's logit scale.
    """

    start: float
    stop: float
    steps: int
    scaled: bool = False

    def values(self, logit_scale: float) -> list[float]:
        """Grid values for an encoder's logit scale."""
        factor = logit_scale / PUBLISHED_SCALE if self.scaled else 1.0
        step = (self.stop - self.start) / self.steps
        return [factor * (self.start + i * step) for i in range(self.steps)]


@dataclass(frozen=True)
class Points:
    """Listed grid values of a hyper-parameter, rising; `scaled` as for `Axis`."""

    points: tuple[float, ...]
    scaled: bool = False

    def values(self, logit_scale: float) -> list[float]:
        """Grid values for an encoder's logit scale."""
        factor = logit_scale / PUBLISHED_SCALE if self.scaled else 1.0
        return [factor * point for point in self.points]


@dataclass(frozen=True)
class Images:
    """Images to classify, as an encoder sees them.

    Attributes:
        features: (N, d) unit rows f.
        norms: (N,) lengths of the embeddings before normalisation, where they are known.
        patches: (N, P, d) unit rows, the embeddings of P patches of every image, where the
            encoder has them; of any floating type, and not necessarily on the features' device.
    """

    features: Tensor
    norms: Tensor | None = None
    patches: Tensor | None = None

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: slice | Tensor) -> Images:
        return Images(
            self.features[rows],
            None if self.norms is None else self.norms[rows],
            None if self.patches is None else self.patches[rows],
        )

    @property
    def required_norms(self) -> Tensor:
        """(N,) lengths of the embeddings before normalisation.

        Raises:
            InputError: if they are unknown.
        """
        if self.norms is None:
            raise InputError(f"this method needs {NEEDS['norms']}")
        return self.norms

    @property
    def required_patches(self) -> Tensor:
        """(N, P, d) unit rows of the patches.

        Raises:
            InputError: if there are none.
        """
        if self.patches is None:
            raise InputError(f"this method needs {NEEDS['patches']}")
        return self.patches


@dataclass(frozen=True)
class Context:
    """What a method may know before it sees a target image.

    Attributes:
        text: (C, d) unit rows, the text classifier W.
        logit_scale: the encoder's factor on cosines.
        support: (M, d) unit rows F, or None.
        support_labels: (M,) int64 class indices, or None.
        text_means: (C, d) means of the unit embeddings of a class's texts, where known.
        text_raw: (C, d) means of these embeddings before normalisation, where known.
        texts: (S, d) unit rows, the embeddings of all texts of all classes, where known.
        text_labels: (S,) int64 classes of these texts.
        constants: what `Method.calibrate` took from a set of images; without it, a method that
            has that takes it from the images that it classifies together.
    """

    text: Tensor
    logit_scale: float
    support: Tensor | None = None
    support_labels: Tensor | None = None
    text_means: Tensor | None = None
    text_raw: Tensor | None = None
    texts: Tensor | None = None
    text_labels: Tensor | None = None
    constants: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def n_classes(self) -> int:
        """Number of classes C."""
        return len(self.text)

    @property
    def required_support(self) -> Tensor:
        """(M, d) unit rows F.

        Raises:
            InputError: if there is no support set.
        """
        if self.support is None:
            raise InputError(f"this method needs {NEEDS['support']}")
        return self.support

    @property
    def required_labels(self) -> Tensor:
        """(M,) classes of the support images.

        Raises:
            InputError: if there are not as many as support images.
        """
        labels = self.support_labels
        if labels is None or len(labels) != len(self.required_support):
            raise InputError("support features and labels differ in number")
        return labels

    @property
    def required_texts(self) -> tuple[Tensor, Tensor]:
        """(S, d) unit rows of all texts, and their (S,) classes.

        Raises:
            InputError: if only the finished text classifier is known.
        """
        if self.texts is None or self.text_labels is None:
            raise InputError("this method needs an embedding per text, not a finished classifier")
        return self.texts, self.text_labels


@dataclass(frozen=True)
class Terms:
    """The parts of a method's logits on N given images.

    Attributes:
        zero_shot: (N, C) scaled cosines of images and text, in memory of their own: a fit adds the
            other terms to them in place, block by block.
        votes: function of a slice of rows and P points of the nonlinear hyper-parameters, giving
            the (P, n, C) term that alpha weighs, by 1 in a method without alpha; or None.
        nonlinear: the hyper-parameters that the votes depend on.
        penalty: (N, C) term that gamma weighs, or None.
        expected: accuracies, from 0 to 1, that the method expects without a label as its sources
            are added, by source.
    """

    zero_shot: Tensor
    votes: Callable[[slice, Sequence[tuple[float, ...]]], Tensor] | None = None
    nonlinear: tuple[str, ...] = ()
    penalty: Tensor | None = None
    expected: Mapping[str, float] = field(default_factory=dict)

    def logits(self, **values: float) -> Tensor:
        """Return (N, C) logits for values of the method's hyper-parameters."""
        return replace(self, zero_shot=self.zero_shot.clone()).summed(**values)

    def summed(self, **values: float) -> Tensor:
        """The same in the place of `zero_shot`, for terms that are needed no more."""
        logits = self.zero_shot
        if self.votes is not None:
            point = tuple(values[name] for name in self.nonlinear)
            for rows in row_blocks(*logits.shape):
                logits[rows] += values.get("alpha", 1.0) * self.votes(rows, [point])[0]
        if self.penalty is not None:
            logits -= values["gamma"] * self.penalty
        return logits


def in_double(tensor: Tensor) -> Tensor:
    """Convert to float64, on the CPU if the device has none (MPS)."""
    return (tensor.cpu() if tensor.device.type == "mps" else tensor).double()


def finite(method: str, values: Tensor) -> Tensor:
    """The (..., N, C) logits of a method, or terms of them, unchanged.

    Raises:
        InputError: if any is not finite. Sorting would put it first and make a class of it.
    """
    if values.sum().isfinite() or values.isfinite().all():  # a sum alone may overflow
        return values
    lost = ~values.isfinite().all(dim=-1)
    lost = lost.view(-1, lost.shape[-1]).any(dim=0)
    raise InputError(
        f"{method}: logits of {int(lost.sum())} of {len(lost)} images are not finite numbers; "
        "smaller values under evaluation.fixed or evaluation.grid may help, or leave the method "
        "out of evaluation.methods"
    )


def row_blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Cut rows so that a block of a matrix with `n_columns` has at most `BLOCK_ELEMENTS`."""
    size = max(1, BLOCK_ELEMENTS // max(1, n_columns))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


@dataclass(frozen=True)
class Grown:
    """What a method says of some of N images with the first parts of its support set.

    Attributes:
        n_parts: how many parts.
        rows: which n images.
        logits: (n, C), which the next may overwrite.
        constants: those of `Method.calibrate` for all N images, where the method has that.
    """

    n_parts: int
    rows: slice
    logits: Tensor
    constants: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """A method with its hyper-parameters chosen."""

    method: Method
    context: Context
    hyperparameters: Mapping[str, float]

    def logits(self, images: Images) -> Tensor:
        """Classify N images, of which there may be none: (N, C) logits.

        Raises:
            InputError: if the logits of an image are not finite, or there are more support images
                than the method can take.
        """
        if not len(images):
            return images.features.new_empty(0, self.context.n_classes)
        terms = self.method.finite_terms(self.context, images)
        return finite(self.method.name, terms.summed(**self.hyperparameters))

    def logits_of(self, terms: Terms) -> Tensor:
        """The (N, C) logits of the method's terms.

        Raises:
            InputError: if the logits of an image are not finite.
        """
        return finite(self.method.name, terms.logits(**self.hyperparameters))


@dataclass(frozen=True)
class Method:
    """A registered method.

    Attributes:
        name: its name in configuration and results.
        paper: where it was published.
        terms: function of context and images.
        texts: prompt strategies it stands for; if empty, the configured ones.
        needs: what it cannot do without, of `NEEDS`.
        transductive: whether it learns from the unlabelled images that it classifies together.
        assumes: what it takes for granted of the images that it classifies, beside their classes;
            result rows say so.
        streamed: function of context and images that come in the order of their rows, for a method
            that keeps what it learned over a stream; None for others.
        costly: whether fitting it goes through its support set, and the images if it learns from
            these, many times or one by one.
        most_support: support images that it can take; None if there is no such bound.
        pair_bytes: bytes that it keeps for every pair of support images, which is why.
        reads: the form of the text classifier that it reads, a field of `Context`.
        calibrate: function of context and images, giving the constants that stand for these images
            when others are classified; None if there are none, or if nothing can stand for them.
        votes_of: function of context, (N, d) features and hyper-parameters, giving the (N, M) votes
            of support images for their classes; None if it sums no such votes.
        growing: function of a fit, images and parts of its support set, given by their places,
            that compares each support image once and gives what the method says of every image
            with the first part, the first two, ...; None for a method that is fitted anew
            (`susx.methods.growing`).
        grid: published search grid per hyper-parameter, in the order alpha, beta, gamma.
        fixed: values for untuned use, in published units.
    """

    name: str
    paper: str
    terms: Callable[[Context, Images], Terms]
    texts: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    transductive: bool = False
    assumes: tuple[str, ...] = ()
    streamed: Callable[[Context, Images], Terms] | None = None
    costly: bool = False
    most_support: int | None = None
    pair_bytes: int = 0
    reads: Literal["text", "text_means", "text_raw", "texts"] = "text"
    calibrate: Callable[[Context, Images], dict[str, Tensor]] | None = None
    votes_of: Callable[[Context, Tensor, Mapping[str, float]], Tensor] | None = None
    growing: Callable[[Fit, Images, Sequence[Tensor]], Iterator[Grown]] | None = None
    grid: Mapping[str, Axis | Points] = field(default_factory=dict)
    fixed: Mapping[str, float] = field(default_factory=dict)

    @property
    def needs_support(self) -> bool:
        """Whether it uses a support set."""
        return "support" in self.needs

    def too_many(self, n_support: int, name: str) -> str:
        """Why it cannot take so many support images of a set; empty if it can."""
        most = self.most_support
        if most is None or n_support <= most:
            return ""
        pairs = self.pair_bytes * n_support**2 / 2**30
        memory = f"; for all pairs of them it would need {pairs:.0f} GiB" if pairs else ""
        return f"takes at most {most} support images, and {name} has {n_support}{memory}"

    @property
    def text_forms(self) -> tuple[str, ...]:
        """What it reads of `TEXT_FORMS`."""
        if self.reads == "texts":
            return ("texts", "text_labels")
        return () if self.reads == "text" else (self.reads,)

    @property
    def exportable(self) -> bool:
        """Whether it can classify one image, without others or with constants in their place."""
        return not self.transductive or self.calibrate is not None

    def fit(self, context: Context, hyperparameters: Mapping[str, float]) -> Fit:
        """Bind context and hyper-parameters.

        Raises:
            InputError: if a hyper-parameter is missing, or the support set is.
        """
        if set(self.grid) != set(hyperparameters):
            raise InputError(
                f"{self.name} takes {sorted(self.grid)}, not {sorted(hyperparameters)}"
            )
        if self.needs_support:
            _ = context.required_support
        return Fit(self, context, hyperparameters)

    def finite_terms(self, context: Context, images: Images) -> Terms:
        """The terms on N images; votes are looked at when they are asked for.

        Raises:
            InputError: if a term of an image is not finite, or there are more support images than
                the method can take.
        """
        support = context.support
        reason = "" if support is None else self.too_many(len(support), "the set")
        if reason:
            raise InputError(f"{self.name} {reason}; take fewer of every class")
        terms = self.terms(context, images)
        finite(self.name, terms.zero_shot)
        if terms.penalty is not None:
            finite(self.name, terms.penalty)
        votes = terms.votes
        if votes is None:
            return terms
        return replace(terms, votes=lambda rows, points: finite(self.name, votes(rows, points)))

    def scaled(self, values: Mapping[str, float], logit_scale: float) -> dict[str, float]:
        """Convert values in published units to the encoder's logit scale."""
        factor = logit_scale / PUBLISHED_SCALE
        return {
            name: values[name] * (factor if axis.scaled else 1.0)
            for name, axis in self.grid.items()
        }


def fixed_votes(scores: Tensor) -> Callable[[slice, Sequence[tuple[float, ...]]], Tensor]:
    """Votes of `Terms` that are the (N, C) scores at every point."""

    def votes(rows: slice, points: Sequence[tuple[float, ...]]) -> Tensor:
        return scores[rows].expand(len(points), -1, -1)

    return votes


def zero_shot_terms(context: Context, images: Images) -> Terms:
    """Scaled cosines `s f W'`."""
    return Terms(zero_shot_logits(context, images.features))


def zero_shot_logits(context: Context, features: Tensor) -> Tensor:
    """Scaled cosines `s f W'` of (N, d) unit rows: (N, C)."""
    return scaled_cosines(context, features, context.text)


def scaled_cosines(context: Context, features: Tensor, classes: Tensor) -> Tensor:
    """Scaled cosines `s f V'` of (N, d) unit rows, and V of (C, d): (N, C)."""
    return (features @ classes.T).mul_(context.logit_scale)
