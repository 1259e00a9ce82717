"""Which class the numbers of tars and Parquet files mean."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.config.cards import built_in_cards, load_card
from susx.core.errors import InputError
from susx.datasets.layouts.shards import Shards
from susx.datasets.layouts.webdataset import WebdatasetShards
from susx.datasets.naming import numbered_indices
from susx.manifests.classes import class_manifest
from tests.made.datasets import classes_of
from tests.unit.datasets.test_archives import BLUE, RED, pets_of, rows, write_parquet, write_tar

PETS = class_manifest([{"name": "cat", "aliases": ["felis"]}, "dog", "grey parrot"])


def mirror(**settings: Any) -> WebdatasetShards:
    splits = {"test": "*.tar"}
    return WebdatasetShards(name="mirror", layout="webdataset", splits=splits, **settings)


def indices(called: list[str] | None, settings: dict[str, Any]) -> list[int]:
    return numbered_indices(PETS, called, mirror(**settings), "names.txt")


@pytest.mark.parametrize(
    ("names", "settings", "expected"),
    [
        (["dog", "Grey_Parrot", "felis"], {}, [1, 2, 0]),
        (["dog"], {}, [1]),
        (["2 dog", "1 cat"], {"strip": r"^\d "}, [1, 0]),
        (["b", "c", "a"], {"names": ["a", "b", "c"]}, [1, 2, 0]),
        (["kitty", "hound", "parrot"], {"order": "card"}, [0, 1, 2]),
        (["cat", "hound", "parrot"], {"order": "card"}, [0, 1, 2]),
        (["cat", "cat", "parrot"], {"order": "card"}, [0, 1, 2]),
        (None, {"order": "card"}, [0, 1, 2]),
    ],
)
def test_numbers_mean_the_classes_that_their_names_find(
    names: list[str] | None, settings: dict[str, Any], expected: list[int]
) -> None:
    assert indices(names, settings) == expected


@given(st.permutations(range(len(PETS))))
def test_any_order_of_names_leads_back_to_that_of_the_card(order: list[int]) -> None:
    assert indices([PETS.names[i] for i in order], {}) == order


@pytest.mark.parametrize(
    ("names", "settings", "problem"),
    [
        (None, {}, "nothing says which class a number means; .* say `order: card` in its source"),
        (["dog", "kitty", "x"], {}, r'2 of 3 names are those of no class: "kitty", "x"; list what'),
        (["dog", "", "cat"], {}, '1 of 3 names are those of no class: "";'),
        (["dog", "cat", "dog"], {}, 'several numbers are called "dog"'),
        (["cat", "felis"], {}, '"cat" and "felis" both name class "cat"'),
        (["a", "d"], {"names": ["a", "b", "c"]}, '1 of 2 names are those of no class: "d"'),
        (["a"], {"names": ["a"]}, "names 1 classes, but there are 3"),
        (["cat", "dog"], {"order": "card"}, "tells of 2 classes, but there are 3, so that"),
        (
            ["kitty", "cat", "parrot"],
            {"order": "card"},
            'number 1 is "cat", which is class 0 of the card, although .* `order: card`',
        ),
    ],
)
def test_an_order_is_never_guessed(
    names: list[str] | None, settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InputError, match=f"^names.txt: .*{problem}"):
        indices(names, settings)


def test_a_mirror_in_another_order_is_read_by_its_names(tmp_path: Path) -> None:
    write_tar(tmp_path / "0.tar", {"a.png": RED, "a.cls": b"1", "b.png": BLUE, "b.cls": b"0"})
    (tmp_path / "classnames.txt").write_text("dog\ncat\n", "utf-8")
    assert rows(pets_of(tmp_path, "webdataset", "*.tar", order="names")) == {"0/a": 0, "0/b": 1}
    with pytest.raises(InputError, match=r'classnames\.txt: number 0 is "dog", which is class 1'):
        pets_of(tmp_path, "webdataset", "*.tar")
    (tmp_path / "classnames.txt").unlink()
    with pytest.raises(InputError, match=r"0\.tar: nothing says which class a number means"):
        pets_of(tmp_path, "webdataset", "*.tar", order="names")


@pytest.mark.parametrize("labels", [[1, 0], ["Cat", "dog"]])
def test_parquet_is_read_by_the_names_of_its_features_or_labels(
    tmp_path: Path, labels: list[Any]
) -> None:
    names = ["dog", "cat"] if labels == [1, 0] else None
    write_parquet(tmp_path / "0.parquet", {"image": [RED, BLUE], "label": labels}, names)
    found = rows(pets_of(tmp_path, "parquet", "*.parquet", order="names"))
    assert found == {"0/0000000": 0, "0/0000001": 1}


def test_a_missing_name_in_parquet_is_told(tmp_path: Path) -> None:
    write_parquet(tmp_path / "0.parquet", {"image": [RED, BLUE], "label": ["cat", None]})
    with pytest.raises(InputError, match=r"0\.parquet: row 1: label: None is no label"):
        pets_of(tmp_path, "parquet", "*.parquet")


def test_numbers_of_published_mirrors_are_those_of_the_cards() -> None:
    sources = [(name, s) for name in built_in_cards() for s in load_card(name).sources]
    mirrors = {name: s for name, s in sources if isinstance(s, Shards) and s.name == "webdataset"}
    assert {source.order for source in mirrors.values()} == {"card"}
    assert all(
        str(source.url).startswith("hf://datasets/clip-benchmark/wds_")
        for source in mirrors.values()
    )


def test_names_that_were_swapped_against_the_card_are_noticed() -> None:
    classes = classes_of("food101")
    names = [*classes.names]
    names[16], names[17] = names[17], names[16]
    source = next(s for s in load_card("food101").sources if isinstance(s, Shards))
    with pytest.raises(InputError, match='number 16 is "cheesecake", which is class 17'):
        numbered_indices(classes, names, source, "classnames.txt")
