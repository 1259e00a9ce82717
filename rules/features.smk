"""Published features, in place of stages 3 and 4: the same caches, read from files of others."""


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
    group:
        "import"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=memory(1000, images=20, text=20),
        runtime=minutes(10),
        gpu=0,
    params:
        kept=IN_WORK,
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
    group:
        "import"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=memory(1000, files=20),
        runtime=minutes(30),
        gpu=0,
    params:
        kept=IN_CACHE,
        source=feature_source,
        name=lambda w: w.split,
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
    group:
        "import"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=memory(1000, file=20),
        runtime=minutes(30),
        gpu=0,
    params:
        kept=IN_CACHE,
        source=feature_source,
        name=lambda w: w.strategy,
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
    group:
        "import"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=memory(1000, files=20),
        runtime=minutes(30),
        gpu=0,
    params:
        kept=IN_CACHE,
        source=feature_source,
        shots=lambda w: FEATURE_FILES[w.dataset].shots.get(w.support, 1),
        name=lambda w: w.support,
    script:
        "../workflow_scripts/import_support.py"
