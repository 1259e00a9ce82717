"""Stage 7: the report."""


rule analyse:
    input:
        unpack(analysis_inputs),
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
        kept=IN_WORK,
        dataset=lambda w: w.dataset,
        encoder=lambda w: w.encoder,
        names=lambda w: names_of(analysis_files(w)),
        row=lambda w: (row := shown_row(w.dataset)) and row.model_dump(),
        tuning=lambda w: tuning_settings(w.dataset),
        wanted=CONFIG.report.model_dump(include={"examples", "voters", "confusions"})
        | {"leaks": EVALUATION.leaks, "seed": CONFIG.seed},
        how=evaluation_runs,
    script:
        "../workflow_scripts/analyse.py"


rule report:
    input:
        unpack(page_files),
    output:
        page=report(
            f"{RESULTS}/{{dataset}}/report.html",
            caption="captions/report.rst",
            category="{dataset}",
        ),
        figures=report(
            directory(f"{RESULTS}/{{dataset}}/figures"),
            patterns=["{name}.svg"],
            caption="captions/figure.rst",
            category="{dataset}",
            subcategory="figures",
            labels={"figure": "{name}"},
        ),
    log:
        "logs/report/{dataset}.log",
    benchmark:
        "benchmarks/report/{dataset}.tsv"
    conda:
        "../envs/report.yaml"
    threads: 2
    resources:
        mem_mb=memory(2000, manifests=20),
        runtime=minutes(120),
        gpu=0,
    params:
        kept=OWN,
        supports=lambda w: {n: s["entry"] for n, s in shown_supports(w.dataset).items()},
        settings=CONFIG.report.model_dump(),
        how={"stores": STORES},
    script:
        "../workflow_scripts/report.py"


rule summary:
    input:
        results=lambda w: [f"{RESULTS}/{dataset}.json" for dataset in tested_datasets()],
        reports=lambda w: [
            f"{RESULTS}/{dataset}/report.html" for dataset in tested_datasets()
        ],
    output:
        report(
            f"{RESULTS}/report.html",
            caption="captions/summary.rst",
            category="All datasets",
        ),
    log:
        "logs/summary/all.log",
    benchmark:
        "benchmarks/summary/all.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, results=20),
        runtime=minutes(10),
        gpu=0,
    params:
        kept=OWN,
    script:
        "../workflow_scripts/summary.py"
