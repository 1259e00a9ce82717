"""Stage 3, from the web: candidates of pools without images, and their download."""


rule search_embeddings:
    input:
        classes=rules.class_manifest.output[0],
        queries=query_cache,
        shard=local_shard,
    output:
        f"{WORK}/{{dataset}}/support/{{support}}/candidates/{{shard}}.parquet",
    log:
        "logs/search_embeddings/{dataset}/{support}/{shard}.log",
    benchmark:
        "benchmarks/search_embeddings/{dataset}/{support}/{shard}.tsv"
    wildcard_constraints:
        support=one_of(name for name, l in LAYOUTS.items() if l == "embeddings"),
    conda:
        WEB_ENVIRONMENT
    threads: 2
    resources:
        mem_mb=memory(2000, queries=3),
        runtime=minutes(240),
        gpu=0,
    params:
        kept=IN_WORK,
        name=lambda w: w.shard,
        shard=lambda w: pool_of(w.support)[w.shard].settings,
        limit=lambda w: candidate_limit(w.support),
        encoder=lambda w: query_encoder(w.support),
    script:
        "../workflow_scripts/search_embeddings.py"


rule search_index:
    input:
        classes=rules.class_manifest.output[0],
        queries=query_cache,
        index=index_file,
        shard=local_shard,
    output:
        f"{WORK}/{{dataset}}/support/{{support}}/candidates/{{shard}}.parquet",
    log:
        "logs/search_index/{dataset}/{support}/{shard}.log",
    benchmark:
        "benchmarks/search_index/{dataset}/{support}/{shard}.tsv"
    wildcard_constraints:
        support=one_of(name for name, l in LAYOUTS.items() if l == "index"),
    conda:
        WEB_ENVIRONMENT
    threads: 2
    resources:
        mem_mb=memory(2000, queries=3, index=1),
        runtime=minutes(240),
        gpu=0,
    params:
        kept=IN_WORK,
        name=lambda w: w.shard,
        shard=lambda w: pool_of(w.support)[w.shard].settings,
        limit=lambda w: candidate_limit(w.support),
    script:
        "../workflow_scripts/search_index.py"


rule match_captions:
    input:
        classes=rules.class_manifest.output[0],
        shard=local_shard,
    output:
        f"{WORK}/{{dataset}}/support/{{support}}/candidates/{{shard}}.parquet",
    log:
        "logs/match_captions/{dataset}/{support}/{shard}.log",
    benchmark:
        "benchmarks/match_captions/{dataset}/{support}/{shard}.tsv"
    wildcard_constraints:
        support=one_of(name for name, l in LAYOUTS.items() if l == "captions"),
    conda:
        WEB_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(240),
        gpu=0,
    params:
        kept=IN_WORK,
        name=lambda w: w.shard,
        shard=lambda w: pool_of(w.support)[w.shard].settings,
        limit=lambda w: candidate_limit(w.support),
    script:
        "../workflow_scripts/match_captions.py"


rule query_service:
    input:
        classes=rules.class_manifest.output[0],
        prompts=lambda w: f"{WORK}/{w.dataset}/prompts/{CONFIG.supports[w.support].query}.json",
    output:
        f"{WORK}/{{dataset}}/support/{{support}}/candidates/{{shard}}.parquet",
    log:
        "logs/query_service/{dataset}/{support}/{shard}.log",
    benchmark:
        "benchmarks/query_service/{dataset}/{support}/{shard}.tsv"
    wildcard_constraints:
        support=one_of(name for name, l in LAYOUTS.items() if l == "service"),
    conda:
        WEB_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(1440),
        gpu=0,
    params:
        kept=IN_WORK,
        service=lambda w: CONFIG.pools[CONFIG.supports[w.support].pool].model_dump(),
        limit=lambda w: candidate_limit(w.support),
        how=lambda w: {"folder": f"{WORK}/{w.dataset}/support/{w.support}/answers"},
    script:
        "../workflow_scripts/query_service.py"


rule download_support:
    input:
        unpack(judge_inputs),
        classes=rules.class_manifest.output[0],
        candidates=candidate_files,
    output:
        manifest=f"{WORK}/{{dataset}}/support/{{support}}/manifest.parquet",
        images=f"{WORK}/{{dataset}}/support/{{support}}/images.tar",
    log:
        "logs/download_support/{dataset}/{support}.log",
    benchmark:
        "benchmarks/download_support/{dataset}/{support}.tsv"
    wildcard_constraints:
        support=one_of(DOWNLOADED),
    conda:
        WEB_ENVIRONMENT
    threads: 4
    resources:
        mem_mb=memory(6000, model=3, candidates=1),
        runtime=minutes(1440),
        gpu=judge_gpus,
    params:
        kept=IN_WORK,
        limit=lambda w: candidate_limit(w.support),
        wanted=lambda w: wanted_images(w.support),
        rules=CONFIG.download.model_dump(exclude=DOWNLOADED_ANYHOW),
        crawler=crawler(CONFIG.download.user_agent),
        encoder=judge_settings,
        selection=lambda w: selection(w.support),
        added_formats=ADDED_FORMATS,
        hub=judge_hub,
        listed=judge_models,
        how=lambda w: {
            "folder": f"{WORK}/{w.dataset}/support/{w.support}/downloads",
            "fetch": CONFIG.download.model_dump(include={"threads", "user_agent"}),
            "encoder": judge_runs(w),
            "images": local_images(w.support),
        },
    script:
        "../workflow_scripts/download_support.py"
