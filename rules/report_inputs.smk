"""Input functions: what a report is made from."""


def shown_row(dataset):
    """The row of the result that is looked at; None if it is not evaluated.

    It is that of the classifier; for published features, which make none, what it would be.
    """
    chosen = feature_choice if dataset in FEATURES else classifier_choice
    try:
        choice = chosen(dataset)
    except (InputError, Refused):
        return None  # the dataset lacks what section classifier names
    return choice if is_evaluated(dataset, choice) else None


def feature_choice(dataset):
    """Row of published features that section classifier chooses."""
    lacking = unavailable_texts(dataset)
    texts = [text for text in evaluated_texts(dataset) if text not in lacking]
    preferred = [text for text in configured_texts(dataset) if text in texts]
    splits = evaluated_splits(dataset)
    tuned_on = TUNED_ON[dataset] if TUNED_ON[dataset] in splits else None
    supports = evaluated_supports(dataset)
    choice = choose(CONFIG.classifier, preferred + texts, supports, tuned_on, dataset)
    return with_draw(choice, choice.support)


def analysis_files(wildcards):
    """The caches of an evaluation that its shown row and zero-shot are made from."""
    files, row = cache_files(wildcards), shown_row(wildcards.dataset)
    method, text, support = (
        (row.method, row.text, row.drawn) if row else ("zero-shot", None, None)
    )
    kept = {
        "texts": [*METHODS["zero-shot"].texts, text],
        "supports": [support],
        "support_manifests": [support],
        "patches": files["patches"] if "patches" in METHODS[method].needs else [],
    }
    kept["texts"] = {*kept["texts"]} & {*files["texts"]} or [*files["texts"]][:1]
    kept["prompts"] = kept["texts"]
    return files | {
        kind: {name: path for name, path in files[kind].items() if name in names}
        for kind, names in kept.items()
    }


def analysis_inputs(wildcards):
    """The files of `analysis_files` by kind."""
    return paths_by_kind(analysis_files(wildcards))


def tested_datasets():
    """Datasets that have a result."""
    return [
        dataset
        for dataset in DATASETS
        if dataset in FEATURES or not lacking_split(dataset, "test")
    ]


def shown_supports(dataset):
    """Support sets with images, by the name of their files: manifest, images, entry."""
    folder = f"{WORK}/{dataset}/support"
    names = evaluated_supports(dataset) if dataset in IMAGES else []
    return {
        name: {
            "manifest": f"{folder}/{name}/manifest.parquet",
            "images": f"{folder}/{name}/images.tar",
            "entry": SEEDS[name][0] if name in SEEDS else name,
        }
        for name in names
    }


def page_files(wildcards):
    """Everything that a report is made from."""
    dataset = wildcards.dataset
    work, supports = f"{WORK}/{dataset}", shown_supports(dataset).values()
    files = {
        "result": f"{RESULTS}/{dataset}.json",
        "analyses": [
            f"{work}/analysis/{encoder}.json" for encoder in evaluated_encoders(dataset)
        ],
        "manifests": [support["manifest"] for support in supports],
        "images": [support["images"] for support in supports],
    }
    test = {"test": f"{work}/images/test.parquet"}
    return files | (test if dataset in IMAGES else {})
