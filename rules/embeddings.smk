"""Stage 4: embedding caches."""

from susx.planning import encoders, packages, retrieval, supports


rule embed_text:
    input:
        classes=rules.class_manifest.output[0],
        prompts=rules.prompts.output[0],
        model=asked(encoders.model_files),
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
    threads: asked(encoders.encoder_threads)
    resources:
        # A text of 40 bytes or more has 16 KB as four arrays of 1024 numbers at the peak.
        mem_mb=memory(4000, model=3, prompts=400),
        runtime=minutes(60),
        gpu=asked(encoders.encoder_gpus),
    params:
        kept=IN_CACHE,
        encoder=asked(encoders.encoder_settings),
        hub=asked(encoders.hub_models),
        packages=asked(packages.of_encoder),
        listed=asked(encoders.listed_models),
        how=asked(encoders.encoder_runs),
    script:
        "../workflow_scripts/embed_text.py"


rule embed_images:
    input:
        manifest=rules.image_manifest.output[0],
        model=asked(encoders.model_files),
    output:
        f"{CACHE}/{{encoder}}/{{dataset}}/images-{{split}}.h5",
    log:
        "logs/embed_images/{encoder}/{dataset}/{split}.log",
    benchmark:
        "benchmarks/embed_images/{encoder}/{dataset}/{split}.tsv"
    wildcard_constraints:
        dataset=one_of(SETUP.images),
    conda:
        ENCODER_ENVIRONMENT
    threads: asked(encoders.encoder_threads)
    resources:
        mem_mb=memory(6000, model=3, manifest=50),
        runtime=minutes(720),
        gpu=asked(encoders.encoder_gpus),
    params:
        kept=IN_CACHE,
        encoder=asked(encoders.encoder_settings),
        hub=asked(encoders.hub_models),
        packages=asked(packages.of_encoder),
        listed=asked(encoders.listed_models),
        how=asked(encoders.encoder_runs),
    script:
        "../workflow_scripts/embed_images.py"


rule embed_patches:
    input:
        manifest=rules.image_manifest.output[0],
        model=asked(encoders.model_files),
    output:
        f"{CACHE}/{{encoder}}/{{dataset}}/patches-{{split}}.h5",
    log:
        "logs/embed_patches/{encoder}/{dataset}/{split}.log",
    benchmark:
        "benchmarks/embed_patches/{encoder}/{dataset}/{split}.tsv"
    wildcard_constraints:
        dataset=one_of(SETUP.images),
    conda:
        ENCODER_ENVIRONMENT
    threads: asked(encoders.encoder_threads)
    resources:
        mem_mb=memory(16000, model=3, manifest=50),
        runtime=minutes(720),
        gpu=asked(encoders.encoder_gpus),
    params:
        kept=IN_CACHE,
        encoder=asked(encoders.patch_settings),
        hub=asked(encoders.hub_models),
        packages=asked(packages.of_encoder),
        listed=asked(encoders.listed_models),
        how=asked(encoders.encoder_runs),
    script:
        "../workflow_scripts/embed_patches.py"


rule embed_support:
    input:
        manifest=f"{WORK}/{{dataset}}/support/{{support}}/manifest.parquet",
        images=f"{WORK}/{{dataset}}/support/{{support}}/images.tar",
        model=asked(encoders.model_files),
    output:
        f"{CACHE}/{{encoder}}/{{dataset}}/support-{{support}}.h5",
    log:
        "logs/embed_support/{encoder}/{dataset}/{support}.log",
    benchmark:
        "benchmarks/embed_support/{encoder}/{dataset}/{support}.tsv"
    wildcard_constraints:
        dataset=one_of(SETUP.images),
    conda:
        ENCODER_ENVIRONMENT
    threads: asked(encoders.encoder_threads)
    resources:
        mem_mb=memory(6000, model=3, manifest=50),
        runtime=minutes(720),
        gpu=asked(encoders.encoder_gpus),
    params:
        kept=IN_CACHE,
        encoder=asked(encoders.encoder_settings),
        hub=asked(encoders.hub_models),
        packages=asked(packages.of_encoder),
        listed=asked(encoders.listed_models),
        how=asked(encoders.encoder_runs),
        views=asked(supports.support_views),
    script:
        "../workflow_scripts/embed_support.py"


rule embed_shard:
    input:
        shard=asked(retrieval.shard_file),
        model=asked(encoders.model_files),
    output:
        f"{CACHE}/{{encoder}}/pools/{{pool}}/{{shard}}.h5",
    log:
        "logs/embed_shard/{encoder}/{pool}/{shard}.log",
    benchmark:
        "benchmarks/embed_shard/{encoder}/{pool}/{shard}.tsv"
    conda:
        ENCODER_ENVIRONMENT
    threads: asked(encoders.encoder_threads)
    resources:
        mem_mb=memory(6000, model=3),
        runtime=minutes(720),
        gpu=asked(encoders.encoder_gpus),
    params:
        kept=IN_CACHE,
        encoder=asked(encoders.encoder_settings),
        hub=asked(encoders.hub_models),
        packages=asked(packages.of_shard),
        listed=asked(encoders.listed_models),
        shard=asked(retrieval.image_source),
        added_formats=ADDED_FORMATS,
        how=asked(retrieval.shard_runs),
    script:
        "../workflow_scripts/embed_shard.py"
