"""Stage 6: the classifier as a file, and what it says of images without labels."""


rule export_classifier:
    input:
        unpack(classifier_inputs),
        evaluation=classifier_evaluation,
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
        gpu=lambda w: gpus(evaluation_device(w)),
    params:
        kept=OWN,
        dataset=lambda w: w.dataset,
        name=lambda w: w.encoder,
        names=lambda w: names_of(classifier_files(w)),
        choice=lambda w: classifier_choice(w.dataset).model_dump(),
        encoder=lambda w: CONFIG.encoders[w.encoder].model_dump(exclude=RUNS_ANYHOW),
        tuning=lambda w: tuning_settings(w.dataset),
        leaks=EVALUATION.leaks,
        how=evaluation_runs,
    script:
        "../workflow_scripts/export_classifier.py"


rule predict:
    input:
        unpack(prediction_files),
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
        gpu=lambda w: gpus(CONFIG.encoders[predicting_encoder()].device),
    params:
        kept=OWN,
        how=lambda w: {"device": CONFIG.encoders[predicting_encoder()].device},
    script:
        "../workflow_scripts/predict.py"
