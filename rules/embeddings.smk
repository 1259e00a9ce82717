"""Stage 4: embedding caches."""


rule embed_text:
    input:
        classes=rules.class_manifest.output[0],
        prompts=rules.prompts.output[0],
        model=lambda w: model_files(w.encoder),
    output:
        f"{CACHE}/{{encoder}}/{{dataset}}/text-{{strategy}}.h5",
    log:
        "logs/embed_text/{encoder}/{dataset}/{strategy}.log",
    benchmark:
        "benchmarks/embed_text/{encoder}/{dataset}/{strategy}.tsv"
    group:
        "text"
    conda:
        ENCODER_ENVIRONMENT
    threads: encoder_threads
    resources:
        mem_mb=memory(4000, model=3),
        runtime=minutes(60),
        gpu=encoder_gpus,
    params:
        kept=IN_CACHE,
        encoder=encoder_settings,
        hub=encoder_hub,
        listed=encoder_models,
        how=encoder_runs,
    script:
        "../workflow_scripts/embed_text.py"


rule embed_images:
    input:
        manifest=rules.image_manifest.output[0],
        model=lambda w: model_files(w.encoder),
    output:
        f"{CACHE}/{{encoder}}/{{dataset}}/images-{{split}}.h5",
    log:
        "logs/embed_images/{encoder}/{dataset}/{split}.log",
    benchmark:
        "benchmarks/embed_images/{encoder}/{dataset}/{split}.tsv"
    wildcard_constraints:
        dataset=one_of(IMAGES),
    conda:
        ENCODER_ENVIRONMENT
    threads: encoder_threads
    resources:
        mem_mb=memory(6000, model=3, manifest=50),
        runtime=minutes(720),
        gpu=encoder_gpus,
    params:
        kept=IN_CACHE,
        encoder=encoder_settings,
        hub=encoder_hub,
        listed=encoder_models,
        how=encoder_runs,
    script:
        "../workflow_scripts/embed_images.py"


rule embed_patches:
    input:
        manifest=rules.image_manifest.output[0],
        model=lambda w: model_files(w.encoder),
    output:
        f"{CACHE}/{{encoder}}/{{dataset}}/patches-{{split}}.h5",
    log:
        "logs/embed_patches/{encoder}/{dataset}/{split}.log",
    benchmark:
        "benchmarks/embed_patches/{encoder}/{dataset}/{split}.tsv"
    wildcard_constraints:
        dataset=one_of(IMAGES),
    conda:
        ENCODER_ENVIRONMENT
    threads: encoder_threads
    resources:
        mem_mb=memory(16000, model=3, manifest=50),
        runtime=minutes(720),
        gpu=encoder_gpus,
    params:
        kept=IN_CACHE,
        encoder=lambda w: encoder_settings(w) | {"store": "float16"},
        hub=encoder_hub,
        listed=encoder_models,
        how=encoder_runs,
    script:
        "../workflow_scripts/embed_patches.py"


rule embed_support:
    input:
        manifest=f"{WORK}/{{dataset}}/support/{{support}}/manifest.parquet",
        images=f"{WORK}/{{dataset}}/support/{{support}}/images.tar",
        model=lambda w: model_files(w.encoder),
    output:
        f"{CACHE}/{{encoder}}/{{dataset}}/support-{{support}}.h5",
    log:
        "logs/embed_support/{encoder}/{dataset}/{support}.log",
    benchmark:
        "benchmarks/embed_support/{encoder}/{dataset}/{support}.tsv"
    wildcard_constraints:
        dataset=one_of(IMAGES),
    conda:
        ENCODER_ENVIRONMENT
    threads: encoder_threads
    resources:
        mem_mb=memory(6000, model=3, manifest=50),
        runtime=minutes(720),
        gpu=encoder_gpus,
    params:
        kept=IN_CACHE,
        encoder=encoder_settings,
        hub=encoder_hub,
        listed=encoder_models,
        how=encoder_runs,
        views=support_views,
    script:
        "../workflow_scripts/embed_support.py"


rule embed_shard:
    input:
        shard=shard_file,
        model=lambda w: model_files(w.encoder),
    output:
        f"{CACHE}/{{encoder}}/pools/{{pool}}/{{shard}}.h5",
    log:
        "logs/embed_shard/{encoder}/{pool}/{shard}.log",
    benchmark:
        "benchmarks/embed_shard/{encoder}/{pool}/{shard}.tsv"
    conda:
        ENCODER_ENVIRONMENT
    threads: encoder_threads
    resources:
        mem_mb=memory(6000, model=3),
        runtime=minutes(720),
        gpu=encoder_gpus,
    params:
        kept=IN_CACHE,
        encoder=encoder_settings,
        hub=encoder_hub,
        listed=encoder_models,
        shard=lambda w: image_source(SHARDS[w.pool][w.shard]),
        added_formats=ADDED_FORMATS,
        how=lambda w: encoder_runs(w) | {"path": SHARDS[w.pool][w.shard].path},
    script:
        "../workflow_scripts/embed_shard.py"
