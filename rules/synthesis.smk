"""Stage 3, by synthesis: support sets drawn by a text-to-image model."""

from susx.planning import synthesis


rule synthesise:
    input:
        classes=rules.class_manifest.output[0],
        prompts=asked(synthesis.synthesis_prompts),
        model=asked(synthesis.synthesis_model_files),
    output:
        manifest=f"{WORK}/{{dataset}}/support/{{support}}/chunks/{{chunk}}.parquet",
        images=f"{WORK}/{{dataset}}/support/{{support}}/chunks/{{chunk}}.tar",
    log:
        "logs/synthesise/{dataset}/{support}/{chunk}.log",
    benchmark:
        "benchmarks/synthesise/{dataset}/{support}/{chunk}.tsv"
    wildcard_constraints:
        support=one_of(SETUP.synthesised),
        chunk=r"\d{5}",
    conda:
        "../envs/synthesis.yaml"
    threads: asked(synthesis.synthesis_threads)
    resources:
        mem_mb=memory(4000, model=3),
        runtime=minutes(1440),
        gpu=asked(synthesis.synthesis_gpus),
    params:
        kept=IN_WORK,
        settings=asked(synthesis.synthesis_settings),
        chunk=lambda w: int(w.chunk),
        hub=asked(synthesis.hub_synthesis_model),
        listed=asked(synthesis.listed_synthesis_model),
        how=asked(synthesis.synthesis_runs),
    script:
        "../workflow_scripts/synthesise.py"


rule join_chunks:
    input:
        classes=rules.class_manifest.output[0],
        manifests=asked(synthesis.drawn_chunks, kind="parquet"),
        images=asked(synthesis.drawn_chunks, kind="tar"),
    output:
        manifest=f"{WORK}/{{dataset}}/support/{{support}}/manifest.parquet",
        images=f"{WORK}/{{dataset}}/support/{{support}}/images.tar",
    log:
        "logs/join_chunks/{dataset}/{support}.log",
    benchmark:
        "benchmarks/join_chunks/{dataset}/{support}.tsv"
    wildcard_constraints:
        support=one_of(SETUP.synthesised),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory(4000, manifests=20),
        runtime=minutes(60),
    params:
        kept=IN_WORK,
        size=asked(synthesis.synthesis_size),
    script:
        "../workflow_scripts/join_chunks.py"
