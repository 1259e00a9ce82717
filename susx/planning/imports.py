"""What jobs import that takes seconds, so that one process may import it for all of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from susx.planning.run import PlannedJob

TORCH = ("torch",)
LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "transformers": (*TORCH, "transformers.models.clip.modeling_clip"),
    "open-clip": (*TORCH, "open_clip"),
}
"""By library of an encoder or language model, what brings nearly all that its models import."""
RULES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("embed_text", "embed_images", "embed_patches", "embed_shard"), TORCH),
    **dict.fromkeys(("embed_support", "search_shard", "search_embeddings", "search_index"), TORCH),
    **dict.fromkeys(("evaluate", "analyse", "export_classifier", "predict"), TORCH),
    # Its pipelines are not among them: to import them warns of what is not installed.
    "synthesise": (*LIBRARIES["transformers"], "diffusers.models.unets.unet_2d_condition"),
}
"""By rule, what its jobs import whatever their settings."""
SECTIONS = {"encoder": "library", "model": "backend"}
"""Settings of a job that name a library, and the key that does."""


def shared_imports(jobs: Sequence[PlannedJob]) -> dict[str, list[str]]:
    """Modules that more than one job imports, by the rules whose jobs do.

    Args:
        jobs: those that have to run.
    """
    imported: dict[str, set[str]] = defaultdict(set)
    counts: Counter[str] = Counter()
    for job in jobs:
        modules = imports(job)
        counts.update(modules)
        imported[job.rule] |= modules
    shared = {name for name, count in counts.items() if count > 1}
    return {rule: sorted(names & shared) for rule, names in imported.items() if names & shared}


def imports(job: PlannedJob) -> set[str]:
    """Modules of a job."""
    found = set(RULES.get(job.rule, ()))
    for section, key in SECTIONS.items():
        settings = job.job.settings.get(section)
        if isinstance(settings, Mapping):
            found |= {*LIBRARIES.get(settings.get(key, ""), ())}
    return found
