"""The command `susx`."""

import csv
import importlib
import io
import json
import shutil
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from susx import __version__
from susx.classifier.file import write_classifier
from susx.classifier.predictions import PredictionRecord, predict_table
from susx.cli import app, cell
from susx.cli.images import image_paths
from susx.core.files import write_checked, write_json
from susx.core.plain import plain
from susx.manifests.tables import ImageRecord, SupportRecord, Table, write_table
from susx.prompts.strategies import PromptSet
from susx.support.retrieval import Candidate
from tests.closeness import stored
from tests.made.photos import CLASSES, NAMES, photos_classifier, unlabelled
from tests.made.result import full_result

RUN = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})


@pytest.fixture(scope="module")
def folder(tiny_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier, pictures, and their predictions and embeddings."""
    made = tmp_path_factory.mktemp("cli")
    classifier = photos_classifier(tiny_clip, made)
    write_classifier(made / "c.safetensors", classifier)
    table, cache = unlabelled(tiny_clip, made)
    predictions = predict_table(classifier, cache, table)
    write_table(made / "predictions.parquet", predictions, PredictionRecord)
    return made


def classify(folder: Path, *arguments: str, code: int = 1) -> str:
    done = RUN.invoke(app, ["classify", "--classifier", str(folder / "c.safetensors"), *arguments])
    assert done.exit_code == code, done.output
    return done.output if code == 2 else done.stdout


def show(*arguments: str, code: int = 0) -> str:
    done = RUN.invoke(app, ["show", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_the_package_installs_the_command() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))
    module, name = project["project"]["scripts"]["susx"].split(":")
    assert getattr(importlib.import_module(module), name) is app


def test_json_tells_classes_and_probabilities_of_a_folder(folder: Path) -> None:
    found = json.loads(classify(folder, "--json", "--top", "2", str(folder / "photos")))
    assert [len(entry.get("classes", [])) for entry in found] == [0] + [2] * 8
    assert found[0]["reason"] == "not an image of a known format"
    assert Path(found[0]["image"]).name == "=broken.png"
    for entry in found[1:]:
        assert {best["name"] for best in entry["classes"]} <= set(NAMES)
        first, second = (best["probability"] for best in entry["classes"])
        assert 1 >= first >= second >= 0


def test_all_readable_images_end_well(folder: Path) -> None:
    image = str(folder / "photos/deep" / CLASSES.classes[3].slug / "000.png")
    (entry,) = json.loads(classify(folder, "--json", image, code=0))
    assert entry["image"] == image


def test_patterns_and_lines_of_standard_input_name_images(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "photos")
    paths = sorted(map(str, Path("deep").rglob("*.png")))
    for words, lines in [(["deep/**/*.png"], ""), (["-"], "\n".join(paths))]:
        command = ["classify", "--classifier", str(folder / "c.safetensors"), "--json", *words]
        done = RUN.invoke(app, command, input=lines)
        assert done.exit_code == 0, done.output
        assert [entry["image"] for entry in json.loads(done.stdout)] == paths


def test_a_name_like_a_pattern_is_a_name(tmp_path: Path) -> None:
    for name in ("[a].png", "a.png"):
        (tmp_path / name).touch()
    assert image_paths([tmp_path / "[a].png"]) == [tmp_path / "[a].png"]
    (tmp_path / "[a].png").unlink()
    assert image_paths([tmp_path / "[a].png"]) == [tmp_path / "a.png"]


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_has_a_short_name(option: str) -> None:
    for command in ([], ["classify"], ["cache"]):
        done = RUN.invoke(app, [*command, option])
        assert done.exit_code == 0
        assert "Usage" in done.stdout


def test_the_version_is_told() -> None:
    assert RUN.invoke(app, ["--version"]).stdout == f"susx {__version__}\n"


def test_csv_cells_are_no_formulas(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "photos")
    text = classify(folder, "--csv", "--top", "4", "=broken.png", "deep")
    header, broken, *rows = csv.reader(io.StringIO(text))
    assert header[:4] == ["image", "class1", "p1", "class2"]
    assert header[-1] == "reason"
    assert broken[0] == "'=broken.png"
    assert broken[-1]
    for row in rows:
        assert len(row) == len(header)
        assert sorted(row[1:-1:2]) == sorted(["'=1+1", "[bold]ant", "'@bee", "plain"])
        # Four probabilities with six decimals.
        assert sum(map(float, row[2:-1:2])) == pytest.approx(1, abs=4 * stored(6))


@pytest.mark.parametrize("start", "=+-@\t\r\n")
def test_what_a_spreadsheet_would_compute_is_quoted(start: str) -> None:
    assert cell(f"{start}x") == f"'{start}x"
    assert cell(f"x{start}") == f"x{start}"


def test_a_table_shows_names_as_they_are(folder: Path) -> None:
    text = classify(folder, str(folder / "photos"))
    assert "[bold]ant" in text
    assert "unreadable: not an image of a known format" in text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["gone.png"], 'error: not found: "gone.png"'),
        (["gone*.png"], 'error: not found: "gone*.png"'),
        (["-"], "standard input has no paths"),
        (["--json", "--csv", "."], "exclude each other"),
        (["--device", "tpu", "."], "device"),
    ],
)
def test_bad_input_ends_in_one_message(
    folder: Path, arguments: list[str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "photos")
    text = classify(folder, *arguments, code=2)
    assert problem in " ".join(text.split())
    assert "Traceback" not in text


def test_a_folder_without_images_is_named(folder: Path, tmp_path: Path) -> None:
    assert "no images below this folder" in classify(folder, str(tmp_path), code=2)


def test_a_broken_classifier_ends_in_one_message(tmp_path: Path) -> None:
    (tmp_path / "c.safetensors").write_bytes(b"x")
    assert "truncated, damaged or foreign" in classify(tmp_path, __file__, code=2)


def test_a_classifier_is_shown(folder: Path) -> None:
    text = show(str(folder / "c.safetensors"))
    assert "classifier of photos" in text
    assert "tip-x" in text
    assert '4: "=1+1", "[bold]ant"' in text
    assert "fitted on nothing" in text
    assert "own, 12 images" in text


def test_predictions_are_shown(folder: Path) -> None:
    text = show(str(folder / "predictions.parquet"))
    assert "photos: 9 images, 1 unreadable" in text
    assert "unreadable: not an image of a known format" in text
    assert "calibrated on nothing" in text
    short = show(str(folder / "predictions.parquet"), "--rows", "2")
    assert "and 7 more" in short


def test_a_cache_is_shown(folder: Path) -> None:
    text = show(str(folder / "support.h5"))
    assert "12 x 16" in text
    assert "transformers" in text


def test_a_result_is_shown(tmp_path: Path) -> None:
    write_json(tmp_path / "pets.json", full_result())
    assert "zero-shot" in show(str(tmp_path / "pets.json"))


def test_what_is_shown_names_its_file(folder: Path, tmp_path: Path) -> None:
    files = [folder / name for name in ("predictions.parquet", "c.safetensors", "support.h5")]
    write_json(tmp_path / "[bold]\x1b.json", full_result())
    for path in (*files, tmp_path / "[bold]\x1b.json"):
        assert show(str(path)).splitlines()[0] == plain(str(path))


def test_files_are_shown_as_json(folder: Path, tmp_path: Path) -> None:
    predictions = str(folder / "predictions.parquet")
    table = json.loads(show(predictions, "--json"))
    assert (table["file"], table["kind"]) == (predictions, "predictions")
    assert len(table["predictions"]) == table["meta"]["n_images"] == 9
    (unreadable,) = (one for one in table["predictions"] if "reason" in one)
    assert unreadable == {"image": "=broken.png", "reason": "not an image of a known format"}
    best = [[c["probability"] for c in one.get("classes", [])] for one in table["predictions"]]
    assert all(shares == sorted(shares, reverse=True) for shares in best)
    assert len(json.loads(show(predictions, "--json", "--rows", "2"))["predictions"]) == 2

    write_json(tmp_path / "pets.json", full_result())
    result = json.loads(show(str(tmp_path / "pets.json"), "--json"))
    assert (result["kind"], result["result"]["dataset"]) == ("result", "pets")
    classifier = json.loads(show(str(folder / "c.safetensors"), "--json"))
    assert [entry["name"] for entry in classifier["classifier"]["classes"]] == list(NAMES)
    assert json.loads(show(str(folder / "support.h5"), "--json"))["shape"] == [12, 16]
    classes = json.loads(show(str(folder / "classes.json"), "--json"))
    assert (classes["kind"], classes["facts"]["with other names"]) == ("class manifest", 0)
    assert "none of the pipeline" in show(str(Path(__file__)), "--json", code=2)


def test_what_lies_between_the_stages_is_shown(folder: Path, tmp_path: Path) -> None:
    assert "4: " in show(str(folder / "classes.json"))
    texts = PromptSet("photo", [["a"]] * 4, CLASSES.sha256, {"model": "x"})
    texts.write(tmp_path / "photo.json", CLASSES)
    shown = show(str(tmp_path / "photo.json"))
    assert "texts of a prompt strategy" in shown
    assert "4 entries" in shown
    write_checked(tmp_path / "clip.json", {"encoder": "clip", "runs": [{}], "skipped": []})
    assert "evaluation of one encoder" in show(str(tmp_path / "clip.json"))
    write_checked(tmp_path / "notes.json", {"a.jpg": "00"})
    assert "notes of susx" in show(str(tmp_path / "notes.json"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("work/meanings/cache/clip/pets/images-test.h5", "hash of an artifact's content"),
        ("work/meanings/.runs", "hash of an artifact's content"),
        ("work/memory/runs", "what is remembered of inputs"),
        ("work/memory/folders/00.parquet", "what is remembered of inputs"),
        ("results/pets/figures/gap.png", "a figure or another image"),
        ("results/pets/figures/gap.svg", "a figure; open"),
        ("pool/000.tar", "a tar that no manifest lies beside"),
        ("work/pets/support/lc/images.tar", "the manifest of the same folder lists them"),
    ],
)
def test_files_that_hold_no_table_are_named(tmp_path: Path, name: str, said: str) -> None:
    for path in (name, "work/memory/runs", "work/pets/support/lc/manifest.parquet"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("00")
    assert said in " ".join(show(str(tmp_path / name)).split())


def test_folders_of_others_are_no_folders_of_the_pipeline(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "meanings").mkdir()
    shutil.copy(folder / "classes.json", tmp_path / "meanings")
    assert "class manifest" in show(str(tmp_path / "meanings/classes.json"))


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        (ImageRecord, "image manifest"),
        (SupportRecord, "support manifest"),
        (Candidate, "candidates of a support set"),
    ],
)
def test_tables_between_the_stages_are_shown(tmp_path: Path, kind: type, title: str) -> None:
    path = tmp_path / "table.parquet"
    write_table(path, Table([], CLASSES.sha256, {"size": 16}), kind)
    text = show(str(path))
    assert title in text
    assert "16" in text
    assert "delete" not in text


def test_an_intact_file_is_never_called_damaged(folder: Path, tmp_path: Path) -> None:
    write_table(folder / "i.parquet", Table([], CLASSES.sha256), ImageRecord)
    for name in ("c.safetensors", "predictions.parquet", "support.h5", "classes.json", "i.parquet"):
        assert "delete" not in show(str(folder / name))
    (tmp_path / "images.tar").write_bytes(b"")
    assert "the manifest of the same folder lists them" in show(str(tmp_path / "images.tar"))


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("x.txt", b"", 'none of the pipeline\'s files, ".json", ".safetensors"'),
        ("x.json", b"{}", "JSON, but no file of susx; its keys are none"),
        ("x.json", b'{"cat": ["a cat"]}', 'no file of susx; its keys are "cat"'),
        ("x.json", b"[1]", "JSON, but no file of susx"),
        ("x.json", b'{"schema": "susx-result-1"}', "susx-result-1, a result of another version"),
        ("x.json", b'{"format": "susx-classes-1"}', "not a class manifest"),
        ("x.parquet", b"PAR1", "no Parquet, or damaged"),
        ("x.h5", b"", "truncated or damaged"),
    ],
)
def test_what_is_none_of_these_is_refused(
    tmp_path: Path, name: str, data: bytes, problem: str
) -> None:
    (tmp_path / name).write_bytes(data)
    assert problem in show(str(tmp_path / name), code=2)
    assert "file not found" in show(str(tmp_path / "gone.h5"), code=2)
