"""What a language model writes about the classes of a dataset, and in which chunks."""

from functools import cache

from susx.manifests.names import description_keys, named_classes
from susx.config.encoders import files_of_model
from susx.config.texts import HOW_IT_RUNS, Descriptions
from susx.prompts.descriptions import ASKED

WRITTEN = {
    (name, kind): texts
    for name, dataset in DATASETS.items()
    for kind in TEXT_FILES
    if isinstance(texts := getattr(dataset, kind), Descriptions)
}


def written(wildcards):
    """Settings of what is written, a dataset's descriptions or descriptors."""
    dataset, texts = wildcards.dataset, wildcards.texts
    if (dataset, texts) not in WRITTEN:
        raise Refused(
            f"config.yaml: datasets.{dataset}.{texts}: names no language model to write them"
        )
    return WRITTEN[dataset, texts]


def language_model(wildcards):
    """The model that writes it."""
    return CONFIG.language_models[written(wildcards).model]


def local_language_model(wildcards):
    """The language model, unless a server runs it."""
    model = language_model(wildcards)
    return {"models": [model.model] if model.backend == "transformers" else []}


def language_model_files(wildcards):
    """Files of a local language model; none for one from the hub or behind a server."""
    return [
        file
        for model in local_language_model(wildcards)["models"]
        for file in files_of_model(model)
    ]


def hub_language_model(wildcards):
    """The language model, if the hub publishes it: identifier and revision."""
    model = language_model(wildcards)
    if model.backend != "transformers" or Path(model.model).exists():
        return []
    return [(model.model, model.revision)]


def language_model_memory(wildcards, input, attempt):
    """Memory of a job in MB: that of a local model's files, as they may be widened."""
    local = language_model(wildcards).backend == "transformers"
    return attempt * (4000 + 3 * int(input.size_mb) if local else 1000)


@cache
def class_names(dataset):
    """How every class of a dataset is called in prompts, by its name."""
    class_files(SimpleNamespace(dataset=dataset))  # stops if the file is missing
    key = f"config.yaml: datasets.{dataset}.classes"
    try:
        names = named_classes(**name_source(dataset), key=key)
    except InputError as error:
        raise Refused(str(error)) from None
    return {entry.name: entry.prompt_name for entry in names}


def chunk_names(wildcards):
    """The same of one chunk of classes."""
    size, number = written(wildcards).chunk, int(wildcards.chunk)
    names = list(class_names(wildcards.dataset).items())
    return dict(names[number * size : (number + 1) * size])


def chunk_files(wildcards):
    """Replies about all classes, one file per chunk."""
    size = written(wildcards).chunk
    count = len(range(0, len(class_names(wildcards.dataset)), size))
    folder = f"{WORK}/{wildcards.dataset}/replies/{wildcards.texts}"
    return [f"{folder}/{number:04d}.json" for number in range(count)]
