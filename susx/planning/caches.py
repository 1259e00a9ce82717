"""Where embeddings lie, by encoder and dataset; those of pools are in `susx.planning.retrieval`."""

from __future__ import annotations

from susx.planning.setup import Setup


def text_cache(setup: Setup, encoder: str | None, dataset: str, text: str) -> str:
    """Cache of the texts of a prompt strategy."""
    return f"{setup.cache}/{encoder}/{dataset}/text-{text}.h5"


def split_cache(setup: Setup, encoder: str, dataset: str, split: str) -> str:
    """Cache of the images of a split."""
    return f"{setup.cache}/{encoder}/{dataset}/images-{split}.h5"


def patch_cache(setup: Setup, encoder: str, dataset: str, split: str) -> str:
    """Cache of their patches."""
    return f"{setup.cache}/{encoder}/{dataset}/patches-{split}.h5"


def support_cache(setup: Setup, encoder: str, dataset: str, support: str) -> str:
    """Cache of the images of a support set."""
    return f"{setup.cache}/{encoder}/{dataset}/support-{support}.h5"
