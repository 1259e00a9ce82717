"""Jobs around their work, on a toy pipeline."""

import os
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import pytest

from susx.artifacts import memory
from susx.artifacts.ground import Job, Storage
from susx.artifacts.making import Paths, make
from susx.artifacts.memory import Memory
from susx.artifacts.plan import plan_work
from susx.artifacts.recipe import Receipt
from susx.artifacts.store import receipt_of
from susx.core.errors import InputError
from tests.artifact_world import RESULT, STAGES, Killed, World

ALL = ["class_manifest", "image_manifest", "embed_images", "embed_shard", "embed_shard",
       "select_support", "evaluate", "collate"]  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "world").write_sources()
    world.run()
    return world


@contextmanager
def at_work(world: World, stage: str) -> Iterator[Job]:
    """One job of a world, in its folder."""
    with chdir(world.root):
        yield next(job for job in world.jobs if job.stage == stage)


def test_a_run_makes_everything_once(world: World) -> None:
    assert world.ran == ALL
    world.run()
    assert world.ran == []


def test_going_back_makes_nothing_but_the_result(world: World) -> None:
    before = world.result
    world.settings["precision"] = "float16"
    world.run()
    assert world.ran == ["embed_images", "evaluate", "collate"]
    world.settings["precision"] = "float32"
    world.run()
    assert world.ran == ["collate"]
    assert world.result == before


def test_settings_that_do_not_count_are_no_reason(world: World) -> None:
    jobs = world.jobs
    assert all("how" in job.params and "how" not in job.settings for job in jobs)


def test_equal_content_upstream_cuts_the_run_short(world: World) -> None:
    (world.root / "classes.txt").write_text("ant  bee\ncat")  # the same names
    world.run()
    assert world.ran == ["class_manifest", "collate"]  # a file of its own is written again


def test_purged_caches_cost_nothing_until_they_are_read(world: World) -> None:
    import shutil

    shutil.rmtree(world.root / "cache")
    world.run()
    assert world.ran == []
    world.settings["seed"] = 1
    world.run()
    assert sorted(world.ran) == sorted(
        ["embed_images", "evaluate", "collate"]
    )  # shards stay unmade: the support set that was made from them is there


def test_a_failed_try_does_not_make_the_next_call_lie(world: World) -> None:
    before = world.result
    (world.root / "images/ant/new.png").write_text("new")
    with pytest.raises(Killed):
        world.run(failing="evaluate")
    world.run()
    assert world.result != before
    assert world.planned().stale == {}


def test_an_input_that_changes_while_it_is_read_is_refused(world: World) -> None:
    (world.root / "images/ant/new.png").write_text("new")
    other = world.root / "images/ant/0.png"
    with pytest.raises(InputError, match=r"an input changed while this ran .*images changed"):
        world.run(during=lambda: other.write_text("changed meanwhile"))
    world.run()
    assert world.planned().stale == {}


def test_an_input_that_is_put_back_while_it_is_read_is_refused(world: World) -> None:
    (world.root / "images/ant/new.png").write_text("new")
    other = world.root / "images/ant/0.png"

    def change_and_restore() -> None:
        before = other.stat()
        text = other.read_text()
        other.write_text("changed meanwhile")
        other.write_text(text)
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(InputError, match=r"images: written while this ran; run again"):
        world.run(during=change_and_restore)
    world.run()
    assert world.ran == ["image_manifest", "embed_images", "evaluate", "collate"]


@pytest.mark.parametrize("when", ["before", "during"])
def test_files_of_a_model_that_arrive_after_planning_are_refused(world: World, when: str) -> None:
    """What is made then may have been read from them, and must not be known without them."""
    world.settings["precision"] = "float16"
    late = world.root / "model/processor_config.json"

    def work(paths: Paths) -> None:
        assert when == "during"
        late.write_text("{}")
        STAGES["embed_images"](paths, {"precision": "float16"})

    with at_work(world, "embed_images") as embed:
        if when == "before":
            late.write_text("{}")
        match = r"model/processor_config\.json: not there yet when this was planned; run again"
        with pytest.raises(InputError, match=match):
            make(embed, work)
    late.unlink()
    assert "cache/images.json" in world.planned().stale


def test_parts_made_from_files_that_were_put_back_are_not_gone_on_from(world: World) -> None:
    world.settings["precision"] = "float16"
    weights = world.root / "model/weights/a.bin"
    seen = []
    with at_work(world, "embed_images") as embed:

        def cut(paths: Paths) -> None:
            assert paths.parts is not None
            seen.append(paths.parts.exists())
            paths.parts.mkdir(parents=True)
            raise KeyboardInterrupt

        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                make(embed, cut)
            text = weights.read_text()
            weights.write_text("others")
            weights.write_text(text)
    assert seen == [False, False]


def test_no_job_follows_a_name_that_another_project_switched(world: World) -> None:
    """Names of caches lie in one folder, which another project may write at the same time."""
    other = World(world.root.with_name("other"), store=str(world.root / "cache/store"))
    other.write_sources()
    (other.root / "images/ant/0.png").write_text("another image")
    other.run()
    name = world.root / "cache/images.json"
    world.settings["seed"] = 5
    world.planned().prepare(Storage("work", ["work/store", "cache/store"]))
    name.unlink()
    name.symlink_to((other.root / "cache/images.json").resolve())

    with at_work(world, "evaluate") as evaluate:
        make(evaluate, lambda paths: STAGES["evaluate"](paths, evaluate.settings))
    world.run()

    assert world.ran == ["collate"]
    assert world.result == world.from_scratch(world.root.with_name("scratch"))


def test_an_own_file_is_looked_at_however_much_else_has_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "YOUNG", 0)  # all is remembered at once
    assert world.planned().stale == {}
    (world.root / RESULT).write_text("edited")
    with chdir(world.root):
        assert list(plan_work(world.jobs, [RESULT], Memory("work/memory", 0)).stale) == [RESULT]


def test_a_receipt_tells_what_its_job_took(world: World) -> None:
    with at_work(world, "embed_images") as embed:
        took = receipt_of(embed.outputs["output"]).made["took"]
    assert set(took) == {"seconds", "cpu_seconds", "peak_mib"}
    assert all(value >= 0 for value in took.values())
    assert took["peak_mib"] > 1


def test_a_job_refuses_a_damaged_object_and_the_next_run_makes_it(world: World) -> None:
    object_file = (world.root / "cache/images.json").resolve()
    text = object_file.read_text()
    object_file.chmod(0o644)
    object_file.write_text(text.replace("a", "b"))
    match = r"cache/images\.json: is not what was made any more"
    with at_work(world, "evaluate") as evaluate, pytest.raises(InputError, match=match):
        make(evaluate, lambda paths: None)
    world.run()
    assert world.ran == []  # nothing reads it
    world.settings["seed"] = 5
    world.run()
    assert world.ran == ["embed_images", "evaluate", "collate"]
    assert object_file.read_text() == text


def test_work_that_writes_nothing_is_an_error(world: World) -> None:
    world.settings["seed"] = 5
    with at_work(world, "evaluate") as evaluate:
        with pytest.raises(InputError, match=r"output\.json: the job ended without writing it"):
            make(evaluate, lambda paths: None)
        assert [p.name for p in Path("work/store/tmp").iterdir()] == []


def test_who_loses_a_race_takes_what_the_other_made(world: World) -> None:
    """The slower process fails because the faster one removed what it was reading."""
    world.settings["seed"] = 5
    with at_work(world, "evaluate") as evaluate:

        def slower(paths: Paths) -> None:
            make(evaluate, lambda own: STAGES["evaluate"](own, evaluate.settings))
            raise OSError("a part is gone")

        make(evaluate, slower)
        assert Path("work/evaluation.json").exists()


def test_finished_parts_stay_for_the_next_try(world: World) -> None:
    world.settings["precision"] = "float16"
    seen = []
    with at_work(world, "embed_images") as embed:

        def cut(paths: Paths) -> None:
            assert paths.parts is not None
            seen.append(sorted(p.name for p in paths.parts.glob("*")))
            paths.parts.mkdir(parents=True, exist_ok=True)
            (paths.parts / "0.h5").write_text("a part")
            raise KeyboardInterrupt

        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                make(embed, cut)
    assert seen == [[], ["0.h5"]]


def test_links_are_followed_once(world: World) -> None:
    """A link that another run switches while a job reads does not change what it reads."""
    world.settings["seed"] = 5
    with at_work(world, "evaluate") as evaluate:

        def switched(paths: Paths) -> None:
            name = Path("cache/images.json")
            name.unlink()
            name.symlink_to("elsewhere")
            STAGES["evaluate"](paths, evaluate.settings)

        make(evaluate, switched)
    world.run()
    assert world.result == world.from_scratch(world.root.with_name("scratch"))


def test_a_result_names_everything_that_led_to_it(world: World) -> None:

    receipt = Receipt.read(world.root / f"work/receipts/{RESULT}.json")
    stages = sorted(r.recipe.stage for r in receipt.with_ancestors.values())
    assert stages == sorted(ALL)
    sources = {
        source.path
        for ancestor in receipt.with_ancestors.values()
        for sources in ancestor.recipe.inputs.values()
        for source in sources
        if source.key is None
    }
    assert sources == {"classes.txt", "images", "model/config.json", "model/weights/a.bin",
                       "pool/0.tar", "pool/1.tar"}  # fmt: skip


def test_a_link_into_a_store_of_another_project_is_known_by_its_content(
    world: World, tmp_path: Path
) -> None:
    other = World(tmp_path / "other").write_sources()
    other.run()
    shard = world.root / "pool/0.tar"
    shard.unlink()
    shard.symlink_to((other.root / "work/support.tar").resolve())
    world.run()
    target = shard.resolve()
    target.chmod(0o644)
    target.write_text("overwritten")
    world.run()
    assert "embed_shard" in world.ran
    assert world.result == world.from_scratch(tmp_path / "scratch")


def test_a_folder_of_its_own_is_known_by_its_content(world: World) -> None:

    job = Job("report", {}, {"figures": "results/figures"}, {}, Storage("work"))

    def draw(paths: Paths) -> None:
        Path(paths.outputs["figures"]).mkdir(exist_ok=True)
        Path(paths.outputs["figures"], "a.svg").write_text("<svg/>")

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(world.root)
        make(job, draw)
        assert plan_work([job], ["results/figures"], Memory("work/memory")).stale == {}
        Path("results/figures/a.svg").write_text("<svg>other</svg>")
        assert list(plan_work([job], ["results/figures"], Memory("work/memory")).stale) == [
            "results/figures"
        ]


def test_errors_name_files_as_people_know_them(world: World) -> None:
    world.settings["seed"] = 5
    with at_work(world, "evaluate") as evaluate:

        def fail(paths: Paths) -> None:
            raise InputError(f"{paths.inputs['images'][0]}: odd; {paths.outputs['output']}: full")

        with pytest.raises(InputError) as raised:
            make(evaluate, fail)
    assert str(raised.value) == "cache/images.json: odd; work/evaluation.json: full"
