"""Stage 2: texts per class."""

from susx.planning import descriptions, frequent_names, packages, texts


rule describe_classes:
    input:
        model=asked(descriptions.language_model_files),
    output:
        f"{WORK}/{{dataset}}/replies/{{texts}}/{{chunk}}.json",
    log:
        "logs/describe_classes/{dataset}/{texts}/{chunk}.log",
    benchmark:
        "benchmarks/describe_classes/{dataset}/{texts}/{chunk}.tsv"
    wildcard_constraints:
        dataset=one_of(descriptions.described_datasets(SETUP)),
    conda:
        "../envs/llm.yaml"
    threads: asked(descriptions.language_model_threads)
    resources:
        mem_mb=asked(descriptions.language_model_memory),
        runtime=minutes(720),
        gpu=asked(descriptions.language_model_gpus),
        requests=asked(descriptions.language_model_requests),
    params:
        kept=IN_WORK,
        classes=asked(descriptions.chunk_names),
        asked=asked(descriptions.asked_settings),
        model=asked(descriptions.language_model_settings),
        hub=asked(descriptions.hub_language_model),
        packages=asked(packages.of_language_model),
        listed=asked(descriptions.local_language_model),
        how=asked(descriptions.language_model_runs),
    script:
        "../workflow_scripts/describe_classes.py"


rule join_descriptions:
    input:
        classes=rules.class_manifest.output[0],
        chunks=asked(descriptions.chunk_files),
    output:
        f"{WORK}/{{dataset}}/{{texts}}.json",
    log:
        "logs/join_descriptions/{dataset}/{texts}.log",
    benchmark:
        "benchmarks/join_descriptions/{dataset}/{texts}.tsv"
    wildcard_constraints:
        dataset=one_of(descriptions.described_datasets(SETUP)),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        kept=IN_WORK,
        texts=lambda w: w.texts,
    script:
        "../workflow_scripts/join_descriptions.py"


rule prompts:
    input:
        classes=rules.class_manifest.output[0],
        descriptions=asked(texts.text_file, source="descriptions"),
        descriptors=asked(texts.text_file, source="descriptors"),
        counts=asked(frequent_names.count_files),
    output:
        f"{WORK}/{{dataset}}/prompts/{{strategy}}.json",
    log:
        "logs/prompts/{dataset}/{strategy}.log",
    benchmark:
        "benchmarks/prompts/{dataset}/{strategy}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        # A description of 70 bytes on disk takes 500 in memory, until all are written.
        mem_mb=memory(500, descriptions=10, descriptors=10),
        runtime=minutes(10),
    params:
        kept=IN_WORK,
        strategy=lambda w: w.strategy,
        sources=asked(texts.strategy_sources),
        settings=asked(texts.prompt_settings),
        described=asked(texts.described_keys),
        files=asked(texts.text_files),
        pool=asked(frequent_names.counted_pool),
    script:
        "../workflow_scripts/prompts.py"
