"""Stage 5: tuning, testing and the result file."""

from susx.planning import encoders, evaluation, packages, texts


rule evaluate:
    input:
        unpack(asked(evaluation.cache_inputs)),
    output:
        f"{WORK}/{{dataset}}/evaluation/{{encoder}}.json",
    log:
        "logs/evaluate/{dataset}/{encoder}.log",
    benchmark:
        "benchmarks/evaluate/{dataset}/{encoder}.tsv"
    wildcard_constraints:
        encoder=one_of([*SETUP.config.encoders, *SETUP.backbones]),
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=memory(2000, 8),
        runtime=minutes(240),
        gpu=asked(evaluation.evaluation_gpus),
    params:
        kept=IN_WORK,
        encoder=lambda w: w.encoder,
        model=asked(encoders.encoder_model_name),
        names=asked(evaluation.cache_names),
        plan=asked(evaluation.evaluation_plan),
        tuning=asked(evaluation.tuning_settings),
        packages=asked(packages.of_evaluation),
        how=asked(evaluation.evaluation_runs),
    script:
        "../workflow_scripts/evaluate.py"


rule collate:
    input:
        classes=rules.class_manifest.output[0],
        prompts=asked(texts.prompt_files),
        parts=asked(evaluation.evaluation_files),
    output:
        report(
            f"{RESULTS}/{{dataset}}.json",
            caption="captions/result.rst",
            category="Results",
            labels={"dataset": "{dataset}"},
        ),
    log:
        "logs/collate/{dataset}.log",
    benchmark:
        "benchmarks/collate/{dataset}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory(1000, parts=20),
        runtime=minutes(10),
    params:
        kept=OWN,
        dataset=lambda w: w.dataset,
        config=asked(evaluation.shown_config),
    script:
        "../workflow_scripts/collate.py"
