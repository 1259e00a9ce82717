"""Files that the configuration names."""

from pathlib import Path

import pytest

from susx.core.errors import InputError
from susx.planning.paths import apart, existing
from susx.planning.setup import Setup
from tests.planned_world import setup_of


def test_what_is_there_is_returned() -> None:
    assert existing("classes.txt", "datasets.tiny.classes") == "classes.txt"
    assert existing(Path("images") / "test", "x") == "images/test"


@pytest.mark.parametrize("path", ["demo/data/test", "demo/data/pool/00003.tar"])
def test_data_of_the_demo_need_not_be_there(path: str) -> None:
    assert existing(path, "x") == path


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("nowhere", "config.yaml: pools.web.path: not found: nowhere"),
        ("demo/data/pool/3.tar", "config.yaml: pools.web.path: not found: demo/data/pool/3.tar"),
        ("a{b}", "config.yaml: pools.web.path: a{b}: has braces, which stand for wildcards"),
        ("x" * 300, "File name too long"),
    ],
    ids=["missing", "not of the demo", "braces", "too long"],
)
def test_what_is_not_there_is_told_with_its_key(path: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        existing(path, "pools.web.path")
    assert says in str(caught.value)


def test_a_folder_apart_from_those_of_the_pipeline_is_returned(setup: Setup) -> None:
    assert apart(setup, "images/test", "x") == "images/test"


@pytest.mark.parametrize("inside", ["work", "work/mine", ".snakemake", "cache/store"])
def test_what_lies_in_a_folder_of_the_pipeline_is_refused(inside: str, setup: Setup) -> None:
    Path(inside).mkdir(parents=True)
    with pytest.raises(InputError, match=f"config.yaml: x: {inside} (lies in|holds)"):
        apart(setup, inside, "x")


def test_what_holds_a_folder_of_the_pipeline_is_refused() -> None:
    roots = {"work": "images/work", "cache": "c", "results": "r"}
    setup = setup_of(lambda config: config.update(roots=roots))
    with pytest.raises(InputError, match=r"config.yaml: x: images holds images/work, which the"):
        apart(setup, "images", "x")
    assert apart(setup, "images/split.json", "x")
