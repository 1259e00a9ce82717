"""What a report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from susx.core.errors import InputError
from susx.evaluation.case import Case
from susx.evaluation.files import CacheFiles
from susx.methods import METHODS
from susx.planning.choice import classifier_case
from susx.planning.classifier import classifier_choice, is_evaluated, needs_patches, with_draw
from susx.planning.datasets import evaluated_splits, tested_datasets
from susx.planning.encoders import evaluated_encoders
from susx.planning.evaluation import cache_files
from susx.planning.retrieval import query_prompts
from susx.planning.setup import Setup
from susx.planning.supports import evaluated_supports, support_folder
from susx.planning.texts import available_texts, configured_texts


def shown_choice(setup: Setup, dataset: str) -> Case | None:
    """The row of the result that is looked at; None if it is not evaluated.

    It is that of the classifier; for published features, which make none, what it would be.
    """
    chosen = feature_choice if dataset in setup.features else classifier_choice
    try:
        row = chosen(setup, dataset)
    except InputError:
        return None  # the dataset lacks what section classifier names
    return row if is_evaluated(setup, dataset, row) else None


def shown_row(setup: Setup, dataset: str) -> dict[str, Any] | None:
    """The same as plain values."""
    row = shown_choice(setup, dataset)
    return row.model_dump() if row else None


def feature_choice(setup: Setup, dataset: str) -> Case:
    """Row of published features that section classifier chooses.

    Raises:
        InputError: if the features lack what it names.
    """
    texts = available_texts(setup, dataset)
    preferred = [text for text in configured_texts(setup, dataset) if text in texts]
    split, supports = setup.tuned_on[dataset], evaluated_supports(setup, dataset)
    tuned_on = split if split in evaluated_splits(setup, dataset) else None
    row = classifier_case(setup.config.classifier, preferred + texts, supports, tuned_on, dataset)
    return with_draw(setup, row, row.support)


def analysis_files(setup: Setup, dataset: str, encoder: str) -> CacheFiles:
    """The caches of an evaluation that its shown row, zero-shot and the marks of images need.

    Of images those of the test split: nothing is tuned again.

    Raises:
        InputError: as `cache_files` does.
    """
    files, row = cache_files(setup, dataset, encoder), shown_choice(setup, dataset)
    wanted = {*METHODS["zero-shot"].texts, row.text if row else None}
    texts = [name for name in files.texts if name in wanted] or [*files.texts][:1]
    supports = [row.drawn if row else None, *_first_draws(setup, dataset)]
    return replace(
        files,
        texts=_of(files.texts, texts),
        images=_of(files.images, ["test"]),
        image_manifests=_of(files.image_manifests, ["test"]),
        supports=_of(files.supports, supports),
        support_manifests=_of(files.support_manifests, supports),
        patches=_of(files.patches, ["test"]) if row and needs_patches(row) else {},
        prompts=_of(files.prompts, texts),
    )


def _first_draws(setup: Setup, dataset: str) -> list[str]:
    """Support sets whose images a page shows: of a few-shot entry the first draw."""
    entries: dict[str, str] = {}
    for name, entry in shown_supports(setup, dataset).items():
        entries.setdefault(entry, name)
    return list(entries.values())


def _of(files: Mapping[str, str], names: Sequence[str | None]) -> dict[str, str]:
    return {name: path for name, path in files.items() if name in names}


def analysis_inputs(setup: Setup, dataset: str, encoder: str) -> dict[str, str | list[str]]:
    """The files of `analysis_files` by kind.

    Raises:
        InputError: as that does.
    """
    return analysis_files(setup, dataset, encoder).inputs


def analysis_names(setup: Setup, dataset: str, encoder: str) -> dict[str, list[str]]:
    """Their names by kind, in the same order."""
    return analysis_files(setup, dataset, encoder).names


def analysis_settings(setup: Setup) -> dict[str, Any]:
    """What an analysis looks for."""
    found = setup.config.report.model_dump(include={"examples", "voters", "confusions"})
    return found | {"leaks": setup.config.evaluation.leaks, "seed": setup.config.seed}


def shown_supports(setup: Setup, dataset: str) -> dict[str, str]:
    """Support sets with images: entry of `supports` by the name of their files."""
    names = evaluated_supports(setup, dataset) if dataset in setup.images else []
    return {name: setup.seeds[name][0] if name in setup.seeds else name for name in names}


def page_files(setup: Setup, dataset: str) -> dict[str, str | list[str]]:
    """Everything that a report is made from."""
    work = f"{setup.work}/{dataset}"
    folders = [support_folder(setup, dataset, name) for name in shown_supports(setup, dataset)]
    encoders = evaluated_encoders(setup, dataset)
    files: dict[str, str | list[str]] = {
        "result": f"{setup.results}/{dataset}.json",
        "analyses": [f"{work}/analysis/{encoder}.json" for encoder in encoders],
        "manifests": [f"{folder}/manifest.parquet" for folder in folders],
        "images": [f"{folder}/images.tar" for folder in folders],
    }
    files["queries"] = [file for _, file in _queries(setup, dataset)]
    return files | ({"test": f"{work}/images/test.parquet"} if dataset in setup.images else {})


def queried_supports(setup: Setup, dataset: str) -> list[str]:
    """Support sets that texts found, in the order of `queries` of `page_files`."""
    return [name for name, _ in _queries(setup, dataset)]


def _queries(setup: Setup, dataset: str) -> list[tuple[str, str]]:
    """Support sets that texts found, with the files of these."""
    named = ((name, query_prompts(setup, dataset, name)) for name in shown_supports(setup, dataset))
    return [(name, file) for name, file in named if file]


def tested_results(setup: Setup) -> list[str]:
    """Results of the datasets that are tested."""
    return [f"{setup.results}/{dataset}.json" for dataset in tested_datasets(setup)]


def tested_reports(setup: Setup) -> list[str]:
    """Their reports."""
    return [f"{setup.results}/{dataset}/report.html" for dataset in tested_datasets(setup)]
