"""`susx verify`: whether a result follows from what lies there, and what changed."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from susx.artifacts import stages
from susx.artifacts.making import make
from susx.artifacts.recipe import Receipt
from susx.cli import app
from susx.core.files import read_json, write_checked, write_json
from susx.evaluation.schema import SCHEMA
from tests.made.project import (
    COMMITS,
    CONFIG,
    MANIFEST,
    RESULT,
    MadeProject,
    finished,
    load_commit,
    rewrite_unseen,
    snapshot,
    write,
)

RUN = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})
FOLLOWS = "follows from what lies here: 4 sources, 3 stages\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeProject:
    """A finished project in the working folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    return finished(folder, monkeypatch)


def verify(*arguments: str, code: int = 1) -> list[str]:
    """Lines that are printed before the last, which is checked."""
    done = RUN.invoke(app, ["verify", *(arguments or (RESULT,))])
    assert done.exit_code == code, done.output
    *lines, last = done.output.splitlines()
    if code == 1:
        count = sum("not compared" not in line for line in lines)
        many = "1 change" if count == 1 else f"{count} changes"
        assert last == f"does not follow from what lies here: {many}"
    return lines if code < 2 else [*lines, last]


def seal(**changes: Any) -> None:
    """Change the result, with a checksum that fits."""
    data = {**read_json(RESULT), **changes}
    write_checked(RESULT, {key: value for key, value in data.items() if key != "sha256"})


def with_config(change: Callable[[Any], object]) -> None:
    config = json.loads(json.dumps(CONFIG))
    change(config)
    write_json("config.yaml", config)


def test_a_result_follows_from_an_unchanged_project(project: MadeProject) -> None:
    before = snapshot(Path())
    for options in ((), ("--full",)):
        done = RUN.invoke(app, ["verify", RESULT, *options])
        assert (done.exit_code, done.output) == (0, FOLLOWS)
    after = snapshot(Path())
    assert {name for name in before | after if before.get(name) != after.get(name)} == {
        name
        for name in after
        if name.startswith("work/memory/") and before.get(name) != after[name]
    }


def test_times_do_not_count(project: MadeProject) -> None:
    for path in Path("photos").rglob("*.png"):
        os.utime(path, (1, 1))
    assert verify(code=0) == []


def edited_photo() -> None:
    rewrite_unseen("photos/pug/a.png", "gup/a.png")


def added_photos() -> None:
    for name in ("x", "y", "z"):
        write(f"photos/boxer/{name}.JPG", name)
    edited_photo()
    Path("photos/boxer/c.png").unlink()


CHANGES: dict[str, tuple[Callable[[], object], list[str]]] = {
    "model": (
        lambda: rewrite_unseen("model/a.bin", "b.bin"),
        ["model/a.bin changed"],
    ),
    "model gone": (
        lambda: Path("model/b.bin").unlink(),
        ["model/b.bin is missing, and cannot be compared"],
    ),
    "photo": (edited_photo, ["photos: 1 file changed (pug/a.png)"]),
    "photos": (
        added_photos,
        [
            "photos: 3 files added (first: boxer/x.JPG), 1 changed (pug/a.png), "
            "1 removed (boxer/c.png)"
        ],
    ),
    "notes": (lambda: write("photos/notes.txt", "others"), ["photos: other files changed"]),
    "beside": (lambda: write("photos/d.png", "no class"), ["photos: other files changed"]),
    "photos gone": (
        lambda: shutil.rmtree("photos"),
        ["photos is missing, and cannot be compared"],
    ),
    "hub": (
        lambda: load_commit(COMMITS[1]),
        ["openai/clip@main is bbbbbbb, was aaaaaaa"],
    ),
    "hub gone": (
        lambda: shutil.rmtree(Path("hub")),
        ["openai/clip@main is not in the local cache of the hub, and cannot be compared"],
    ),
    "result": (
        lambda: Path(RESULT).write_text(Path(RESULT).read_text().replace("61.24", "91.24")),
        [
            f"{RESULT} was edited or damaged: its checksum does not fit",
            f"{RESULT} is not the file that was made: edited or replaced",
        ],
    ),
    "result sealed": (
        lambda: seal(n_test=1),
        [f"{RESULT} is not the file that was made: edited or replaced"],
    ),
    "setting": (
        lambda: with_config(lambda c: c.update(evaluation={"search": "continuous"})),
        [
            'config.yaml: evaluation.search is "continuous", was "grid"',
        ],
    ),
    "dataset": (
        lambda: with_config(lambda c: c["datasets"]["pets"].update(classes=["Boxer", "Pug"])),
        ["config.yaml: datasets.pets.classes changed"],
    ),
    "encoder": (
        lambda: with_config(lambda c: c["encoders"].update(other=c["encoders"]["clip"])),
        ["config.yaml: encoders.other is new"],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named(project: MadeProject, name: str) -> None:
    change, lines = CHANGES[name]
    change()
    assert verify() == lines
    assert verify(RESULT, "--full") == lines


def test_what_only_says_how_a_run_runs_is_no_change(project: MadeProject) -> None:
    with_config(lambda c: c["encoders"]["clip"].update(batch_size=8, threads=1, device="cpu"))
    assert verify(code=0) == []


def test_files_are_not_named_without_the_manifest(project: MadeProject) -> None:
    edited_photo()
    shutil.rmtree("work/store/image_manifest")
    assert verify() == ["photos changed"]


def test_everything_is_read_if_asked(project: MadeProject) -> None:
    """A disk may change bytes under the same stamp; what is remembered is then corrected."""
    for path in Path("work/memory/files").glob("*.json"):
        path.unlink()
    os.utime("model/a.bin", (1, 1))
    place = Path("model/a.bin").absolute()
    from susx.artifacts.memory import Memory
    from susx.core.stamps import stamp_of

    digest = Memory("work/memory").sha256(str(place))
    Path("model/a.bin").write_text("b.bin")
    assert digest
    Memory("work/memory").remember(str(place), digest, stamp_of(place), settled=True)
    assert verify(code=0) == []
    assert verify(RESULT, "--full") == ["model/a.bin changed"]


def test_a_stage_of_another_version_is_named(
    project: MadeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = stages.STAGES["evaluate"]
    monkeypatch.setitem(stages.STAGES, "evaluate", now + 1)
    assert verify() == [f"stage evaluate is of version {now + 1}, was {now}"]
    monkeypatch.delitem(stages.STAGES, "evaluate")
    assert verify() == ["stage evaluate is not there any more"]


def test_a_copied_result_is_checked_with_its_project(
    project: MadeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(RESULT, tmp_path / "copy.json")
    shutil.rmtree("work/receipts")
    monkeypatch.chdir(tmp_path)
    assert verify("copy.json", "--project", "project", code=0) == []
    rewrite_unseen("project/model/a.bin", "b.bin")
    assert verify("copy.json", "--project", "project") == ["model/a.bin changed"]
    assert verify("project/" + RESULT, "--project", "project") == ["model/a.bin changed"]


def test_a_folder_that_is_no_project_stays_clean(
    project: MadeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(RESULT).absolute()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    lines = verify(str(path))
    assert "photos is missing, and cannot be compared" in lines
    assert lines[-1] == "the configuration is not compared: there is no config.yaml here"
    assert list(Path().iterdir()) == []


def test_a_result_without_its_identity_is_checked_by_its_receipt(project: MadeProject) -> None:
    job, _ = project.jobs()[-1]
    bare = {"schema": SCHEMA, "dataset": "pets", "provenance": {}}
    make(job, lambda paths: write_checked(paths.outputs["output"], bare))
    rewrite_unseen("model/a.bin", "b.bin")
    assert verify()[0] == "model/a.bin changed"


def test_other_files_of_the_pipeline_are_checked_by_their_receipts(project: MadeProject) -> None:
    job, _ = project.jobs()[-1]
    (report,) = [type(job)("report", job.inputs, {"page": "results/report.html"}, {}, job.kept)]
    make(report, lambda paths: write(paths.outputs["page"], "page"))
    note = "the configuration is not compared: results/report.html keeps none"
    assert verify("results/report.html", code=0) == [note]
    write("results/report.html", "another")
    done = RUN.invoke(app, ["verify", "results/report.html"])
    assert done.exit_code == 1
    assert "results/report.html is not the file that was made" in done.output


def test_a_configuration_in_several_files(project: MadeProject) -> None:
    write_json("pets.yaml", CONFIG)
    with_config(lambda c: c.update(datasets={"flags": c["datasets"]["pets"]}))
    (note,) = verify(code=0)
    assert "config.yaml has no dataset pets; --configfile" in note
    assert verify(RESULT, "--configfile", "pets.yaml", code=0) == []
    write_json("pets.yaml", CONFIG | {"evaluation": {"leaks": "drop"}})
    assert verify(RESULT, "--configfile", "pets.yaml") == [
        'config.yaml: evaluation.leaks is "drop", was "keep"'
    ]


def test_a_result_of_another_run_is_told(project: MadeProject) -> None:
    old = Path(RESULT).read_bytes()
    write("model/a.bin", "new")
    project.run()
    assert verify(code=0) == []
    Path(RESULT).write_bytes(old)
    assert verify() == [f"{RESULT} is of another run than its receipt", "model/a.bin changed"]


def test_one_derivation_that_fits_is_enough(project: MadeProject) -> None:
    """Another model came to the same, so that the result was not made again."""
    write("model/a.bin", "A.bin")
    assert verify() == ["model/a.bin changed"]
    for job, work in project.jobs()[:-1]:
        make(job, work)
    assert project.planned().stale == {}
    assert verify(code=0) == []
    write("model/a.bin", "a.bin")
    assert verify(code=0) == []
    write("model/a.bin", "B.bin")
    assert verify() == ["model/a.bin changed"]


def test_a_receipt_that_does_not_fit_is_told(project: MadeProject) -> None:
    data = read_json(RESULT)
    for one in data["provenance"]["identity"]["tree"].values():
        if one["recipe"]["stage"] == "image_manifest":
            one["outputs"]["output"]["sha256"] = "0" * 64
    seal(**data)
    shutil.rmtree("work/receipts")
    assert verify(code=0) == []  # the manifest itself lies there, with its own receipt
    Path(MANIFEST).unlink()
    assert verify() == [f"{MANIFEST}: no receipt says what it was made from"]


@pytest.fixture
def listed(project: MadeProject) -> MadeProject:
    """The same project, whose photos are named by a list."""
    shutil.rmtree("work")
    write("photos.csv", "path,label\nphotos/pug/a.png,Pug\nphotos/boxer/c.png,Boxer\n")
    listed = MadeProject(images="photos.csv")
    listed.run()
    return listed


def test_images_of_a_list_are_named(listed: MadeProject) -> None:
    write("photos/pug/b.png", "not listed")
    assert verify(code=0) == []
    edited_photo()
    Path("photos/boxer/c.png").unlink()
    assert verify() == [
        "images of photos.csv: 1 file changed (photos/pug/a.png), 1 removed (photos/boxer/c.png)"
    ]
    write("photos.csv", "path,label\nphotos/pug/a.png,Pug\nphotos/pug/b.png,Pug\n")
    assert verify() == [
        "images of photos.csv: 1 file added (photos/pug/b.png), 1 changed (photos/pug/a.png), "
        "1 removed (photos/boxer/c.png)",
        "photos.csv changed",
    ]
    Path("photos.csv").unlink()
    assert verify() == [
        "images of photos.csv: nothing is there, and cannot be compared",
        "photos.csv is missing, and cannot be compared",
    ]


BROKEN: dict[str, tuple[Callable[[], object], str]] = {
    "not there": (lambda: Path(RESULT).unlink(), "file not found"),
    "no receipt": (
        lambda: (write_checked(RESULT, {"schema": "x"}), shutil.rmtree("work/receipts")),
        "tells nothing of what it was made from",
    ),
    "not JSON": (lambda: write(RESULT, "{"), "not valid JSON"),
    "config": (lambda: write("config.yaml", "[1]"), "config.yaml: not a mapping"),
    "wrong config": (lambda: write("config.yaml", "sead: 1"), "config.yaml: "),
}


@pytest.mark.parametrize("name", BROKEN)
def test_errors_take_one_line(project: MadeProject, name: str) -> None:
    change, message = BROKEN[name]
    change()
    first, *_ = verify(code=2)
    assert first.startswith("error: ")
    assert message in first


def of_one(**changes: Any) -> dict[str, Any]:
    """An identity of one recipe, which nothing led to but an input."""
    source = {"path": "x", "identity": "y", "key": None} | changes
    stage = source.pop("stage", "collate")
    recipe = {"stage": stage, "version": 1, "settings": [], "inputs": {"x": [source]}}
    return {"key": "a", "tree": {"a": {"recipe": recipe, "outputs": {}}}}


@pytest.mark.parametrize(
    "identity",
    [
        *(None, [], {}, {"key": "a", "tree": {}}, {"key": "a", "tree": {"a": {}}}),
        {"key": [], "tree": {}},
        *(of_one(path=3), of_one(identity=[]), of_one(key={}), of_one(stage=["x"])),
    ],
)
def test_an_identity_of_others_is_refused(project: MadeProject, identity: Any) -> None:
    seal(provenance={"identity": identity})
    (line,) = verify(code=2)
    assert "provenance.identity: not of this version" in line


@pytest.mark.parametrize(
    "path", ["photos", "..", "x\0", "\x1b[2J", "images of x", "[" * 99, "a/b/c@d", "@"]
)
@pytest.mark.parametrize("name", ["x", "hub", "listed"])
def test_odd_sources_of_others_are_compared(project: MadeProject, name: str, path: str) -> None:
    identity = of_one(path=path)
    recipe = identity["tree"]["a"]["recipe"]
    recipe["inputs"] = {name: recipe["inputs"]["x"]}
    seal(provenance={"identity": identity, "config": []}, dataset=[])
    shutil.rmtree("work/receipts")
    assert "\x1b" not in "".join(verify())


def test_an_identity_is_the_receipt_without_outputs(project: MadeProject) -> None:
    receipt = Receipt.read(f"work/receipts/{RESULT}.json")
    inside = read_json(RESULT)["provenance"]["identity"]
    assert inside == json.loads(json.dumps(receipt.identity))
    assert Receipt.of_identity(inside).tree == receipt.tree
    parts = {"parts": [[], [source.identity for source in receipt.recipe.sources]]}
    text = json.dumps(["collate", stages.version_of("collate"), {}, parts])
    key = hashlib.sha256(text.encode()).hexdigest()
    assert inside["key"] == receipt.recipe.key == key
