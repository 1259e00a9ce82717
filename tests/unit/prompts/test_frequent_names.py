"""The name of a class that captions have most."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.core.errors import InputError
from susx.manifests.classes import class_manifest
from susx.pools.web import WebShard
from susx.prompts.frequent_names import frequent_names
from susx.prompts.strategies import build_prompts
from susx.support.name_counts import read_name_counts, write_name_counts
from tests.searches import match_captions

CLASSES = class_manifest(
    [
        {"name": "tench", "aliases": ["Tinca_tinca", "doctor fish", "Doctor-Fish"]},
        {"name": "crane", "aliases": ["heron", "fish"]},
        {"name": "heron", "aliases": ["Crane bird"]},
        {"name": "sedan", "aliases": ["saloon", "limousine"]},
        {"name": "kite", "aliases": ["milan"]},
    ]
)
CAPTIONS = [
    *("a doctor fish", "DOCTOR FISHES and a doctor fish", "tinca tinca", "tench"),
    *("a heron and a crane", "fish", "saloon", "two limousines", "a house", None),
]


@pytest.fixture
def counts(tmp_path: Path) -> list[Path]:
    """Counts of all captions in two shards, of which the second has no address for its last row."""
    found = []
    for number, rows in enumerate((CAPTIONS[:5], [*CAPTIONS[5:], "milan"])):
        urls = [f"http://h/{row}" for row in range(len(rows))]
        if number:
            urls[-1] = None  # type: ignore[call-overload]  # a row without an address
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"url": urls, "caption": rows}), path)
        found.append(tmp_path / f"{number}.json")
        write_name_counts(found[-1], match_captions(CLASSES, WebShard(str(path)), "s", limit=1))
    return found


def test_captions_are_counted_once_per_name_over_all_shards(counts: list[Path]) -> None:
    """More candidates than are kept are counted; what may mean another class is not."""
    assert read_name_counts(counts, CLASSES) == {
        "tench": {"tench": 1, "Tinca_tinca": 1, "doctor fish": 2},
        "crane": {"crane": 1, "fish": 1},
        "heron": {"heron": 1, "Crane bird": 0},
        "sedan": {"sedan": 0, "saloon": 1, "limousine": 1},
        "kite": {"kite": 0, "milan": 0},
    }


def test_the_most_frequent_name_is_prompted_and_the_first_of_equals(counts: list[Path]) -> None:
    chosen = frequent_names(CLASSES, read_name_counts(counts, CLASSES))
    assert chosen["renamed"] == {"tench": "doctor fish", "sedan": "saloon"}
    assert chosen["tied"] == ["crane", "sedan"]
    assert chosen["unmentioned"] == ["kite"]
    assert set(chosen["counts"]) == set(CLASSES.names)
    settings = {"ensemble": ["a {}.", "the {}."], "frequent_names": {"pool": "web", **chosen}}
    prompts = build_prompts("real", {"real": "frequent_names"}, CLASSES, settings)
    named = ["doctor fish", "crane", "heron", "saloon", "kite"]
    assert prompts.texts == [[f"a {name}.", f"the {name}."] for name in named]
    assert prompts.provenance == {"frequent_names": {"pool": "web", **chosen}}


def test_underscores_of_an_alias_are_spaces_in_prompts() -> None:
    chosen = frequent_names(CLASSES, {name: {} for name in CLASSES.names} | {
        "tench": {"tench": 0, "Tinca_tinca": 4}
    })  # fmt: skip
    settings = {"ensemble": ["a {}."], "frequent_names": chosen}
    prompts = build_prompts("real", {"real": "frequent_names"}, CLASSES, settings)
    assert prompts.texts[0] == ["a Tinca tinca."]


def test_counts_of_other_classes_or_damaged_ones_are_refused(counts: list[Path]) -> None:
    with pytest.raises(InputError, match=r"0\.json: belongs to another class list; delete it"):
        read_name_counts(counts, class_manifest(["tench"]))
    counts[1].write_text(counts[1].read_text("utf-8").replace('"saloon": 1', '"saloon": 9'))
    with pytest.raises(InputError, match=r"1\.json: contents do not fit the stored checksum"):
        read_name_counts(counts, CLASSES)
