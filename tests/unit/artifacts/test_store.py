"""Objects of a store, receipts, and the names that stand for them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from susx.artifacts.recipe import Output, Receipt, Recipe, Source
from susx.artifacts.store import Store, link, object_of, receipt_of
from susx.core.errors import InputError
from susx.core.files import sha256_file


def recipe(**settings: object) -> Recipe:
    inputs = {
        "model": (Source("model/a.bin", "aa"),),
        "classes": (Source("work/c.json", "cc", "k"),),
    }
    return Recipe("embed_text", 1, settings, inputs)


def add(store: Store, text: str = "content", **settings: object) -> Receipt:
    with store.making() as folder:
        (folder / "output.h5").write_text(text)
        output = Output("output.h5", sha256_file(folder / "output.h5"), len(text))
        return store.add(folder, Receipt(recipe(**settings), {"output": output}))


def test_keys_ignore_paths_and_keep_the_order_of_settings() -> None:
    inputs = {"model": [Source("moved/a.bin", "aa")], "classes": [Source("x", "cc")]}
    moved = Recipe("embed_text", 1, {"a": 1, "b": 2}, inputs)

    assert moved.key == recipe(a=1, b=2).key
    assert moved.key != recipe(a=2, b=1).key
    assert moved.key != recipe(b=2, a=1).key
    assert recipe(a={"x": 1, "y": 2}).differences(recipe(a={"y": 2, "x": 1})) == [
        "setting a changed"
    ]
    assert moved.key != Recipe("embed_text", 2, moved.settings, moved.inputs).key
    assert moved.key != Recipe("embed_images", 1, moved.settings, moved.inputs).key


def test_differences_are_named() -> None:
    then = recipe(a=1)
    changed = {"model": [Source("model/a.bin", "bb")], "classes": then.inputs["classes"]}

    assert Recipe("embed_text", 2, {"a": 2}, changed).differences(then) == [
        "stage embed_text is of version 2, was 1",
        "setting a changed",
        "model/a.bin changed",
    ]
    assert then.differences(then) == []


def test_a_receipt_is_read_as_it_was_written(tmp_path: Path) -> None:
    first = Receipt(recipe(), {"output": Output("output.h5", "ff", 3)}, {"host": "here"})
    second = Receipt(recipe(a=1), first.outputs, {}, first.with_ancestors)
    second.write(tmp_path / "receipt.json")

    found = Receipt.read(tmp_path / "receipt.json")

    assert found.as_json() == second.as_json()
    assert set(found.with_ancestors) == {first.recipe.key, second.recipe.key}
    text = (tmp_path / "receipt.json").read_text("utf-8")
    (tmp_path / "receipt.json").write_text(text.replace('"ff"', '"fe"'))
    with pytest.raises(InputError, match="checksum"):
        Receipt.read(tmp_path / "receipt.json")


def test_an_object_is_found_by_its_key(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    made = add(store)

    assert store.find("embed_text", made.recipe.key) == made
    assert store.find("embed_text", recipe(a=1).key) is None
    assert [path.name for path in (store.root / "tmp").iterdir()] == []


def test_the_first_object_stays(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    add(store, "first")

    assert add(store, "other").outputs["output"].size == len("first")


@pytest.mark.parametrize("harm", ["file gone", "other size", "receipt gone", "receipt damaged"])
def test_an_object_that_is_not_whole_is_replaced(harm: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    folder = store.folder("embed_text", add(store).recipe.key)
    file = folder / ("output.h5" if harm in ("file gone", "other size") else "receipt.json")
    if harm.endswith("gone"):
        file.unlink()
    else:
        file.chmod(0o644)
        file.write_text("short")

    assert store.find("embed_text", folder.name) is None
    add(store)
    assert store.find("embed_text", folder.name) is not None
    assert (folder / "output.h5").read_text() == "content"


def test_many_writers_at_once_are_harmless(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with ThreadPoolExecutor(8) as pool:
        keys = {r.recipe.key for r in pool.map(lambda n: add(store, "x" * 99, n=n % 5), range(200))}

    assert len(keys) == 5
    assert all(store.find("embed_text", key) for key in keys)
    assert list((store.root / "tmp").iterdir()) == []


def test_a_store_without_rights_to_change_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    store = Store(tmp_path / "store")

    assert store.find("embed_text", add(store).recipe.key) is not None


def test_links_are_relative_within_a_project_and_can_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    store = Store("cache/store")
    receipt = add(store)
    folder = store.folder("embed_text", receipt.recipe.key)
    link(folder / "output.h5", "cache/clip/text.h5")
    link(folder / "output.h5", "cache/clip/text.h5")  # nothing to do

    assert not Path("cache/clip/text.h5").readlink().is_absolute()
    project.rename(tmp_path / "moved")
    name = tmp_path / "moved/cache/clip/text.h5"
    assert name.read_text() == "content"
    assert receipt_of(name) == receipt


def test_relatives_differ_in_what_does_not_count_only(tmp_path: Path) -> None:
    store = Store(tmp_path)
    settings = ({"size": 1, "seed": 0}, {"size": 2, "seed": 0}, {"size": 1, "seed": 9})
    for number, chosen in enumerate(settings):
        add(store, str(number), **chosen)

    def counted(values: Mapping[str, Any]) -> Any:
        return {name: value for name, value in values.items() if name != "size"}

    found = store.relatives(recipe(size=3, seed=0), (), counted)
    assert sorted(files["output"].read_text("utf-8") for files in found) == ["0", "1"]
    assert store.relatives(recipe(size=3, seed=5), (), counted) == []


def test_a_link_takes_the_place_of_anything(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    file = store.folder("embed_text", add(store).recipe.key) / "output.h5"
    (tmp_path / "name").write_text("a file of an older version")
    link(file, tmp_path / "name")

    assert object_of(tmp_path / "name") == file
    file.unlink()
    assert object_of(tmp_path / "name") == file
    assert not (tmp_path / "name").exists()


def test_other_links_stand_for_no_object(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "name").symlink_to("file")

    assert object_of(tmp_path / "name") is None
    assert object_of(tmp_path / "file") is None
    assert receipt_of(tmp_path / "missing") is None


def test_names_below_their_folder_count_where_they_tell_files_apart() -> None:
    def made_of(name: str, *paths: str) -> str:
        sources = [Source(path, digest) for path, digest in zip(paths, "abc", strict=False)]
        return Recipe("embed_text", 1, {}, {name: sources}).key

    own = made_of("model", "model/config.json", "model/weights.bin")
    assert made_of("model", "/moved/m/config.json", "/moved/m/weights.bin") == own
    assert made_of("model", "model/config.json", "model/weights.old") != own
    assert made_of("model", "model/config.json", "model/sub/weights.bin") != own
    assert made_of("classes", "a/b.json") == made_of("classes", "c.json")
    before, renamed = (
        Recipe("embed_text", 1, {}, {"model": [Source(f"model/{n}", "a"), Source("model/c", "b")]})
        for n in "ab"
    )
    assert renamed.differences(before) == ["names of model changed"]


def test_a_link_into_another_content_addressed_store_is_no_object(tmp_path: Path) -> None:
    for name in ("x" * 64, "short"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "classes.txt").write_text("ant")
        (tmp_path / "link").symlink_to(f"{name}/classes.txt")
        assert object_of(tmp_path / "link") is None
        (tmp_path / "link").unlink()
