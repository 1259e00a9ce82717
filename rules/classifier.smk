"""Stage 6: the classifier as a file, and what it says of images without labels."""

from susx.planning import classifier, encoders, evaluation, packages


rule export_classifier:
    input:
        unpack(asked(classifier.classifier_inputs)),
        evaluation=asked(classifier.classifier_evaluation),
    output:
        f"{RESULTS}/{{dataset}}/classifier/{{encoder}}.safetensors",
    log:
        "logs/export_classifier/{dataset}/{encoder}.log",
    benchmark:
        "benchmarks/export_classifier/{dataset}/{encoder}.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=memory(2000, 8),
        runtime=minutes(240),
        gpu=asked(evaluation.evaluation_gpus),
    params:
        kept=OWN,
        dataset=lambda w: w.dataset,
        name=lambda w: w.encoder,
        names=asked(classifier.classifier_names),
        choice=asked(classifier.classifier_row),
        encoder=asked(encoders.exported_settings),
        tuning=asked(evaluation.tuning_settings),
        leaks=SETUP.config.evaluation.leaks,
        packages=asked(packages.of_classifier),
        how=asked(evaluation.evaluation_runs),
    script:
        "../workflow_scripts/export_classifier.py"


rule predict:
    input:
        unpack(asked(classifier.prediction_files)),
    output:
        report(
            f"{RESULTS}/{{dataset}}/predictions.parquet",
            caption="captions/predictions.rst",
            category="Predictions",
            labels={"dataset": "{dataset}"},
        ),
    log:
        "logs/predict/{dataset}.log",
    benchmark:
        "benchmarks/predict/{dataset}.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=memory(2000, 8),
        runtime=minutes(60),
        gpu=asked(classifier.prediction_gpus),
    params:
        kept=OWN,
        packages=asked(packages.of_classifier),
        how=asked(classifier.prediction_runs),
    script:
        "../workflow_scripts/predict.py"
