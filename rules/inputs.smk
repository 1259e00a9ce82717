"""Input functions: which files a job reads, by its wildcards."""


def existing(path, key):
    """Return `path`, or stop with an error that names the configuration key.

    Demo data is exempt: rules make it.
    """
    if not Path(path).exists() and DEMO_DATA not in Path(path).parents:
        raise WorkflowError(f"config.yaml: {key}: not found: {path}")
    return path


def class_files(wildcards):
    """Files that the class names of a dataset come from."""
    dataset, key = DATASETS[wildcards.dataset], f"datasets.{wildcards.dataset}"
    if isinstance(dataset.classes, str):
        return existing(dataset.classes, f"{key}.classes")
    return [] if dataset.classes else existing(dataset.card, f"{key}.card")


def image_folders(wildcards):
    """Folder of a split, and its subfolders, whose times tell when images come or go."""
    key = f"datasets.{wildcards.dataset}.images.{wildcards.split}"
    folder = getattr(DATASETS[wildcards.dataset].images, wildcards.split)
    if folder is None:
        raise WorkflowError(f"config.yaml: {key}: not set; name a folder of images")
    root = Path(existing(folder, key))
    generated = DEMO_DATA in root.parents
    subfolders = [] if generated else [str(p) for p in root.iterdir() if p.is_dir()]
    return [folder, *sorted(subfolders)]


def strategy_sources(strategy):
    """Source of a prompt strategy, or of each part of a combined one, by name."""
    prompts = CONFIG.prompts[strategy]
    return {name: CONFIG.prompts[name].source for name in prompts.of or [strategy]}


def description_files(wildcards):
    """Description file of a dataset, if the strategy reads it."""
    dataset = DATASETS[wildcards.dataset]
    if "descriptions" not in strategy_sources(wildcards.strategy).values():
        return []
    key = f"datasets.{wildcards.dataset}.descriptions"
    if dataset.descriptions is None:
        raise WorkflowError(
            f"config.yaml: {key}: not set, but prompt strategy {wildcards.strategy} reads it"
        )
    return existing(dataset.descriptions, key)


def model_files(encoder):
    """Files of a local encoder model; none for one from the hub."""
    folder = Path(CONFIG.encoders[encoder].model)
    names = (
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "preprocessor_config.json",
    )
    return [str(folder / name) for name in names if (folder / name).exists()]


def pool_of(support):
    """Shards of the pool that a support set is retrieved from, by name."""
    return SHARDS[CONFIG.supports[support].pool]


def query_cache(wildcards):
    """Cache of the texts that a support set is retrieved with."""
    support = CONFIG.supports[wildcards.support]
    return f"{CACHE}/{support.encoder}/{wildcards.dataset}/text-{support.query}.h5"


def shard_cache(wildcards):
    """Cache of a pool shard, embedded by the encoder of the queries."""
    support = CONFIG.supports[wildcards.support]
    return f"{CACHE}/{support.encoder}/pools/{support.pool}/{wildcards.shard}.h5"


def encoder_settings(wildcards):
    """Settings of the encoder that a cache is made with."""
    return CONFIG.encoders[wildcards.encoder].model_dump()


def evaluated_texts():
    """Prompt strategies that the evaluated methods use, in order."""
    texts = [
        t
        for name in EVALUATION.methods
        for t in METHODS[name].texts or EVALUATION.texts
    ]
    return list(dict.fromkeys(texts))


def evaluated_splits(dataset):
    """Splits of a dataset that have images."""
    return [split for split in SPLITS if getattr(DATASETS[dataset].images, split)]


def cache_files(wildcards):
    """Everything that one encoder's evaluation reads, by kind and name."""
    work, cache = (
        f"{WORK}/{wildcards.dataset}",
        f"{CACHE}/{wildcards.encoder}/{wildcards.dataset}",
    )
    splits = evaluated_splits(wildcards.dataset)
    supports = (
        EVALUATED_SUPPORTS
        if any(METHODS[m].needs_support for m in EVALUATION.methods)
        else []
    )
    return {
        "classes": f"{work}/classes.json",
        "texts": {name: f"{cache}/text-{name}.h5" for name in evaluated_texts()},
        "images": {name: f"{cache}/images-{name}.h5" for name in splits},
        "image_manifests": {name: f"{work}/images/{name}.parquet" for name in splits},
        "supports": {name: f"{cache}/support-{name}.h5" for name in supports},
        "support_manifests": {
            name: f"{work}/support/{name}/manifest.parquet" for name in supports
        },
    }


def cache_inputs(wildcards):
    """The files of `cache_files` as one list."""
    classes, *kinds = cache_files(wildcards).values()
    return [classes, *(path for kind in kinds for path in kind.values())]
