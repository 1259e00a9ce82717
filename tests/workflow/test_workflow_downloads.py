"""Datasets that are fetched before they are listed."""

import pytest

from susx.manifests.tables import ImageRecord, read_table
from tests.hub import ADDRESS, MIRROR, SHA, mirror, serving
from tests.workflow.project import Project

CARD = f"""
title: Pets
classes: [cat, dog]
expected: {{test: 3}}
sources:
- name: mirror
  layout: webdataset
  url: {ADDRESS}
  splits: {{train: train/*.tar, test: test/*.tar}}
"""
MANIFEST = "work/pets/images/test.parquet"

pytestmark = pytest.mark.pipeline


def set_up(project: Project, download: bool | str = True) -> None:
    project.path("card.yaml").write_text(CARD, "utf-8")
    images = {"root": "data/pets", "download": download}
    dataset = {"card": "card.yaml", "images": images}
    project.change_config(lambda config: config["datasets"].update(pets=dataset))


def test_a_dataset_of_the_hub_is_fetched_checked_and_listed(fresh_project: Project) -> None:
    set_up(fresh_project)
    planned = fresh_project.plan("check/pets.json", MANIFEST)
    assert planned.rules == {
        "class_manifest",
        "download_dataset",
        "check_dataset",
        "image_manifest",
    }
    with serving({MIRROR: mirror()}) as hub:
        env = {"HF_ENDPOINT": hub.endpoint}
        fresh_project.run("check/pets.json", MANIFEST, env=env)

    table = read_table(fresh_project.path(MANIFEST), ImageRecord)
    assert [(r.key, r.class_name) for r in table.records] == [
        ("test/0/s1", "cat"), ("test/0/s0", "dog"), ("test/1/s2", "dog")
    ]  # fmt: skip
    assert table.meta["address"] == f"{ADDRESS}@{SHA}"
    check = fresh_project.read_json("check/pets.json")
    assert (check["problems"], list(check["splits"])) == ([], ["test"])
    assert not fresh_project.path("data/pets/train").exists()
    assert fresh_project.plan("check/pets.json", MANIFEST).made == {"check/pets.json"}

    fresh_project.path("data/pets/test/0.tar").unlink()
    fresh_project.path(MANIFEST).unlink()
    gone = fresh_project.attempt(MANIFEST)
    marker = "work/pets/downloads/test.json"
    assert f'data/pets no longer holds "test/0.tar" as downloaded; delete {marker}' in gone.output


def test_a_download_that_fails_says_why_and_goes_on_later(fresh_project: Project) -> None:
    set_up(fresh_project)
    offline = fresh_project.attempt(MANIFEST)
    key = "config.yaml: datasets.pets.images.download"
    assert f"{key}: {ADDRESS}: HF_HUB_OFFLINE is set; unset it, or put the files" in offline.output
    with serving({MIRROR: mirror()}) as hub:
        pets = hub.repositories[MIRROR]
        set_up(fresh_project, pets.folder)
        pets.cut["test/1.tar"] = 1
        broken = fresh_project.attempt(MANIFEST)
        assert f"{key}: {pets.folder}: cannot be fetched" in broken.output
        before = pets.sent["test/0.tar"]
        fresh_project.run(MANIFEST)
        assert pets.sent["test/0.tar"] == before > 0
    assert read_table(fresh_project.path(MANIFEST), ImageRecord).meta["address"] == pets.folder
