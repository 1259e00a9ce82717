"""Tune and test every method on one encoder's caches."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """All grids and values are in published units; the evaluation rescales them."""
    from susx.core.compute import flush_subnormals, pick_device
    from susx.core.files import write_checked
    from susx.evaluation.files import CacheFiles
    from susx.evaluation.protocol import EvaluationPlan
    from susx.evaluation.results import evaluate_caches
    from susx.evaluation.tuning import TuningSettings

    flush_subnormals()
    params, device = job.params, pick_device(job.params.how["device"])
    tuning = TuningSettings.of({**params.tuning, "memory_mib": params.how["memory_mib"]})
    plan = EvaluationPlan(**params.plan, tuning=tuning)
    files = CacheFiles.of(job.input, params.names)
    evaluation = evaluate_caches(params.encoder, files, plan, logging.info, params.model, device)
    write_checked(job.output[0], evaluation)


if __name__ == "__main__":
    run_job(main, globals())
