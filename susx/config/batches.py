"""Entries of `evaluation.batches`: target images that come batch by batch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from susx.config.types import Count, Finite, Positive, Section

MOST_TASKS = 10_000
"""Tasks of a protocol: ten times those of the paper, each of which fits every method anew."""
LARGEST_SEED = 2**32 - 1
"""That numpy's `RandomState` takes."""

USUAL_SHARE = 0.2
"""Of images of unknown classes, where a protocol says none: some, and far from most."""

TaskCount = Annotated[Positive, Field(le=MOST_TASKS)]
TaskSeed = Annotated[Count, Field(le=LARGEST_SEED)]


class FewClasses(Section):
    """Batches of a few classes (StatA, CVPR 2025): one batch a task.

    A task draws the number of classes, the classes, and of all their images a batch, all without
    replacement. Shares of classes follow the data; a class that was drawn may be absent.
    """

    draw: Literal["few-classes"] = Field(description="Kind of draw.")
    size: Positive = Field(
        64, description="Images of a batch; all of its classes where these have fewer."
    )
    classes: list[Positive] = Field(
        [1, 4],
        min_length=2,
        max_length=2,
        description="Least and most classes of a batch, each number of them equally likely. The "
        "paper has 1 to 4, 2 to 10 and 5 to 25 with 64 images; 5 to 25, 25 to 50 and 50 to 100 "
        "with 1000. More than there are mean all.",
    )
    unknown_classes: Count = Field(
        0,
        description="Classes, drawn once, that methods are not told of: they are no classes of "
        "texts and support sets, and their images are mixed into all batches. Such images are not "
        "counted in accuracies.",
    )
    unknown_share: Annotated[Finite, Field(gt=0, lt=1)] | None = Field(
        None,
        description="Share of the images of a batch that show unknown classes; if left out "
        f"{USUAL_SHARE}, where there are such classes.",
    )
    tasks: TaskCount = Field(1000, description="Tasks that accuracies are means of.")
    seed: TaskSeed = Field(1, description="Seed of the draws, 1 in the paper.")

    @property
    def mixed(self) -> float:
        """Share of images of unknown classes in a batch; 0 without such classes."""
        if not self.unknown_classes:
            return 0.0
        return USUAL_SHARE if self.unknown_share is None else self.unknown_share

    @model_validator(mode="after")
    def _fits(self) -> FewClasses:
        low, high = self.classes
        if low > high:
            raise ValueError(f"`classes` are least and most: write [{high}, {low}]")
        if self.unknown_share is not None and not self.unknown_classes:
            raise ValueError("`unknown_share` needs `unknown_classes`, how many there are")
        if self.mixed and round(self.size * self.mixed) in (0, self.size):
            raise ValueError(
                f"of `size` {self.size}, {self.mixed:g} are no whole image of both kinds; choose "
                "larger batches or another `unknown_share`"
            )
        return self


class Stream(Section):
    """All test images, one batch after the other; a task is one order of them.

    `correlated` (StatA, CVPR 2025): images of a class stand together in slots, whose shares of the
    class are drawn from a Dirichlet distribution; there are as many slots as batches, but at most
    as many as classes.
    """

    draw: Literal["shuffled", "correlated", "separate"] = Field(
        description="Order. `shuffled`: random; `separate`: one class after the other; "
        "`correlated`: in between."
    )
    concentration: Annotated[Finite, Field(gt=0)] | None = Field(
        None,
        description="`correlated`, and only that: parameter of the Dirichlet distribution. The "
        "paper has 0.1 (low correlation), 0.01 and 0.001 (high).",
    )
    size: Positive = Field(128, description="Images of a batch; the last one may have fewer.")
    tasks: TaskCount = Field(100, description="Orders that accuracies are means of.")
    seed: TaskSeed = Field(1, description="Seed of the orders.")

    @model_validator(mode="after")
    def _fits(self) -> Stream:
        if (self.draw == "correlated") != (self.concentration is not None):
            raise ValueError(
                "`concentration` says how strongly `correlated` streams are: name it for them, and "
                "only for them"
            )
        return self


BatchProtocol = Annotated[FewClasses | Stream, Field(discriminator="draw")]
