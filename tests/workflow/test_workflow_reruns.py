"""What a second call runs again, and what it leaves alone. The longest tests come first."""

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from susx.embeddings.cache import read_cache
from susx.evaluation.schema import Result, read_result
from susx.manifests.tables import SupportRecord, read_table
from tests.helpers import image_bytes
from tests.long import long
from tests.small_package import save_small_encoder
from tests.workflow.attacks import python_startup
from tests.workflow.project import (
    NAMES,
    RESULT,
    SHARDS,
    Project,
    cache_contents,
)

EVALUATION = {"work/tiny/evaluation/clip.json", RESULT}
TEXTS = {f"cache/clip/tiny/text-{name}.h5" for name in ("photo", "ensemble", "cupl", "cupl+e")}
PROMPTS = {f"work/tiny/prompts/{name}.json" for name in ("photo", "ensemble", "cupl", "cupl+e")}
POOL = {f"cache/clip/pools/web/{shard}.h5" for shard in SHARDS}
IMAGES = {f"cache/clip/tiny/images-{split}.h5" for split in ("test", "validation")}
IMAGE_MANIFESTS = {f"work/tiny/images/{split}.parquet" for split in ("test", "validation")}
SUPPORT = {
    "work/tiny/support/lc/manifest.parquet",
    "work/tiny/support/lc/images.tar",
    "cache/clip/tiny/support-lc.h5",
}
CANDIDATES = {f"work/tiny/support/lc/candidates/{shard}.parquet" for shard in SHARDS}

pytestmark = pytest.mark.pipeline


def result_of(project: Project) -> Result:
    """Result of the project, checked against its schema."""
    return read_result(project.path(RESULT))


def hashes_of(project: Project) -> set[str]:
    """Hashes of everything that was embedded."""
    return {str(sha256) for sha256 in result_of(project).encoders["clip"].inputs.values()}


def test_a_new_class_rebuilds_all_but_the_pool(project: Project) -> None:
    before = project.read_json("work/tiny/classes.json")
    pool = {name: project.path(name).read_bytes() for name in POOL}
    names = [NAMES[0], "new class", *NAMES[1:]]
    project.path("classes.txt").write_text("\n".join(names), "utf-8")
    project.write_descriptions({**project.read_descriptions(), "new class": ["it is new."]})
    for split in ("test", "validation"):
        folder = project.path(f"images/{split}/new_class")
        folder.mkdir()
        (folder / "0.png").write_bytes(image_bytes((128, 128, 128)))

    outcome = project.run(RESULT)

    everything = project.files("work", "cache", "results")
    assert outcome.made == everything - POOL
    assert {name: project.path(name).read_bytes() for name in POOL} == pool
    after = project.read_json("work/tiny/classes.json")
    assert after["sha256"] != before["sha256"]
    result = result_of(project)
    assert result.n_classes == len(names)
    assert all(len(run.per_class) == len(names) for run in result.runs)
    assert result.provenance["classes_sha256"] == after["sha256"]


def test_a_renamed_class_embeds_no_image_again(project: Project) -> None:
    renamed = ["striped horse", *NAMES[1:]]
    classes = [{"name": renamed[0], "aliases": [NAMES[0]]}, *NAMES[1:]]
    project.change_config(lambda config: config["datasets"]["tiny"].update(classes=classes))
    before = {name: read_cache(project.path(name)) for name in IMAGES}

    outcome = project.run(RESULT)

    assert outcome.made >= IMAGES | TEXTS  # which name their classes
    logs = project.path("logs/embed_images/clip/tiny").glob("*.log")
    told = "".join(log.read_text("utf-8") for log in logs)  # one job makes both
    for name in IMAGES:
        rows = len(before[name])
        assert f"{rows} of {rows} images are embedded already" in told
        after = read_cache(project.path(name))
        assert np.array_equal(after.features, before[name].features)
        assert after.meta["classes_sha256"] != before[name].meta["classes_sha256"]
    assert not outcome.made & POOL
    assert [entry["name"] for entry in project.read_json("work/tiny/classes.json")["classes"]] == (
        renamed
    )


def test_editing_descriptions_reruns_only_what_reads_them(project: Project) -> None:
    before = hashes_of(project)
    descriptions = project.read_descriptions()
    descriptions["zebra"].append("stripes from nose to tail.")
    project.write_descriptions(descriptions)

    outcome = project.run(RESULT)

    changed = {
        *(f"work/tiny/prompts/{name}.json" for name in ("cupl", "cupl+e")),
        *(f"cache/clip/tiny/text-{name}.h5" for name in ("cupl", "cupl+e")),
    }
    assert outcome.made == changed | EVALUATION
    embedded = {path for path in changed if path.endswith(".h5")}
    assert hashes_of(project) - before == {
        read_cache(project.path(path)).meta["input_sha256"] for path in embedded
    }
    assert project.run(RESULT).jobs == []


def test_odd_images_are_used_and_broken_ones_counted(project: Project) -> None:
    folder = project.path("images/test/zebra")
    for mode, format in {"CMYK": "JPEG", "L": "PNG", "P": "GIF", "LA": "PNG"}.items():
        data = image_bytes((200, 100, 50), mode=mode, format=format)
        (folder / f"{mode}.{format.lower()}").write_bytes(data)
    (folder / "dot.png").write_bytes(image_bytes((0, 0, 255), size=(1, 1)))
    (folder / "truncated.jpg").write_bytes(image_bytes((9, 9, 9), format="JPEG")[:300])
    (folder / "text.jpg").write_text("not an image")
    before = result_of(project)

    project.run(RESULT)

    after = result_of(project)
    assert after.n_test == before.n_test + 5
    assert after.images["test"].n_read == after.n_test
    assert after.images["test"].n_unreadable == 2
    assert set(after.images["test"].unreadable) == {"zebra/truncated.jpg", "zebra/text.jpg"}
    assert all(after.images["test"].unreadable.values())
    assert after.images["validation"] == before.images["validation"]


def test_a_cache_whose_contents_are_gone_is_made_again_when_it_is_asked_for(
    project: Project,
) -> None:
    name = "cache/clip/tiny/text-cupl.h5"
    original = cache_contents(project.path(name))
    shutil.rmtree(project.path(name).resolve().parent)
    assert project.run(RESULT).jobs == []

    assert project.run(name).made == {name}

    assert cache_contents(project.path(name)) == original
    assert project.run(RESULT).jobs == []


def test_changing_the_grid_or_what_becomes_of_leaks_reruns_the_evaluation(project: Project) -> None:
    def change(config: dict[str, Any]) -> None:
        config["evaluation"]["grid"]["tip-x"]["alpha"].update(steps=4)
        config["evaluation"]["leaks"] = "drop"

    project.change_config(change)

    planned = project.plan(RESULT)

    assert planned.made == EVALUATION
    reasons = "setting plan changed; setting tuning changed"  # leaks, the grid
    assert f"stale: work/tiny/evaluation/clip.json: {reasons}" in planned.output


def test_changing_the_template_reruns_photo_texts_and_retrieval(project: Project) -> None:
    project.change_config(lambda c: c["datasets"]["tiny"].update(template="a sketch of a {}."))

    planned = project.plan(RESULT).made

    assert {"work/tiny/prompts/photo.json", *SUPPORT, *CANDIDATES, *EVALUATION} <= planned
    assert not planned & (POOL | IMAGES)


def test_deleted_intermediate_files_are_linked_again(project: Project) -> None:
    deleted = [
        *("cache/clip/tiny/images-test.h5", "cache/clip/tiny/text-photo.h5"),
        *("cache/clip/pools/web/000.h5", "work/tiny/prompts/photo.json"),
        *("work/tiny/support/lc/images.tar", "work/tiny/images/validation.parquet"),
    ]
    before = {name: project.path(name).resolve() for name in deleted}
    for name in deleted:
        project.path(name).unlink()

    assert project.run(RESULT).jobs == []
    assert {name: project.path(name).resolve() for name in deleted} == before


def test_a_new_image_reruns_its_split(project: Project) -> None:
    added = project.path("images/validation/café/new.png")
    added.write_bytes(image_bytes((10, 200, 30)))

    planned = project.plan(RESULT).made

    assert planned == {
        "work/tiny/images/validation.parquet",
        "cache/clip/tiny/images-validation.h5",
        *EVALUATION,
    }


def test_a_removed_class_folder_reruns_its_split(project: Project) -> None:
    for path in project.path("images/test/apple").iterdir():
        path.unlink()
    project.path("images/test/apple").rmdir()

    planned = project.plan(RESULT).made

    assert planned == {"work/tiny/images/test.parquet", "cache/clip/tiny/images-test.h5"} | (
        EVALUATION
    )


def test_patches_are_embedded_where_a_method_needs_them(project: Project) -> None:
    patches = {f"cache/clip/tiny/patches-{split}.h5" for split in ("test", "validation")}

    project.change_config(lambda c: c["evaluation"]["methods"].append("calip"))

    assert project.plan(RESULT).made == patches | EVALUATION


def test_another_choice_among_candidates_does_not_search_again(project: Project) -> None:
    agree = {"select": "agree", "margin": 0.01}
    project.change_config(lambda c: c["supports"]["lc"].update(agree))

    assert project.plan(RESULT).made == SUPPORT | EVALUATION
    manifest = "work/tiny/support/lc/manifest.parquet"
    assert project.run(manifest).rules == {"select_support"}
    records = read_table(project.path(manifest), SupportRecord).records
    assert "disagrees" in {record.reason for record in records}
    assert {record.label for record in records if record.kept} == {0, 1, 2, 3}


def test_how_an_encoder_runs_is_no_reason_to_embed_again(project: Project) -> None:
    settings = {"batch_size": 16, "device": "cpu", "threads": 1}
    project.change_config(lambda c: c["encoders"]["clip"].update(settings))

    assert project.plan(RESULT).made == {RESULT}  # which holds the configuration


@pytest.mark.parametrize("in_place", [True, long(False)], ids=["same folder", "other folder"])
def test_changing_the_model_embeds_again(in_place: bool, project: Project) -> None:
    save_small_encoder(project.path("model" if in_place else "other"), seed=1)
    if not in_place:
        project.change_config(lambda c: c["encoders"]["clip"].update(model="other"))

    planned = project.plan(RESULT).made

    assert TEXTS | IMAGES | POOL | {"cache/clip/tiny/support-lc.h5"} | EVALUATION <= planned
    assert not planned & (PROMPTS | IMAGE_MANIFESTS | {"work/tiny/classes.json"})


def test_a_second_call_does_nothing_though_inputs_were_touched(project: Project) -> None:
    for name in ("classes.txt", "descriptions.json", "config.yaml", "model/config.json"):
        path = project.path(name)
        path.write_bytes(path.read_bytes())

    outcome = project.run(RESULT)

    assert outcome.jobs == []
    assert "Nothing to be done" in outcome.output


def test_a_new_support_set_reuses_the_pool(project: Project) -> None:
    project.change_config(
        lambda c: c["supports"].update({"lc-cupl": {**c["supports"]["lc"], "query": "cupl"}})
    )

    planned = project.plan(RESULT).made

    assert planned == EVALUATION | {
        *(name.replace("/lc/", "/lc-cupl/") for name in CANDIDATES),
        *(name.replace("/lc/", "/lc-cupl/").replace("-lc.", "-lc-cupl.") for name in SUPPORT),
    }


def test_labels_are_class_indices_everywhere(finished: Project) -> None:
    from susx.manifests.classes import ClassManifest
    from susx.manifests.tables import ImageRecord, SupportRecord, read_table

    classes = ClassManifest.read(finished.path("work/tiny/classes.json"))
    support = read_table(finished.path("work/tiny/support/lc/manifest.parquet"), SupportRecord)
    images = read_table(finished.path("work/tiny/images/test.parquet"), ImageRecord)

    assert classes.names == NAMES
    for records, cache in (
        ([record for record in support.records if record.kept], "support-lc"),
        (images.records, "images-test"),
    ):
        assert {record.class_name for record in records} == set(NAMES)
        assert all(record.class_name == NAMES[record.label] for record in records)
        with h5py.File(finished.path(f"cache/clip/tiny/{cache}.h5")) as file:
            stored = dict(zip(file["keys"].asstr()[:], file["labels"][:].tolist(), strict=True))
            assert np.bincount(file["labels"][:]).tolist() == [len(records) // 4] * 4
        assert stored == {record.key: record.label for record in records}


def test_paths_hold_slugs_only(finished: Project) -> None:
    paths = finished.files("work", "cache", "results", "logs", "benchmarks")

    assert paths
    for path in paths:
        for part in Path(path).parts:
            assert set(part) <= set("abcdefghijklmnopqrstuvwxyz0123456789+-_."), path
    assert not {path for path in paths if "zebra" in path or "apple" in path}


def test_every_job_leaves_a_log_and_a_benchmark(finished: Project) -> None:
    jobs = finished.plan("--forceall", RESULT).jobs

    assert len(finished.files("logs")) == len(finished.files("benchmarks")) == len(jobs)


def test_a_package_that_reads_more_formats_looks_at_images_anew(project: Project) -> None:
    pytest.importorskip("pillow_heif")
    hidden = python_startup(
        project.root / "startup", 'import sys\nsys.modules["pillow_heif"] = None\n'
    )
    assert project.plan(RESULT).jobs == []

    planned = project.run("--dry-run", RESULT, env=hidden)

    assert {"image_manifest", "embed_shard"} <= planned.rules
