"""What a result says about its inputs, whatever the names of strategies and support sets."""

from dataclasses import replace

import pytest

from susx.core.errors import InputError
from susx.embeddings.cache import read_cache, write_cache
from tests.workflow.project import Project, input_hashes

CACHES = {
    "texts": "cache/clip/tiny/text-cupl.h5",
    "images": "cache/clip/tiny/images-test.h5",
    "supports": "cache/clip/tiny/support-lc.h5",
}

pytestmark = pytest.mark.pipeline


def evaluate_support_named_like_texts(project: Project) -> dict[str, object]:
    """Evaluate from the project's caches, text strategy and support set both named `cupl`."""
    from susx.evaluation.files import CacheFiles
    from susx.evaluation.protocol import EvaluationPlan
    from susx.evaluation.results import evaluate_caches

    paths = {kind: str(project.path(path)) for kind, path in CACHES.items()}
    files = CacheFiles(
        classes=str(project.path("work/tiny/classes.json")),
        texts={"cupl": paths["texts"]},
        images={"test": paths["images"]},
        image_manifests={"test": str(project.path("work/tiny/images/test.parquet"))},
        supports={"cupl": paths["supports"]},
        support_manifests={"cupl": str(project.path("work/tiny/support/lc/manifest.parquet"))},
    )
    plan = EvaluationPlan(methods=["cupl", "tip-x"], texts=["cupl"], protocols=["fixed"])
    return evaluate_caches("clip", files, plan, lambda _: None)


def test_every_cache_is_among_the_inputs(finished: Project) -> None:
    part = evaluate_support_named_like_texts(finished)

    expected = {read_cache(finished.path(path)).meta["input_sha256"] for path in CACHES.values()}
    assert input_hashes(part["provenance"]) == expected


def test_the_weights_of_every_cache_are_compared(project: Project) -> None:
    path = project.path(CACHES["texts"])
    cache = read_cache(path)
    encoder = {**cache.meta["encoder"], "weights_sha256": "0" * 64}
    write_cache(path, replace(cache, meta={**cache.meta, "encoder": encoder}))

    with pytest.raises(InputError, match="different weights"):
        evaluate_support_named_like_texts(project)
