"""The offline demo's images: rendered here, so that nothing has to be fetched."""

DEMO_SEED = 0


rule demo_images:
    output:
        directory("demo/data/{split}"),
    log:
        "logs/demo_images/{split}.log",
    benchmark:
        "benchmarks/demo_images/{split}.tsv"
    wildcard_constraints:
        split="test|validation",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        kept=ONCE,
        split=lambda w: w.split,
        per_class=lambda w: {"test": 40, "validation": 10}[w.split],
        seed=DEMO_SEED,
    script:
        "../workflow_scripts/demo_images.py"


rule demo_pool:
    output:
        "demo/data/pool/{tar}.tar",
    log:
        "logs/demo_pool/{tar}.log",
    benchmark:
        "benchmarks/demo_pool/{tar}.tsv"
    wildcard_constraints:
        tar=r"\d{5}",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        kept=ONCE,
        tar=lambda w: int(w.tar),
        size=3000,
        seed=DEMO_SEED,
    script:
        "../workflow_scripts/demo_pool.py"
