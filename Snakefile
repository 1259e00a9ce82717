# susx: from class names to a training-free image classifier.
#
# results/{dataset}/predictions.parquet               <- images without labels, classified by
# results/{dataset}/classifier/{encoder}.safetensors     one row of the result
# results/{dataset}.json                              <- work/{dataset}/evaluation/{encoder}.json
# results/report.html, results/{dataset}/report.html, figures/ <- work/{dataset}/analysis/{encoder}.json
# cache/{encoder}/{dataset}/text-{strategy}.h5           texts of a prompt strategy
# cache/{encoder}/{dataset}/images-{split}.h5, patches-{split}.h5 for CALIP, support-{support}.h5
# cache/{encoder}/pools/{pool}/{shard}.h5                one shard of an image pool
# work/{dataset}/support/{support}/manifest.parquet, images.tar, candidates/{shard}.parquet,
#     downloads/ and answers/ of the web, chunks/{chunk}.parquet, .tar of synthesis
# work/{dataset}/{texts}.json                         <- work/{dataset}/replies/{texts}/{chunk}.json
# work/{dataset}/images/{split}.parquet               <- work/{dataset}/downloads/{split}.json
# work/{dataset}/classes.json, prompts/{strategy}.json
# check/{dataset}.json, check/full/{dataset}.json; logs/{rule}/..., benchmarks/{rule}/...
# Links lead into work/store and cache/store, by what was made from what (docs/reliability.md).
# Every wildcard is a name from config.yaml; `work`, `cache` and `results` are set under `roots`.

from snakemake.utils import min_version

min_version("9.0")


include: "rules/configuration.smk"


configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/demo.smk"
include: "rules/classes.smk"
include: "rules/prompts.smk"
include: "rules/support.smk"
include: "rules/synthesis.smk"
include: "rules/web.smk"
include: "rules/embeddings.smk"
include: "rules/features.smk"
include: "rules/evaluate.smk"
include: "rules/classifier.smk"
include: "rules/report.smk"
include: "rules/ends.smk"
include: "rules/stale.smk"


rule all:
    default_target: True
    input:
        asked(result_files),
    localrule: True
