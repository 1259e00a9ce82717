"""Bad input ends in one message that helps, and leaves nothing half-written."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import pytest

from susx.embeddings.cache import read_cache, seal, write_cache
from tests.workflow.project import NAMES, RESULT, Outcome, Project, cache_contents

CLASSES = "work/tiny/classes.json"
CUPL = "work/tiny/prompts/cupl.json"

pytestmark = pytest.mark.pipeline


@dataclass(frozen=True)
class Case:
    """Something to break, the file then asked for, and what the message must contain."""

    name: str
    breaks: Callable[[Project], object]
    target: str
    says: tuple[str, ...]


def describe(project: Project, drop: str = "", **extra: list[str]) -> None:
    """Write the descriptions without one class, and with others."""
    descriptions = {**project.read_descriptions(), **extra}
    descriptions.pop(drop, None)
    project.write_descriptions(descriptions)


def classes(text: str) -> Callable[[Project], object]:
    """Write the class list."""
    return lambda project: project.path("classes.txt").write_text(text, "utf-8")


def append(project: Project, text: str) -> None:
    """Write more into the configuration, below what is there."""
    with project.path("config.yaml").open("a") as file:
        file.write(text)


def reorder(project: Project) -> None:
    """Take the images from a card whose source counts classes, which the list has the other way."""
    source = {"name": "list", "layout": "csv", "splits": {"test": "test.csv"}, "names": [*"zbca"]}
    card = {"title": "Tiny", "classes": NAMES, "sources": [source]}
    project.path("card.yaml").write_text(json.dumps(card), "utf-8")
    project.path("images/test.csv").write_text("path,label\ntest/zebra/000.png,z\n", "utf-8")
    dataset = {"card": "card.yaml", "images": {"root": "images"}, "classes": NAMES[::-1]}
    project.change_config(lambda c: c["datasets"].update(tiny=dataset))


def of_transformers(project: Project) -> None:
    """Take a folder that transformers wrote for one of open_clip."""
    project.path("model/config.json").write_text(json.dumps({"model_type": "clip"}), "utf-8")
    project.change_config(lambda c: c["encoders"]["clip"].update(library="open-clip"))


IN_CONFIG = [
    Case(
        "unknown key",
        lambda p: p.change_config(lambda c: c["evaluation"].update(boostrap=10)),
        CLASSES,
        ("config.yaml: evaluation.boostrap: unknown key", 'did you mean "bootstrap"?'),
    ),
    Case(
        "second block of datasets",
        lambda p: append(p, "datasets: {}\n"),
        CLASSES,
        ("config.yaml: line ", 'key "datasets" stands there twice'),
    ),
    Case(
        "tab",
        lambda p: append(p, "pools:\n\tweb: {}\n"),
        CLASSES,
        ("config.yaml: line ", "indent with spaces, not with tabs"),
    ),
    Case(
        "wrong type",
        lambda p: p.change_config(lambda c: c["encoders"]["clip"].update(batch_size="many")),
        CLASSES,
        ("config.yaml: encoders.clip.batch_size: ", "integer", "'many'"),
    ),
    Case(
        "unknown pool",
        lambda p: p.change_config(lambda c: c["supports"]["lc"].update(pool="wep")),
        CLASSES,
        ("config.yaml: supports.lc.pool: ", '"wep"', 'did you mean "web"?'),
    ),
    Case(
        "missing class list",
        lambda p: p.path("classes.txt").unlink(),
        CLASSES,
        ("config.yaml: datasets.tiny.classes: not found: classes.txt",),
    ),
    Case(
        "missing image folder",
        lambda p: p.change_config(
            lambda c: c["datasets"]["tiny"]["images"].update(test="images/tset")
        ),
        "work/tiny/images/test.parquet",
        ("config.yaml: datasets.tiny.images.test: not found: images/tset",),
    ),
    Case(
        "classes in another order than the card's",
        reorder,
        "work/tiny/images/test.parquet",
        ("config.yaml: datasets.tiny.images: source list of the card", '"zebra" stands at 1'),
    ),
    Case(
        "missing model folder",
        lambda p: p.change_config(lambda c: c["encoders"]["clip"].update(model="models/nowhere")),
        "cache/clip/tiny/text-photo.h5",
        ("config.yaml: encoders.clip.model: models/nowhere: not found",),
    ),
    Case(
        "model that is not cached, without a network",
        lambda p: p.change_config(
            lambda c: c["encoders"]["clip"].update(library="transformers", model="owner/name")
        ),
        RESULT,
        ("config.yaml: encoders.clip: owner/name: it is not in the local cache of the hub",),
    ),
    Case(
        "folder of another library",
        of_transformers,
        RESULT,
        ("config.yaml: encoders.clip.model: model: ", "set `library: transformers`"),
    ),
    Case(
        "missing descriptions",
        lambda p: p.change_config(lambda c: c["datasets"]["tiny"].pop("descriptions")),
        CUPL,
        ("config.yaml: datasets.tiny.descriptions: not set",),
    ),
    Case(
        "missing pool shard",
        lambda p: p.path("pool/001.tar").unlink(),
        "cache/clip/pools/web/001.h5",
        ("config.yaml: pools.web", "pool/001.tar"),
    ),
]

IN_JOBS = [
    Case(
        "empty class list",
        classes(""),
        CLASSES,
        ("classes.txt: no class names", "give at least one"),
    ),
    Case(
        "duplicate class",
        classes("zebra\napple\nzebra\n"),
        CLASSES,
        ('classes.txt: class "zebra"', "entries 1 and 3", "must be unique"),
    ),
    Case(
        "class without description",
        lambda p: describe(p, drop="café"),
        CUPL,
        ('descriptions.json: no description of "café"', "add what is missing"),
    ),
    Case(
        "description of an unknown class",
        lambda p: describe(p, zebre=["striped."]),
        CUPL,
        (
            'descriptions.json: "zebre" (did you mean "zebra"?) names no class',
            "remove what is too much",
        ),
    ),
    Case(
        "folder of an unknown class",
        lambda p: p.path("images/test/zebre").mkdir(),
        "work/tiny/images/test.parquet",
        ("datasets.tiny.images.test", '"zebre" names no class', 'did you mean "zebra"?'),
    ),
    Case(
        "truncated pool shard",
        lambda p: truncate(p.path("pool/001.tar")),
        "cache/clip/pools/web/001.h5",
        ("pool/001.tar: not a readable tar", "fetch or write it again"),
    ),
]


def truncate(path: Path) -> None:
    """Cut a file in the middle."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 100])


def assert_nothing_half_written(project: Project, target: str) -> None:
    """Expect neither the target nor a temporary file."""
    assert not project.path(target).exists()
    assert project.hidden_files() == set()


def assert_one_error(project: Project, outcome: Outcome, says: tuple[str, ...]) -> None:
    """Expect one error message in one log, shown in the output, and no traceback."""
    logs = [project.path(path).read_text("utf-8") for path in project.files("logs")]
    failed = [log for log in logs if " ERROR " in log]
    assert len(failed) == 1
    assert failed[0].count(" ERROR ") == 1
    message = failed[0][failed[0].index(" ERROR ") :]
    assert message.strip() in outcome.output
    end = "\n".join(outcome.output.splitlines()[-10:])
    for part in says:
        assert part in message
        assert part in end
    assert "1 job failed:" in end
    assert "Traceback" not in outcome.output + "".join(logs)


@pytest.mark.parametrize("case", IN_CONFIG, ids=lambda case: case.name)
def test_configuration_errors_name_the_key(case: Case, fresh_project: Project) -> None:
    case.breaks(fresh_project)

    outcome = fresh_project.attempt(case.target)

    assert outcome.returncode != 0
    lines = [line for line in outcome.output.splitlines() if "config.yaml: " in line]
    assert len(lines) == 1, outcome.output
    for part in case.says:
        assert part in lines[0]
    assert lines[0] == outcome.output.splitlines()[-1]
    assert "Traceback" not in outcome.output
    assert fresh_project.files("logs") == set()
    assert_nothing_half_written(fresh_project, case.target)


@pytest.mark.parametrize("case", IN_JOBS, ids=lambda case: case.name)
def test_errors_of_jobs_are_one_message(case: Case, fresh_project: Project) -> None:
    case.breaks(fresh_project)

    outcome = fresh_project.attempt(case.target)

    assert outcome.returncode != 0
    assert_one_error(fresh_project, outcome, case.says)
    assert_nothing_half_written(fresh_project, case.target)


def of_other_classes(path: Path) -> None:
    """Write the same cache as if for another class list."""
    cache = read_cache(path)
    write_cache(path, replace(cache, meta={**cache.meta, "classes_sha256": "0" * 64}))


def with_nan(path: Path) -> None:
    """Put a NaN into the first row."""
    with h5py.File(path, "r+") as file:
        file["features"][0, 0] = float("nan")
    seal(path)  # as a broken encoder's would be, not as a damaged file's


def of_another_model(path: Path) -> None:
    """Write the same cache as if another model had made it."""
    cache = read_cache(path)
    encoder = {**cache.meta["encoder"], "weights_sha256": "0" * 64}
    write_cache(path, replace(cache, meta={**cache.meta, "encoder": encoder}))


@pytest.mark.parametrize(
    "breaks", [of_other_classes, of_another_model, truncate, with_nan], ids=lambda f: f.__name__
)
def test_a_bad_cache_is_never_used(breaks: Callable[[Path], None], project: Project) -> None:
    """Whether it takes the place of a link, or was written through it."""
    cache = "cache/clip/tiny/text-photo.h5"
    before = cache_contents(project.path(cache))
    breaks(project.path(cache))
    project.change_config(lambda config: config.update(seed=1))

    outcome = project.run(RESULT)

    assert outcome.made - {cache} == {"work/tiny/evaluation/clip.json", RESULT}
    assert cache_contents(project.path(cache)) == before


def test_what_cannot_be_planned_ends_in_one_line(fresh_project: Project) -> None:
    truth = "config.yaml: datasets.tiny.images.test: not found: images/test"
    fresh_project.path("images/test").rename(fresh_project.path("images/elsewhere"))

    outcome = fresh_project.attempt(RESULT)

    assert outcome.returncode != 0
    assert outcome.output.splitlines()[-1] == truth
    assert len(outcome.output.splitlines()) <= 4
    assert "Traceback" not in outcome.output
    fresh_project.path("images/elsewhere").rename(fresh_project.path("images/test"))
    assert fresh_project.run(CLASSES).made == {CLASSES}  # the folder is not locked


UNKNOWN = {
    "cache/clip/tiny/text-phot.h5": 'unknown prompt strategy "phot"; did you mean "photo"?',
    "check/tinny.json": 'unknown dataset "tinny"; did you mean "tiny"?',
    "result/tiny.json": 'no rule makes it; did you mean "results/tiny.json"?',
    "results/tinny.json": 'unknown dataset "tinny"; did you mean "tiny"?',
    "work/tiny/support/x/images.tar": 'unknown support set "x"; known: "lc"',
}


def test_a_name_that_nothing_makes_is_told_before_anything_else(fresh_project: Project) -> None:
    outcome = fresh_project.attempt(*UNKNOWN)

    assert outcome.returncode != 0
    lines = outcome.output.splitlines()
    assert lines[-len(UNKNOWN) :] == [f"{name}: {words}" for name, words in UNKNOWN.items()]
    assert len(lines) <= len(UNKNOWN) + 2  # the profile, and that files are shared
    assert fresh_project.files("work", "cache", "results", "logs") == set()


def test_every_failed_job_is_named_at_the_end(fresh_project: Project) -> None:
    describe(fresh_project, drop="café")
    truncate(fresh_project.path("pool/001.tar"))

    outcome = fresh_project.attempt(CUPL, "cache/clip/pools/web/001.h5")

    _, end = outcome.output.split("2 jobs failed:")
    assert end.splitlines()[1].startswith("embed_shard (encoder=clip, pool=web, shard=001): ")
    assert "log: logs/embed_shard/clip/web/001.log" in end
    assert "prompts (dataset=tiny, strategy=cupl): descriptions.json: no description" in end
    assert "log: logs/prompts/tiny/cupl.log" in end
    assert len(end.splitlines()) <= 12


def test_other_jobs_go_on_when_one_fails(fresh_project: Project) -> None:
    describe(fresh_project, drop="café")

    outcome = fresh_project.attempt(CUPL, "work/tiny/prompts/photo.json")

    assert outcome.returncode != 0
    assert fresh_project.path("work/tiny/prompts/photo.json").exists()


def test_a_corrected_input_is_all_that_a_rerun_needs(fresh_project: Project) -> None:
    describe(fresh_project, drop="café")
    assert fresh_project.attempt(CUPL).returncode != 0
    describe(fresh_project, café=["a place with tables."])

    outcome = fresh_project.run(CUPL)

    assert outcome.made == {CUPL}
    assert list(fresh_project.read_json(CUPL)["prompts"]) == NAMES
