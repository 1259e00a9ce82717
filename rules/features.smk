"""Published features, in place of stages 3 and 4: the same caches, read from files of others."""


def published(wildcards, kind, name):
    """Files of a split, support set or text of a dataset's published features."""
    dataset = wildcards.dataset
    backbone, files = FEATURES[dataset].backbone, getattr(FEATURE_FILES[dataset], kind)
    key = f"config.yaml: datasets.{dataset}.features"
    if name not in files or getattr(wildcards, "encoder", backbone) != backbone:
        raise WorkflowError(f"{key}: no {kind} {name} of {wildcards.encoder} are named")
    paths = [files[name]] if isinstance(files[name], str) else files[name]
    try:
        return [require(path, key) for path in paths]
    except InputError as error:
        raise WorkflowError(str(error)) from None


def feature_caches(wildcards):
    """What an evaluation of published features reads in place of what embedding makes.

    Without an encoder there are only the published texts.
    """
    dataset, features = wildcards.dataset, FEATURES[wildcards.dataset]
    files = FEATURE_FILES[dataset]
    cache, text_cache = (
        f"{CACHE}/{encoder}/{dataset}"
        for encoder in (features.backbone, features.encoder or features.backbone)
    )
    wanted = evaluated_texts()
    texts = wanted if features.encoder else [t for t in wanted if t in files.texts]
    if not texts:
        raise WorkflowError(
            f"config.yaml: datasets.{dataset}.features: has texts {', '.join(files.texts)}, but "
            f"the evaluation uses {', '.join(wanted)}"
        )
    supported = any(METHODS[name].needs_support for name in EVALUATION.methods)
    return {
        "texts": {name: f"{text_cache}/text-{name}.h5" for name in texts},
        "image_manifests": {},
        "supports": {
            name: f"{cache}/support-{name}.h5" for name in files.supports if supported
        },
        "support_manifests": {},
    }


def feature_source(wildcards):
    """What every cache of published features says about their making."""
    features = FEATURES[wildcards.dataset]
    keys = ("layout", "backbone", "logit_scale")
    return {key: getattr(features, key) for key in keys}


def reference_cache(wildcards):
    """Cache of the test images, whose dimension all others must have."""
    return f"{CACHE}/{wildcards.encoder}/{wildcards.dataset}/images-test.h5"


rule import_classes:
    input:
        images=lambda w: published(w, "images", "test"),
        text=lambda w: published(
            w, "texts", next(iter(FEATURE_FILES[w.dataset].texts))
        )[0],
    output:
        f"{WORK}/{{dataset}}/classes.json",
    log:
        "logs/import_classes/{dataset}.log",
    benchmark:
        "benchmarks/import_classes/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(name for name in FEATURES if not DATASETS[name].named),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (1000 + 20 * int(input.size_mb)),
        runtime=10,
    script:
        "../workflow_scripts/import_classes.py"


rule import_images:
    input:
        classes=rules.class_manifest.output[0],
        files=lambda w: published(w, "images", w.split),
        test=lambda w: [] if w.split == "test" else reference_cache(w),
    output:
        f"{CACHE}/{{encoder}}/{{dataset}}/images-{{split}}.h5",
    log:
        "logs/import_images/{encoder}/{dataset}/{split}.log",
    benchmark:
        "benchmarks/import_images/{encoder}/{dataset}/{split}.tsv"
    wildcard_constraints:
        dataset=one_of(FEATURES),
        encoder=one_of(BACKBONES),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (1000 + 20 * int(input.size_mb)),
        runtime=30,
    params:
        source=feature_source,
    script:
        "../workflow_scripts/import_images.py"


rule import_text:
    input:
        classes=rules.class_manifest.output[0],
        file=lambda w: published(w, "texts", w.strategy)[0],
        test=reference_cache,
    output:
        f"{CACHE}/{{encoder}}/{{dataset}}/text-{{strategy}}.h5",
    log:
        "logs/import_text/{encoder}/{dataset}/{strategy}.log",
    benchmark:
        "benchmarks/import_text/{encoder}/{dataset}/{strategy}.tsv"
    wildcard_constraints:
        dataset=one_of(FEATURES),
        encoder=one_of(BACKBONES),
        strategy=one_of({text for f in FEATURE_FILES.values() for text in f.texts}),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (1000 + 20 * int(input.size_mb)),
        runtime=30,
    params:
        source=feature_source,
    script:
        "../workflow_scripts/import_text.py"


rule import_support:
    input:
        classes=rules.class_manifest.output[0],
        files=lambda w: published(w, "supports", w.support),
        test=reference_cache,
    output:
        f"{CACHE}/{{encoder}}/{{dataset}}/support-{{support}}.h5",
    log:
        "logs/import_support/{encoder}/{dataset}/{support}.log",
    benchmark:
        "benchmarks/import_support/{encoder}/{dataset}/{support}.tsv"
    wildcard_constraints:
        dataset=one_of(FEATURES),
        encoder=one_of(BACKBONES),
        support=one_of({name for f in FEATURE_FILES.values() for name in f.supports}),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (1000 + 20 * int(input.size_mb)),
        runtime=30,
    params:
        source=feature_source,
        shots=lambda w: FEATURE_FILES[w.dataset].shots.get(w.support, 1),
    script:
        "../workflow_scripts/import_support.py"
