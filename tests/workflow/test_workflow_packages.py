"""A package brings one thing of every kind; a project uses them all, and susx is not edited."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from susx_small.cases import write_pool, write_splits
from susx_small.encoder import save

from susx.artifacts.recipe import Receipt
from susx.artifacts.store import receipt_of
from tests.helpers import colour_of, image_bytes
from tests.small_package import install_small
from tests.workflow.project import FOLDERS, NAMES, REPO, RESULT, Outcome, Project

pytestmark = pytest.mark.pipeline

USERS = {
    "image_manifest": "work/tiny/images/test.parquet",
    "describe_classes": "work/tiny/replies/descriptions/0000.json",
    "embed_text": "cache/small/tiny/text-cupl.h5",
    "embed_images": "cache/small/tiny/images-test.h5",
    "embed_shard": "cache/small/pools/web/pool.h5",
    "select_support": "work/tiny/support/lc/manifest.parquet",
    "embed_support": "cache/small/tiny/support-lc.h5",
    "evaluate": "work/tiny/evaluation/small.json",
}
"""Stages that use something of the package, with one of their outputs."""
OTHERS = {
    "class_manifest": "work/tiny/classes.json",
    "prompts": "work/tiny/prompts/cupl.json",
    "search_shard": "work/tiny/support/lc/candidates/pool.parquet",
}


def config() -> dict[str, Any]:
    written = {"model": "writer", "questions": ["What is {}?"], "samples": 1, "temperature": 0.0}
    return {
        "datasets": {
            "tiny": {"card": "card.yaml", "images": {"root": "images"}, "descriptions": written}
        },
        "language_models": {"writer": {"backend": "parrot", "voice": "It is said that"}},
        "encoders": {"small": {"library": "small", "model": "model", "contrast": 1.5}},
        "pools": {"web": {"layout": "zip", "path": "pool.zip"}},
        "supports": {"lc": {"source": "retrieval", "pool": "web", "encoder": "small", "size": 2}},
        "evaluation": {"methods": ["zero-shot", "cupl", "centres"]},
    }


def write_world(root: Path) -> None:
    (root / "images").mkdir(parents=True)
    save(root / "model")
    splits = {"test": 3, "validation": 2}
    images = {
        split: [
            (name, image_bytes(colour_of(i, 4), seed=100 * n + 10 * i + k))
            for i, name in enumerate(FOLDERS)
            for k in range(n)
        ]
        for split, n in splits.items()
    }
    source = {"name": "zips", "layout": "zip", **write_splits(root / "images", images)}
    card = {"title": "Tiny", "classes": NAMES, "sources": [source]}
    (root / "card.yaml").write_text(yaml.safe_dump(card, allow_unicode=True), "utf-8")
    write_pool(root, [(image_bytes(colour_of(i, 30), seed=i), f"number {i}") for i in range(30)])
    Project(root).write_config(config())


class Site:
    """A folder of installed packages, and runs with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def attempt(self, project: Project, *arguments: str) -> Outcome:
        paths = os.pathsep.join([str(self.folder), str(REPO)])
        return project.attempt(*arguments, env={"HF_HUB_OFFLINE": "1", "PYTHONPATH": paths})

    def stale(self, project: Project) -> Outcome:
        outcome = self.attempt(project, "--dry-run", RESULT)
        assert outcome.returncode == 0, outcome.output
        return outcome


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(install_small(tmp_path_factory.mktemp("site")))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Project:
    """A project that ran with the package."""
    root = tmp_path_factory.mktemp("packages") / "project"
    write_world(root)
    outcome = site.attempt(Project(root), RESULT)
    assert outcome.returncode == 0, outcome.output
    return Project(root)


def receipt(project: Project, output: str) -> Receipt:
    found = receipt_of(str(project.path(output)))
    assert found
    return found


def test_one_run_uses_all_that_the_package_brings(made: Project) -> None:
    result = made.read_json(RESULT)
    assert {row["method"] for row in result["runs"]} == {"zero-shot", "cupl", "centres"}
    assert result["n_test"] == 12
    assert result["provenance"]["versions"]["susx-small"] == "1.0"
    replies = made.read_json("work/tiny/descriptions.json")
    assert "It is said that zebra has bright colours." in str(replies)


def test_what_the_package_has_made_says_so(made: Project) -> None:
    for output in USERS.values():
        (source,) = receipt(made, output).recipe.inputs["packages"]
        assert source.path == "susx-small 1.0"
        assert len(source.identity) == 64
    for output in OTHERS.values():
        assert "packages" not in receipt(made, output).recipe.inputs


def test_a_second_call_does_nothing(made: Project, site: Site) -> None:
    assert site.stale(made).rules == set()


def test_another_version_makes_stale_what_it_made(made: Project, tmp_path: Path) -> None:
    outcome = Site(install_small(tmp_path, "1.1")).stale(made)
    assert USERS.keys() <= outcome.rules
    assert "class_manifest" not in outcome.rules
    assert f"stale: {USERS['image_manifest']}: susx-small 1.1 changed" in outcome.output


def test_an_edit_of_its_code_makes_stale_what_it_made(made: Project, tmp_path: Path) -> None:
    site = Site(install_small(tmp_path))
    with (tmp_path / "susx_small/method.py").open("a") as stream:
        stream.write("# edited\n")
    assert USERS.keys() <= site.stale(made).rules


def test_without_the_package_names_are_refused_with_those_there_are(
    made: Project, tmp_path: Path
) -> None:
    outcome = Site(tmp_path).attempt(made, "--dry-run", RESULT)
    assert outcome.returncode != 0
    assert "Traceback" not in outcome.output
    for line in (
        'encoders.small.library: no encoder library "small"',
        "language_models.writer.backend: expected one of 'transformers', 'openai' (got 'parrot')",
        "pools.web.layout: expected one of 'folder', 'webdataset', 'parquet'",
    ):
        assert f"config.yaml: {line}" in outcome.output


def test_a_package_that_cannot_be_imported_is_one_line(made: Project, tmp_path: Path) -> None:
    site = Site(install_small(tmp_path))
    (tmp_path / "susx_small/pool.py").write_text("import nothing_of_this_name\n", "utf-8")
    outcome = site.attempt(made, "--dry-run", RESULT)
    assert outcome.returncode != 0
    assert "Traceback" not in outcome.output
    assert (
        'package susx-small: entry point "zip" of susx.pools: susx_small.pool:ZIP cannot be '
        "imported (ModuleNotFoundError: No module named 'nothing_of_this_name')"
    ) in outcome.output
