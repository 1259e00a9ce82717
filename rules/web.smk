"""Stage 3, from the web: candidates of pools without images, and their download."""

from susx.planning import packages, retrieval, web


rule search_embeddings:
    input:
        classes=rules.class_manifest.output[0],
        queries=asked(retrieval.query_cache),
        shard=asked(web.local_shard),
    output:
        f"{WORK}/{{dataset}}/support/{{support}}/candidates/{{shard}}.parquet",
    log:
        "logs/search_embeddings/{dataset}/{support}/{shard}.log",
    benchmark:
        "benchmarks/search_embeddings/{dataset}/{support}/{shard}.tsv"
    wildcard_constraints:
        support=one_of(web.searched_as(SETUP, "embeddings")),
    group:
        "web_search"
    conda:
        WEB_ENVIRONMENT
    threads: 2
    resources:
        mem_mb=asked(retrieval.found_memory, of="queries", factors={"queries": 3}),
        runtime=minutes(240),
    params:
        kept=IN_WORK,
        name=lambda w: w.shard,
        shard=asked(web.shard_settings),
        limit=asked(retrieval.candidate_limit),
        encoder=asked(retrieval.query_encoder),
    script:
        "../workflow_scripts/search_embeddings.py"


rule search_index:
    input:
        classes=rules.class_manifest.output[0],
        queries=asked(retrieval.query_cache),
        index=asked(web.index_file),
        shard=asked(web.local_shard),
    output:
        f"{WORK}/{{dataset}}/support/{{support}}/candidates/{{shard}}.parquet",
    log:
        "logs/search_index/{dataset}/{support}/{shard}.log",
    benchmark:
        "benchmarks/search_index/{dataset}/{support}/{shard}.tsv"
    wildcard_constraints:
        support=one_of(web.searched_as(SETUP, "index")),
    group:
        "web_search"
    conda:
        WEB_ENVIRONMENT
    threads: 2
    resources:
        mem_mb=asked(
            retrieval.found_memory, of="queries", factors={"index": 1, "queries": 3}
        ),
        runtime=minutes(240),
    params:
        kept=IN_WORK,
        name=lambda w: w.shard,
        shard=asked(web.shard_settings),
        limit=asked(retrieval.candidate_limit),
    script:
        "../workflow_scripts/search_index.py"


rule match_captions:
    input:
        classes=rules.class_manifest.output[0],
        shard=asked(web.local_shard),
    output:
        candidates=f"{WORK}/{{dataset}}/support/{{support}}/candidates/{{shard}}.parquet",
        names=f"{WORK}/{{dataset}}/support/{{support}}/names/{{shard}}.json",
    log:
        "logs/match_captions/{dataset}/{support}/{shard}.log",
    benchmark:
        "benchmarks/match_captions/{dataset}/{support}/{shard}.tsv"
    wildcard_constraints:
        support=one_of(web.searched_as(SETUP, "captions")),
    group:
        "web_search"
    conda:
        WEB_ENVIRONMENT
    resources:
        mem_mb=asked(retrieval.found_memory, of="classes", factors={}),
        runtime=minutes(240),
    params:
        kept=IN_WORK,
        name=lambda w: w.shard,
        shard=asked(web.shard_settings),
        limit=asked(retrieval.candidate_limit),
    script:
        "../workflow_scripts/match_captions.py"


rule query_service:
    input:
        classes=rules.class_manifest.output[0],
        prompts=asked(web.service_prompts),
    output:
        f"{WORK}/{{dataset}}/support/{{support}}/candidates/{{shard}}.parquet",
    log:
        "logs/query_service/{dataset}/{support}/{shard}.log",
    benchmark:
        "benchmarks/query_service/{dataset}/{support}/{shard}.tsv"
    wildcard_constraints:
        support=one_of(web.searched_as(SETUP, "service")),
    conda:
        WEB_ENVIRONMENT
    resources:
        mem_mb=asked(retrieval.found_memory, of="prompts", factors={}),
        runtime=minutes(1440),
    params:
        kept=IN_WORK,
        service=asked(web.service_settings),
        limit=asked(retrieval.candidate_limit),
        how=asked(web.service_runs),
    script:
        "../workflow_scripts/query_service.py"


rule download_support:
    input:
        unpack(asked(web.judge_files)),
        classes=rules.class_manifest.output[0],
        candidates=asked(retrieval.candidate_files),
    output:
        manifest=f"{WORK}/{{dataset}}/support/{{support}}/manifest.parquet",
        images=f"{WORK}/{{dataset}}/support/{{support}}/images.tar",
    log:
        "logs/download_support/{dataset}/{support}.log",
    benchmark:
        "benchmarks/download_support/{dataset}/{support}.tsv"
    wildcard_constraints:
        support=one_of(SETUP.downloaded),
    conda:
        WEB_ENVIRONMENT
    threads: 4
    resources:
        # Candidates as in rule select_support.
        mem_mb=memory(6000, model=3, candidates=60),
        runtime=minutes(1440),
        gpu=asked(web.judge_gpus),
    params:
        kept=IN_WORK,
        limit=asked(retrieval.candidate_limit),
        wanted=asked(web.wanted_images),
        rules=asked(web.download_rules),
        crawler=asked(web.download_crawler),
        encoder=asked(web.judge_settings),
        selection=asked(retrieval.selection),
        added_formats=ADDED_FORMATS,
        hub=asked(web.judge_hub),
        packages=asked(packages.of_judge),
        listed=asked(web.judge_models),
        how=asked(web.download_runs),
    script:
        "../workflow_scripts/download_support.py"
