"""Stage 7: the report."""

from susx.planning import evaluation, packages, reports


rule analyse:
    input:
        unpack(asked(reports.analysis_inputs)),
        evaluation=rules.evaluate.output[0],
    output:
        f"{WORK}/{{dataset}}/analysis/{{encoder}}.json",
    log:
        "logs/analyse/{dataset}/{encoder}.log",
    benchmark:
        "benchmarks/analyse/{dataset}/{encoder}.tsv"
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
        dataset=lambda w: w.dataset,
        encoder=lambda w: w.encoder,
        names=asked(reports.analysis_names),
        row=asked(reports.shown_row),
        wanted=asked(reports.analysis_settings),
        packages=asked(packages.of_analysis),
        how=asked(evaluation.evaluation_runs),
    script:
        "../workflow_scripts/analyse.py"


rule report:
    input:
        unpack(asked(reports.page_files)),
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
    params:
        kept=OWN,
        supports=asked(reports.shown_supports),
        queried=asked(reports.queried_supports),
        settings=SETUP.config.report.model_dump(),
        how={"stores": SETUP.stores},
    script:
        "../workflow_scripts/report.py"


rule summary:
    input:
        results=asked(reports.tested_results),
        reports=asked(reports.tested_reports),
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
    resources:
        mem_mb=memory(1000, results=20),
        runtime=minutes(10),
    params:
        kept=OWN,
    script:
        "../workflow_scripts/summary.py"
