"""Stage 3: support sets, retrieved from image pools or drawn from training images."""


rule search_shard:
    input:
        classes=rules.class_manifest.output[0],
        queries=query_cache,
        pool=shard_cache,
    output:
        f"{WORK}/{{dataset}}/support/{{support}}/candidates/{{shard}}.parquet",
    log:
        "logs/search_shard/{dataset}/{support}/{shard}.log",
    benchmark:
        "benchmarks/search_shard/{dataset}/{support}/{shard}.tsv"
    wildcard_constraints:
        support=one_of(set(RETRIEVED) - set(DOWNLOADED)),
    group:
        "search"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=memory(2000, pool=3, queries=3),
        runtime=minutes(60),
        gpu=0,
    params:
        kept=IN_WORK,
        shard=lambda w: w.shard,
        limit=lambda w: candidate_limit(w.support),
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
        support=one_of(SEEDS),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=memory(4000, train=20),
        runtime=minutes(60),
        gpu=0,
    params:
        kept=IN_WORK,
        size=lambda w: few_shot(w).size,
        seed=lambda w: SEEDS[w.support][1],
    script:
        "../workflow_scripts/draw_support.py"


rule select_support:
    input:
        classes=rules.class_manifest.output[0],
        candidates=candidate_files,
        shards=lambda w: sorted({shard.path for shard in pool_of(w.support).values()}),
        features=candidate_features,
        text=agreeing_text,
    output:
        manifest=f"{WORK}/{{dataset}}/support/{{support}}/manifest.parquet",
        images=f"{WORK}/{{dataset}}/support/{{support}}/images.tar",
    log:
        "logs/select_support/{dataset}/{support}.log",
    benchmark:
        "benchmarks/select_support/{dataset}/{support}.tsv"
    wildcard_constraints:
        support=one_of(set(RETRIEVED) - set(DOWNLOADED)),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=memory(4000, candidates=1, text=3),
        runtime=minutes(240),
        gpu=0,
    params:
        kept=IN_WORK,
        limit=lambda w: candidate_limit(w.support),
        selection=lambda w: selection(w.support),
        source=lambda w: f"retrieval from {CONFIG.supports[w.support].pool}",
        shards=lambda w: {
            name: vars(shard) for name, shard in pool_of(w.support).items()
        },
    script:
        "../workflow_scripts/select_support.py"
