"""Tune and test every method on one encoder's caches."""

import logging

from susx_job import run_job


def main(job):
    """All grids and values are in published units; the evaluation rescales them."""
    from susx.compute import pick_device
    from susx.evaluation import Plan
    from susx.files import write_checked
    from susx.methods import Axis
    from susx.results import CacheFiles, evaluate_caches
    from susx.tuning import Settings

    tuning = dict(job.params.tuning)
    tuning["grid"] = {
        method: {name: Axis(**axis) for name, axis in axes.items()}
        for method, axes in tuning["grid"].items()
    }
    device = pick_device(job.params.device)
    plan = Plan(**job.params.plan, tuning=Settings(**tuning), device=device)
    files = CacheFiles(**job.params.files)
    write_checked(job.output[0], evaluate_caches(job.wildcards.encoder, files, plan, logging.info))


if "snakemake" in globals():
    run_job(main, snakemake)
