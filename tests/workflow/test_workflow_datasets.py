"""Datasets that lie as their card says, and the check of them."""

import json
import shutil

import pytest

from susx.manifests.tables import ImageRecord, read_table
from tests.made.ilsvrc import val_name, write_kit
from tests.workflow.project import FOLDERS, NAMES, RESULT, Project

CARD = """
title: Tiny
classes: [zebra, a/b, café, apple]
expected: {test: 5}
sources: [{name: list, layout: coop-json, file: split.json, images: test}]
"""

pytestmark = pytest.mark.pipeline


def test_a_dataset_in_the_layout_of_its_card_is_checked_and_listed(fresh_project: Project) -> None:
    rows = [[f"{folder}/000.png", i, NAMES[i]] for i, folder in enumerate(FOLDERS)]
    split = {"train": rows[:1], "val": rows[1:], "test": [["gone.png", 3, "apple"], *rows]}
    fresh_project.path("images/split.json").write_text(json.dumps(split), "utf-8")
    fresh_project.path("card.yaml").write_text(CARD, "utf-8")
    dataset = {"card": "card.yaml", "images": {"root": "images"}}
    fresh_project.change_config(lambda config: config["datasets"].update(listed=dataset))
    manifest = "work/listed/images/test.parquet"

    done = fresh_project.run("check/listed.json", "check/full/tiny.json", manifest)

    assert done.rules == {"class_manifest", "image_manifest", "check_dataset"}
    listed = fresh_project.read_json("check/listed.json")
    assert (listed["source"], listed["full"]) == ("list", False)
    assert listed["splits"]["test"]["missing"] == ["gone.png"]
    assert 'WARNING test: 1 of 5 images missing: "gone.png"' in done.output
    assert fresh_project.read_json("check/full/tiny.json")["problems"] == []
    table = read_table(fresh_project.path(manifest), ImageRecord)
    assert [record.label for record in table.records] == [0, 1, 2, 3, 3]
    assert (table.meta["source"], table.meta["n_unreadable"]) == ("list", 1)
    assert fresh_project.plan("check/listed.json", manifest).made == {"check/listed.json"}


def test_images_are_listed_anew_if_what_tells_their_classes_changes(fresh_project: Project) -> None:
    root, names = fresh_project.path("ilsvrc"), [val_name(i) for i in (1, 2)]
    wnids = ["n01440764", "n01443537"]
    root.mkdir()
    for name, folder in zip(names, FOLDERS, strict=False):
        shutil.copy(fresh_project.path(f"images/test/{folder}/000.png"), root / name)
    write_kit(root, wnids, wnids, packed=True)
    flat = {"card": "imagenet", "images": {"root": "ilsvrc"}}
    fresh_project.change_config(lambda config: config["datasets"].update(flat=flat))
    manifest = "work/flat/images/test.parquet"

    def listed() -> list[tuple[str, int]]:
        records = read_table(fresh_project.path(manifest), ImageRecord).records
        return [(record.key, record.label) for record in records]

    fresh_project.run(manifest)
    assert listed() == [(names[0], 0), (names[1], 1)]
    assert fresh_project.run(manifest).made == set()

    write_kit(root, wnids, wnids[::-1], packed=True)
    assert fresh_project.run(manifest).made == {manifest}
    assert listed() == [(names[1], 0), (names[0], 1)]

    (root / names[1]).write_bytes(b"broken")
    assert fresh_project.run(manifest).made == {manifest}


def test_classes_follow_every_card_that_they_come_from(fresh_project: Project) -> None:
    fresh_project.path("names.yaml").write_text("title: Names\nclasses: [cat, dog]\n", "utf-8")
    fresh_project.path("card.yaml").write_text("title: Pets\nclasses: names.yaml\n", "utf-8")
    dataset = {"card": "card.yaml", "images": {"test": "images/test"}}
    fresh_project.change_config(lambda config: config["datasets"].update(pets=dataset))
    target = "work/pets/classes.json"
    fresh_project.run(target)
    assert fresh_project.run(target).made == set()

    fresh_project.path("names.yaml").write_text("title: Names\nclasses: [cat, cow]\n", "utf-8")

    assert fresh_project.run(target).made == {target}
    assert [entry["name"] for entry in fresh_project.read_json(target)["classes"]] == ["cat", "cow"]


def test_a_bad_dataset_stops_nothing_but_itself_and_its_check_tells(project: Project) -> None:
    sources = "sources: [{name: all, layout: class-folders, splits: {test: test}}]\n"
    project.path("pets.yaml").write_text(f"title: Pets\nclasses: [cat]\n{sources}", "utf-8")
    dataset = {"card": "pets.yaml", "images": {"root": "nowhere"}}
    project.change_config(lambda config: config["datasets"].update(bad=dataset))

    done = project.run(RESULT, "check/bad.json")
    bad = project.attempt("results/bad.json")
    everything = project.attempt()

    says = "datasets.bad.images.root: folder not found: nowhere"
    assert done.rules == {"class_manifest", "check_dataset"}
    (problem,) = project.read_json("check/bad.json")["problems"]
    assert says in problem
    assert bad.returncode != 0 != everything.returncode
    assert bad.jobs == everything.jobs == []
    assert f"config.yaml: {says}" in bad.output
    assert f"config.yaml: {says}" in everything.output
