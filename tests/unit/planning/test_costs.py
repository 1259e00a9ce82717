"""Costs of jobs and steps, and what earlier jobs tell of them."""

import re
import socket
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demo.world import write_images, write_pool_shard
from susx.artifacts.ground import Job, Storage
from susx.artifacts.recipe import Output, Receipt, Recipe
from susx.artifacts.store import Store
from susx.manifests.tables import ImageRecord, Table, write_table
from susx.planning.costs import OTHER, REACHED, SLOW, STEPS, Cost, job_cost, step_costs, step_of
from susx.planning.encoders import encoder_settings
from susx.planning.image_sizes import DEMO_PHOTO, DEMO_WEB_IMAGE
from susx.planning.loads import LOADS, MEMBER, PHOTO, START, Load, load_of
from susx.planning.machine import Machine, timed_machine, usable_cores
from susx.planning.rates import TRUSTED, EarlierJobs, Rate
from susx.planning.run import PlannedJob
from susx.planning.setup import Setup
from tests.helpers import tar_bytes
from tests.planned_world import NAMES
from tests.planned_world import setup_of as planned_setup

ROOT = Path(__file__).parents[3]
RULES = {
    rule
    for file in (ROOT / "rules").glob("*.smk")
    for rule in re.findall(r"^rule (\w+):", file.read_text("utf-8"), re.MULTILINE)
}
NO_GPU = Machine(2, 1e11)
WITH_GPU = Machine(2, 1e11, "a GPU", {"float32": 1e13, "float16": 1e14})
HEAVY = Load(1000, "images", 1e12, "drawer", "float16", gpu=True, start=START)


def never() -> Machine:
    raise AssertionError("the machine was timed")


def planned(rule: str, names: Mapping[str, str], setup: Setup, **params: Any) -> PlannedJob:
    kept = Storage(setup.work, setup.stores, setup.stores[1])
    return PlannedJob(Job(rule, {}, {"output": f"{rule}.out"}, params, kept), names)


def drawing(setup: Setup, chunk: int) -> PlannedJob:
    names = {"dataset": "tiny", "support": "drawn", "chunk": f"{chunk:05d}"}
    return planned("synthesise", names, setup, settings={"model": "m", "steps": 4, "size": 16})


def setup_of(pool: Mapping[str, Any]) -> Setup:
    """A setup with another pool of images."""
    return planned_setup(lambda config: config["pools"].update(web=pool))


def keep(setup: Setup, job: PlannedJob, seconds: float, rows: int, host: str = "") -> None:
    """Let a job have been done, which made a table of so many rows."""
    recipe = Recipe(job.rule, 1, job.job.settings, {})
    store = Store(setup.stores[1])
    with store.making() as folder:
        record = ImageRecord("0", "0.png", 0, "zebra", "", 8, 8)
        table = Table([record] * rows, "", {})
        write_table(folder / "output.parquet", table, ImageRecord)
        size = (folder / "output.parquet").stat().st_size
        made = {"host": host or socket.gethostname(), "took": {"seconds": seconds}}
        receipt = Receipt(recipe, {"output": Output("output.parquet", "", size)}, made)
        store.add(folder, receipt)


def test_every_rule_belongs_to_a_step() -> None:
    assert {rule for rules in STEPS.values() for rule in rules} == RULES - {"all"}
    assert LOADS.keys() < RULES
    assert step_of("of another workflow") == OTHER


def test_a_model_takes_its_operations_over_the_speed_that_it_reaches() -> None:
    on_cpu = job_cost(HEAVY, None, lambda: NO_GPU)
    assert on_cpu == Cost(START + 1e15 / 1e11 / REACHED["cpu"]["drawer"], "assumed")
    on_gpu = job_cost(HEAVY, None, lambda: WITH_GPU)
    assert on_gpu == Cost(START + 1e15 / 1e14 / REACHED["gpu"]["drawer"], "assumed")


def test_images_are_prepared_while_a_gpu_computes() -> None:
    load = Load(1000, "images", 1e10, "encoder", gpu=True, cpu=1.0)
    assert job_cost(load, None, lambda: WITH_GPU).seconds == load.start + 1000 / usable_cores()


def test_a_small_model_is_not_worth_timing_the_machine() -> None:
    load = Load(100, "images", 1e9, "encoder", cpu=0.0)
    assert job_cost(load, None, never).seconds == load.start + 1e11 / SLOW


def test_what_is_not_known_has_no_time() -> None:
    assert job_cost(Load(None, "images"), None, never).seconds is None
    assert job_cost(Load(9, "replies", None, "writer"), None, never).seconds is None


def test_earlier_jobs_count_more_than_assumptions() -> None:
    rate = Rate(0.5, 60.0)
    assert job_cost(HEAVY, rate, never) == Cost(500.0, "measured here")
    assert job_cost(Load(None, "images"), rate, never) == Cost(60.0, "measured here")
    short = Rate(None, 3.0)
    assert job_cost(HEAVY, short, lambda: NO_GPU).basis == "assumed"


def test_the_largest_trusted_job_of_this_machine_tells_the_rate(setup: Setup) -> None:
    job = drawing(setup, 1)
    for seconds, rows in ((TRUSTED - 1, 100), (40.0, 10), (60.0, 30)):
        keep(setup, drawing_like(job, seed=rows), seconds, rows)
    keep(setup, drawing_like(job, seed=1), 10.0, 900, host="elsewhere")
    keep(setup, drawing_like(job, steps=85), 10.0, 900)
    found = EarlierJobs().rate(job)
    assert found == Rate(2.0, pytest.approx((TRUSTED - 1 + 40 + 60) / 3))


def drawing_like(job: PlannedJob, **change: Any) -> PlannedJob:
    settings = {**job.job.params["settings"], **change}
    own = Job(job.rule, {}, job.job.outputs, {"settings": settings}, job.job.kept)
    return PlannedJob(own, job.names)


def test_without_earlier_jobs_there_is_no_rate(setup: Setup) -> None:
    assert EarlierJobs().rate(drawing(setup, 0)) is None
    own = PlannedJob(Job("collate", {}, {"output": "x"}), {})
    assert EarlierJobs().rate(own) is None


def test_loads_follow_from_counts(setup: Setup) -> None:
    first, last = (load_of(setup, drawing(setup, chunk)) for chunk in (0, 1))
    assert (first.n, last.n, first.unit) == (48, 16, "images")
    encoder = encoder_settings(setup, "clip")
    names = {"dataset": "tiny", "encoder": "clip", "support": "few-seed0"}
    support = load_of(setup, planned("embed_support", names, setup, encoder=encoder))
    assert support.n == 4 * 2 * 10
    names = {"dataset": "asked", "texts": "descriptions"}
    asked = {"questions": ["q"] * 5, "samples": 10, "max_tokens": 50}
    more = {"classes": {"zebra": "zebra"}, "asked": asked, "listed": {"models": ["writer"]}}
    written = load_of(setup, planned("describe_classes", names, setup, **more))
    assert (written.n, written.unit, written.gpu) == (50, "replies", True)
    web = {"dataset": "tiny", "support": "captions"}
    assert load_of(setup, planned("download_support", web, setup)).n == 12


def select(setup: Setup) -> float:
    """Bytes that a retrieved image is taken to have."""
    names = {"dataset": "tiny", "support": "lc"}
    return load_of(setup, planned("select_support", names, setup)).size - MEMBER


def write_parquet(path: Path, sizes: Sequence[int]) -> None:
    random = np.random.default_rng(0)
    rows = [{"bytes": random.bytes(size), "path": f"{n}.jpg"} for n, size in enumerate(sizes)]
    pq.write_table(pa.table({"text": ["x"] * len(rows), "image": rows}), path)


def test_images_of_a_local_pool_have_the_bytes_that_they_have(setup: Setup) -> None:
    assert select(setup) == PHOTO  # the shards cannot be read
    for number, size in enumerate((1000, 3000)):
        members = {f"{n}.{end}": b"x" * size for n in range(20) for end in ("json", "jpg", "txt")}
        Path(f"pool/{number:03d}.tar").write_bytes(tar_bytes(members))
    assert select(setup) == 2000
    Path("pool/000.tar").write_bytes(Path("pool/000.tar").read_bytes()[:700])
    assert select(setup) == 3000
    for size, name in ((500, "a/1.png"), (700, "b/2.jpg"), (9000, "b/2.txt"), (9000, ".c.png")):
        Path("loose-pool", name).parent.mkdir(parents=True, exist_ok=True)
        Path("loose-pool", name).write_bytes(b"x" * size)
    assert select(setup_of(pool={"layout": "folder", "path": "loose-pool"})) == 600
    write_parquet(Path("pool/0.parquet"), [2560, 5120] * 50)
    found = select(setup_of(pool={"layout": "parquet", "path": "pool/*.parquet"}))
    assert found == pytest.approx(3840, rel=0.02)  # lengths and heads of pages are counted, too
    write_parquet(Path("pool/1.parquet"), [])
    Path("pool/2.parquet").write_bytes(b"PAR1")
    assert select(setup_of(pool={"layout": "parquet", "path": "pool/*.parquet"})) == found


def test_images_that_lie_here_are_not_fetched(setup: Setup) -> None:
    Path("loose/photo.png").write_bytes(b"x" * 1234)
    names = {"dataset": "tiny", "support": "files"}
    load = load_of(setup, planned("download_support", names, setup))
    assert (load.size - MEMBER, load.fetched, load.waits) == (1234, 0, 0)
    of_the_web = load_of(setup, planned("download_support", {**names, "support": "vectors"}, setup))
    assert of_the_web.size - MEMBER == PHOTO and of_the_web.fetched >= PHOTO


def test_training_images_have_the_bytes_that_they_have(setup: Setup) -> None:
    def size(dataset: str, setup: Setup) -> float:
        names = {"dataset": dataset, "support": "few-seed0"}
        return load_of(setup, planned("draw_support", names, setup)).size - MEMBER

    Path("images/train/zebra/0.png").write_bytes(b"x" * 4321)
    assert size("tiny", setup) == 4321
    assert size("cifar10", setup) == PHOTO
    batches = Path("data/cifar10/cifar-10-batches-py")
    batches.mkdir(parents=True)
    for number in range(1, 6):
        (batches / f"data_batch_{number}").write_bytes(b"x" * 10_000)
    (batches / "batches.meta").touch()
    assert size("cifar10", planned_setup()) == pytest.approx(1, rel=0.1)  # of 50,000


def test_the_demos_own_data_are_counted() -> None:
    demo = {"classes": NAMES, "images": {"test": "demo/data/test"}}
    pool = {"layout": "webdataset", "path": "demo/data/pool/{00000..00003}.tar"}
    setup = planned_setup(lambda c: c["datasets"].update(own=demo) or c["pools"].update(web=pool))
    kept = {"kept": "once"}
    photos = PlannedJob(
        Job("demo_images", {}, {"output": "demo/data/test"}, {**kept, "per_class": 40}),
        {"split": "test"},
    )
    shard = PlannedJob(Job("demo_pool", {}, {"output": "x.tar"}, {**kept, "size": 3000}))
    found = [load_of(setup, job) for job in (photos, shard)]
    assert [(load.n, load.unit) for load in found] == [(160, "images"), (3000, "images")]
    assert select(setup) == DEMO_WEB_IMAGE
    unused = PlannedJob(replace(photos.job, outputs={"output": "x"}), photos.names)
    assert load_of(setup, unused).n is None


def test_the_demos_images_have_about_as_many_bytes(tmp_path: Path) -> None:
    write_images(tmp_path / "test", "test", 2, 0)
    write_pool_shard(tmp_path / "pool.tar", 0, 100, 0)
    photos = [path.stat().st_size for path in (tmp_path / "test").rglob("*.png")]
    assert sum(photos) / len(photos) == pytest.approx(DEMO_PHOTO, rel=0.25)
    with tarfile.open(tmp_path / "pool.tar") as tar:
        web = [member.size for member in tar if member.name.endswith(".png")]
    assert sum(web) / len(web) == pytest.approx(DEMO_WEB_IMAGE, rel=0.25)
    size = (tmp_path / "pool.tar").stat().st_size
    assert size / len(web) == pytest.approx(DEMO_WEB_IMAGE + 2 * MEMBER, rel=0.25)


def test_a_step_sums_up_its_jobs(setup: Setup) -> None:
    jobs = [drawing(setup, chunk) for chunk in (0, 1)]
    jobs = [
        PlannedJob(Job(j.rule, {}, {"output": f"{i}"}, j.job.params, j.job.kept), j.names)
        for i, j in enumerate(jobs)
    ]
    (cost,) = step_costs(setup, jobs, {"0"}, lambda: WITH_GPU)
    assert (cost.step, cost.jobs, cost.current) == ("support: synthesis", 1, 1)
    assert cost.things == {"images": 48}
    assert cost.range == (cost.seconds / 2, cost.seconds * 2)
    (none,) = step_costs(setup, jobs, set(), never)
    assert (none.jobs, none.current, none.seconds) == (0, 2, 0)


def test_a_machine_is_timed_briefly() -> None:
    found = timed_machine()
    assert found.cpu > 1e8
    assert found.cores >= 1
