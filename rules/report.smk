"""Stage 7: the report."""


rule analyse:
    input:
        analysis_inputs,
        evaluation=rules.evaluate.output[0],
    output:
        f"{WORK}/{{dataset}}/analysis/{{encoder}}.json",
    log:
        "logs/analyse/{dataset}/{encoder}.log",
    benchmark:
        "benchmarks/analyse/{dataset}/{encoder}.tsv"
    wildcard_constraints:
        encoder=one_of([*CONFIG.encoders, *BACKBONES]),
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=memory(2000, 8),
        runtime=minutes(240),
        gpu=lambda w: gpus(evaluation_device(w)),
    params:
        files=analysis_files,
        row=lambda w: shown_row(w.dataset),
        tuning=lambda w: tuning_settings(w.dataset),
        wanted=CONFIG.report.model_dump(include={"examples", "voters", "confusions"})
        | EVALUATION.model_dump(include={"leaks", "bootstrap"})
        | {"seed": CONFIG.seed},
        device=evaluation_device,
    script:
        "../workflow_scripts/analyse.py"
