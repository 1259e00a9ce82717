"""What all rules share: the setup, output folders, wildcards, and how rules ask for their inputs."""

import time

from susx.images.kinds import added_formats
from susx.planning.datasets import SPLITS, UNLABELLED
from susx.planning.evaluation import result_files
from susx.planning.resources import memory_mb, run_minutes
from susx.planning.setup import Setup
from susx.planning.staleness import ONCE
from susx.planning.targets import one_of
from susx.workflow.functions import refusals, rule_function
from susx.workflow.previews import asked_gaps

STARTED = time.time()
ADDED_FORMATS = added_formats()
ENVIRONMENT = "../envs/susx.yaml"
ENCODER_ENVIRONMENT = "../envs/encoders.yaml"
WEB_ENVIRONMENT = "../envs/web.yaml"

with refusals():
    SETUP = Setup.of(config, asked_gaps())

WORK, CACHE, RESULTS = SETUP.work, SETUP.cache, SETUP.results
OWN = {"work": WORK, "stores": SETUP.stores}
IN_WORK, IN_CACHE = (OWN | {"store": store} for store in SETUP.stores)


def asked(function, **fixed):
    """What a planning function says of the run, and of the wildcards that its signature names."""
    return rule_function(SETUP, function, fixed)


def memory(base, factor=0, largest=None, **factors):
    """Memory in MB: that without input, and per MB of all input, of a named part of it, or of the
    largest file of a part."""
    parts = {"factors": factors, "largest": largest or {}}
    return asked(memory_mb, base=base, factor=factor, **parts)


def minutes(base):
    """Run time of the first attempt."""
    return asked(run_minutes, base=base)


wildcard_constraints:
    dataset=one_of(SETUP.entries),
    strategy=one_of(SETUP.config.prompts),
    support=one_of([*SETUP.retrieved, *SETUP.synthesised, *SETUP.seeds]),
    encoder=one_of(SETUP.config.encoders),
    pool=one_of(SETUP.config.pools),
    shard=one_of({shard for shards in SETUP.shards.values() for shard in shards}),
    split=one_of([*SPLITS, UNLABELLED]),
    texts="descriptions|descriptors",
    chunk=r"\d+",


def print_results():
    """Print what this run made; `susx run` keeps it within a terminal."""
    from susx.cli import ended

    if FOLLOWED.has_view:
        ended.print_ended(SETUP, STARTED, workflow.overwrite_configfiles)
    else:
        ended.print_tables(SETUP, STARTED)
