"""Whatever changes behind the pipeline's back, no number is stale and none is foreign."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from susx.artifacts.stages import STAGES
from tests.helpers import image_bytes, write_class_folders, write_pool_tar
from tests.long import long
from tests.small_package import save_small_encoder
from tests.workflow.attacks import (
    add_unseen,
    fresh,
    killing,
    numbers,
    overtaking,
    overwrite_unseen,
    put_older,
    raising,
    replace_older,
)
from tests.workflow.project import (
    FOLDERS,
    NAMES,
    OF_OTHERS,
    RESULT,
    Project,
    assert_same_outputs,
)

pytestmark = pytest.mark.pipeline

IMAGES = "cache/clip/tiny/images-test.h5"
MANIFEST = "work/tiny/images/test.parquet"


def assert_as_from_scratch(project: Project, place: Path) -> None:
    scratch = fresh(project, place)
    assert numbers(project) == numbers(scratch)
    assert project.plan(RESULT).jobs == []


@pytest.mark.long
def test_two_projects_with_one_cache_keep_their_own_numbers(
    project: Project, tmp_path: Path
) -> None:
    """Same names of datasets, encoders and pools; other images, other shards with the same keys."""
    shared = {"cache": str(tmp_path / "cache")}
    project.change_config(lambda config: config.update(roots=shared))
    project.run(RESULT)
    first = numbers(project)
    other = project.copy(tmp_path / "other")
    for name in ("work", "results"):
        shutil.rmtree(other.path(name))
    shutil.rmtree(other.path("images/test"))
    write_class_folders(other.path("images/test"), FOLDERS, 4, seed=77)
    write_pool_tar(other.path("pool/000.tar"), 40, seed=99)
    outcome = other.run(RESULT)
    assert "embed_images" in outcome.rules
    assert_as_from_scratch(other, tmp_path / "scratch")
    second = numbers(other)
    assert second["n_test"] == 16 != first["n_test"]

    project.run(RESULT)

    assert numbers(project) == first
    other.run(RESULT)
    assert numbers(other) == second


def test_a_second_project_finds_what_is_equal(project: Project, tmp_path: Path) -> None:
    """A clone under another dataset name, with a store of its own links, embeds nothing."""
    store = str(tmp_path / "store")
    project.change_config(lambda config: config.update(roots={"store": store}))
    for name in ("work", "cache", "results"):
        shutil.rmtree(project.path(name))
    project.run(RESULT)
    clone = project.copy(tmp_path / "clone")
    for name in ("work", "cache", "results"):
        shutil.rmtree(clone.path(name))

    outcome = clone.run(RESULT)

    assert not [line for line in outcome.output.splitlines() if "batches of texts" in line]
    assert numbers(clone) == numbers(project)
    assert {path.resolve().is_relative_to(store) for path in clone.root.glob("cache/*/*/*.h5")} == {
        True
    }


@pytest.mark.parametrize("how", ["replaced", "link switched", "processor added", "file added"])
def test_another_model_is_noticed(how: str, project: Project) -> None:
    model = project.path("model")
    if how == "replaced":
        save_small_encoder(project.path("other"), seed=1)
        replace_older(model, project.path("other"))
    elif how == "link switched":
        save_small_encoder(project.path("models/b"), seed=1)
        model.rename(project.path("models/a"))
        model.symlink_to("models/a")
        assert project.plan(RESULT).jobs == []
        model.unlink()
        model.symlink_to("models/b")
    elif how == "processor added":
        put_older(model / "processor_config.json", (model / "config.json").read_bytes())
    else:
        put_older(model / "added_tokens.json", b"{}")

    planned = project.plan(RESULT)

    embedding = {"embed_images", "embed_text", "embed_shard", "embed_support", "evaluate"}
    assert embedding <= planned.rules
    assert "stale: cache/clip/tiny/images-test.h5: model/" in planned.output


@pytest.mark.long
def test_a_reordered_class_list_is_noticed(project: Project, tmp_path: Path) -> None:
    reordered = [*NAMES[1:], NAMES[0]]
    put_older(project.path("classes.txt"), ("\n".join(reordered) + "\n").encode())

    project.run(RESULT)

    assert project.read_json("work/tiny/classes.json")["classes"][0]["name"] == NAMES[1]
    assert_as_from_scratch(project, tmp_path / "scratch")


@pytest.mark.parametrize("what", ["image", "subfolder", "image bytes", "shard", "descriptions"])
def test_older_and_hidden_changes_are_noticed(what: str, project: Project) -> None:
    shard, photo = project.path("pool/001.tar"), project.path("images/test/café/000.png")
    if what == "image":
        add_unseen(project.path("images/test/café/new.png"), image_bytes((1, 2, 3)))
    elif what == "subfolder":
        add_unseen(project.path("images/test/café/deep/er/new.png"), image_bytes((1, 2, 3)))
    elif what == "image bytes":
        data = photo.read_bytes()
        overwrite_unseen(photo, data[:-20] + bytes(20))
    elif what == "shard":
        write_pool_tar(project.path("new.tar"), 40, seed=5)
        put_older(shard, project.path("new.tar").read_bytes())
        project.change_config(lambda config: config["supports"]["lc"].update(size=2))
    else:
        descriptions = project.read_descriptions()
        descriptions["zebra"] = ["it has stripes."]
        text = project.path("descriptions.json").read_text()
        project.write_descriptions(descriptions)
        new = project.path("descriptions.json").read_bytes()
        project.path("descriptions.json").write_text(text)
        put_older(project.path("descriptions.json"), new)

    planned = project.plan(RESULT).made

    expected = {
        "shard": {"cache/clip/pools/web/001.h5", "work/tiny/support/lc/candidates/001.parquet"},
        "descriptions": {"work/tiny/prompts/cupl.json", "cache/clip/tiny/text-cupl.h5"},
    }.get(what, {MANIFEST, IMAGES})
    assert expected <= planned
    assert RESULT in planned
    assert "cache/clip/pools/web/000.h5" not in planned


def test_images_that_a_list_names_are_watched(project: Project) -> None:
    rows = ["path,label", *(f"images/test/{name}/000.png,{name}" for name in FOLDERS)]
    project.path("list.csv").write_text("\n".join([*rows, "elsewhere/1.png,zebra"]), "utf-8")
    images = {"test": "list.csv"}
    project.change_config(lambda config: config["datasets"]["tiny"].update(images=images))
    project.run(RESULT)
    assert project.read_json(RESULT)["images"]["test"]["n_unreadable"] == 1
    assert project.plan(RESULT).jobs == []

    add_unseen(project.path("elsewhere/1.png"), image_bytes((9, 9, 9)))

    assert {MANIFEST, IMAGES, RESULT} <= project.plan(RESULT).made


def test_snakemakes_records_are_not_needed(project: Project) -> None:
    shutil.rmtree(project.path(".snakemake"))
    assert project.plan(RESULT).jobs == []
    template = {"template": "a sketch of a {}."}
    project.change_config(lambda config: config["datasets"]["tiny"].update(template))
    assert "work/tiny/prompts/photo.json" in project.plan(RESULT).made


def test_a_raised_version_makes_exactly_its_stage_again(project: Project) -> None:
    planned = project.run("--dry-run", RESULT, env=raising(project, "embed_support"))
    assert planned.made == {
        "cache/clip/tiny/support-lc.h5",
        "work/tiny/evaluation/clip.json",
        RESULT,
    }
    version = STAGES["embed_support"]
    assert f"stage embed_support is of version {version + 1}, was {version}" in planned.output


@pytest.mark.parametrize("rule", ["evaluate", long("embed_text")])
def test_a_failed_try_does_not_make_the_next_call_lie(
    rule: str, project: Project, tmp_path: Path
) -> None:
    if rule == "evaluate":
        for number in range(5):
            photo = project.path(f"images/test/zebra/more-{number}.png")
            photo.write_bytes(image_bytes((90, 10, 200), seed=number))
    else:
        template = {"template": "zzz {} qqq"}
        project.change_config(lambda config: config["datasets"]["tiny"].update(template))
    failed = project.attempt(RESULT, env=killing(project, rule))
    assert failed.returncode != 0

    project.run(RESULT)

    assert project.read_json(RESULT)["n_test"] == 24 + 5 * (rule == "evaluate")
    assert_as_from_scratch(project, tmp_path / "scratch")


def test_going_back_to_an_earlier_setting_embeds_nothing(project: Project) -> None:
    before = numbers(project)
    template = project.config["datasets"]["tiny"].get("template")
    assert template is None
    project.change_config(lambda c: c["datasets"]["tiny"].update(template="a sketch of a {}."))
    project.run(RESULT)
    project.change_config(lambda c: c["datasets"]["tiny"].pop("template"))

    outcome = project.run(RESULT)

    assert outcome.rules == {"collate"}
    assert numbers(project) == before


def test_a_typo_costs_nothing(project: Project) -> None:
    project.change_config(lambda config: config["encoders"]["clip"].update(model="modle"))
    assert project.attempt(RESULT).returncode != 0
    project.change_config(lambda config: config["encoders"]["clip"].update(model="model"))

    outcome = project.run(RESULT)

    assert outcome.rules <= {"collate"}


def test_unchanged_content_costs_a_look(project: Project, tmp_path: Path) -> None:
    for path in project.root.rglob("*"):
        if path.is_file() and not path.is_symlink() and "store" not in path.parts:
            os.utime(path)
            path.chmod(0o600)
    assert project.plan(RESULT).jobs == []
    subprocess.run(["cp", "-r", str(project.root), str(tmp_path / "copy")], check=True)
    assert Project(tmp_path / "copy").plan(RESULT).jobs == []


def test_purged_caches_cost_nothing_until_they_are_read(project: Project, tmp_path: Path) -> None:
    shutil.rmtree(project.path("cache"))
    assert project.run(RESULT).jobs == []
    project.change_config(lambda config: config["evaluation"].update(fixed=OF_OTHERS))
    outcome = project.run(RESULT)
    assert {"embed_images", "embed_text", "embed_support", "evaluate"} <= outcome.rules
    assert "embed_shard" not in outcome.rules
    assert_as_from_scratch(project, tmp_path / "scratch")


@pytest.mark.parametrize("store", ["work/store", "cache/store"])
def test_a_store_that_is_gone_leaves_links_that_cost_nothing(project: Project, store: str) -> None:
    shutil.rmtree(project.path(store))

    assert project.run(RESULT).jobs == []
    assert project.plan(RESULT).jobs == []


def test_a_cache_overwritten_by_another_one_is_made_again(project: Project) -> None:
    before = numbers(project)
    name = project.path(IMAGES)
    name.resolve().chmod(0o644)
    shutil.copyfile(project.path("cache/clip/tiny/images-validation.h5"), name)  # through the link
    project.change_config(lambda config: config["evaluation"].update(fixed=OF_OTHERS))

    outcome = project.run(RESULT)

    assert outcome.made == {IMAGES, "work/tiny/evaluation/clip.json", RESULT}
    assert [run["top1"] for run in numbers(project)["runs"]] == [
        run["top1"] for run in before["runs"]
    ]


def test_another_result_in_the_place_of_ours_is_replaced(project: Project) -> None:
    before = numbers(project)
    text = project.path(RESULT).read_text("utf-8")
    put_older(project.path(RESULT), text.replace('"n_test": 24', '"n_test": 25').encode())

    assert project.run(RESULT).rules == {"collate"}

    assert numbers(project) == before


def test_two_runs_at_once_make_the_same(finished: Project, fresh_project: Project) -> None:
    """An orphan of a killed run, whose lock somebody removed, and the next run."""
    target = "work/tiny/support/lc/manifest.parquet"
    runs = [
        subprocess.Popen(
            fresh_project.command(target, "--nolock"),
            cwd=fresh_project.root,
            env=fresh_project.environment({"HF_HUB_OFFLINE": "1"}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [run.communicate(timeout=600)[0] for run in runs]
    if any(run.returncode for run in runs):  # Snakemake deleted a link that the other had made
        fresh_project.run(target)
    assert not any("unexpected error" in output for output in outputs), outputs
    assert_same_outputs(finished, fresh_project, part=True)
    assert fresh_project.path(target).exists()
    stores = ("work/store", "cache/store")
    left = [p for store in stores for p in (fresh_project.path(store) / "tmp").iterdir()]
    assert [p.name for p in left if p.name != "parts"] == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"images": {"test": "a{x}b"}}, "has braces, which stand for wildcards"),
        ({"images": {"test": "demo/data/typo"}}, "not found: demo/data/typo"),
        ({"descriptions": "demo/data/typo.json"}, "not found: demo/data/typo.json"),
        ({"classes": "d{v2}.txt"}, "has braces, which stand for wildcards"),
        ({"images": {"unlabelled": "."}}, "holds work, which the pipeline writes"),
        ({"classes": "z" * 300}, "File name too long"),
    ],
    ids=["braces", "demo images", "demo texts", "class list", "itself", "long"],
)
def test_what_cannot_be_told_is_no_reason_to_keep_an_old_number(
    change: dict[str, object], says: str, project: Project
) -> None:
    """Snakemake drops a job whose inputs cannot be told, if its output is there."""
    shutil.copytree(project.path("images/test"), project.path("a{x}b"))
    project.change_config(lambda config: config["datasets"]["tiny"].update(change))
    target = "work/tiny/images/unlabelled.parquet" if "unlabelled" in str(change) else RESULT

    outcome = project.attempt(target)

    assert outcome.returncode != 0
    assert outcome.jobs == []
    assert says in outcome.output.splitlines()[-1]


def test_class_names_beside_shards_are_watched(project: Project) -> None:
    from tests.hub import mirror

    for name, data in mirror().items():
        path = project.path(f"data/pets/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    card = {"title": "Pets", "template": "a {}.", "classes": ["cat", "dog"], "sources": [
        {"name": "mirror", "layout": "webdataset", "splits": {"test": "test/*.tar"}}]}  # fmt: skip
    project.path("card.yaml").write_text(json.dumps(card))
    entry = {"card": "card.yaml", "images": {"root": "data/pets"}}
    project.change_config(lambda config: config["datasets"].update(pets=entry))
    manifest = "work/pets/images/test.parquet"
    project.run(manifest)
    names = project.path("data/pets/classnames.txt")

    put_older(names, "\n".join(names.read_text().split()[::-1]).encode())

    assert manifest in project.plan(manifest).made


def test_a_lock_that_was_left_is_no_reason_to_keep_an_old_number(project: Project) -> None:
    before = numbers(project)
    project.change_config(lambda c: c["datasets"]["tiny"].update(template="a sketch of a {}."))
    project.run(RESULT)
    assert numbers(project) != before
    project.change_config(lambda c: c["datasets"]["tiny"].pop("template"))
    lock = project.path(".snakemake/locks/0.output.lock")
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(f"{RESULT}\n")
    assert "--unlock" in project.attempt(RESULT).output

    project.run(RESULT, "--nolock")

    assert numbers(project) == before


def test_a_run_that_another_one_overtakes_stops(project: Project) -> None:
    """Without a lock two runs may mean different things by the same names."""
    project.change_config(lambda config: config["evaluation"].update(fixed=OF_OTHERS))

    outcome = project.attempt(RESULT, "--nolock", env=overtaking(project, "collate"))

    assert outcome.returncode != 0
    assert "another run of this project has begun" in outcome.output
    assert project.run(RESULT).rules == {"collate"}


@pytest.mark.parametrize("place", ["model", "images/test"])
def test_a_store_within_what_jobs_read_is_refused(project: Project, place: str) -> None:
    project.change_config(lambda config: config.update(roots={"store": f"{place}/store"}))

    outcome = project.attempt(RESULT)

    assert outcome.returncode != 0
    assert f"{place} holds {place}/store, which the pipeline writes" in outcome.output


def test_options_that_would_show_an_old_number_are_refused(project: Project) -> None:
    touched = project.attempt(RESULT, "--touch")
    allowed = project.attempt(RESULT, "--allowed-rules", "evaluate", "collate")

    assert touched.returncode != 0 != allowed.returncode
    assert "--touch: content decides" in touched.output
    assert "--allowed-rules leaves out the rule that makes" in allowed.output


@pytest.mark.long
def test_two_projects_at_once_with_one_cache_keep_their_own_numbers(
    finished: Project, project: Project, tmp_path: Path
) -> None:
    """Both switch the same readable names while the other one works."""
    project.change_config(lambda config: config.update(roots={"cache": str(tmp_path / "cache")}))
    for name in ("work", "results", "cache"):
        shutil.rmtree(project.path(name))
    other = project.copy(tmp_path / "other")
    shutil.rmtree(other.path("images/test"))
    write_class_folders(other.path("images/test"), FOLDERS, 4, seed=77)
    runs = [
        subprocess.Popen(
            one.command(RESULT),
            cwd=one.root,
            env=one.environment({"HF_HUB_OFFLINE": "1"}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for one in (project, other)
    ]
    outputs = [run.communicate(timeout=600)[0] for run in runs]

    assert [run.returncode for run in runs] == [0, 0], outputs
    assert numbers(project) == numbers(finished)
    assert project.plan(RESULT).jobs == []
    assert_as_from_scratch(other, tmp_path / "scratch")


def test_an_empty_class_folder_that_arrives_is_seen(project: Project, tmp_path: Path) -> None:
    project.path("images/test/no such class").mkdir()

    outcome = project.attempt(RESULT)

    assert outcome.returncode != 0
    assert 'images/test: "no such class"' in outcome.output


def test_a_name_that_is_no_utf8_is_named(project: Project) -> None:
    name = os.fsencode(project.path("images/test/café")) + b"/\xff.png"
    Path(os.fsdecode(name)).write_bytes(image_bytes((1, 2, 3)))

    outcome = project.attempt(RESULT)

    assert outcome.returncode != 0
    last = outcome.output.splitlines()[-1]
    assert last == r"images/test/café/\udcff.png: the file name is not UTF-8; rename it"


@pytest.mark.long
def test_a_report_that_was_edited_is_made_again(project: Project) -> None:
    page = "results/tiny/report.html"
    project.run(page)
    html = project.path(page).read_text("utf-8")
    put_older(project.path(page), html.replace("tiny", "tony").encode())

    outcome = project.run(page)

    assert outcome.rules == {"report"}
    assert project.path(page).read_text("utf-8").count("tony") == 0
