"""What the numbers of a result are of: images, texts, support sets, encoders, methods."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from susx.config.batches import BatchProtocol
from susx.support.fate import Fate

NotNegative = Annotated[int, Field(ge=0)]
Extent = Annotated[list[NotNegative], Field(min_length=2, max_length=2)]
Fates = dict[Fate, NotNegative]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ImageCounts(_Strict):
    """Images of a split that were read, and those that were not, with reasons."""

    n_read: int = Field(description="Images that were embedded.")
    n_per_class: list[NotNegative] = Field(
        description="How many of them show each class, in label order."
    )
    n_unreadable: int = Field(description="Images that were left out.")
    unreadable: dict[str, str] = Field(description="The latter, with reasons.")
    classes_without_images: list[str] = Field(
        [], description="Classes that no image was read of, if any was of others."
    )


class BatchFacts(_Strict):
    """Batches of test images, and how they were drawn."""

    settings: BatchProtocol = Field(description="Kind of draw, sizes, tasks and seed.")
    n_tasks: int = Field(description="Tasks, each of one batch of few classes or of one stream.")
    n_batches: int = Field(description="Batches of all tasks.")
    batch_sizes: Extent = Field(description="Images of the smallest batch and of the largest.")
    classes_shown: Extent = Field(
        description="Fewest and most classes of a batch, without unknown ones."
    )
    unknown_classes: list[str] = Field(
        description="Classes that methods are not told of: neither texts nor support images."
    )
    n_images: int = Field(description="Images of all batches that accuracies count.")
    n_unknown: int = Field(description="Images of unknown classes, which they do not.")
    sha256: str = Field(
        description="Of all batches in order: of each the number of images and their places among "
        "the test images, as little-endian integers of 64 bits."
    )


class Leak(_Strict):
    """A support image that nearly equals a test image."""

    key: str = Field(description="Key of the support image.")
    location: str = Field(description="Where it comes from.")
    class_name: str = Field(description="Class that it stands for.")
    image: str = Field(description="Key of the test image.")
    distance: int = Field(description="Bits, of 256, in which their perceptual hashes differ.")


class IndexSearch(_Strict):
    """How well an approximate index of a pool was searched."""

    recall: float | None = Field(
        description="Share of the exact nearest rows that the index found, mean of all queries; "
        "null if it could not be measured."
    )
    k: int = Field(description="Nearest rows per query that were looked for.")
    rows: int = Field(description="Rows with embeddings that both searches were asked for.")
    of: int = Field(description="Rows of the index.")
    reason: str | None = Field(description="Why it could not be measured.")


class SupportCounts(_Strict):
    """Where a support set comes from, and what became of its candidates."""

    entry: str = Field(
        description="Its name under `supports` of the configuration; few-shot draws share one."
    )
    seed: int | None = Field(description="Seed that a few-shot one was drawn with.")
    source: str = Field(
        description="`retrieval from` a pool, `synthesis with` a model, `training images` or "
        "`published features`."
    )
    size: int = Field(description="Images wanted per class.")
    n_candidates: int = Field(
        description="Candidates: images found, or generated, in all classes together."
    )
    n_kept: int = Field(description="Images of all classes together.")
    fates: Fates = Field(
        description="Candidates by what became of them, which adds up to `n_candidates`. `kept`; "
        "`outranked`: another encoder ranked others higher; `surplus`: not needed; `duplicate`: "
        "near copies of better ones; `refused`: for what their pool says of them; `disagrees`: the "
        "text classifier does; `flagged`: by the safety checker; `failed`: not downloaded, not "
        "readable or of a wrong size; `not tried`: enough were found before."
    )
    failed: dict[str, int] = Field(
        description="Those that failed by reason, without numbers and names."
    )
    classes: dict[str, Fates] = Field(description="`fates` of every class.")
    pool: dict[str, int] = Field(
        {},
        description="Rows of the pool that were searched, and those left out of the search, by "
        "reason; candidates whose caption is no UTF-8 as a whole, or whose metadata are "
        "unreadable; and images kept without a column that `refuse` limits.",
    )
    index: dict[str, IndexSearch] = Field(
        {}, description="Of pools that were searched by an index: its recall, by shard."
    )
    short_classes: dict[str, int] = Field(description="Classes with fewer images than wanted.")
    leaks: list[Leak] | None = Field(
        None,
        description="Support images that nearly equal a test image; null where only features are "
        "known.",
    )
    leaks_dropped: bool = Field(False, description="Whether these were left out.")
    generator: dict[str, Any] | None = Field(
        None, description="Of generated images: model, weights, scheduler and settings."
    )

    @model_validator(mode="after")
    def _adds_up(self) -> SupportCounts:
        by_class: Counter[str] = sum(map(Counter, self.classes.values()), Counter())
        sums = {
            "n_candidates": sum(self.fates.values()) == self.n_candidates,
            "n_kept": self.fates.get("kept", 0) == self.n_kept,
            "failed": sum(self.failed.values()) == self.fates.get("failed", 0),
            "classes": by_class == Counter(self.fates),
        }
        if wrong := [name for name, fits in sums.items() if not fits]:
            raise ValueError(f"`{wrong[0]}` does not fit `fates`")
        return self


class TextCounts(_Strict):
    """The texts of a prompt strategy."""

    n: int = Field(description="Texts of all classes together, or their means where published.")
    sources: dict[str, Any] = Field(
        description="Templates, files and language models that they come from; empty for published "
        "features."
    )


class EncoderFacts(BaseModel):
    """What embedded images and texts, and on what. Further keys are the encoder's own."""

    model_config = ConfigDict(extra="allow")

    library: str = Field(description="Library, or `features/` and the layout of published ones.")
    model: str | None = Field(None, description="Model, or the backbone of published features.")
    revision: str | None = Field(None, description="Revision of a model of the hub.")
    weights_sha256: str | None = Field(None, description="Of its weights, where they are known.")
    logit_scale: float = Field(description="Its factor on cosines.")
    device: str | None = Field(None, description="Device of tuning and testing.")
    inputs: dict[str, str | None] = Field({}, description="Hashes of what was embedded, by cache.")
    manifests: dict[str, str] = Field({}, description="Hashes of what manifests list, likewise.")
    sources: dict[str, str | None] = Field(
        {}, description="Which source of its dataset every split was listed from."
    )
    texts_truncated: dict[str, int | None] = Field(
        {}, description="Texts that were longer than it reads, by prompt strategy."
    )


class MethodFacts(_Strict):
    """What a method is, and what its hyper-parameters are measured in."""

    paper: str = Field(description="Where it was published.")
    units: dict[str, Literal["logits", "1"]] = Field(
        description="Of every hyper-parameter. `1`: a number, the same for all encoders. `logits`: "
        "it grows with the encoder's `logit_scale`; the published value is 100 / `logit_scale` "
        "times that of a run."
    )
