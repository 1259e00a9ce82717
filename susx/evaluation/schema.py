"""The schema of results/{dataset}.json, and the source of docs/results.md."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from susx.core.errors import InputError
from susx.core.files import read_json, verified
from susx.support.fate import Fate

SCHEMA = "susx-result-4"

Percent = Annotated[float, Field(ge=0, le=100)]
Fates = dict[Fate, Annotated[int, Field(ge=0)]]
Interval = Annotated[list[float], Field(min_length=2, max_length=2)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Difference(_Strict):
    """A run's accuracy minus that of a reference on the same images, in points."""

    reference: str = Field(description="Method of the reference.")
    protocol: str = Field(description="Its tuning protocol.")
    mean: float = Field(description="Difference of top-1 accuracy.")
    ci95: Interval = Field(
        description="Its 95 % paired-bootstrap interval, with one corrected and one broken image "
        "more than were met."
    )
    corrected: int = Field(description="Images that only the run gets right.")
    broken: int = Field(description="Images that only the reference gets right.")
    mcnemar_p: float = Field(description="Two-sided p-value of McNemar's exact test.")


class ChangedPair(_Strict):
    """A confusion whose frequency changed against zero-shot."""

    true: str = Field(description="Class of the images.")
    predicted: str = Field(description="Class that they are taken for.")
    zero_shot: int = Field(description="How many, by zero-shot.")
    now: int = Field(description="How many, by the run.")


Protocol = Literal["none", "fixed", "validation", "support"]
TunedOn = Literal["nothing", "validation", "support", "test"]


class Case(_Strict):
    """What tells runs apart."""

    encoder: str = Field(description="Encoder.")
    method: str = Field(description="Method.")
    text: str = Field(description="Prompt strategy of the text classifier.")
    support: str | None = Field(description="Support set.")
    protocol: Protocol = Field(description="Where hyper-parameters come from.")


class Run(Case):
    """One evaluated case; accuracies in percent."""

    seed: int | None = Field(description="Seed that a few-shot support set was drawn with.")
    tuned_on: TunedOn = Field(
        description="Images whose labels chose the hyper-parameters. `test`: tuned on the very "
        "images it is tested on, not comparable with other rows."
    )
    transductive: bool = Field(
        description="Whether it learns from the unlabelled test images, all at once."
    )
    top1: Percent = Field(description="Top-1 accuracy on the test images.")
    correct: int = Field(description="Number of images that are right.")
    top5: Percent = Field(description="Top-5 accuracy.")
    mean_per_class: Percent | None = Field(
        description="Mean of the accuracies of all classes, null if one has no test images."
    )
    ci95: Interval = Field(
        description="95 % interval of top-1 accuracy (Clopper and Pearson, Biometrika 1934)."
    )
    delta_vs_zero_shot: Difference | None = Field(None, description="Against zero-shot.")
    delta_vs_best_text: Difference | None = Field(
        None, description="Against the best text-only classifier, chosen by its test accuracy."
    )
    delta_vs_tip_adapter: Difference | None = Field(
        None, description="Against Tip-Adapter with the same text and support set."
    )
    hyperparameters: dict[str, float] = Field(description="Values in the encoder's units.")
    tuning_correct: int | None = Field(
        description="Right images of the tuning split; of validation where nothing was tuned."
    )
    support_size: int = Field(description="Support images of all classes together.")
    top1_without_leaks: Percent | None = Field(
        None,
        description="Top-1 accuracy without the support images that nearly equal a test image, if "
        "there are any, and others; hyper-parameters are not tuned again.",
    )
    per_class: list[Percent | None] = Field(
        description="Accuracy of every class in label order, null without test images."
    )
    changed_pairs: list[ChangedPair] = Field(
        [], description="Most changed confusions against zero-shot."
    )
    seconds: float = Field(description="Time of tuning and testing.")
    peak_mib: float = Field(description="Peak memory of the job so far.")


class Skipped(Case):
    """A case that could not be run."""

    seed: int | None = Field(description="Seed that a few-shot support set was drawn with.")
    reason: str = Field(description="What it lacks.")


class SeedSpread(Case):
    """Accuracy over the seeds of a few-shot support set."""

    tuned_on: TunedOn = Field(description="As in the runs.")
    n_seeds: int = Field(description="Number of seeds.")
    support_size: int = Field(description="Support images of all classes together.")
    top1_mean: Percent = Field(description="Mean top-1 accuracy.")
    top1_std: float | None = Field(description="Standard deviation (n - 1); null for one seed.")


class ImageCounts(_Strict):
    """Images of a split that were read, and those that were not, with reasons."""

    n_read: int = Field(description="Images that were embedded.")
    n_unreadable: int = Field(description="Images that were left out.")
    unreadable: dict[str, str] = Field(description="The latter, with reasons.")
    classes_without_images: list[str] = Field(
        [], description="Classes that no image was read of, if any was of others."
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
    """What became of the candidates of a support set."""

    size: int = Field(description="Images wanted per class.")
    n_candidates: int = Field(
        description="Candidates: images found, or drawn, in all classes together."
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
        "reason.",
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


class Result(_Strict):
    """results/{dataset}.json."""

    schema_: Literal["susx-result-4"] = Field(alias="schema", description="Version.")
    dataset: str = Field(description="Name in config.yaml.")
    n_classes: int = Field(description="Number of classes.")
    n_test: int = Field(description="Test images.")
    n_validation: int = Field(description="Validation images.")
    images: dict[str, ImageCounts] = Field(description="By split.")
    supports: dict[str, SupportCounts] = Field(description="By support set.")
    provenance: dict[str, Any] = Field(
        description="Configuration, hashes, commit, versions, what made every cache, and under "
        "`identity` the recipes of everything that led to the result, by key: `susx verify` "
        "compares them with what lies there."
    )
    runs: list[Run] = Field(description="One row per evaluated case.")
    skipped: list[Skipped] = Field([], description="Cases that lack something, with the reason.")
    seeds: list[SeedSpread] = Field([], description="Spread over few-shot seeds.")
    sha256: str | None = Field(
        None,
        description="Of the canonical JSON of all other entries: sorted keys, no spaces, UTF-8.",
    )


def read_result(path: str | Path) -> Result:
    """Read and validate a result.

    Raises:
        InputError: if the file does not follow the schema, naming the first key that does not, or
            its checksum does not fit.
    """
    data = read_json(path)
    if isinstance(data, dict) and data.get("sha256") is not None:
        verified(path, data, "delete it and run again, or remove `sha256` if you edited it")
    try:
        return Result.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: not a {SCHEMA} file: {key}: {first['msg']}") from None
