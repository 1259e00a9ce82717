"""What a dataset on disk calls its classes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from susx.config_sources import NamedSource
from susx.errors import InputError, suggestion
from susx.manifests import ClassManifest, find_all


def class_indices(
    classes: ClassManifest, labels: Iterable[str], source: NamedSource, origin: str
) -> dict[str, int]:
    """Map the names that a source gives classes to class indices.

    Args:
        classes: class manifest.
        labels: distinct names that stand in the source.
        source: says what to cut out of names, or which name stands for which class.
        origin: key and file of the labels, for error messages.

    Raises:
        InputError: if a label names no class, or two labels name the same one.
    """
    if not source.names:
        cut = {label: re.sub(source.strip or "(?!)", "", label) for label in labels}
        found = find_all(classes, cut.values(), origin)
        return {label: found[name] for label, name in cut.items()}
    if len(source.names) != len(classes):
        raise InputError(
            f"{origin}: source {source.name} of the card names {len(source.names)} classes, but "
            f"there are {len(classes)}"
        )
    index = {name: i for i, name in enumerate(source.names)}
    for label in labels:
        if label not in index:
            raise InputError(f'{origin}: "{label}" names no class{suggestion(label, index)}')
    return {label: index[label] for label in labels}
