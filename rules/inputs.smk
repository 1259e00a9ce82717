"""Input functions: which files a job reads, by its wildcards."""

from functools import cache

from susx.config.encoders import RUNS_ANYHOW, local_keys, published_models

TEXT_FILES = ("descriptions", "descriptors")


def existing(path, key):
    """Return `path`, or stop with an error that names the configuration key.

    Demo data is exempt: rules make it.
    """
    if set("{}") & set(str(path)):
        raise Refused(
            f"config.yaml: {key}: {path}: has braces, which stand for wildcards; rename it"
        )
    try:
        there = Path(path).exists() or DEMO_FILES.fullmatch(str(path))
    except OSError as error:
        raise Refused(f"config.yaml: {key}: {path}: {error.strerror}") from None
    if not there:
        raise Refused(f"config.yaml: {key}: not found: {path}")
    return path


def apart(path, key):
    """Return `existing(path, key)`, or stop if it lies in a folder of the pipeline, or holds one.

    What a job reads would change by what jobs write.
    """
    folder = Path(existing(path, key)).resolve()
    for root in (WORK, CACHE, RESULTS, *STORES, ".snakemake"):
        if Path(root).resolve().is_relative_to(folder) and folder.is_dir():
            raise Refused(
                f"config.yaml: {key}: {path} holds {root}, which the pipeline writes; change `roots`, "
                "or name a folder without it"
            )
        if folder.is_relative_to(Path(root).resolve()):
            raise Refused(
                f"config.yaml: {key}: {path} lies in {root}, which the pipeline writes; change "
                "`roots`, or move the images"
            )
    return path


def strategy_sources(strategy):
    """Source of a prompt strategy, or of each part of a combined one, by name."""
    prompts = CONFIG.prompts[strategy]
    return {name: CONFIG.prompts[name].source for name in prompts.of or [strategy]}


def lacking_texts(dataset, strategy):
    """Key of the texts that a prompt strategy reads but the dataset does not have, or None."""
    if dataset in FEATURES and not FEATURES[dataset].encoder:
        there = strategy in FEATURE_FILES[dataset].texts
        return None if there else f"text {strategy} of datasets.{dataset}.features"
    for source in strategy_sources(strategy).values():
        if source in TEXT_FILES and getattr(DATASETS[dataset], source) is None:
            return f"datasets.{dataset}.{source}"


def text_file(source):
    """Input function: the dataset's file of a prompt source, if the strategy reads it.

    It is named in the configuration, or a language model writes it.
    """

    def path(wildcards):
        if source not in strategy_sources(wildcards.strategy).values():
            return []
        lacking = lacking_texts(wildcards.dataset, wildcards.strategy)
        if lacking:
            raise Refused(
                f"config.yaml: {lacking}: not set, but prompt strategy "
                f"{wildcards.strategy} reads it"
            )
        if (wildcards.dataset, source) in WRITTEN:
            return f"{WORK}/{wildcards.dataset}/{source}.json"
        key = f"datasets.{wildcards.dataset}.{source}"
        return existing(getattr(DATASETS[wildcards.dataset], source), key)

    return path


@cache
def model_files(encoder):
    """Files of a local encoder model; none for one from the hub."""
    key, settings = f"encoders.{encoder}.model", CONFIG.encoders[encoder]
    for name in listed_models(encoder)["models"]:
        if Path(name).is_dir():
            apart(name, key)
    return [existing(path, key) for path in local_files(settings)]


def hub_models(encoder):
    """Models of an encoder that the hub publishes: identifier and revision."""
    return published_models(CONFIG.encoders[encoder])


def listed_models(encoder):
    """Local models of an encoder, whose folders a job looks at once more."""
    settings = CONFIG.encoders[encoder]
    return {"models": [name for name in (settings.model, settings.tokenizer) if name]}


def encoder_models(wildcards):
    """Local models that a cache is made with."""
    return listed_models(wildcards.encoder)


def encoder_hub(wildcards):
    """Models of the hub that a cache is made with."""
    return hub_models(wildcards.encoder)


def encoder_settings(wildcards):
    """Settings of the encoder that decide what a cache holds."""
    settings = CONFIG.encoders[wildcards.encoder]
    return settings.model_dump(exclude=RUNS_ANYHOW | local_keys(settings))


def encoder_runs(wildcards):
    """Settings of the encoder that say where its files are and how it runs."""
    settings = CONFIG.encoders[wildcards.encoder]
    return {"runs": settings.model_dump(include=RUNS_ANYHOW | local_keys(settings))}


def encoder_name(encoder):
    """How the configuration calls the model of an encoder; published features have none."""
    return CONFIG.encoders[encoder].model if encoder in CONFIG.encoders else None


def encoder_threads(wildcards):
    """CPU threads of an embedding job."""
    return CONFIG.encoders[wildcards.encoder].threads


def encoder_gpus(wildcards):
    """GPUs of an embedding job."""
    return gpus(CONFIG.encoders[wildcards.encoder].device)


def configured_texts(dataset):
    """Prompt strategies under the methods that do not name their own."""
    if EVALUATION.texts:
        return EVALUATION.texts
    known = ["cupl+e", "ensemble"]
    if dataset in FEATURES and not FEATURES[dataset].encoder:
        known += FEATURE_FILES[dataset].texts
    there = (t for t in known if t in CONFIG.prompts and not lacking_texts(dataset, t))
    return [next(there, "ensemble")]


def evaluated_texts(dataset):
    """Prompt strategies that the evaluated methods use, in order."""
    texts = [
        t
        for name in EVALUATION.methods
        for t in METHODS[name].texts or configured_texts(dataset)
    ]
    return list(dict.fromkeys(texts))


def unavailable_texts(dataset):
    """Evaluated prompt strategies that the dataset cannot have, with the reason."""
    lacking = {text: lacking_texts(dataset, text) for text in evaluated_texts(dataset)}
    return {text: f"{key} is not set" for text, key in lacking.items() if key}


def evaluated_supports(dataset):
    """Support sets that are compared, few-shot ones once per seed."""
    if not any(METHODS[method].needs_support for method in EVALUATION.methods):
        return []
    if dataset in FEATURES:
        return list(FEATURE_FILES[dataset].supports)
    wanted, unavailable = wanted_supports(), unavailable_supports(dataset)
    return [name for name in [*RETRIEVED, *SYNTHESISED] if name in wanted] + [
        name
        for name, (entry, _) in SEEDS.items()
        if entry in wanted and entry not in unavailable
    ]


def wanted_supports():
    """Entries of `supports` that are compared."""
    return CONFIG.supports if EVALUATION.supports is None else EVALUATION.supports


def unavailable_supports(dataset):
    """Few-shot support sets that the dataset cannot have, with the reason."""
    reason = None if dataset in FEATURES else lacking_split(dataset, "train")
    if reason is None:
        return {}
    drawn = {name for name, _ in SEEDS.values()}
    return {name: reason for name in wanted_supports() if name in drawn}


def evaluated_splits(dataset):
    """Splits of a dataset that have images, or whose features are published.

    Published validation features of a dataset that is tuned on its test are those of the test.
    """
    if dataset in IMAGES:
        return [s for s in ("test", "validation") if not lacking_split(dataset, s)]
    own = TUNED_ON[dataset] == "validation"
    there = FEATURE_FILES[dataset].has_split("validation")
    return ["test", "validation"] if own and there else ["test"]


def require_test(dataset):
    """Stop with an error if a dataset has no labelled images to test on."""
    if lacking := lacking_split(dataset, "test"):
        raise Refused(
            f"config.yaml: {lacking}, so that nothing can be tested; name labelled test images, or "
            f"ask for {RESULTS}/{dataset}/predictions.parquet"
        )


def cache_files(wildcards):
    """Everything that one encoder's evaluation reads, by kind and name."""
    if wildcards.dataset in IMAGES:
        require_test(wildcards.dataset)
    work, cache = (
        f"{WORK}/{wildcards.dataset}",
        f"{CACHE}/{wildcards.encoder}/{wildcards.dataset}",
    )
    splits = evaluated_splits(wildcards.dataset)
    supports = evaluated_supports(wildcards.dataset)
    unavailable = unavailable_texts(wildcards.dataset)
    texts = [t for t in evaluated_texts(wildcards.dataset) if t not in unavailable]
    patches = any("patches" in METHODS[method].needs for method in EVALUATION.methods)
    files = {
        "classes": f"{work}/classes.json",
        "texts": {name: f"{cache}/text-{name}.h5" for name in texts},
        "images": {name: f"{cache}/images-{name}.h5" for name in splits},
        "image_manifests": {name: f"{work}/images/{name}.parquet" for name in splits},
        "supports": {name: f"{cache}/support-{name}.h5" for name in supports},
        "support_manifests": {
            name: f"{work}/support/{name}/manifest.parquet" for name in supports
        },
        "patches": {name: f"{cache}/patches-{name}.h5" for name in splits if patches},
        "prompts": {name: f"{work}/prompts/{name}.json" for name in texts},
    }
    return files | feature_caches(wildcards) if wildcards.dataset in FEATURES else files


def paths_by_kind(files):
    """What `cache_files` tells as inputs of a rule: lists of paths by kind."""
    return {
        kind: [*paths.values()] if isinstance(paths, dict) else paths
        for kind, paths in files.items()
    }


def names_of(files):
    """Names of what `paths_by_kind` lists, in the same order."""
    return {kind: [*paths] for kind, paths in files.items() if isinstance(paths, dict)}


def cache_inputs(wildcards):
    """The files of `cache_files` by kind."""
    return paths_by_kind(cache_files(wildcards))


def prompt_files(wildcards):
    """Texts that a dataset is evaluated with; features published with their texts have none."""
    dataset = wildcards.dataset
    if dataset in FEATURES and not FEATURES[dataset].encoder:
        return []
    unavailable = unavailable_texts(dataset)
    texts = (text for text in evaluated_texts(dataset) if text not in unavailable)
    return [f"{WORK}/{dataset}/prompts/{text}.json" for text in texts]


def evaluated_encoders(dataset):
    """Encoders of a dataset's evaluation; published features have one, their backbone."""
    return [FEATURES[dataset].backbone] if dataset in FEATURES else EVALUATED_ENCODERS


def evaluation_files(wildcards):
    """Evaluations of a dataset, one file per encoder."""
    folder, encoders = (
        f"{WORK}/{wildcards.dataset}/evaluation",
        evaluated_encoders(wildcards.dataset),
    )
    return [f"{folder}/{encoder}.json" for encoder in encoders]


def tuning_settings(dataset):
    """How hyper-parameters are chosen, in published units."""
    return EVALUATION.model_dump(include={"grid", "fixed"}) | {
        "continuous": EVALUATION.search == "continuous",
        "validation_split": TUNED_ON[dataset],
    }


def evaluation_runs(wildcards):
    """How an evaluation runs: its device, and the memory of its search in MiB."""
    device = evaluation_device(wildcards)
    return {"device": device, "memory_mib": EVALUATION.memory_mib}


def evaluation_device(wildcards):
    """Device of an evaluation: that of the encoder."""
    if wildcards.dataset in FEATURES:
        return "auto"
    return CONFIG.encoders[wildcards.encoder].device
