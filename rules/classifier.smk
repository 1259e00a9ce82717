"""Stage 6: the classifier as a file, and what it says of images without labels."""


rule export_classifier:
    input:
        classifier_inputs,
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
        files=classifier_files,
        choice=lambda w: classifier_choice(w.dataset),
        encoder=encoder_settings,
        tuning=lambda w: tuning_settings(w.dataset),
        leaks=EVALUATION.leaks,
        device=evaluation_device,
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
        device=lambda w: CONFIG.encoders[predicting_encoder()].device,
    script:
        "../workflow_scripts/predict.py"
