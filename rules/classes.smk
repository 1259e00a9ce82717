"""Stage 1: class names and labelled images."""

from susx.planning import datasets, packages


rule class_manifest:
    input:
        asked(datasets.class_files),
    output:
        f"{WORK}/{{dataset}}/classes.json",
    log:
        "logs/class_manifest/{dataset}.log",
    benchmark:
        "benchmarks/class_manifest/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(datasets.named_datasets(SETUP)),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory(500),
        runtime=minutes(10),
    params:
        kept=IN_WORK,
        dataset=asked(datasets.name_source),
        key=asked(datasets.class_key),
    script:
        "../workflow_scripts/class_manifest.py"


rule download_dataset:
    output:
        f"{WORK}/{{dataset}}/downloads/{{split}}.json",
    log:
        "logs/download_dataset/{dataset}/{split}.log",
    benchmark:
        "benchmarks/download_dataset/{dataset}/{split}.tsv"
    wildcard_constraints:
        dataset=one_of(datasets.downloaded_datasets(SETUP)),
    conda:
        WEB_ENVIRONMENT
    threads: 4
    resources:
        mem_mb=memory(2000),
        runtime=minutes(1440),
    params:
        kept=OWN,
        download=asked(datasets.download_settings),
    script:
        "../workflow_scripts/download_dataset.py"


rule image_manifest:
    input:
        classes=rules.class_manifest.output[0],
        files=asked(datasets.image_files),
        download=asked(datasets.downloaded),
    output:
        f"{WORK}/{{dataset}}/images/{{split}}.parquet",
    log:
        "logs/image_manifest/{dataset}/{split}.log",
    benchmark:
        "benchmarks/image_manifest/{dataset}/{split}.tsv"
    wildcard_constraints:
        dataset=one_of(SETUP.images),
        split=one_of(SPLITS),
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        # A listed image has 3 to 4 KB, and ImageNet has 1.28 million for training.
        mem_mb=memory(6000),
        runtime=minutes(240),
    params:
        kept=IN_WORK,
        place=asked(datasets.image_settings),
        added_formats=ADDED_FORMATS,
        listed=asked(datasets.listed_files),
        packages=asked(packages.of_images),
        how=asked(datasets.image_hints),
    script:
        "../workflow_scripts/image_manifest.py"


rule list_unlabelled:
    input:
        classes=rules.class_manifest.output[0],
        folder=asked(datasets.unlabelled_folder),
    output:
        f"{WORK}/{{dataset}}/images/{UNLABELLED}.parquet",
    log:
        "logs/list_unlabelled/{dataset}.log",
    benchmark:
        "benchmarks/list_unlabelled/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(SETUP.images),
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        # A listed image has 3 to 4 KB, and ImageNet has 1.28 million for training.
        mem_mb=memory(6000),
        runtime=minutes(240),
    params:
        kept=IN_WORK,
        folder=lambda w: SETUP.images[w.dataset].unlabelled,
        added_formats=ADDED_FORMATS,
        how=asked(datasets.image_hints, split=UNLABELLED),
    script:
        "../workflow_scripts/list_unlabelled.py"


rule check_dataset:
    input:
        classes=rules.class_manifest.output[0],
        files=asked(datasets.checked_files),
        download=asked(datasets.checked_downloads),
    output:
        report(
            "check/{depth}{dataset}.json",
            caption="captions/check.rst",
            category="Data",
            labels={"dataset": "{dataset}"},
        ),
    log:
        "logs/check_dataset/{depth}{dataset}.log",
    benchmark:
        "benchmarks/check_dataset/{depth}{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(SETUP.images),
        depth="|full/",
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=memory(2000),
        runtime=minutes(240),
    params:
        kept=None,
        dataset=asked(datasets.check_settings),
    script:
        "../workflow_scripts/check_dataset.py"
