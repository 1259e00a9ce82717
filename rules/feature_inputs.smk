"""Input functions: which files of published features a job reads."""


def published(wildcards, kind, name):
    """Files of a split, support set or text of a dataset's published features."""
    dataset = wildcards.dataset
    backbone, files = FEATURES[dataset].backbone, getattr(FEATURE_FILES[dataset], kind)
    key = f"config.yaml: datasets.{dataset}.features"
    if name not in files or getattr(wildcards, "encoder", backbone) != backbone:
        raise Refused(f"{key}: no {kind} {name} of {wildcards.encoder} are named")
    paths = [files[name]] if isinstance(files[name], str) else files[name]
    try:
        return [require(path, key) for path in paths]
    except InputError as error:
        raise Refused(str(error)) from None


def feature_caches(wildcards):
    """What an evaluation of published features reads in place of what embedding makes."""
    dataset, features = wildcards.dataset, FEATURES[wildcards.dataset]
    cache, text_cache = (
        f"{CACHE}/{encoder}/{dataset}"
        for encoder in (features.backbone, features.encoder or features.backbone)
    )
    wanted, unavailable = evaluated_texts(dataset), unavailable_texts(dataset)
    texts = [name for name in wanted if name not in unavailable]
    if not texts:
        raise Refused(
            f"config.yaml: datasets.{dataset}.features: has texts "
            f"{', '.join(FEATURE_FILES[dataset].texts)}, but the evaluation uses {', '.join(wanted)}"
        )
    return {
        "texts": {name: f"{text_cache}/text-{name}.h5" for name in texts},
        "image_manifests": {},
        "support_manifests": {},
        "patches": {},
        "prompts": {},
    }


def feature_source(wildcards):
    """What every cache of published features says about their making."""
    features = FEATURES[wildcards.dataset]
    keys = ("layout", "backbone", "logit_scale")
    return {key: getattr(features, key) for key in keys}


def reference_cache(wildcards):
    """Cache of the test images, whose dimension all others must have."""
    return f"{CACHE}/{wildcards.encoder}/{wildcards.dataset}/images-test.h5"
