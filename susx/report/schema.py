"""The schema of work/{dataset}/analysis/{encoder}.json: what a report shows beyond the result."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from susx.evaluation.case import Case
from susx.evaluation.schema import Percent

SCHEMA = "susx-analysis-4"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Histogram(_Strict):
    """Distribution of cosines, or of KL affinities, over pairs.

    Attributes:
        quantity: `cosine` or `affinity`.
        pairs: what is compared, such as `test image - text`.
        same_class: whether only pairs of one class count (True), of two (False), or all (None).
        edges: (n + 1,) rising borders of the bins.
        shares: (n,) share of the pairs in each bin; sums to 1.
        mean: of the values.
        n_pairs: how many pairs were looked at; a seeded sample where there are too many.
    """

    quantity: Literal["cosine", "affinity"]
    pairs: str
    same_class: bool | None
    edges: list[float]
    shares: list[float]
    mean: float
    n_pairs: int


class SizePoint(_Strict):
    """Test accuracy with only the first images of every class of a support set.

    Hyper-parameters are those of the case, not tuned again.

    Attributes:
        case: which row of the result has the whole support set.
        per_class: support images per class at most.
        n_images: of all classes together.
        top1: accuracy in percent.
        ci95: its 95 % interval.
    """

    case: Case
    per_class: int
    n_images: int
    top1: Percent
    ci95: tuple[float, float]


class Surface(_Strict):
    """Accuracy on the tuning images over two hyper-parameters, through the best point of the grid.

    Attributes:
        case: which row of the result.
        tuned_on: `validation`, `support` or `test`.
        x: name of the horizontal hyper-parameter.
        y: name of the vertical one.
        x_values: (n,) rising, in the encoder's units.
        y_values: (m,) likewise.
        accuracy: (m, n) percent.
        chosen: all hyper-parameters of the case.
        plateau: least accuracy that does not differ from the best by more than one standard
            error of the best.
        plateau_share: share of the points at or above it.
    """

    case: Case
    tuned_on: str
    x: str
    y: str
    x_values: list[float]
    y_values: list[float]
    accuracy: list[list[float]]
    chosen: dict[str, float]
    plateau: Percent
    plateau_share: float


class Voter(_Strict):
    """A support image that voted for the class of a test image.

    Attributes:
        key: its key in the support manifest.
        class_name: class that it stands for.
        vote: what it adds to the logit of that class.
    """

    key: str
    class_name: str
    vote: float


class Example(_Strict):
    """A test image whose answer changed against zero-shot.

    Attributes:
        change: `corrected` or `broken`.
        key: its key in the manifest of the test images.
        true: its class.
        before: class that zero-shot says.
        after: class that the shown case says.
        voters: support images that voted most for `after`, the strongest first; empty if the
            method sums no votes.
    """

    change: Literal["corrected", "broken"]
    key: str
    true: str
    before: str
    after: str
    voters: list[Voter]


class Confusion(_Strict):
    """How many test images of a class are taken for another one."""

    true: str
    predicted: str
    count: int


class ClassChange(_Strict):
    """Test images of a class that are right before and after."""

    name: str
    n: int
    before: int
    after: int


class Outlier(_Strict):
    """A support image that votes against its class.

    Attributes:
        key: its key in the support manifest.
        by_images: class whose images it is nearest to.
        by_text: class whose text it is nearest to.
    """

    key: str
    by_images: str
    by_text: str


class Outliers(_Strict):
    """Images of a support set that lie nearer to another class, as `susx.report.outliers` says.

    Attributes:
        support: name of the files of the support set.
        n_judged: images whose class has others.
        images: those that vote against their class, in the order of the set.
    """

    support: str
    n_judged: int
    images: list[Outlier]


class Analysis(_Strict):
    """What one encoder's caches tell beyond the result.

    Attributes:
        inputs: hashes of what was embedded, by cache.
        before: the text-only case that is compared with, zero-shot.
        shown: the case that is looked at closely; None if no case uses a support set or differs
            from `before`.
        histograms: the modality gap.
        sizes: accuracy against support size.
        sizes_left_out: methods of which it is not told, as they are slow to fit anew for every
            size.
        surfaces: of the tuned cases.
        n_corrected: test images that only `shown` gets right.
        n_broken: test images that only `before` gets right.
        examples: some of these.
        confused_before: the most confused pairs of `before`, the most frequent first.
        confused_after: those of `shown`.
        classes: every class, in the order of the class manifest.
        outliers: support images that vote against their class, by set.
        sha256: of the other entries, added by `susx.core.files.write_checked`.
    """

    schema_: Literal["susx-analysis-4"] = Field(alias="schema")
    dataset: str
    encoder: str
    classes_sha256: str
    inputs: dict[str, str | None]
    before: Case
    shown: Case | None
    histograms: list[Histogram]
    sizes: list[SizePoint]
    sizes_left_out: list[str]
    surfaces: list[Surface]
    n_corrected: int
    n_broken: int
    examples: list[Example]
    confused_before: list[Confusion]
    confused_after: list[Confusion]
    classes: list[ClassChange]
    outliers: list[Outliers]
    sha256: str | None = None
