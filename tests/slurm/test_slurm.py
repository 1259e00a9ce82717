"""Runs on a real Slurm: the same results as on one machine, whatever befalls a job."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from susx.progress.files import last_file, read_run
from tests.slurm.cluster import Cluster
from tests.workflow.project import REPO, RESULT, SHARDS, Outcome, Project, assert_same_outputs
from tests.workflow.sets import ALL, add_sets, assert_one_reads

SUPPORT = "cache/clip/tiny/support-lc.h5"

# This cluster has no accounting, and its jobs are short: Snakemake looks after 3 s, and at once
# again, to which the plugin adds 10 s for every look at which no job had ended. Grouped rules share
# one start of Slurm and of two Snakemakes.
OVERRIDES = [
    *("--profile", str(REPO / "profiles/slurm")),
    *("--slurm-no-account", "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "10"),
    *("--seconds-between-status-checks", "1"),
]
FEWER_JOBS = [
    *("--groups", "image_manifest=images", "embed_images=images"),
    *("search_shard=support", "select_support=support", "embed_support=support"),
    *("--group-components", "text=8", "images=2"),
]

pytestmark = [pytest.mark.slurm, pytest.mark.pipeline]


def attempt(cluster: Cluster, project: Project, *arguments: str, **env: str) -> Outcome:
    """Run a project on the cluster, whatever becomes of it."""
    env = {"HF_HUB_OFFLINE": "1", **cluster.env, **env}
    return project.attempt(*OVERRIDES, *arguments, env=env)


def lose_support(project: Project) -> None:
    """Remove a cache with its contents, so that it has to be made."""
    shutil.rmtree(project.path(SUPPORT).resolve().parent)
    project.path(SUPPORT).unlink()


def run(cluster: Cluster, project: Project, *arguments: str, **env: str) -> Outcome:
    """Run a project on the cluster and expect success."""
    outcome = attempt(cluster, project, *arguments, **env)
    assert outcome.returncode == 0, outcome.output
    return outcome


def test_a_run_through_slurm_gives_the_results_of_a_local_run(
    cluster: Cluster, fresh_project: Project, finished: Project
) -> None:
    on_gpu = ["--set-resources", "embed_text:gpu=1", "embed_text:slurm_partition=gpu"]

    # Nothing is killed or measured here, so that what Slurm starts may start warm.
    run(cluster, fresh_project, RESULT, *FEWER_JOBS, *on_gpu, WARM_STEPS="1")

    assert_same_outputs(finished, fresh_project)
    told = read_run(last_file(fresh_project.root))
    assert told.state == "ended"
    assert len(told.of("done")) == told.total
    jobs = cluster.jobs()
    assert {job.state for job in jobs} == {"COMPLETED"}
    assert sorted(job.comment.split("_")[1] for job in jobs) == [
        *("embed", "embed", "evaluate", "images", "support", "text"),
    ]
    assert all(job.array == job.comment.startswith("rule_embed_shard") for job in jobs)
    (text,) = (job for job in jobs if job.comment.startswith("rule_text"))
    assert (text.gpus, text.node) == ("gres:gpu:1", "node1")


@pytest.mark.long
def test_a_shard_is_read_once_for_all_sets(cluster: Cluster, fresh_project: Project) -> None:
    add_sets(fresh_project)
    run(cluster, fresh_project, *ALL, WARM_STEPS="1")
    for shard in SHARDS:
        assert_one_reads(fresh_project, "search_shard", shard)
    assert sum(job.comment.startswith("rule_search") for job in cluster.jobs()) == 1


@pytest.mark.long
def test_a_cancelled_job_is_reported_and_the_next_call_finishes(
    cluster: Cluster, project: Project, finished: Project
) -> None:
    lose_support(project)

    with ThreadPoolExecutor() as pool:
        call = pool.submit(attempt, cluster, project, SUPPORT, "--retries", "0")
        cluster.call("scancel", cluster.running("embed_support").id)
    cancelled = call.result()
    run(cluster, project, SUPPORT)

    assert cancelled.returncode != 0
    assert "Error in rule embed_support" in cancelled.output
    end = "\n".join(cancelled.output.splitlines()[-10:])
    assert "embed_support (encoder=clip, dataset=tiny, support=lc): no error in its log; " in end
    assert "SLURM status is: 'CANCELLED'" in end
    assert "log: logs/embed_support/clip/tiny/lc.log" in end
    assert_same_outputs(finished, project)


def test_a_job_over_its_memory_is_killed_and_tried_again_with_more(
    cluster: Cluster, project: Project, finished: Project
) -> None:
    lose_support(project)

    # Less than PyTorch takes, and more than ten times that.
    memory = "embed_support:mem_mb=200 * attempt ** 4"
    outcome = run(cluster, project, SUPPORT, "--set-resources", memory)

    assert [job.memory for job in cluster.jobs()] == ["200M", "3200M"]
    assert "Error in rule embed_support" in outcome.output
    log = re.search(r"\S+\.snakemake/slurm_logs/\S+\.log", outcome.output)
    assert "Exceeded job memory limit" in Path(log[0]).read_text("utf-8")
    assert_same_outputs(finished, project)


@pytest.mark.long
def test_a_job_over_its_time_is_killed_and_tried_again_with_more(
    cluster: Cluster, project: Project, finished: Project
) -> None:
    lose_support(project)

    with ThreadPoolExecutor() as pool:
        call = pool.submit(run, cluster, project, SUPPORT)
        hanging = cluster.running("embed_support")
        cluster.freeze(hanging)
        # Limits are whole minutes, but their end may be moved; Slurm looks every 30 s.
        cluster.call("scontrol", "update", f"JobId={hanging.id}", "EndTime=now+1seconds")
    outcome = call.result()

    jobs = cluster.jobs()
    assert [job.state for job in jobs] == ["TIMEOUT", "COMPLETED"]
    assert [hanging.limit, jobs[1].limit] == ["12:00:00", "1-00:00:00"]
    assert "SLURM status is: 'TIMEOUT'" in outcome.output
    assert_same_outputs(finished, project)


@pytest.mark.long
def test_a_job_whose_node_dies_runs_on_another_node(
    cluster: Cluster, project: Project, finished: Project
) -> None:
    lose_support(project)

    with ThreadPoolExecutor() as pool:
        call = pool.submit(run, cluster, project, SUPPORT)
        first = cluster.running("embed_support")
        cluster.kill_node(first.node)
    call.result()
    *_, last = cluster.jobs()  # the same job, put back; or a second attempt
    cluster.start_node(first.node)

    assert last.state == "COMPLETED"
    assert last.node != first.node
    assert_same_outputs(finished, project)
