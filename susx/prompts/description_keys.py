"""Which class the keys of a file of descriptions mean, however its publisher spells them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from susx.core.errors import InputError, closest
from susx.manifests.classes import ClassManifest
from susx.prompts.spelling import unaccented

Words = tuple[str, ...]
APOSTROPHES = str.maketrans("", "", "'’")
SHOWN = 100
"""Keys and classes that a message names: a screen or two."""


def words(text: str) -> Words:
    """The words of a name in alphabetical order, without case, accents and punctuation.

    `bazaar (outdoor)` and `outdoor bazaar` have the same.
    """
    plain = unaccented(text).casefold().replace("_", " ").translate(APOSTROPHES)
    return tuple(sorted(re.findall(r"\w+", plain)))


def keys_of_classes(
    path: object,
    keys: Iterable[str],
    classes: ClassManifest,
    described_as: Mapping[str, str] | None = None,
    described_besides: Collection[str] = (),
) -> list[str]:
    """Find the key of every class.

    A key means the class that it names (`ClassManifest.find`), else the only one that has its
    words. A class that is left has the key that `described_as` says, even if that means another
    class as well.

    Args:
        path: of the file, for error messages.
        keys: all keys of the file, each once.
        classes: class manifest.
        described_as: keys of published files by class name, where its own words find none.
        described_besides: keys of published files that mean no class.

    Returns:
        One key per class, in label order.

    Raises:
        InputError: naming all keys that mean no class and all classes without a key, or the class
            that two keys mean.
    """
    keys, by_words = list(keys), _classes_by_words(classes)
    found: dict[int, str] = {}
    unknown: list[str] = []
    for key in keys:
        index = classes.find(key)
        index = by_words.get(words(key)) if index is None else index
        if index is None:
            unknown.append(key)
        elif index in found:
            raise InputError(
                f'{path}: class "{classes.names[index]}" is described twice, as "{found[index]}" '
                f'and as "{key}"; merge the two entries'
            )
        else:
            found[index] = key
    spelled = {words(key): key for key in keys}
    used = {words(key) for key in described_besides}
    for name, said in (described_as or {}).items():
        index, shared = classes.find(name), spelled.get(words(said))
        if shared is not None and index is not None and index not in found:
            found[index] = shared
            used.add(words(shared))
    unknown = [key for key in unknown if words(key) not in used]
    missing = [entry.name for entry in classes if entry.index not in found]
    if unknown or missing:
        raise InputError(f"{path}: {_told(unknown, missing, classes.names)}")
    return [found[index] for index in range(len(classes))]


def _classes_by_words(classes: ClassManifest) -> dict[Words, int]:
    """Classes by the words of their names and aliases, where only one has them."""
    owners: dict[Words, set[int]] = defaultdict(set)
    for entry in classes:
        for name in (entry.name, *entry.aliases):
            owners[words(name)].add(entry.index)
    return {key: min(indices) for key, indices in owners.items() if len(indices) == 1 and key}


def _told(unknown: Sequence[str], missing: Sequence[str], names: Sequence[str]) -> str:
    """What does not match, with the nearest class, of those without a key if there are any."""
    parts = []
    if unknown:
        only = missing[0] if len(missing) == len(unknown) == 1 else ""
        named = [
            f'"{key}"{_hint(only or nearest_name(key, missing or names))}'
            for key in unknown[:SHOWN]
        ]
        verb = "name" if len(unknown) > 1 else "names"
        parts.append(f"{', '.join(named)}{_more(unknown)} {verb} no class")
    if missing:
        named = [f'"{name}"' for name in missing[:SHOWN]]
        parts.append(f"no description of {', '.join(named)}{_more(missing)}")
    remedy = "rename the keys" if missing else "remove what is too much"
    remedy = remedy if unknown else "add what is missing"
    return (
        f"{'; '.join(parts)}; {remedy}, or give the classes `aliases`, or their card `described_as`"
    )


def _hint(name: str) -> str:
    return f' (did you mean "{name}"?)' if name else ""


def _more(items: Sequence[str]) -> str:
    return f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""


def nearest_name(name: str, choices: Sequence[str]) -> str:
    """The choice with most of the words of a name, else one that is nearly spelled like it."""
    own = set(words(name))

    def common(choice: str) -> float:
        others = set(words(choice))
        return len(own & others) / (len(own | others) or 1)

    best = max(choices, key=common, default="")
    if best and common(best) > 0:
        return best
    return closest(name, choices)
