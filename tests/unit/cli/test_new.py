"""`susx new`: a configuration for someone's own classes and images."""

import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from snakemake.utils import update_config
from typer.testing import CliRunner

from susx.cli import app
from susx.cli.new.compose import Wishes, as_yaml, compose
from susx.config import parse_config
from susx.config.schema import Config
from susx.core.yaml_files import merged
from susx.manifests.classes import class_manifest, read_class_list
from tests.helpers import image_bytes, write_class_folders, write_pool_tar

ROOT = Path(__file__).parents[3]
RUN = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})
SHIPPED: dict[str, Any] = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
NAMES = ["zebra", "a/b", "café"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the shipped configuration, photos of three classes, and a pool."""
    shutil.copy(ROOT / "config.yaml", tmp_path)
    write_class_folders(tmp_path / "photos", ["zebra", "a-b", "café"], 2)
    write_pool_tar(tmp_path / "pool/000.tar", 3)
    (tmp_path / "classes.txt").write_text("\n".join(NAMES) + "\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new(*arguments: str, code: int = 0, typed: str | None = None) -> str:
    done = RUN.invoke(app, ["new", *arguments], input=typed)
    assert done.exit_code == code, done.output
    return done.output


def written(path: str | Path) -> Config:
    """The new file over the shipped configuration."""
    text = Path(path).read_text("utf-8")
    return parse_config(merged(SHIPPED, yaml.safe_load(text)))


def files(place: Path) -> set[str]:
    return {path.name for path in place.iterdir()}


def test_named_folders_are_labels(place: Path) -> None:
    said = new("pets", "--classes", "classes.txt", "--images", "photos", "--pool", "pool")
    config = written("pets.yaml")
    images = config.datasets["pets"].images
    assert images and (images.test, images.unlabelled) == ("photos", None)
    assert config.datasets["pets"].classes == "classes.txt"
    assert "6 in photos" in said
    assert "2 a/b" in said
    assert said.rstrip().endswith(" results/pets.json --configfile pets.yaml")


def test_only_what_was_asked_for_is_evaluated(place: Path) -> None:
    new("pets", "--classes", "classes.txt", "--images", "photos", "--pool", "pool")
    config = written("pets.yaml")
    evaluation = config.evaluation
    assert evaluation.encoders == ["clip-vit-base-patch32"]
    assert config.encoders["clip-vit-base-patch32"].model == "openai/clip-vit-base-patch32"
    (support,) = evaluation.supports or []
    assert support not in SHIPPED["supports"]
    settings = config.supports[support].model_dump()
    assert settings["encoder"] == "clip-vit-base-patch32"
    assert config.pools[settings["pool"]].model_dump()["path"] == "pool/*.tar"
    assert evaluation.texts == ["ensemble"]
    assert evaluation.protocols == ["support", "fixed"]
    assert "tip-x" in evaluation.methods and "cupl" not in evaluation.methods


def test_without_a_pool_no_method_needs_a_support_set(place: Path) -> None:
    said = new("pets", "--classes", "classes.txt", "--images", "photos")
    evaluation = written("pets.yaml").evaluation
    assert evaluation.supports == []
    assert evaluation.methods == ["zero-shot", "dn", "calip", "transclip", "fusion-text"]
    assert evaluation.protocols == ["fixed"]
    assert "--pool or --synthesise" in said


def test_descriptions_and_drawn_images_add_their_methods(place: Path) -> None:
    Path("d.json").write_text("{}", "utf-8")
    options = ("--descriptions", "d.json", "--synthesise", "fast", "--validation", "more")
    write_class_folders(place / "more", ["zebra"], 1)
    new("pets", "--classes", "classes.txt", "--images", "photos", *options)
    config = written("pets.yaml")
    assert {"cupl", "cupl+e", "fusion"} <= set(config.evaluation.methods)
    assert config.evaluation.texts == ["cupl+e"]
    assert config.evaluation.protocols == ["validation", "support", "fixed"]
    assert config.supports["sd"].model_dump()["query"] == "cupl"


def test_subfolders_name_the_classes_in_a_file(place: Path) -> None:
    (place / "photos/empty").mkdir()
    (place / "photos/.cache").mkdir()
    said = new("pets", "--images", "photos", code=2)
    assert '"empty" names no class' in said
    (place / "photos/empty").rmdir()
    said = new("pets", "--images", "photos")
    assert "wrote pets.classes.txt" in said
    assert read_class_list("pets.classes.txt") == ["a-b", "café", "zebra"]
    assert written("pets.yaml").datasets["pets"].classes == "pets.classes.txt"


def test_folders_of_splits_are_no_classes(place: Path) -> None:
    for split in ("train", "Val", "test"):
        write_class_folders(place / f"data/pets/{split}", ["cat", "dog"], 1)
    write_class_folders(place / "data/__MACOSX", ["cat"], 1)
    said = new("pets", "--images", "data")
    assert "data: holds only data/pets, whose subfolders are taken" in said
    assert "splits: Val for validation, test for test, train for train" in said
    assert read_class_list("pets.classes.txt") == ["cat", "dog"]
    images = written("pets.yaml").datasets["pets"].images
    assert images and (images.test, images.validation, images.train) == (
        "data/pets/test", "data/pets/Val", "data/pets/train"
    )  # fmt: skip
    shutil.rmtree(place / "data/pets/test")
    said = new("pets", "--images", "data", "--force", code=2)
    assert '"Val", "train" are splits, of which one must be `test`' in " ".join(said.split())


def test_classes_may_be_called_as_splits_are(place: Path) -> None:
    write_class_folders(place / "kinds", ["test", "train"], 1)
    new("pets", "--images", "kinds")
    assert read_class_list("pets.classes.txt") == ["test", "train"]


def test_folders_whose_names_make_no_class_list_are_told(place: Path) -> None:
    write_class_folders(place / "odd", ["- cat", "- dog"], 1)
    before = files(place)
    said = " ".join(new("pets", "--images", "odd", code=2).split())
    assert "pets.classes.txt: the folders' names make no class list (every line begins" in said
    assert files(place) == before


@pytest.mark.parametrize("options", [[], ["--unlabelled"]], ids=["found", "said"])
def test_other_folders_are_unlabelled(place: Path, options: list[str]) -> None:
    folder = "photos" if options else "photos/zebra"
    said = new("pets", "--classes", "classes.txt", "--images", folder, *options)
    images = written("pets.yaml").datasets["pets"].images
    assert images and (images.test, images.unlabelled) == (None, folder)
    assert "results/pets/predictions.parquet --configfile pets.yaml" in said


def test_a_csv_file_has_labels(place: Path) -> None:
    Path("list.csv").write_text("path,label\nphotos/zebra/000.png,zebra\n", "utf-8")
    said = new("pets", "--classes", "classes.txt", "--images", "list.csv")
    images = written("pets.yaml").datasets["pets"].images
    assert images and images.test == "list.csv"
    assert 'without test images: "a/b", "café"' in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["dtd", "--images", "photos"], 'there is a dataset "dtd" already'),
        (["my pets", "--images", "photos"], "datasets.my pets"),
        (["../pets", "--images", "photos"], "datasets.../pets"),
        (["pets", "--images", "photo"], "photo: not found"),
        (["pets", "--images", "photos", "--classes", "no.txt"], "no.txt: not found"),
        (["pets", "--images", "photos", "--encoder", "./no/model"], "./no/model: not found"),
        (["pets", "--images", "photos", "--library", "transformer"], 'did you mean "transformers"'),
        (["pets", "--images", "photos", "--pool", "no"], "no: not a folder"),
        (["pets", "--images", "photos", "--pool", "pool/{000..001}.tar"], '"pool/001.tar"'),
        (["pets", "--images", "photos", "--pool", "models"], "models: no images, tars or"),
        (["pets", "--images", "photos", "--validation", "photos"], "`validation` is the folder"),
        (["pets", "--images", "photos", "--descriptions", "d.json"], "d.json: not found"),
        (["pets", "--images", "photos", "--output", "config.yaml"], "name another --output"),
        (["pets", "--images", "models", "--classes", "classes.txt"], "models: no images there"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_refused_and_nothing_written(
    place: Path, arguments: list[str], says: str
) -> None:
    (place / "models").mkdir()
    before = files(place)
    said = new(*arguments, code=2)
    assert said.startswith("error: ")
    assert says in said
    assert files(place) == before


def test_a_misspelt_folder_gets_a_suggestion(place: Path) -> None:
    (place / "photos/zebre").mkdir()
    said = new("pets", "--images", "photos", "--classes", "classes.txt", code=2)
    assert 'did you mean "zebra"?' in said
    assert "--unlabelled" in said


def test_outside_a_project_it_says_where_to_call_it(place: Path) -> None:
    Path("config.yaml").unlink()
    assert "such as `susx init` makes" in new("pets", "--images", "photos", code=2)


@pytest.mark.parametrize("there", ["pets.yaml", "pets.classes.txt"])
def test_nothing_is_overwritten_unless_forced(place: Path, there: str) -> None:
    Path(there).write_text("mine", "utf-8")
    assert f"{there}: exists" in new("pets", "--images", "photos", code=2)
    assert Path(there).read_text("utf-8") == "mine"
    new("pets", "--images", "photos", "--force")
    assert Path(there).read_text("utf-8") != "mine"


def test_what_is_missing_is_asked_only_of_a_person(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--images" in new("pets", code=2, typed="photos\n")
    assert "--classes" in new("pets", "--images", "photos/zebra", code=2, typed="classes.txt\n")
    monkeypatch.setattr("susx.cli.new.command.interactive", lambda: True)
    new(typed="pets\nphotos/zebra\nclasses.txt\n")
    images = written("pets.yaml").datasets["pets"].images
    assert images and images.unlabelled == "photos/zebra"


def test_parquet_pools_have_images_or_addresses(place: Path) -> None:
    for column, layout in (("image", "parquet"), ("url", "captions"), ("URL", "captions")):
        folder = place / column
        folder.mkdir()
        pq.write_table(pa.table({column: [image_bytes((1, 2, 3))]}), folder / "0.parquet")
        name = f"pets-{column}"
        new(name, "--images", "photos", "--pool", column)
        (pool,) = (p for n, p in written(f"{name}.yaml").pools.items() if n == "pool")
        assert pool.layout == layout
    pq.write_table(pa.table({"text": ["x"]}), place / "url/0.parquet")
    assert 'neither column "image" nor "url"' in new(
        "p", "--images", "photos", "--pool", "url", code=2
    )


def test_names_that_are_taken_are_not_merged_into(place: Path) -> None:
    base = parse_config(SHIPPED)
    wishes = Wishes("pets", "c.txt", {"test": "t"}, encoder="my/rn50", pool={"path": "x"})
    sections = compose(wishes, base)
    for section in ("datasets", "encoders", "pools", "supports"):
        assert not set(sections[section]) & set(getattr(base, section))


def test_a_configured_classifier_of_others_does_not_predict(place: Path) -> None:
    base = {**SHIPPED, "classifier": {"encoder": "rn50", "support": "lc"}}
    sections = compose(Wishes("pets", "c.txt", {"test": "t"}, encoder="m"), parse_config(base))
    chosen = parse_config(merged(base, sections)).classifier
    assert (chosen.encoder, chosen.support) == ("m", None)


def test_no_language_model_writes_unless_one_is_asked_for() -> None:
    base = parse_config(SHIPPED)
    assert base.defaults.descriptions
    dataset = compose(Wishes("pets", "c.txt", {"test": "t"}), base)["datasets"]["pets"]
    assert (dataset["descriptions"], dataset["descriptors"]) == (None, None)
    wishes = Wishes("pets", "c.txt", {"test": "t"}, descriptions="d.json")
    assert compose(wishes, base)["datasets"]["pets"]["descriptions"] == "d.json"


TREES = st.recursive(
    st.integers() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)


@given(*[st.dictionaries(st.sampled_from("abc"), TREES, max_size=3)] * 2)
def test_merging_is_that_of_snakemake(base: Mapping[str, Any], over: Mapping[str, Any]) -> None:
    expected = yaml.safe_load(yaml.safe_dump(dict(base)))
    update_config(expected, over)
    assert merged(base, over) == expected


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_path_survives_in_the_file(path: str) -> None:
    sections = {"datasets": {"pets": {"classes": path, "images": {"test": path}}}}
    assert yaml.safe_load(as_yaml(sections)) == sections


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "# yaml-language-server: $schema=docs/c.json",
            "# yaml-language-server: $schema=../docs/c.json",
        ),
        ("# yaml-language-server: $schema=https://a.b/c.json",) * 2,
        ("# no schema", "# Merged over config.yaml by `--configfile`; every key: docs/config.md."),
    ],
)
def test_the_schema_of_the_configuration_is_named(place: Path, line: str, expected: str) -> None:
    _, rest = Path("config.yaml").read_text("utf-8").split("\n", 1)
    Path("config.yaml").write_text(f"{line}\n{rest}", "utf-8")
    new("pets", "--images", "photos", "--output", "sub/pets.yaml")
    assert Path("sub/pets.yaml").read_text("utf-8").splitlines()[0] == expected


def test_the_written_class_list_is_read_as_the_same_classes(place: Path) -> None:
    new("pets", "--images", "photos")
    again = class_manifest(read_class_list("pets.classes.txt"))
    assert [again.find(name) for name in ("a-b", "café", "zebra")] == [0, 1, 2]


def test_the_documented_call_tells_the_documented_command(place: Path) -> None:
    page = (ROOT / "docs/running.md").read_text("utf-8")
    call, told = re.findall(r"^susx (?:new|run) .*pets.*$", page, re.MULTILINE)[:2]
    Path("my").mkdir()
    for name in ("photos", "pool", "classes.txt"):
        Path(name).rename(Path("my") / name)
    said = new(*shlex.split(call)[2:])
    assert said.splitlines()[-1].strip() == told
