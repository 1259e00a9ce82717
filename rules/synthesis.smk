"""Stage 3, by synthesis: support sets drawn by a text-to-image model."""


rule synthesise:
    input:
        classes=rules.class_manifest.output[0],
        prompts=synthesis_prompts,
        model=synthesis_model,
    output:
        manifest=f"{WORK}/{{dataset}}/support/{{support}}/chunks/{{chunk}}.parquet",
        images=f"{WORK}/{{dataset}}/support/{{support}}/chunks/{{chunk}}.tar",
    log:
        "logs/synthesise/{dataset}/{support}/{chunk}.log",
    benchmark:
        "benchmarks/synthesise/{dataset}/{support}/{chunk}.tsv"
    wildcard_constraints:
        support=one_of(SYNTHESISED),
        chunk=r"\d{5}",
    conda:
        "../envs/synthesis.yaml"
    threads: lambda w: SYNTHESISED[w.support].threads
    resources:
        mem_mb=memory(4000, model=3),
        runtime=minutes(1440),
        gpu=lambda w: gpus(SYNTHESISED[w.support].device),
    params:
        kept=IN_WORK,
        settings=lambda w: SYNTHESISED[w.support].model_dump(exclude=DRAWN_ANYHOW),
        chunk=lambda w: int(w.chunk),
        hub=hub_synthesis_model,
        listed=lambda w: {"models": [SYNTHESISED[w.support].model]},
        how=lambda w: {"runs": SYNTHESISED[w.support].model_dump(include=DRAWN_ANYHOW)},
    script:
        "../workflow_scripts/synthesise.py"


rule join_chunks:
    input:
        classes=rules.class_manifest.output[0],
        manifests=lambda w: drawn_chunks(w, kinds=["parquet"]),
        images=lambda w: drawn_chunks(w, kinds=["tar"]),
    output:
        manifest=f"{WORK}/{{dataset}}/support/{{support}}/manifest.parquet",
        images=f"{WORK}/{{dataset}}/support/{{support}}/images.tar",
    log:
        "logs/join_chunks/{dataset}/{support}.log",
    benchmark:
        "benchmarks/join_chunks/{dataset}/{support}.tsv"
    wildcard_constraints:
        support=one_of(SYNTHESISED),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=memory(4000, manifests=20),
        runtime=minutes(60),
        gpu=0,
    params:
        kept=IN_WORK,
        size=lambda w: SYNTHESISED[w.support].size,
    script:
        "../workflow_scripts/join_chunks.py"
