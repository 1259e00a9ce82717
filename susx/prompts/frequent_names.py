"""REAL-Prompt: the name of a class that captions have most (Parashar et al., CVPR 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from susx.manifests.classes import ClassManifest


def frequent_names(
    classes: ClassManifest, counts: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    """Choose among the name and the aliases of every class.

    The most frequent one is chosen, of equally frequent ones the name, or else the first alias. The
    name stays, too, where no caption has any of them. Case does not matter, and a name that could
    mean another class is not counted.

    Args:
        classes: class manifest.
        counts: for every class {name: number of captions that have it}.

    Returns:
        What prompts and results need: `renamed`, {class: alias that takes the place of its name};
        `tied`, classes with another name that is as frequent as the chosen one; `unmentioned`,
        classes that no caption names; `counts` of all classes that had a choice.
    """
    renamed, tied, unmentioned = {}, [], []
    for entry in classes:
        own = counts[entry.name]
        spellings = [name for name in (entry.name, *entry.aliases) if name in own]
        most = max(own.values(), default=0)
        best = [name for name in dict.fromkeys(spellings) if own[name] == most]
        if most == 0:
            unmentioned.append(entry.name)
        elif best[0] != entry.name:
            renamed[entry.name] = best[0]
        if most and len(best) > 1:
            tied.append(entry.name)
    return {
        "renamed": renamed,
        "tied": tied,
        "unmentioned": unmentioned,
        "counts": {name: dict(own) for name, own in counts.items() if len(own) > 1},
    }
