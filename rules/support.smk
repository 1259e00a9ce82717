"""Stage 3: support sets, retrieved from image pools or drawn from training images."""

from susx.planning import packages, retrieval, supports


rule search_shard:
    input:
        classes=rules.class_manifest.output[0],
        queries=asked(retrieval.query_cache),
        pool=asked(retrieval.shard_cache),
    output:
        f"{WORK}/{{dataset}}/support/{{support}}/candidates/{{shard}}.parquet",
    log:
        "logs/search_shard/{dataset}/{support}/{shard}.log",
    benchmark:
        "benchmarks/search_shard/{dataset}/{support}/{shard}.tsv"
    wildcard_constraints:
        support=one_of(retrieval.retrieved_from_images(SETUP)),
    group:
        "search"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=asked(
            retrieval.found_memory, of="queries", factors={"pool": 3, "queries": 3}
        ),
        runtime=minutes(60),
    params:
        kept=IN_WORK,
        shard=lambda w: w.shard,
        limit=asked(retrieval.candidate_limit),
    script:
        "../workflow_scripts/search_shard.py"


rule draw_support:
    input:
        classes=rules.class_manifest.output[0],
        train=f"{WORK}/{{dataset}}/images/train.parquet",
    output:
        manifest=f"{WORK}/{{dataset}}/support/{{support}}/manifest.parquet",
        images=f"{WORK}/{{dataset}}/support/{{support}}/images.tar",
    log:
        "logs/draw_support/{dataset}/{support}.log",
    benchmark:
        "benchmarks/draw_support/{dataset}/{support}.tsv"
    wildcard_constraints:
        support=one_of(SETUP.seeds),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory(2000, train=20),
        runtime=minutes(60),
    params:
        kept=IN_WORK,
        size=asked(supports.few_shot_size),
        seed=asked(supports.few_shot_seed),
    script:
        "../workflow_scripts/draw_support.py"


rule select_support:
    input:
        classes=rules.class_manifest.output[0],
        candidates=asked(retrieval.candidate_files),
        shards=asked(retrieval.shard_paths),
        features=asked(retrieval.candidate_caches),
        text=asked(retrieval.agreeing_text),
    output:
        manifest=f"{WORK}/{{dataset}}/support/{{support}}/manifest.parquet",
        images=f"{WORK}/{{dataset}}/support/{{support}}/images.tar",
    log:
        "logs/select_support/{dataset}/{support}.log",
    benchmark:
        "benchmarks/select_support/{dataset}/{support}.tsv"
    wildcard_constraints:
        support=one_of(retrieval.retrieved_from_images(SETUP)),
    conda:
        ENVIRONMENT
    resources:
        # A candidate has 100 bytes on disk, a record of 2 KiB in memory, as much of its features.
        mem_mb=memory(2000, candidates=60, text=3, largest={"features": 3}),
        runtime=minutes(240),
    params:
        kept=IN_WORK,
        limit=asked(retrieval.candidate_limit),
        selection=asked(retrieval.selection),
        source=asked(retrieval.pool_source),
        shards=asked(retrieval.shard_fields),
        packages=asked(packages.of_pool),
    script:
        "../workflow_scripts/select_support.py"
