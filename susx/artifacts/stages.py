"""Versions of the stages: raised when the numbers of a stage can change.

An artifact of an earlier version is made again, and so is what follows from it if it came out
different. A test compares the code behind every stage with what it was when its version was set.
"""

from __future__ import annotations

FIRST = (
    *("class_manifest", "download_dataset", "prompts", "synthesise"),
    *("import_classes", "import_images", "import_text", "import_support"),
    *("predict", "search_index"),
)
SECOND = (
    *("search_shard", "join_chunks", "search_embeddings", "query_service"),
    *("evaluate", "collate", "export_classifier", "analyse", "summary", "embed_text"),
)
THIRD = (
    *("image_manifest", "list_unlabelled", "draw_support", "select_support"),
    *("embed_images", "embed_patches", "embed_support", "report", "describe_classes"),
)
FOURTH = ("download_support", "embed_shard", "join_descriptions", "match_captions")
STAGES = {
    stage: version
    for version, stages in enumerate((FIRST, SECOND, THIRD, FOURTH), start=1)
    for stage in stages
}
"""Version of every stage, by the name of its rule."""

UNREPEATABLE = frozenset(
    {"describe_classes", "query_service", "download_support", "evaluate", "analyse"}
)
"""Stages that come out different every time: they hold times, or what others answer."""


def version_of(stage: str) -> int:
    """Version of a stage's code."""
    return STAGES[stage]
