"""Stage 5: tuning, testing and the result file."""


rule evaluate:
    input:
        unpack(cache_inputs),
    output:
        f"{WORK}/{{dataset}}/evaluation/{{encoder}}.json",
    log:
        "logs/evaluate/{dataset}/{encoder}.log",
    benchmark:
        "benchmarks/evaluate/{dataset}/{encoder}.tsv"
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
        kept=IN_WORK,
        encoder=lambda w: w.encoder,
        model=lambda w: encoder_name(w.encoder),
        names=lambda w: names_of(cache_files(w)),
        plan=lambda w: EVALUATION.model_dump(
            include={"methods", "protocols", "leaks", "bootstrap"}
        )
        | {
            "texts": configured_texts(w.dataset),
            "unavailable_texts": unavailable_texts(w.dataset),
            "unavailable_supports": unavailable_supports(w.dataset),
            "seeds": {
                name: SEEDS[name]
                for name in evaluated_supports(w.dataset)
                if name in SEEDS
            },
            "seed": CONFIG.seed,
        },
        tuning=lambda w: tuning_settings(w.dataset),
        how=evaluation_runs,
    script:
        "../workflow_scripts/evaluate.py"


rule collate:
    input:
        classes=rules.class_manifest.output[0],
        prompts=prompt_files,
        parts=evaluation_files,
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
    threads: 1
    resources:
        mem_mb=memory(1000, parts=20),
        runtime=minutes(10),
        gpu=0,
    params:
        kept=OWN,
        dataset=lambda w: w.dataset,
        config=lambda w: evaluated_config(CONFIG, w.dataset),
    script:
        "../workflow_scripts/collate.py"
