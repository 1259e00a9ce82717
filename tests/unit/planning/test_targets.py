"""What is said of names that nothing makes: the name, and what it may be meant for."""

import re
from collections.abc import Sequence

import pytest

from susx.core.errors import InputError, listing
from susx.planning import targets
from susx.planning.setup import Setup
from susx.planning.targets import PathForm, Rules, Wish, names_in, one_of, problem_of, require_known
from tests.planned_world import setup_of

DATASETS = one_of(["pets", "flowers.v2", "imagenet"])
ALLOWED = {
    "dataset": DATASETS,
    "depth": "|full/",
    "strategy": one_of(["cupl", "cupl+e", "photo"]),
    "encoder": one_of(["clip", "siglip"]),
    "texts": one_of(["descriptions", "descriptors"]),
    "chunk": r"\d{5}",
}


def form(pattern: str, shown: bool = False, **own: str) -> PathForm:
    """A form whose wildcards stand for what `ALLOWED` or the rule says."""
    names = targets.WILDCARD.findall(pattern)
    return PathForm(
        pattern, {name: own.get(name, ALLOWED.get(name, ".+")) for name in names}, shown
    )


RULES = Rules(
    {
        "class_manifest": [form("work/{dataset}/classes.json")],
        "check_dataset": [form("check/{depth}{dataset}.json", True, dataset="pets|imagenet")],
        "describe": [form("work/{dataset}/replies/{texts}/{chunk}.json")],
        "join": [form("work/{dataset}/{texts}.json")],
        "prompts": [form("work/{dataset}/prompts/{strategy}.json")],
        "download": [form("work/{dataset}/downloads/all.json", dataset=one_of([]))],
        "embed_text": [form("cache/{encoder}/{dataset}/text-{strategy}.h5", dataset="pets")],
        "import_text": [form("cache/{encoder}/{dataset}/text-{strategy}.h5", encoder="RN50")],
        "collate": [form("results/{dataset}.json", True)],
        "report": [form("results/{dataset}/report.html", True)],
        "summary": [form("results/report.html", True)],
        "all": [],
    }
)
OFFER = (
    '; ask for "results/{dataset}.json", "results/{dataset}/report.html", "results/report.html", '
    '"check/{dataset}.json"; datasets: {datasets}'
)


@pytest.fixture
def named() -> Setup:
    """A setup with the datasets of `RULES`."""
    section = {"classes": ["cat", "dog"], "images": {"test": "images/test"}}
    names = ("pets", "flowers.v2", "imagenet")
    return setup_of(lambda c: c.update(datasets=dict.fromkeys(names, section)))


SAID = {
    "results/imagnet.json": 'unknown dataset "imagnet"; did you mean "imagenet"?',
    "results/x.json": 'unknown dataset "x"; known: "pets", "flowers.v2", "imagenet"',
    "results/flowers.v3/report.html": 'unknown dataset "flowers.v3"; did you mean "flowers.v2"?',
    "check/full/pet.json": 'unknown dataset "pet"; did you mean "pets"?',
    "check/flowers.v2.json": (
        'no check/{depth}{dataset}.json for dataset "flowers.v2", only for "pets", "imagenet"'
    ),
    "work/pets/prompts/cpl.json": 'unknown prompt strategy "cpl"; did you mean "cupl"?',
    "work/pts/prompts/cpl.json": (
        'unknown dataset "pts"; did you mean "pets"?; unknown prompt strategy "cpl"; did you mean '
        '"cupl"?'
    ),
    "cache/clipp/pets/text-cupl.h5": 'unknown encoder "clipp"; did you mean "clip"?',
    "cache/RN51/pets/text-cupl.h5": 'unknown encoder "RN51"; did you mean "RN50"?',
    "cache/x/pets/text-cupl.h5": 'unknown encoder "x"; known: "clip", "siglip", "RN50"',
    "work/pets/replies/descriptors/1.json": '"1" is no chunk',
    "work/pets/clases.json": (
        'unknown kind of text "clases"; did you mean "work/pets/classes.json"?'
    ),
    "work/pets/downloads/all.json": 'no rule makes it; did you mean "work/pets/classes.json"?',
    "result/pets.json": 'no rule makes it; did you mean "results/pets.json"?',
    "results/pets/raport.html": 'no rule makes it; did you mean "results/pets/report.html"?',
    "results/pets": 'no rule makes it; did you mean "results/pets.json"?',
    "pets": 'no rule makes it; did you mean "results/pets.json"?',
    "imagnet.json": 'no rule makes it; did you mean "results/imagenet.json"?',
    "sumary": 'no rule makes it; did you mean "summary"?',
    "nonsense": f"no rule makes it{OFFER}",
    "x/y/z": f"no rule makes it{OFFER}",
    "classes.txt": f"lies there, but no rule makes it{OFFER}",
    "collate": 'is a rule; ask for a file that it makes, "results/{dataset}.json"',
}


@pytest.mark.parametrize("name", SAID)
def test_a_name_that_nothing_makes_is_told_with_what_it_may_be_meant_for(
    name: str, named: Setup
) -> None:
    words = SAID[name].replace("{datasets}", listing(named.datasets))
    assert problem_of(named, RULES, Wish(name)) == f"{name}: {words}"


def test_the_root_that_is_set_is_named(named: Setup) -> None:
    moved = setup_of(
        lambda c: (
            c.update(datasets=dict(named.config.model_dump(exclude_unset=True)["datasets"]))
            or c.update(roots={"results": "far/out"})
        )
    )
    rules = Rules({"collate": [form("far/out/{dataset}.json", True)]})
    said = {
        "results/pets.json": '`roots.results` is far/out; did you mean "far/out/pets.json"?',
        "results/imagnet.json": (
            '`roots.results` is far/out; far/out/imagnet.json: unknown dataset "imagnet"; did you '
            'mean "imagenet"?'
        ),
    }
    for name, words in said.items():
        assert problem_of(moved, rules, Wish(name)) == f"{name}: {words}"


@pytest.mark.parametrize(
    ("roots", "asked", "words"),
    [
        (
            {"results": "results/new"},
            "results/x.json",
            "`roots.results` is results/new; results/new",
        ),
        ({"results": "results/new"}, "results/new/x.json", "unknown dataset"),
        ({"results": "cache", "cache": "results"}, "cache/x.json", "unknown dataset"),
    ],
)
def test_a_root_in_the_place_of_another_is_taken_as_it_is(
    roots: dict[str, str], asked: str, words: str
) -> None:
    setup = setup_of(lambda c: c.update(roots=roots))
    rules = Rules({"collate": [form(f"{roots['results']}/{{dataset}}.json", True)]})
    assert problem_of(setup, rules, Wish(asked)).startswith(f"{asked}: {words}")


def test_published_features_make_no_classifier(setup: Setup) -> None:
    (dataset, *_) = setup.features
    name = f"results/{dataset}/classifier/RN50.safetensors"
    assert problem_of(setup, RULES, Wish(name)) == (
        f"{name}: published features name no encoder that could embed other images; a classifier "
        "needs `images`"
    )


def test_a_path_from_the_root_of_the_disk_is_told_from_here(named: Setup, folder: object) -> None:
    name = f"{folder}/results/pets.json"
    assert problem_of(named, RULES, Wish(name)) == (
        f'{name}: files are named from this folder on; did you mean "results/pets.json"?'
    )


def test_options_take_rules_with_wildcards_as_well(named: Setup) -> None:
    assert problem_of(named, RULES, Wish("embd_text", "--until")) == (
        '--until embd_text: no rule makes it; did you mean "embed_text"?'
    )
    assert problem_of(named, RULES, Wish("colate", targets.RULES_ONLY)) == (
        '--allowed-rules colate: is no rule; did you mean "collate"?'
    )
    assert problem_of(named, RULES, Wish("results/pets.json", targets.RULES_ONLY)) == (
        "--allowed-rules results/pets.json: is no rule; snakemake --list-rules shows them"
    )


def test_what_anyone_types_stays_one_line_and_is_cut(named: Setup) -> None:
    for name in ("", "  ", "a\nb\x1b[2J", "results/\n.json", "x" * 100_000, "x/" * 3000 + "y"):
        said = problem_of(named, RULES, Wish(name))
        assert said.isprintable()
        assert len(said) < 1000


def test_many_names_are_told_together_up_to_a_limit(named: Setup) -> None:
    with pytest.raises(InputError) as caught:
        require_known(named, RULES, [Wish(f"name{number}") for number in range(9)])
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == [f"name{n}" for n in range(5)]
    assert lines[-1] == "and 4 more names that no rule makes"
    require_known(named, RULES, [])


def test_thousands_of_shards_are_not_compared_one_by_one(
    named: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = [f"{number:06d}" for number in range(targets.COMPARED + 1)]
    compared = [0]

    def closest(name: str, names: Sequence[str]) -> str:
        compared.append(len(names))
        return ""

    monkeypatch.setattr(targets, "closest", closest)
    rules = Rules({"embed_shard": [form("cache/pools/{shard}.h5", shard=one_of(shards))]})
    assert problem_of(named, rules, Wish("cache/pools/00000.h5")) == (
        'cache/pools/00000.h5: unknown shard "00000"; known: "000000", "000001", "000002", '
        '"000003", "000004" and 496 more'
    )
    assert max(compared) < len(shards)


def test_names_are_read_back_from_the_expression_that_matches_them() -> None:
    for names in (["a"], ["", "full/"], ["cupl+e", "a.b", "c-d e"], ["RN50", "{x}"]):
        assert names_in(one_of(names)) == names
        assert all(re.fullmatch(one_of(names), name) for name in names)
    assert names_in(one_of([])) == []
    assert names_in(r"\d{5}") == names_in(".+") == names_in("(?!)") == []
    assert not re.fullmatch(one_of([]), "")


def test_a_form_knows_its_files() -> None:
    text = form("cache/{encoder}/{dataset}/text-{strategy}.h5")
    assert text.values("cache/a/b/text-c.h5") == {"encoder": "a", "dataset": "b", "strategy": "c"}
    assert text.unknown("cache/clip/pets/text-cupl+e.h5") == {}
    assert text.unknown("cache/clip/b/text-cupl.h5") == {"dataset": "b"}
    assert text.unknown("cache/clip/b/c/text-cupl.h5") is None
    twice = form("{dataset}/{dataset}.json")
    assert twice.unknown("pets/pets.json") == {}
    assert twice.values("pets/cats.json") is None
