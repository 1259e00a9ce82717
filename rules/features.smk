"""Published features, in place of stages 3 and 4: the same caches, read from files of others."""

from susx.planning import features


rule import_classes:
    input:
        images=asked(features.published_test),
        text=asked(features.published_classes),
    output:
        f"{WORK}/{{dataset}}/classes.json",
    log:
        "logs/import_classes/{dataset}.log",
    benchmark:
        "benchmarks/import_classes/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(features.unnamed_datasets(SETUP)),
    group:
        "import"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory(1000, images=20, text=20),
        runtime=minutes(10),
    params:
        kept=IN_WORK,
    script:
        "../workflow_scripts/import_classes.py"


rule import_images:
    input:
        classes=rules.class_manifest.output[0],
        files=asked(features.published_images),
        test=asked(features.compared_cache),
    output:
        f"{CACHE}/{{encoder}}/{{dataset}}/images-{{split}}.h5",
    log:
        "logs/import_images/{encoder}/{dataset}/{split}.log",
    benchmark:
        "benchmarks/import_images/{encoder}/{dataset}/{split}.tsv"
    wildcard_constraints:
        dataset=one_of(SETUP.features),
        encoder=one_of(SETUP.backbones),
    group:
        "import"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory(1000, files=20),
        runtime=minutes(30),
    params:
        kept=IN_CACHE,
        source=asked(features.feature_source),
        name=lambda w: w.split,
    script:
        "../workflow_scripts/import_images.py"


rule import_text:
    input:
        classes=rules.class_manifest.output[0],
        file=asked(features.published_text),
        test=asked(features.reference_cache),
    output:
        f"{CACHE}/{{encoder}}/{{dataset}}/text-{{strategy}}.h5",
    log:
        "logs/import_text/{encoder}/{dataset}/{strategy}.log",
    benchmark:
        "benchmarks/import_text/{encoder}/{dataset}/{strategy}.tsv"
    wildcard_constraints:
        dataset=one_of(SETUP.features),
        encoder=one_of(SETUP.backbones),
        strategy=one_of(features.published_strategies(SETUP)),
    group:
        "import"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory(1000, file=20),
        runtime=minutes(30),
    params:
        kept=IN_CACHE,
        source=asked(features.feature_source),
        name=lambda w: w.strategy,
    script:
        "../workflow_scripts/import_text.py"


rule import_support:
    input:
        classes=rules.class_manifest.output[0],
        files=asked(features.published_support),
        test=asked(features.reference_cache),
    output:
        f"{CACHE}/{{encoder}}/{{dataset}}/support-{{support}}.h5",
    log:
        "logs/import_support/{encoder}/{dataset}/{support}.log",
    benchmark:
        "benchmarks/import_support/{encoder}/{dataset}/{support}.tsv"
    wildcard_constraints:
        dataset=one_of(SETUP.features),
        encoder=one_of(SETUP.backbones),
        support=one_of(features.published_supports(SETUP)),
    group:
        "import"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory(1000, files=20),
        runtime=minutes(30),
    params:
        kept=IN_CACHE,
        source=asked(features.feature_source),
        shots=asked(features.published_shots),
        name=lambda w: w.support,
    script:
        "../workflow_scripts/import_support.py"
