"""Versions of the stages: raised when the numbers of a stage can change.

An artifact of an earlier version is made again, and so is what follows from it if it came out
different. A test compares the code behind every stage with what it was when its version was set.
"""

from __future__ import annotations

from susx.core.errors import InputError

STAGES = {
    "analyse": 6,
    "class_manifest": 1,
    "collate": 6,
    "describe_classes": 3,
    "download_dataset": 1,
    "download_support": 6,
    "draw_support": 3,
    "embed_images": 4,
    "embed_patches": 4,
    "embed_shard": 6,
    "embed_support": 4,
    "embed_text": 3,
    "evaluate": 11,
    "export_classifier": 3,
    "image_manifest": 6,
    "import_classes": 1,
    "import_images": 1,
    "import_support": 1,
    "import_text": 1,
    "join_chunks": 2,
    "join_descriptions": 5,
    "list_unlabelled": 4,
    "match_captions": 7,
    "predict": 2,
    "prompts": 1,
    "query_service": 3,
    "report": 8,
    "search_embeddings": 4,
    "search_index": 3,
    "search_shard": 4,
    "select_support": 5,
    "summary": 7,
    "synthesise": 1,
}
"""Version of every stage, by the name of its rule."""

UNREPEATABLE = frozenset(
    {"describe_classes", "query_service", "download_support", "evaluate", "analyse"}
)
"""Stages that come out different every time: they hold times, or what others answer."""


def version_of(stage: str) -> int:
    """Version of a stage's code.

    Raises:
        InputError: if there is no such stage, as where a module's rules have other names.
    """
    if stage not in STAGES:
        raise InputError(
            f'rule "{stage}" is no stage of susx; a workflow that takes susx as a module takes its '
            "rules under their own names: use rule * from susx"
        )
    return STAGES[stage]
