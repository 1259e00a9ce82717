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


def shard_file(wildcards):
    """File or folder of a pool shard."""
    path = SHARDS[wildcards.pool][wildcards.shard].path
    return existing(path, f"pools.{wildcards.pool}.path")


def candidate_files(wildcards):
    """Candidates of a support set, one file per shard."""
    folder = f"{WORK}/{wildcards.dataset}/support/{wildcards.support}/candidates"
    return [f"{folder}/{shard}.parquet" for shard in pool_of(wildcards.support)]


def encoder_settings(wildcards):
    """Settings of the encoder that a cache is made with."""
    return CONFIG.encoders[wildcards.encoder].model_dump(exclude={"threads"})


def encoder_threads(wildcards):
    """CPU threads of an embedding job."""
    return CONFIG.encoders[wildcards.encoder].threads


def evaluated_texts():
    """Prompt strategies that the evaluated methods use, in order."""
    texts = [
        t
        for name in EVALUATION.methods
        for t in METHODS[name].texts or EVALUATION.texts
    ]
    return list(dict.fromkeys(texts))


def evaluated_splits(dataset):
    """Splits of a dataset that have images, or whose features were published.

    If hyper-parameters are tuned, validation features are expected, and missed where not found.
    """
    if dataset in IMAGES:
        return [split for split in SPLITS if getattr(IMAGES[dataset], split)]
    tuned = "validation" in EVALUATION.protocols
    tunable = any(METHODS[name].grid for name in EVALUATION.methods)
    validation = FEATURE_FILES[dataset].has_split("validation") or (tuned and tunable)
    return ["test", "validation"] if validation else ["test"]


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
    files = {
        "classes": f"{work}/classes.json",
        "texts": {name: f"{cache}/text-{name}.h5" for name in evaluated_texts()},
        "images": {name: f"{cache}/images-{name}.h5" for name in splits},
        "image_manifests": {name: f"{work}/images/{name}.parquet" for name in splits},
        "supports": {name: f"{cache}/support-{name}.h5" for name in supports},
        "support_manifests": {
            name: f"{work}/support/{name}/manifest.parquet" for name in supports
        },
    }
    return files | feature_caches(wildcards) if wildcards.dataset in FEATURES else files


def cache_inputs(wildcards):
    """The files of `cache_files` as one list."""
    force_lost(wildcards)
    classes, *kinds = cache_files(wildcards).values()
    return [classes, *(path for kind in kinds for path in kind.values())]


def intermediate_files(wildcards):
    """Every file between a dataset's inputs and one encoder's evaluation."""
    dataset, files = wildcards.dataset, cache_files(wildcards)
    for kind in ("texts", "images", "image_manifests", "supports", "support_manifests"):
        yield from files[kind].values()
    yield files["classes"]
    if dataset not in FEATURES or FEATURES[dataset].encoder:
        yield from (
            f"{WORK}/{dataset}/prompts/{strategy}.json" for strategy in files["texts"]
        )
    for support in files["support_manifests"]:
        names = SimpleNamespace(dataset=dataset, support=support)
        yield query_cache(names)
        yield f"{WORK}/{dataset}/prompts/{CONFIG.supports[support].query}.json"
        yield f"{WORK}/{dataset}/support/{support}/images.tar"
        yield from candidate_files(names)
        for names.shard in pool_of(support):
            yield shard_cache(names)


def force_lost(wildcards):
    """Make intermediate files again that are gone although an evaluation was made from them.

    Without this, Snakemake takes the evaluation for up to date and leaves the gap. The effect is
    that of naming the files after `--forcerun`.
    """
    if Path(f"{WORK}/{wildcards.dataset}/evaluation/{wildcards.encoder}.json").exists():
        lost = (
            path for path in intermediate_files(wildcards) if not Path(path).exists()
        )
        workflow.dag.forcefiles.update(lost)


def evaluated_encoders(dataset):
    """Encoders of a dataset's evaluation; published features have one, their backbone."""
    if dataset in FEATURES:
        return [FEATURES[dataset].backbone]
    return EVALUATED_ENCODERS


def evaluation_files(wildcards):
    """Evaluations of a dataset, one file per encoder."""
    folder = f"{WORK}/{wildcards.dataset}/evaluation"
    return [
        f"{folder}/{encoder}.json" for encoder in evaluated_encoders(wildcards.dataset)
    ]


def evaluation_device(wildcards):
    """Device of an evaluation: that of the encoder."""
    if wildcards.dataset in FEATURES:
        return "auto"
    return CONFIG.encoders[wildcards.encoder].device
