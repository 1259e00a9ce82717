"""The shipped command through the Slurm profile; a local call then has nothing to do."""

import os
import shlex
from pathlib import Path

import pytest

from susx.evaluation.schema import read_result
from tests.e2e.clone import cloned
from tests.made import imagenet
from tests.made.hub_models import published_models
from tests.slurm.cluster import Cluster
from tests.slurm.test_slurm import OVERRIDES

RESULT = "results/imagenet.json"

pytestmark = [pytest.mark.slurm, pytest.mark.pipeline, pytest.mark.long]


def test_imagenet_in_one_line_through_slurm(cluster: Cluster, tmp_path: Path) -> None:
    with cloned(tmp_path, published_models(tmp_path / "models")) as clone:
        imagenet.write_flat_with_packed_kit(clone.root / "data/imagenet")
        programs = os.pathsep.join([cluster.env["PATH"], clone.env["PATH"]])
        env = {**cluster.env, "WARM_STEPS": "1", "PATH": programs}
        clone.run(shlex.join(["snakemake", *OVERRIDES, RESULT]), **env)
        jobs = cluster.jobs()
        assert {job.state for job in jobs} == {"COMPLETED"}
        assert len(jobs) >= 10
        result = read_result(clone.root / RESULT)
        assert (result.n_test, result.skipped) == (len(imagenet.truth()), [])
        assert {run.support for run in result.runs} == {None, "lc", "sd"}
        again = clone.run(f"snakemake --cores 2 {RESULT}")
        assert again.jobs == []
