"""Bad input ends in one message that helps, and leaves nothing half-written."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import pytest

from susx.embeddings.cache import read_cache, seal, write_cache
from tests.workflow.project import NAMES, OF_OTHERS, RESULT, Outcome, Project, cache_contents

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


def append(project: Project, text: str) -> None:
    """Write more into the configuration, below what is there."""
    with project.path("config.yaml").open("a") as file:
        file.write(text)


IN_CONFIG = [
    Case(
        "file",
        lambda p: append(p, "pools:\n\tweb: {}\n"),
        CLASSES,
        ("config.yaml: line ", "indent with spaces, not with tabs"),
    ),
    Case(
        "keys",
        lambda p: p.change_config(lambda c: c["evaluation"].update(protocls=10)),
        CLASSES,
        ("config.yaml: evaluation.protocls: unknown key", 'did you mean "protocols"?'),
    ),
    Case(
        "setup",
        lambda p: p.change_config(lambda c: c["datasets"]["tiny"].update(card="oxford-pets")),
        CLASSES,
        ('config.yaml: datasets.tiny.card: "oxford-pets" is neither',),
    ),
    Case(
        "function of a rule",
        lambda p: p.path("classes.txt").unlink(),
        CLASSES,
        ("config.yaml: datasets.tiny.classes: not found: classes.txt",),
    ),
    Case(
        "jobs",
        lambda p: p.change_config(
            lambda c: c["encoders"]["clip"].update(library="transformers", model="owner/name")
        ),
        RESULT,
        ("config.yaml: encoders.clip: owner/name: it is not in the local cache of the hub",),
    ),
]
"""One for every place where bad input is met; tests/unit has the others."""


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


def test_an_error_of_a_job_is_one_message(fresh_project: Project) -> None:
    fresh_project.path("classes.txt").write_text("zebra\napple\nzebra\n", "utf-8")

    outcome = fresh_project.attempt(CLASSES)

    assert outcome.returncode != 0
    says = ('classes.txt: class "zebra"', "entries 1 and 3", "must be unique")
    assert_one_error(fresh_project, outcome, says)
    assert_nothing_half_written(fresh_project, CLASSES)


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


def test_bad_caches_are_never_used(project: Project) -> None:
    """Whether they take the place of a link, or were written through it."""
    bad = {
        "cache/clip/tiny/text-photo.h5": of_other_classes,
        "cache/clip/tiny/text-cupl.h5": of_another_model,
        "cache/clip/tiny/images-test.h5": truncate,
        "cache/clip/tiny/images-validation.h5": with_nan,
    }
    before = {cache: cache_contents(project.path(cache)) for cache in bad}
    for cache, breaks in bad.items():
        breaks(project.path(cache))
    project.change_config(lambda config: config["evaluation"].update(fixed=OF_OTHERS))

    outcome = project.run(RESULT)

    assert outcome.made - bad.keys() == {"work/tiny/evaluation/clip.json", RESULT}
    assert {cache: cache_contents(project.path(cache)) for cache in bad} == before


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


def test_jobs_that_fail_are_named_at_the_end_and_others_go_on(fresh_project: Project) -> None:
    others = ("work/tiny/prompts/photo.json", "cache/clip/pools/web/000.h5")
    failing = (CUPL, "cache/clip/pools/web/001.h5", "work/tiny/images/test.parquet")
    describe(fresh_project, drop="café")
    truncate(fresh_project.path("pool/001.tar"))
    fresh_project.path("images/test/zebre").mkdir()

    outcome = fresh_project.attempt(*others, *failing)

    assert outcome.returncode != 0
    assert "Traceback" not in outcome.output
    _, end = outcome.output.split("3 jobs failed:")
    for job, message, log in (
        (
            "embed_shard (encoder=clip, pool=web, shard=001): ",
            "pool/001.tar: not a readable tar",
            "embed_shard/clip/web/001.log",
        ),
        (
            "image_manifest (dataset=tiny, split=test): ",
            '"zebre" names no class',
            "image_manifest/tiny/test.log",
        ),
        (
            "prompts (dataset=tiny, strategy=cupl): ",
            'descriptions.json: no description of "café"',
            "prompts/tiny/cupl.log",
        ),
    ):
        (line,) = (line for line in end.splitlines() if line.startswith(job))
        assert message in line
        assert f"log: logs/{log}" in end
        assert fresh_project.path(f"logs/{log}").read_text("utf-8").count(" ERROR ") == 1
    assert len(end.splitlines()) <= 15
    for target in failing:
        assert_nothing_half_written(fresh_project, target)
    assert all(fresh_project.path(other).exists() for other in others)

    describe(fresh_project, café=["a place with tables."])
    corrected = fresh_project.run(CUPL)

    assert corrected.made == {CUPL}  # a corrected input is all that a rerun needs
    assert list(fresh_project.read_json(CUPL)["prompts"]) == NAMES
