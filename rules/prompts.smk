"""Stage 2: texts per class."""


rule describe_classes:
    input:
        model=language_model_files,
    output:
        f"{WORK}/{{dataset}}/replies/{{texts}}/{{chunk}}.json",
    log:
        "logs/describe_classes/{dataset}/{texts}/{chunk}.log",
    benchmark:
        "benchmarks/describe_classes/{dataset}/{texts}/{chunk}.tsv"
    wildcard_constraints:
        dataset=one_of({dataset for dataset, _ in WRITTEN}),
    conda:
        "../envs/llm.yaml"
    threads: lambda w: getattr(language_model(w), "threads", 1)
    resources:
        mem_mb=language_model_memory,
        runtime=minutes(720),
        gpu=lambda w: gpus(getattr(language_model(w), "device", "cpu")),
        requests=lambda w: getattr(language_model(w), "concurrency", 0),
    params:
        kept=IN_WORK,
        classes=chunk_names,
        asked=lambda w: written(w).model_dump(include=set(ASKED)),
        model=lambda w: language_model(w).model_dump(exclude=HOW_IT_RUNS),
        hub=hub_language_model,
        listed=local_language_model,
        how=lambda w: {
            "name": written(w).model,
            "runs": language_model(w).model_dump(include=HOW_IT_RUNS),
        },
    script:
        "../workflow_scripts/describe_classes.py"


rule join_descriptions:
    input:
        classes=rules.class_manifest.output[0],
        chunks=chunk_files,
    output:
        f"{WORK}/{{dataset}}/{{texts}}.json",
    log:
        "logs/join_descriptions/{dataset}/{texts}.log",
    benchmark:
        "benchmarks/join_descriptions/{dataset}/{texts}.tsv"
    wildcard_constraints:
        dataset=one_of({dataset for dataset, _ in WRITTEN}),
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
        gpu=0,
    params:
        kept=IN_WORK,
        texts=lambda w: w.texts,
    script:
        "../workflow_scripts/join_descriptions.py"


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
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(10),
        gpu=0,
    params:
        kept=IN_WORK,
        strategy=lambda w: w.strategy,
        sources=lambda w: strategy_sources(w.strategy),
        settings=lambda w: DATASETS[w.dataset].model_dump(
            include={"template", "ensemble"}
        ),
        described=lambda w: description_keys(name_source(w.dataset)["card"]),
        files=lambda w: {source: text_file(source)(w) or None for source in TEXT_FILES},
    script:
        "../workflow_scripts/prompts.py"
