"""Stage 2: texts per class."""


rule prompts:
    input:
        classes=rules.class_manifest.output[0],
        descriptions=text_file("descriptions"),
        descriptors=text_file("descriptors"),
    output:
        f"{WORK}/{{dataset}}/prompts/{{strategy}}.json",
    log:
        "logs/prompts/{dataset}/{strategy}.log",
    benchmark:
        "benchmarks/prompts/{dataset}/{strategy}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        sources=lambda w: strategy_sources(w.strategy),
        settings=lambda w: DATASETS[w.dataset].model_dump(
            include={"template", "ensemble"}
        ),
    script:
        "../workflow_scripts/prompts.py"
