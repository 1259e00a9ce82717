"""Configuration, wildcards and input functions shared by the rules."""

import re
import time
from pathlib import Path
from types import SimpleNamespace

from susx.config.supports import Retrieval, draws_of
from susx.config.schema import evaluated_config
from susx.config import parse_config
from susx.config.datasets import tuning_split, with_card
from susx.config.encoders import local_files
from susx.config.synthesis import Synthesis
from susx.published.files import feature_files, require
from susx.images.kinds import added_formats
from susx.methods import METHODS
from susx.config.pools import REMOTE
from susx.pools.indices import has_index, index_shards
from susx.pools.shards import pool_shards
from susx.pools.web import web_shards

STARTED = time.time()
ADDED_FORMATS = added_formats()
ENVIRONMENT = "../envs/susx.yaml"
ENCODER_ENVIRONMENT = "../envs/encoders.yaml"
WEB_ENVIRONMENT = "../envs/web.yaml"
DEMO_DATA = Path("demo/data")
DEMO_FILES = re.compile(r"demo/data/(test|validation|pool/\d{5}\.tar)")


try:
    CONFIG = parse_config(config)
    DATASETS = {
        name: with_card(dataset, f"config.yaml: datasets.{name}.card: ")
        for name, dataset in CONFIG.datasets.items()
    }
    TUNED_ON = {name: tuning_split(dataset) for name, dataset in DATASETS.items()}
    SHARDS = {
        name: (
            (index_shards if has_index(pool) else web_shards)(
                pool,
                f"config.yaml: pools.{name}",
                f"{CONFIG.roots.cache}/listings/{name}.json",
            )
            if pool.layout in REMOTE
            else pool_shards(pool, f"config.yaml: pools.{name}")
        )
        for name, pool in CONFIG.pools.items()
    }
except InputError as error:
    raise Refused(str(error)) from None

WORK = CONFIG.roots.work
CACHE = CONFIG.roots.cache
RESULTS = CONFIG.roots.results
STORES = [f"{WORK}/store", CONFIG.roots.store or f"{CACHE}/store"]
OWN = {"work": WORK, "stores": STORES}
IN_WORK, IN_CACHE = (OWN | {"store": store} for store in STORES)
ONCE = "once"  # what is there is a source, whoever made it
SPLITS = ("test", "validation", "train")
UNLABELLED = "unlabelled"
IMAGES = {name: d.images for name, d in DATASETS.items() if d.images}
FEATURES = {name: d.features for name, d in DATASETS.items() if d.features}
FEATURE_FILES = {name: feature_files(name, f) for name, f in FEATURES.items()}
BACKBONES = {features.backbone for features in FEATURES.values()}
EVALUATION = CONFIG.evaluation
EVALUATED_ENCODERS = EVALUATION.encoders or list(CONFIG.encoders)
SEEDS = draws_of(CONFIG.supports)
RETRIEVED = [
    name for name, support in CONFIG.supports.items() if isinstance(support, Retrieval)
]
SYNTHESISED = {
    name: support.resolved()
    for name, support in CONFIG.supports.items()
    if isinstance(support, Synthesis)
}
LAYOUTS = {name: CONFIG.pools[CONFIG.supports[name].pool].layout for name in RETRIEVED}
LAYOUTS |= {
    name: "index"
    for name in RETRIEVED
    if has_index(CONFIG.pools[CONFIG.supports[name].pool])
}
DOWNLOADED = [name for name, layout in LAYOUTS.items() if layout in (*REMOTE, "index")]


def one_of(names):
    """Regular expression that matches exactly the given names."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    dataset=one_of(DATASETS),
    strategy=one_of(CONFIG.prompts),
    support=one_of([*RETRIEVED, *SYNTHESISED, *SEEDS]),
    encoder=one_of(CONFIG.encoders),
    pool=one_of(CONFIG.pools),
    shard=one_of({shard for shards in SHARDS.values() for shard in shards}),
    split=one_of([*SPLITS, UNLABELLED]),
    texts="descriptions|descriptors",
    chunk=r"\d+",


def memory(base, factor=0, **factors):
    """Memory of a job in MB, by the size of its input, and more at every further attempt.

    `factor` counts all of the input, a named one that part of it.
    """

    def mem_mb(wildcards, input, attempt):
        parts = [(factor, input)] if factor else []
        parts += [(by, input.get(name)) for name, by in factors.items()]
        return attempt * (base + int(sum(by * megabytes(files) for by, files in parts)))

    return mem_mb


def megabytes(files):
    """Size of one file or of several; FileNotFoundError tells Snakemake to ask again later."""
    paths = [files] if isinstance(files, str) else files
    return sum(Path(path).stat().st_size for path in paths) / 1e6


def minutes(base):
    """Run time of a job in minutes, more at every further attempt."""
    return lambda wildcards, attempt: attempt * base


def gpus(device):
    """GPUs that a job requests: one for `cuda`; with `auto`, what a profile says is requested."""
    return int(device == "cuda")


def result_files(datasets):
    """Everything that a bare `snakemake` makes: results, or predictions where nothing is tested."""
    return [
        (
            f"{RESULTS}/{dataset}/predictions.parquet"
            if dataset in IMAGES and lacking_split(dataset, "test")
            else f"{RESULTS}/{dataset}.json"
        )
        for dataset in datasets
    ]


def located(dataset):
    """Whether the images of a dataset are where the configuration says."""
    try:
        return bool(result_files([dataset]))
    except Refused:
        return False


def print_results():
    """Print the tables of the results that this run wrote, and where its reports are."""
    from susx.cli.show import show

    def new(path):
        return path.exists() and path.stat().st_mtime >= STARTED

    for path in filter(new, map(Path, result_files(filter(located, DATASETS)))):
        show(path)
    pages = [f"{RESULTS}/{dataset}/report.html" for dataset in DATASETS]
    for page in filter(new, map(Path, [*pages, f"{RESULTS}/report.html"])):
        print(f"report: {page}")
