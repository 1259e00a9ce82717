"""Caches beside manifests and prompt files: they must have been made from what lies there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from susx.core.errors import InputError
from susx.core.files import sha256_json
from susx.embeddings.cache import disagreement, read_cache, write_cache
from susx.evaluation.files import CacheFiles
from susx.evaluation.inputs import check_evaluation, read_caches
from susx.manifests.classes import embedded_records, records_sha256
from susx.manifests.tables import ImageRecord, SupportRecord, read_table, write_table
from susx.prompts.strategies import PromptSet
from tests.made.caches import CLASSES, input_of, support_table, write_files

ENCODER = {
    "library": "transformers",
    "weights_sha256": "w" * 64,
    "precision": "float32",
    "preprocessing": {"mean": [0.5]},
    "image_size": 32,
    "jpeg_draft": False,
    "store": "float16",
}


@pytest.fixture
def files(tmp_path: Path) -> CacheFiles:
    return write_files(tmp_path)


def changed(path: str, **changes: Any) -> None:
    """Write a cache again with other metadata."""
    cache = read_cache(path)
    write_cache(path, replace(cache, meta=cache.meta | changes))


def rewritten(path: str, kind: type, place: int, **changes: Any) -> None:
    """Write a manifest again with another record."""
    table = read_table(path, kind)
    table.records[place] = replace(table.records[place], **changes)
    write_table(path, table, kind)


def refused(files: CacheFiles, cache: str, source: str) -> bool:
    """Whether the error names the cache and what lies beside it, and what to do."""
    match = rf"{cache}: was embedded from other inputs than \S+{source} lists; delete it and run"
    with pytest.raises(InputError, match=match):
        read_caches("clip", files)
    return True


@pytest.mark.parametrize("split", ["test", "validation"])
@pytest.mark.parametrize(
    "changes",
    [{"sha256": "9" * 64}, {"key": "other"}, {"label": 7}, {"reason": "truncated"}],
    ids=lambda changes: next(iter(changes)),
)
def test_images_of_another_manifest_are_refused(
    files: CacheFiles, split: str, changes: dict[str, Any]
) -> None:
    rewritten(files.image_manifests[split], ImageRecord, 0, **changes)
    assert refused(files, rf"images-{split}\.h5", rf"{split}\.parquet")


def test_patches_of_another_manifest_are_refused(files: CacheFiles) -> None:
    changed(files.patches["test"], input_sha256="0" * 64)
    assert refused(files, r"patches-test\.h5", r"test\.parquet")


def test_an_image_that_was_not_embedded_may_change(files: CacheFiles) -> None:
    rewritten(files.image_manifests["test"], ImageRecord, 20, sha256="8" * 64, reason="cut")
    assert len(read_caches("clip", files).images["test"]) == 20


@pytest.mark.parametrize(
    "changes",
    [{"sha256": "9" * 64}, {"kept": False, "reason": "duplicate"}],
    ids=["other image", "not kept"],
)
def test_supports_of_another_manifest_are_refused(
    files: CacheFiles, changes: dict[str, Any]
) -> None:
    rewritten(files.support_manifests["lc"], SupportRecord, 3, **changes)
    assert refused(files, r"support-lc\.h5", r"lc\.parquet")


def test_random_views_of_a_support_set_are_those_of_its_manifest(files: CacheFiles) -> None:
    records = embedded_records(support_table())
    changed(files.supports["lc"], input_sha256=records_sha256(records, 3, 5), views=3, seed=5)
    assert len(read_caches("clip", files).supports["lc"]) == 9
    changed(files.supports["lc"], seed=6)
    assert refused(files, r"support-lc\.h5", r"lc\.parquet")


def test_texts_of_another_prompt_file_are_refused(files: CacheFiles, tmp_path: Path) -> None:
    texts = [[f"a {name}.", f"the {name}."] for name in CLASSES.names]
    prompts = tmp_path / "cupl.json"
    PromptSet("cupl", texts, CLASSES.sha256, {}).write(prompts, CLASSES)
    given = replace(files, prompts={"cupl": str(prompts), "unused": str(prompts)})
    changed(files.texts["cupl"], input_sha256=sha256_json(texts))
    assert set(read_caches("clip", given).texts) == set(files.texts)
    PromptSet("cupl", texts[::-1], CLASSES.sha256, {}).write(prompts, CLASSES)
    assert read_caches("clip", files).texts["cupl"].meta["input_sha256"] == sha256_json(texts)
    assert refused(given, r"text-cupl\.h5", r"cupl\.json")


@pytest.fixture(scope="module")
def of_one_encoder(tmp_path_factory: pytest.TempPathFactory) -> CacheFiles:
    """Caches that can be read together; who changes one puts it back."""
    files = write_files(tmp_path_factory.mktemp("caches"))
    made = [*files.texts.values(), *files.images.values(), *files.patches.values()]
    for path in (*made, *files.supports.values()):
        changed(path, encoder=ENCODER)
    assert read_caches("clip", files).logit_scale == 50
    return files


@pytest.fixture
def with_another(of_one_encoder: CacheFiles, kind: str, key: str) -> Iterator[CacheFiles]:
    """The same, where the last cache of a kind is of another encoder."""
    path = Path([*getattr(of_one_encoder, kind).values()][-1])
    before = path.read_bytes()
    changed(str(path), encoder={**ENCODER, key: "other"})
    yield of_one_encoder
    path.write_bytes(before)


@pytest.mark.parametrize("kind", ["texts", "images", "patches", "supports"])
@pytest.mark.parametrize("key", ENCODER)
def test_caches_of_different_encoders_are_refused(
    with_another: CacheFiles, kind: str, key: str
) -> None:
    files = with_another
    if (kind, key) == ("patches", "store"):
        assert read_caches("clip", files).patches
        return
    what = key.removesuffix("_sha256")
    match = (
        rf"^clip: the caches of \S+ and \S+ were embedded with different {what}; delete them and"
    )
    with pytest.raises(InputError, match=match):
        read_caches("clip", files)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"inputs": {"images-test": "0" * 64}}, "images-test"),
        ({"inputs": {"support-lc": "0" * 64, "text-unused": "0" * 64}}, "support-lc"),
        ({"classes_sha256": "0" * 64}, "classes"),
        ({"precision": "float16"}, "precision"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_evaluation_of_other_caches_is_refused(
    files: CacheFiles, changes: dict[str, Any], what: str
) -> None:
    caches = read_caches("clip", files)
    made = {
        "inputs": caches.input_hashes,
        "classes_sha256": CLASSES.sha256,
        **caches.images["test"].meta["encoder"],
    }
    check_evaluation(caches, {"encoder": "clip", "provenance": made})
    match = f"^clip: the evaluation was made with other {what} than lies there now; delete it and"
    with pytest.raises(InputError, match=match):
        check_evaluation(caches, {"encoder": "clip", "provenance": made | changes})


def test_what_only_one_encoder_records_is_no_disagreement() -> None:
    assert disagreement(ENCODER, {"weights_sha256": "w" * 64}) is None
    assert disagreement({"preprocessing": (1, 2)}, {"preprocessing": [1, 2]}) is None
    assert disagreement({"model": "a"}, {"model": "b"}) is None


def published(files: CacheFiles) -> CacheFiles:
    """Features without manifests, whose weights nobody knows."""
    for path in (*files.images.values(), *files.supports.values()):
        changed(path, encoder={"library": "features/susx", "weights_sha256": None})
    return replace(files, image_manifests={}, support_manifests={}, patches={})


def test_published_features_have_nothing_to_compare(files: CacheFiles) -> None:
    caches = read_caches("RN50", published(files))
    assert caches.leaks == {"lc": None}
    assert (caches.listed, caches.chosen) == ({}, {})


def test_published_features_of_two_publishers_are_refused(files: CacheFiles) -> None:
    given = published(files)
    changed(files.supports["lc"], encoder={"library": "features/other", "weights_sha256": None})
    with pytest.raises(InputError, match=r"images-test and support-lc .* different library"):
        read_caches("RN50", given)


def test_hash_of_records_is_that_of_what_is_embedded() -> None:
    table = support_table()
    table.records[0] = replace(table.records[0], caption="other", rank=9)
    assert input_of(table) == input_of(support_table())
    assert records_sha256(table.records, 2, 0) != records_sha256(table.records)
    assert records_sha256(table.records, 2, 0) != records_sha256(table.records, 2, 1)
