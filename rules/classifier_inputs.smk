"""Input functions: what a classifier is made from, and what it classifies."""

from susx.planning.choice import choose


def classifier_texts(dataset):
    """Prompt strategies that a dataset can have, those of the evaluation first."""
    named = [*configured_texts(dataset), "cupl+e", "ensemble", *CONFIG.prompts]
    known = (text for text in dict.fromkeys(named) if text in CONFIG.prompts)
    return [text for text in known if not lacking_texts(dataset, text)]


def classifier_supports(dataset):
    """Support sets that a dataset can have, by their entry, with the name of their files."""
    lacking = unavailable_supports(dataset)
    drawn = {}
    for name, (entry, _) in SEEDS.items():
        drawn.setdefault(entry, name)
    texts = classifier_texts(dataset)
    return {
        name: drawn.get(name, name)
        for name in [*RETRIEVED, *SYNTHESISED, *drawn]
        if name in wanted_supports()
        and name not in lacking
        and (name in drawn or CONFIG.supports[name].query in texts)
    }


def tuning_images(dataset):
    """What protocol `validation` tunes on: `validation`, `test`, or None without such images."""
    split = tuning_split(DATASETS[dataset])
    return None if lacking_split(dataset, split) else split


def classifier_choice(dataset):
    """The row of the result that becomes a classifier."""
    if dataset in FEATURES:
        raise Refused(
            f"config.yaml: datasets.{dataset}.features: published features name no encoder that "
            "could embed other images; a classifier needs `images`"
        )
    supports = classifier_supports(dataset)
    try:
        choice = choose(
            CONFIG.classifier,
            classifier_texts(dataset),
            list(supports),
            tuning_images(dataset),
            dataset,
        )
    except InputError as error:
        raise Refused(f"config.yaml: {error}") from None
    return with_draw(choice, supports.get(choice.support))


def with_draw(choice, name):
    """A row with entry and seed of its support set, by the name of that."""
    entry, seed = SEEDS.get(name, (name, None))
    return choice.model_copy(update={"support": entry, "seed": seed})


def classifier_files(wildcards):
    """Everything that a classifier is made from, by kind and name."""
    dataset = wildcards.dataset
    choice, work = classifier_choice(dataset), f"{WORK}/{dataset}"
    cache = f"{CACHE}/{wildcards.encoder}/{dataset}"
    splits = evaluated_splits(dataset)
    supports = [choice.drawn] if choice.drawn else []
    patches = splits if "patches" in METHODS[choice.method].needs else []
    return {
        "classes": f"{work}/classes.json",
        "texts": {choice.text: f"{cache}/text-{choice.text}.h5"},
        "images": {name: f"{cache}/images-{name}.h5" for name in splits},
        "image_manifests": {name: f"{work}/images/{name}.parquet" for name in splits},
        "supports": {name: f"{cache}/support-{name}.h5" for name in supports},
        "support_manifests": {
            name: f"{work}/support/{name}/manifest.parquet" for name in supports
        },
        "patches": {name: f"{cache}/patches-{name}.h5" for name in patches},
        "prompts": {choice.text: f"{work}/prompts/{choice.text}.json"},
    }


def classifier_inputs(wildcards):
    """The files of `classifier_files` by kind."""
    return paths_by_kind(classifier_files(wildcards))


def classifier_evaluation(wildcards):
    """Evaluation that has the row of the classifier, if there is one."""
    dataset, encoder = wildcards.dataset, wildcards.encoder
    evaluated = (
        not lacking_split(dataset, "test")
        and encoder in EVALUATED_ENCODERS
        and is_evaluated(dataset, classifier_choice(dataset))
    )
    return [f"{WORK}/{dataset}/evaluation/{encoder}.json"] if evaluated else []


def is_evaluated(dataset, choice):
    """Whether a dataset's evaluation has a row."""
    return (
        choice.method in EVALUATION.methods
        and choice.text in evaluated_texts(dataset)
        and choice.protocol in ("none", *EVALUATION.protocols)
        and choice.drawn in (None, *evaluated_supports(dataset))
    )


def predicting_encoder():
    """Encoder of the predictions."""
    return CONFIG.classifier.encoder or EVALUATED_ENCODERS[0]


def prediction_files(wildcards):
    """Classifier and embedded images of the predictions: unlabelled ones, or else the test's."""
    dataset, encoder = wildcards.dataset, predicting_encoder()
    choice = classifier_choice(dataset)
    split = UNLABELLED if IMAGES[dataset].unlabelled else "test"
    cache = f"{CACHE}/{encoder}/{dataset}"
    files = {
        "classifier": f"{RESULTS}/{dataset}/classifier/{encoder}.safetensors",
        "manifest": f"{WORK}/{dataset}/images/{split}.parquet",
        "images": f"{cache}/images-{split}.h5",
    }
    patches = "patches" in METHODS[choice.method].needs
    return files | ({"patches": f"{cache}/patches-{split}.h5"} if patches else {})


def unlabelled_folder(wildcards):
    """Folder of the unlabelled images of a dataset."""
    dataset = wildcards.dataset
    folder = IMAGES[dataset].unlabelled
    key = f"datasets.{dataset}.images.unlabelled"
    if folder is None:
        raise Refused(f"config.yaml: {key} is not set; name a folder of images")
    return apart(folder, key)
