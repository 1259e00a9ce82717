"""Stage 1: class names and labelled images."""


rule class_manifest:
    input:
        class_files,
    output:
        f"{WORK}/{{dataset}}/classes.json",
    log:
        "logs/class_manifest/{dataset}.log",
    benchmark:
        "benchmarks/class_manifest/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(name for name, dataset in DATASETS.items() if dataset.named),
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(10),
        gpu=0,
    params:
        kept=IN_WORK,
        dataset=lambda w: name_source(w.dataset),
        key=lambda w: f"config.yaml: datasets.{w.dataset}.classes",
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
        dataset=one_of(DOWNLOADED_DATASETS),
    conda:
        WEB_ENVIRONMENT
    threads: 4
    resources:
        mem_mb=memory(2000),
        runtime=minutes(1440),
        gpu=0,
    params:
        kept=OWN,
        download=download_settings,
    script:
        "../workflow_scripts/download_dataset.py"


rule image_manifest:
    input:
        classes=rules.class_manifest.output[0],
        files=image_files,
        download=downloaded,
    output:
        f"{WORK}/{{dataset}}/images/{{split}}.parquet",
    log:
        "logs/image_manifest/{dataset}/{split}.log",
    benchmark:
        "benchmarks/image_manifest/{dataset}/{split}.tsv"
    wildcard_constraints:
        dataset=one_of(IMAGES),
        split=one_of(SPLITS),
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=memory(4000),
        runtime=minutes(240),
        gpu=0,
    params:
        kept=IN_WORK,
        place=lambda w: image_place(w.dataset).settings(w.split),
        added_formats=ADDED_FORMATS,
        listed=listed_files,
        how=lambda w: {"key": f"config.yaml: {image_key(w.dataset, w.split)}"},
    script:
        "../workflow_scripts/image_manifest.py"


rule list_unlabelled:
    input:
        classes=rules.class_manifest.output[0],
        folder=unlabelled_folder,
    output:
        f"{WORK}/{{dataset}}/images/{UNLABELLED}.parquet",
    log:
        "logs/list_unlabelled/{dataset}.log",
    benchmark:
        "benchmarks/list_unlabelled/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(IMAGES),
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=memory(4000),
        runtime=minutes(240),
        gpu=0,
    params:
        kept=IN_WORK,
        folder=lambda w: IMAGES[w.dataset].unlabelled,
        added_formats=ADDED_FORMATS,
        how=lambda w: {"key": f"config.yaml: datasets.{w.dataset}.images.unlabelled"},
    script:
        "../workflow_scripts/list_unlabelled.py"


rule check_dataset:
    input:
        classes=rules.class_manifest.output[0],
        files=checked_files,
        download=checked_downloads,
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
        dataset=one_of(IMAGES),
        depth="|full/",
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=memory(2000),
        runtime=minutes(240),
        gpu=0,
    params:
        kept=None,
        dataset=check_settings,
    script:
        "../workflow_scripts/check_dataset.py"
