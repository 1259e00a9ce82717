"""The schema of results/{dataset}.json, and the source of docs/results.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from susx.core.errors import InputError
from susx.core.files import read_json, verified
from susx.evaluation.case import Case
from susx.evaluation.facts import (
    BatchFacts,
    EncoderFacts,
    ImageCounts,
    MethodFacts,
    SupportCounts,
    TextCounts,
)

SCHEMA = "susx-result-6"

VERSIONED = re.compile(r"susx-result-\d+")

Percent = Annotated[float, Field(ge=0, le=100)]
Interval = Annotated[list[float], Field(min_length=2, max_length=2)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Difference(_Strict):
    """A run's accuracy minus that of a reference on the same images, in points."""

    reference: str = Field(description="Method of the reference.")
    protocol: str = Field(description="Its tuning protocol.")
    mean: float = Field(description="Difference of top-1 accuracy.")
    ci95: Interval = Field(
        description="Its 95 % interval, from the exact ones of the shares of corrected and broken "
        "images (square-and-add: Newcombe, Stat. Med. 1998; Zou and Donner, Stat. Med. 2008)."
    )
    corrected: int = Field(description="Images that only the run gets right.")
    broken: int = Field(description="Images that only the reference gets right.")
    mcnemar_p: float = Field(description="Two-sided p-value of McNemar's exact test.")
    holm_p: float | None = Field(
        description="The same for all such differences of the result together (Holm, Scand. J. "
        "Stat. 1979): to one kind of reference, of all runs that are not tuned on the test "
        "images; null of those that are."
    )


class ChangedPair(_Strict):
    """A confusion whose frequency changed against zero-shot."""

    true: str = Field(description="Class of the images.")
    predicted: str = Field(description="Class that they are taken for.")
    zero_shot: int = Field(description="How many, by zero-shot.")
    now: int = Field(description="How many, by the run.")


class Probabilities(_Strict):
    """How well the probabilities `softmax(logits / T)` of a run fit the test images."""

    temperature: float = Field(gt=0, description="T.")
    on: Literal["validation", "support", "nothing"] = Field(
        description="Images that T was fitted on: labelled validation images, a few-shot support "
        "set, or none; then it is 1."
    )
    ece: Percent = Field(
        description="Expected calibration error in points: mean gap of confidence and accuracy in "
        "15 bins of equal width (Guo et al., ICML 2017)."
    )
    brier: float = Field(
        ge=0,
        le=2,
        description="Mean squared distance of probabilities and truth (Brier, Mon. Weather Rev. "
        "1950).",
    )


TunedOn = Literal["nothing", "validation", "support", "test"]


class Run(Case):
    """One evaluated case; accuracies in percent."""

    encoder: str = Field(description="Encoder.")
    tuned_on: TunedOn = Field(
        description="Images whose labels chose the hyper-parameters. `test`: tuned on the very "
        "images it is tested on, not comparable with other rows."
    )
    transductive: bool = Field(
        description="Whether it learns from the unlabelled test images, all at once."
    )
    assumes: list[str] = Field(
        [], description="What the method takes for granted of the test images."
    )
    top1: Percent = Field(description="Top-1 accuracy on the test images.")
    correct: int = Field(description="Number of images that are right.")
    top5: Percent = Field(description="Top-5 accuracy.")
    mean_per_class: Percent | None = Field(
        description="Mean of the accuracies of all classes, null if one has no test images."
    )
    expected_top1: dict[str, Percent] = Field(
        {},
        description="Top-1 accuracies that the method expects without a label: by `text`, with the "
        "`support`, and with the unlabelled `images`. Empty if it expects none.",
    )
    ci95: Interval = Field(
        description="95 % interval of top-1 accuracy (Clopper and Pearson, Biometrika 1934)."
    )
    calibration: Probabilities = Field(description="How well its probabilities fit.")
    delta_vs_zero_shot: Difference | None = Field(None, description="Against zero-shot.")
    delta_vs_best_text: Difference | None = Field(
        None, description="Against the best text-only classifier, chosen by its test accuracy."
    )
    delta_vs_tip_adapter: Difference | None = Field(
        None, description="Against Tip-Adapter with the same text and support set."
    )
    hyperparameters: dict[str, float] = Field(
        description="Values in the encoder's units, which `methods` tells."
    )
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

    @property
    def case(self) -> Case:
        """What tells it from other runs of its encoder."""
        return Case.of(vars(self))


class SkippedCase(Case):
    """A case that could not be run."""

    encoder: str = Field(description="Encoder.")
    reason: str = Field(description="What it lacks.")


class SeedSpread(Case):
    """Accuracy over the seeds of a few-shot support set."""

    encoder: str = Field(description="Encoder.")
    seed: None = Field(None, description="Not one.")
    tuned_on: TunedOn = Field(description="As in the runs.")
    n_seeds: int = Field(description="Number of seeds.")
    support_size: int = Field(description="Support images of all classes together.")
    top1_mean: Percent = Field(description="Mean top-1 accuracy.")
    top1_std: float | None = Field(description="Standard deviation (n - 1); null for one seed.")


class BatchRun(Case):
    """Accuracy of a case that sees the test images batch by batch."""

    encoder: str = Field(description="Encoder.")
    batches: str = Field(description="Which of `batches`.")
    tuned_on: TunedOn = Field(
        description="As in the row of the same case in `runs`, whose hyper-parameters it has."
    )
    batchwise: bool = Field(
        description="Whether its answers depend on the other images of a batch, so that it ran on "
        "every batch anew, or kept its state. Others classify single images."
    )
    keeps_state: bool = Field(
        description="Whether it kept what it learned from batch to batch of a stream, in the order "
        "of the stream, and began anew with the next one."
    )
    n_tasks: int = Field(description="Tasks, which weigh alike.")
    top1_mean: Percent = Field(description="Mean top-1 accuracy of all tasks.")
    top1_std: float | None = Field(description="Standard deviation (n - 1); null for one task.")
    seconds: float = Field(description="Time of all tasks.")


class Result(_Strict):
    """results/{dataset}.json."""

    schema_: Literal["susx-result-6"] = Field(alias="schema", description="Version.")
    dataset: str = Field(description="Name in config.yaml.")
    classes: list[str] = Field(
        min_length=1,
        description="Class names in label order: that of every list with a number per class.",
    )
    prompt_names: dict[str, str] = Field(
        {}, description="Names that classes have in prompts, of those where they differ."
    )
    n_classes: int = Field(description="Number of classes.")
    n_test: int = Field(description="Test images.")
    n_validation: int = Field(description="Validation images.")
    images: dict[str, ImageCounts] = Field(description="By split.")
    texts: dict[str, TextCounts] = Field(description="By prompt strategy.")
    supports: dict[str, SupportCounts] = Field(
        description="By support set; those of a few-shot entry have their seed in their name."
    )
    encoders: dict[str, EncoderFacts] = Field(description="By name.")
    methods: dict[str, MethodFacts] = Field(description="Of `runs` and `skipped`.")
    provenance: dict[str, Any] = Field(
        description="Configuration (`config`), its hash and that of the class list, commit, "
        "versions of packages, those of others that brought something among them, machine, and "
        "under `identity` the recipes of everything that led to the result, by key: `susx verify` "
        "compares them with what lies there."
    )
    runs: list[Run] = Field(description="One row per evaluated case.")
    skipped: list[SkippedCase] = Field(
        [], description="Cases that lack something, with the reason."
    )
    seeds: list[SeedSpread] = Field([], description="Spread over few-shot seeds.")
    batches: dict[str, BatchFacts] = Field({}, description="Batches of test images by protocol.")
    batch_runs: list[BatchRun] = Field([], description="Accuracies on them, by case and protocol.")
    sha256: str | None = Field(
        None,
        description="Of the canonical JSON of all other entries: sorted keys, no spaces, UTF-8.",
    )

    @model_validator(mode="after")
    def _by_class(self) -> Result:
        n = len(self.classes)
        lists = {f"images.{split}.n_per_class": c.n_per_class for split, c in self.images.items()}
        lengths = {
            "n_classes": self.n_classes,
            **{name: len(of) for name, of in lists.items()},
            **{f"runs.{i}.per_class": len(run.per_class) for i, run in enumerate(self.runs)},
        }
        if wrong := [name for name, length in lengths.items() if length != n]:
            raise ValueError(f"`{wrong[0]}` does not fit the {n} `classes`")
        for split, counts in self.images.items():
            if sum(counts.n_per_class) != counts.n_read:
                raise ValueError(f"`images.{split}.n_per_class` does not add up to `n_read`")
        first: dict[tuple[str, Case], int] = {}
        for i, run in enumerate(self.runs):
            if first.setdefault((run.encoder, run.case), i) != i:
                raise ValueError(f"`runs.{i}` has the setting of a run before it")
        for i, row in enumerate(self.batch_runs):
            if row.batches not in self.batches:
                raise ValueError(f"`batch_runs.{i}.batches` is none of `batches`")
        return self


def read_result(path: str | Path) -> Result:
    """Read and validate a result.

    Raises:
        InputError: if the file is of another version, or does not follow the schema, naming the
            first key that does not, or its checksum does not fit.
    """
    data = read_json(path)
    said = data.get("schema") if isinstance(data, dict) else None
    if said != SCHEMA and VERSIONED.fullmatch(str(said)):
        raise InputError(
            f"{path}: {said}, a result of another version of susx, whose entries are not those of "
            f"{SCHEMA}; make it anew: `snakemake {path}` in its project"
        )
    if isinstance(data, dict) and data.get("sha256") is not None:
        verified(path, data, "delete it and run again, or remove `sha256` if you edited it")
    try:
        return Result.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: not a {SCHEMA} file: {key}: {first['msg']}") from None
