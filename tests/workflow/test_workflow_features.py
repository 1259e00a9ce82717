"""The pipeline on published features, in the layouts of both publishers."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from filelock import FileLock

from susx.embeddings.cache import read_cache
from tests.closeness import assert_close
from tests.helpers import PROJECTION, make_problem
from tests.html_page import Page
from tests.published import SPLIT, save, save_susx, save_tip_adapter
from tests.workflow.project import AXIS, NAMES, Outcome, Project, tiny_config

PROBLEM = make_problem(0, n=40, d=8, support=(3, 2, 4, 2, 3))
N_TEST = round(SPLIT * 40)
SUSX = {
    "layout": "susx", "root": "susx", "backbone": "ViT-B32", "support": "lc-photo",
    "text": "combined",
}  # fmt: skip
TIP = {
    "layout": "tip-adapter", "root": "tip", "backbone": "RN50", "shots": [2],
    "text_files": {"ensemble": "tip/ensemble.pt"},
}  # fmt: skip
PETS, BIRDS = "results/pets.json", "results/birds.json"
TEXT = "susx/pets_zeroshot_text_weights_mViT-B32_ptcombined.pt"

pytestmark = pytest.mark.pipeline


def evaluation(methods: list[str], text: str) -> dict[str, Any]:
    grid = {"tip-adapter": {"alpha": AXIS, "beta": AXIS}}
    return {"methods": methods, "texts": [text], "grid": grid}


def config(name: str, features: dict[str, Any], methods: list[str], text: str) -> dict[str, Any]:
    datasets = {name: {"features": features}}
    return {"datasets": datasets, "evaluation": evaluation(methods, text)}


@pytest.fixture(scope="session")
def finished_pets(shared_folder: Path) -> Project:
    """A complete run on features in the layout of SuS-X; copy it before changing it."""
    project = Project(shared_folder / "pets")
    with FileLock(shared_folder / "pets.lock"):
        if not project.root.exists():
            attempt = Project(shared_folder / "unfinished-pets")
            shutil.rmtree(attempt.root, ignore_errors=True)
            save_susx(attempt.path("susx"), PROBLEM, backbone="ViT-B32")
            methods = ["cupl+e", "tip-adapter"]
            attempt.write_config(config("pets", SUSX, methods, "cupl+e"))
            attempt.run(PETS)
            attempt.root.rename(project.root)
    return project


@pytest.fixture
def pets(finished_pets: Project, tmp_path: Path) -> Project:
    """A run on features in the layout of SuS-X, free to be changed."""
    return finished_pets.copy(tmp_path / "pets")


def assert_refused(outcome: Outcome, says: str) -> None:
    """Expect a failure with a message and without a traceback."""
    assert outcome.returncode != 0
    assert says in outcome.output
    assert "Traceback (most recent call last)" not in outcome.output


def test_a_run_on_susx_features(finished_pets: Project) -> None:
    result = finished_pets.read_json(PETS)
    assert (result["n_classes"], result["n_test"], result["n_validation"]) == (5, N_TEST, 16)
    assert [(r["encoder"], r["method"], r["support"], r["tuned_on"]) for r in result["runs"]] == [
        ("ViT-B32", "cupl+e", None, "nothing"),
        ("ViT-B32", "tip-adapter", "lc-photo", "validation"),
        ("ViT-B32", "tip-adapter", "lc-photo", "nothing"),
    ]
    assert result["supports"]["lc-photo"] == {
        "size": 4, "n_candidates": 14, "n_kept": 14, "fates": {"kept": 14}, "failed": {},
        "classes": {
            f"class {i:04d}": {"kept": n} for i, n in enumerate((3, 2, 4, 2, 3))
        },
        "short_classes": {"class 0000": 3, "class 0001": 2, "class 0003": 2, "class 0004": 3},
        "leaks": None, "leaks_dropped": False,
        "entry": "lc-photo", "seed": None, "source": "published features",
    }  # fmt: skip
    assert finished_pets.files("work", "cache", "results") == {
        "work/pets/classes.json",
        "work/pets/evaluation/ViT-B32.json",
        *(f"cache/ViT-B32/pets/images-{split}.h5" for split in ("test", "validation")),
        "cache/ViT-B32/pets/text-cupl+e.h5",
        "cache/ViT-B32/pets/support-lc-photo.h5",
        PETS,
    }
    cache = read_cache(finished_pets.path("cache/ViT-B32/pets/images-test.h5"))
    # Published values and thereby lengths are rounded to float16.
    assert_close(cache.features, PROBLEM.images[:N_TEST].astype(np.float16), 1)
    right = (PROBLEM.images[:N_TEST] @ PROBLEM.text.T).argmax(1) == PROBLEM.labels[:N_TEST]
    assert abs(result["runs"][0]["correct"] - int(right.sum())) <= 1


def test_the_row_that_a_classifier_would_be_of_is_analysed(pets: Project) -> None:
    analysis = "work/pets/analysis/ViT-B32.json"
    assert pets.run(analysis).rules == {"analyse"}
    found = pets.read_json(analysis)
    assert (found["shown"], found["before"]["text"]) == (None, "cupl+e")  # tip-x is not evaluated

    pets.change_config(lambda c: c.update(classifier={"method": "tip-adapter"}))
    assert pets.run(analysis).rules == {"analyse"}
    shown = pets.read_json(analysis)["shown"]
    assert shown == {
        "method": "tip-adapter", "text": "cupl+e", "support": "lc-photo",
        "protocol": "validation", "seed": None,
    }  # fmt: skip


def test_changed_files_are_read_again(pets: Project) -> None:
    def change(name: str) -> None:
        save(pets.path(name), 2 * torch.load(pets.path(name)).numpy())

    change("susx/sus_lc_photo_pets_f_mViT-B32.pt")
    change("susx/pets_f_val_mViT-B32.pt")
    made = {Path(path).name for path in pets.plan(PETS).made}
    assert made == {"support-lc-photo.h5", "images-validation.h5", "ViT-B32.json", "pets.json"}
    change(TEXT)
    made = {Path(path).name for path in pets.plan(PETS).made}
    assert {"classes.json", "text-cupl+e.h5"} <= made


def test_a_lost_cache_is_made_again_when_it_is_asked_for(pets: Project) -> None:
    """A second run does nothing, with the cache or without."""
    cache = "cache/ViT-B32/pets/support-lc-photo.h5"
    shutil.rmtree(pets.path(cache).resolve().parent)
    assert pets.plan(PETS).jobs == []
    assert pets.plan(cache).made == {cache}


def test_a_run_on_tip_adapter_features(tmp_path: Path) -> None:
    project = Project(tmp_path)
    save_tip_adapter(project.path("tip"), PROBLEM)
    project.write_config(config("birds", TIP, ["zero-shot", "tip-adapter"], "ensemble"))
    project.change_config(lambda c: c["datasets"]["birds"].update(classes=["a", "b", *"cde"]))

    outcome = project.run(BIRDS)

    assert outcome.rules == {
        *("class_manifest", "import_images", "import_text", "import_support"),
        *("evaluate", "collate"),
    }
    result = project.read_json(BIRDS)
    assert [run["support"] for run in result["runs"]] == [None, "2-shot", "2-shot"]
    assert result["encoders"]["RN50"]["library"] == "features/tip-adapter"
    project.change_config(lambda c: c["datasets"]["birds"]["features"].update(shots=[3]))
    for name in ("keys", "values"):
        old, new = (project.path(f"tip/caches/birds/{name}_{k}shots.pt") for k in (2, 3))
        shutil.copy(old, new)
    outcome = project.attempt("cache/RN50/birds/support-3-shot.h5")
    assert_refused(outcome, 'values_3shots.pt: class 1 ("b") has 2 of 3 images')


def test_texts_from_an_encoder(fresh_project: Project) -> None:
    """Of the right dimension; whether it made the features, nobody can tell."""
    problem = make_problem(1, n=40, d=PROJECTION, support=(3, 2, 4, 2))
    save_tip_adapter(fresh_project.path("tip"), problem)
    features = {key: value for key, value in TIP.items() if key != "text_files"}
    data = config("birds", {**features, "encoder": "clip"}, ["tip-adapter"], "photo")
    data["datasets"]["birds"]["classes"] = NAMES
    data["evaluation"]["protocols"] = ["fixed"]
    for kind in "fl":
        fresh_project.path(f"tip/caches/birds/val_{kind}.pt").unlink()
    fresh_project.write_config({**data, "encoders": tiny_config()["encoders"]})

    outcome = fresh_project.run(BIRDS)

    assert {"embed_text", "import_images", "import_support"} <= outcome.rules
    assert not {"embed_images", "import_text", "import_classes"} & outcome.rules
    assert {run["encoder"] for run in fresh_project.read_json(BIRDS)["runs"]} == {"RN50"}
    encoder = fresh_project.read_json(BIRDS)["encoders"]["RN50"]
    assert encoder["weights_sha256"] is None
    assert encoder["text_encoder"]["library"] == "small"


def test_features_beside_images(fresh_project: Project) -> None:
    before = fresh_project.plan().made
    features = {**SUSX, "text": ["ensemble", "cupl", "combined"]}
    save_susx(fresh_project.path("susx"), PROBLEM, backbone="ViT-B32")
    for text in ("ensemble", "cupl"):
        save(fresh_project.path(TEXT.replace("combined", text)), PROBLEM.text.T)
    fresh_project.change_config(lambda c: c["datasets"].update(pets={"features": features}))

    plan = fresh_project.plan()

    made = [path for job in plan.jobs for path in job.outputs]
    assert len(made) == len(set(made))
    assert {path for path in made if "/pets" not in path} == before
    assert {path for path in made if path.startswith("cache") and "/pets/" in path} == {
        f"cache/ViT-B32/pets/{name}.h5"
        for name in (
            *("images-test", "images-validation", "support-lc-photo"),
            *("text-ensemble", "text-cupl", "text-cupl+e"),
        )
    }


def test_missing_files_are_named_before_anything_runs(pets: Project) -> None:
    """A split with neither features nor labels is not published."""
    for folder in ("cache", "work", "results"):
        shutil.rmtree(pets.path(folder))
    pets.path("susx/pets_f_val_mViT-B32.pt").rename(pets.path("susx/pets_f_vall_mViT-B32.pt"))
    missing = (
        "config.yaml: datasets.pets.features: not found: susx/pets_f_val_mViT-B32.pt; did you mean "
        '"pets_f_vall_mViT-B32.pt"?'
    )
    assert_refused(pets.attempt(PETS), missing)
    pets.path("susx/pets_t_val_mViT-B32.pt").unlink()
    assert "cache/ViT-B32/pets/images-test.h5" in (made := pets.plan(PETS).made)
    assert "cache/ViT-B32/pets/images-validation.h5" not in made


def test_bad_features_end_in_one_message(pets: Project) -> None:
    save(pets.path(TEXT), PROBLEM.text)
    outcome = pets.attempt("cache/ViT-B32/pets/text-cupl+e.h5")
    assert_refused(outcome, f"{TEXT}: shape (5, 8) is transposed, expected (d, C)")


def test_what_is_not_published_is_skipped_with_the_reason(pets: Project) -> None:
    """Texts of a strategy, and validation images whose files are empty."""
    save(pets.path("susx/pets_f_val_mViT-B32.pt"), np.zeros((0, 8)))
    save(pets.path("susx/pets_t_val_mViT-B32.pt"), np.zeros(0), torch.int64)
    pets.change_config(lambda c: c["evaluation"]["methods"].extend(["zero-shot", "dn"]))
    pets.run(PETS)
    result = pets.read_json(PETS)
    assert result["n_validation"] == 0
    assert [run["protocol"] for run in result["runs"]] == ["none", "fixed"]
    reasons = {(row["method"], row["protocol"]): row["reason"] for row in result["skipped"]}
    assert "needs validation images" in reasons["tip-adapter", "validation"]
    assert reasons["zero-shot", "none"] == (
        'needs prompt strategy "ensemble": text ensemble of datasets.pets.features is not set'
    )
    assert ("dn", "none") in reasons


def test_validation_that_is_the_test_must_be_declared(pets: Project) -> None:
    for kind in "ft":
        files = (pets.path(f"susx/pets_{kind}_{split}_mViT-B32.pt") for split in ("test", "val"))
        shutil.copy(*files)
    assert_refused(pets.attempt(PETS), "the dataset card says `validation: test`")
    card = {"title": "Pets", "classes": list("abcde"), "validation": "test"}
    pets.path("card.yaml").write_text(yaml.safe_dump(card), "utf-8")
    pets.change_config(lambda c: c["datasets"]["pets"].update(card="card.yaml"))
    pets.run(PETS)
    result = pets.read_json(PETS)
    assert "test" in {run["tuned_on"] for run in result["runs"]}
    assert list(result["images"]) == ["test"]


def test_their_report_has_figures_batches_and_no_images(pets: Project) -> None:
    batches = {
        "few": {"draw": "few-classes", "size": 8, "classes": [1, 2], "tasks": 3},
        "orders": {"draw": "shuffled", "size": 8, "tasks": 2},
    }
    pets.change_config(lambda c: c["evaluation"].update(batches=batches))
    pets.change_config(lambda c: c["evaluation"]["methods"].append("tda"))
    pets.run(PETS, "results/pets/report.html")

    page = Page(pets.path("results/pets/report.html").read_text("utf-8"))
    assert "published features: there are no images" in page.root.text
    (card,) = page.all("img")
    assert (card.attributes["width"], card.attributes["height"]) == ("1200", "630")
    assert pets.path("results/pets/figures/card.png").exists()
    assert len(page.all("figure")) >= 3
    result = pets.read_json(PETS)
    assert list(result["batches"]) == list(batches)
    assert len(result["batch_runs"]) == len(result["runs"]) * len(batches)
    rows = page.table("Top-1 accuracy in percent: mean of all tasks").rows()
    assert len(rows) == len(result["runs"])
    assert {row[0] for row in rows} == {"cupl+e", "tip-adapter", "tda"}
    assert all("±" in cell for row in rows for cell in row[-len(batches) :])
    assert pets.path("results/pets/figures/batches.svg").exists()
