"""Input functions of support sets: pools, queries, candidates, what chooses among them."""

from susx.config.encoders import files_of_model
from susx.web.etiquette import crawler

CANDIDATES = {False: 2, True: 10}  # per image wanted; downloaded or not
DRAWN_ANYHOW = {"device", "batch_size", "threads"}
"""Keys of synthesis that say how it runs, not what it draws."""
DOWNLOADED_ANYHOW = {"wave_factor", "rerank", "threads", "user_agent"}
"""Keys of `download` that are no rules of what is kept; the first two are in `wanted_images`."""


def pool_of(support):
    """Shards of the pool that a support set is retrieved from, by name."""
    return SHARDS[CONFIG.supports[support].pool]


def local_images(support):
    """Folder of the images of a pool that has paths in place of addresses, or nothing."""
    return getattr(CONFIG.pools[CONFIG.supports[support].pool], "images", None) or ""


def query_encoder(support):
    """Encoder of the texts that a support set is retrieved or ranked again with, or None."""
    entry = CONFIG.supports[support]
    return getattr(CONFIG.pools[entry.pool], "encoder", None) or entry.encoder


def query_cache(wildcards):
    """Cache of the texts that a support set is retrieved or ranked again with, if any."""
    encoder, query = (
        query_encoder(wildcards.support),
        CONFIG.supports[wildcards.support].query,
    )
    return f"{CACHE}/{encoder}/{wildcards.dataset}/text-{query}.h5" if encoder else []


def local_shard(wildcards):
    """Files of a shard without images that are on this machine."""
    pool = CONFIG.supports[wildcards.support].pool
    files = SHARDS[pool][wildcards.shard].local_files
    return [existing(path, f"pools.{pool}.path") for path in files]


def index_file(wildcards):
    """Index that a support set is searched in."""
    pool = CONFIG.supports[wildcards.support].pool
    return existing(SHARDS[pool][wildcards.shard].path, f"pools.{pool}.index")


def selection(support):
    """How the images of a retrieved support set are chosen among its candidates."""
    keys = {"size", "select", "margin", "max_cosine", "refuse"}
    return CONFIG.supports[support].model_dump(include=keys)


def compares_embeddings(support):
    """Whether the choice of images looks at more than the ranking."""
    entry = CONFIG.supports[support]
    return entry.select != "top" or entry.max_cosine is not None


def judging_encoder(support):
    """Encoder that downloaded images are judged by, or None."""
    own = CONFIG.supports[support].encoder
    return query_encoder(support) if own or compares_embeddings(support) else None


def judge_settings(wildcards):
    """Settings of the encoder that downloaded images are judged by, or None."""
    name = judging_encoder(wildcards.support)
    return encoder_settings(SimpleNamespace(encoder=name)) if name else None


def judge_runs(wildcards):
    """How that encoder runs."""
    name = judging_encoder(wildcards.support)
    return encoder_runs(SimpleNamespace(encoder=name))["runs"] if name else {}


def judge_hub(wildcards):
    """Models of that encoder that the hub publishes."""
    name = judging_encoder(wildcards.support)
    return hub_models(name) if name else []


def judge_models(wildcards):
    """Local models of that encoder."""
    name = judging_encoder(wildcards.support)
    return listed_models(name) if name else {}


def judge_gpus(wildcards):
    """GPUs of a download whose images are judged."""
    return gpus(judge_runs(wildcards).get("device"))


def judge_inputs(wildcards):
    """Texts and model that downloaded images are judged by.

    Published embeddings have ranked them already.
    """
    name = judging_encoder(wildcards.support)
    ranks_anew = CONFIG.supports[wildcards.support].encoder is not None
    return {
        "model": model_files(name) if name else [],
        "ranking": [query_cache(wildcards)] if ranks_anew else [],
        "agreeing": agreeing_text(wildcards),
    }


def wanted_images(support):
    """How many images of the web are kept and downloaded per class."""
    entry, settings = CONFIG.supports[support], CONFIG.download
    return {
        "size": entry.size,
        "quota": entry.size * (settings.rerank if judging_encoder(support) else 1),
        "wave_factor": settings.wave_factor,
        "source": f"retrieval from {entry.pool}",
        "refuse": entry.refuse,
    }


def few_shot(wildcards):
    """Settings of a few-shot support set."""
    return CONFIG.supports[SEEDS[wildcards.support][0]]


def support_views(wildcards):
    """Random views per image of a few-shot support set, and their seed."""
    if wildcards.support not in SEEDS:
        return {}
    return {"views": few_shot(wildcards).views, "seed": SEEDS[wildcards.support][1]}


def shard_cache(wildcards):
    """Cache of a pool shard, embedded by the encoder of the queries."""
    support = CONFIG.supports[wildcards.support]
    return f"{CACHE}/{support.encoder}/pools/{support.pool}/{wildcards.shard}.h5"


def shard_file(wildcards):
    """File or folder of a pool shard."""
    path = SHARDS[wildcards.pool][wildcards.shard].path
    return apart(path, f"pools.{wildcards.pool}.path")


def image_source(shard):
    """What tells which images a pool shard has, wherever it lies; captions do not."""
    unseen = ("path", "caption_column", "metadata_columns")
    return {key: value for key, value in vars(shard).items() if key not in unseen}


def candidate_files(wildcards):
    """Candidates of a support set, one file per shard."""
    folder = f"{WORK}/{wildcards.dataset}/support/{wildcards.support}/candidates"
    return [f"{folder}/{shard}.parquet" for shard in pool_of(wildcards.support)]


def synthesis_prompts(wildcards):
    """Texts that a support set is drawn from."""
    query = SYNTHESISED[wildcards.support].query
    return f"{WORK}/{wildcards.dataset}/prompts/{query}.json"


def synthesis_model(wildcards):
    """Files of a local text-to-image model; none for one from the hub."""
    return files_of_model(SYNTHESISED[wildcards.support].model)


def hub_synthesis_model(wildcards):
    """The text-to-image model, if the hub publishes it: identifier and revision."""
    settings = SYNTHESISED[wildcards.support]
    return (
        [] if Path(settings.model).exists() else [(settings.model, settings.revision)]
    )


def drawn_chunks(wildcards, kinds=("parquet", "tar")):
    """Tables and tars of the chunks of classes that a support set is drawn in."""
    folder = f"{WORK}/{wildcards.dataset}/support/{wildcards.support}/chunks"
    per_chunk = SYNTHESISED[wildcards.support].chunk
    starts = range(0, len(class_names(wildcards.dataset)), per_chunk)
    return [f"{folder}/{i:05d}.{kind}" for kind in kinds for i in range(len(starts))]


def candidate_limit(support):
    """Number of candidates per query and class of a support set."""
    settings = CONFIG.supports[support]
    return settings.size * (settings.candidates or CANDIDATES[support in DOWNLOADED])


def candidate_features(wildcards):
    """Caches of the candidates' shards, for choices that look at more than the ranking."""
    if not compares_embeddings(wildcards.support):
        return []
    names = SimpleNamespace(support=wildcards.support)
    shards = pool_of(wildcards.support)
    return [shard_cache(names) for names.shard in shards]


def agreeing_text(wildcards):
    """Cache of the texts that must agree with the choice of a candidate."""
    if CONFIG.supports[wildcards.support].select != "agree":
        return []
    encoder = query_encoder(wildcards.support)
    text = configured_texts(wildcards.dataset)[0]
    return [f"{CACHE}/{encoder}/{wildcards.dataset}/text-{text}.h5"]
