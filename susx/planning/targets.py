"""What can be asked for: files by their forms; and what is wrong with a name that is none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from susx.config.schema import Roots
from susx.core.errors import LONGEST_NAME, InputError, closest, hint, listing
from susx.core.plain import visible
from susx.planning.classifier import NO_CLASSIFIER
from susx.planning.setup import Setup

WILDCARD = re.compile(r"\{(\w+)\}")
NOTHING = "(?!)"
"""Regular expression that matches no text."""
TERMS = {"strategy": "prompt strategy", "support": "support set", "texts": "kind of text"}
"""What wildcards stand for, where their names do not say it."""
LONGEST_PATH = 4096
"""Characters of a path on Linux (PATH_MAX)."""
COMPARED = 500
"""Names that one is compared with to find the nearest: 10 ms; a pool may have 100,000 shards."""
OFFERED = 4
"""Forms of files that are told: result, predictions, report and figures of a dataset."""
RULES_ONLY = "--allowed-rules"
"""The option that takes no files."""
SHOWN_PROBLEMS = 5
"""Names that are told at once."""


@dataclass(frozen=True)
class PathForm:
    """A form of files that a rule makes.

    Attributes:
        pattern: path with wildcards in braces.
        allowed: regular expression of what each wildcard stands for; anything if left out.
        is_shown: whether people ask for such files; the others lie between.
    """

    pattern: str
    allowed: Mapping[str, str] = field(default_factory=dict)
    is_shown: bool = False

    @cached_property
    def wildcards(self) -> list[str]:
        """Names of the wildcards."""
        return list(dict.fromkeys(WILDCARD.findall(self.pattern)))

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """Names that wildcards stand for; none of a wildcard that stands for other things."""
        return {name: names_in(self.allowed.get(name, "")) for name in self.wildcards}

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        pieces, seen = [], set()
        for place, piece in enumerate(WILDCARD.split(self.pattern)):
            if place % 2 == 0:
                pieces.append(re.escape(piece))
            elif piece in seen:
                pieces.append(f"(?P={piece})")
            else:
                seen.add(piece)
                beyond = any(not name or "/" in name for name in self.names[piece])
                pieces.append(f"(?P<{piece}>{self.allowed[piece] if beyond else '[^/]+'})")
        return re.compile("".join(pieces))

    def values(self, path: str) -> dict[str, str] | None:
        """What the wildcards are in a path, known or not; None if it has another form."""
        match = self._regex.fullmatch(path)
        return match.groupdict() if match else None

    def unknown(self, path: str) -> dict[str, str] | None:
        """Values of wildcards that the rule does not take; None if the path has another form."""
        values = self.values(path)
        return values and {
            name: value
            for name, value in values.items()
            if not re.fullmatch(self.allowed.get(name, ".+"), value)
        }

    @property
    def shortest(self) -> str:
        """The pattern without wildcards that may stand for nothing."""
        return WILDCARD.sub(lambda m: "" if "" in self.names[m[1]] else m[0], self.pattern)

    def filled(self, words: Sequence[str]) -> str | None:
        """The path of this form that some words are nearest to; None if they name too little."""
        values = {}
        for wildcard in self.wildcards:
            names = self.names[wildcard]
            known = set(names)
            exact = next((word for word in words if word in known), None)
            near = next(filter(None, (nearest(word, names) for word in words)), None)
            if (value := exact or near or ("" if "" in known else None)) is None:
                return None
            values[wildcard] = value
        return WILDCARD.sub(lambda match: values[match[1]], self.pattern)


@dataclass(frozen=True)
class Wish:
    """A name that is asked for, and that no rule makes.

    Attributes:
        name: of a file or rule.
        option: of the call, which it stands behind; nothing for a target.
    """

    name: str
    option: str = ""


@dataclass(frozen=True)
class Rules:
    """What rules make.

    Attributes:
        forms: of their files, by rule; none of a rule that only collects others' files.
    """

    forms: Mapping[str, Sequence[PathForm]]

    @cached_property
    def all_forms(self) -> list[PathForm]:
        """Forms of the files of all rules, but for those that have none."""
        return [
            form
            for forms in self.forms.values()
            for form in forms
            if NOTHING not in form.allowed.values()
        ]

    @cached_property
    def targets(self) -> list[str]:
        """Rules that can be asked for by name: those without wildcards."""
        return [
            rule for rule, forms in self.forms.items() if not any(form.wildcards for form in forms)
        ]

    @cached_property
    def shown(self) -> list[str]:
        """Patterns of files that people ask for, without wildcards that may be left out."""
        return list(dict.fromkeys(form.shortest for form in self.all_forms if form.is_shown))


def one_of(names: Iterable[str]) -> str:
    """Regular expression that matches exactly the given names."""
    return "|".join(map(re.escape, names)) or NOTHING


def names_in(expression: str) -> list[str]:
    """Names that `one_of` was given, or none for any other regular expression."""
    names = [re.sub(r"\\(.)", r"\1", part) for part in expression.split("|")]
    return names if one_of(names) == expression else []


def nearest(name: str, names: Sequence[str]) -> str:
    """The name that is spelled most like `name`, or nothing if none is near or there are many."""
    return closest(name, names) if len(names) <= COMPARED else ""


def require_known(setup: Setup, rules: Rules, wishes: Iterable[Wish]) -> None:
    """Refuse names that nothing makes.

    Raises:
        InputError: one line per name, with the nearest that can be asked for.
    """
    unknown = sorted(set(wishes), key=lambda wish: (wish.option, wish.name))
    lines = [problem_of(setup, rules, wish) for wish in unknown[:SHOWN_PROBLEMS]]
    if more := unknown[SHOWN_PROBLEMS:]:
        lines.append(f"and {len(more)} more names that no rule makes")
    if lines:
        raise InputError("\n".join(lines))


def problem_of(setup: Setup, rules: Rules, wish: Wish) -> str:
    """Why a name cannot be asked for, and what can, in one line.

    Args:
        setup: of the run.
        rules: which do not make it.
        wish: the name.
    """
    if wish.option == RULES_ONLY:
        near = hint(nearest(wish.name, list(rules.forms)))
        problem = f"is no rule{near or '; snakemake --list-rules shows them'}"
    else:
        problem = _problem(setup, rules, wish.name, bool(wish.option))
    shown = _cut(wish.name) if wish.name.strip() else f'"{wish.name}"'
    return visible(f"{wish.option} {shown}: {problem}".lstrip(), keep="")


def _problem(setup: Setup, rules: Rules, name: str, takes_rules: bool = False) -> str:
    if not name.strip() or len(name) > LONGEST_PATH:
        return f"is no name of a file{_offer(setup, rules)}"
    if forms := rules.forms.get(name):
        return f"is a rule; ask for a file that it makes, {listing(form.pattern for form in forms)}"
    if moved := _moved(setup, name):
        reason, path = moved
        if any(form.unknown(path) == {} for form in rules.all_forms):
            return f"{reason}{hint(path)}"
        return f"{reason}; {path}: {_problem(setup, rules, path)}"
    if any(name.startswith(f"{setup.results}/{key}/classifier/") for key in setup.features):
        return NO_CLASSIFIER
    near = _nearest_target(setup, rules, name, takes_rules)
    if words := _unknown_names(rules, name, near):
        return words
    there = "lies there, but no rule makes it" if Path(name).exists() else "no rule makes it"
    return there + (hint(near) or _offer(setup, rules))


def _moved(setup: Setup, path: str) -> tuple[str, str] | None:
    """Why a path lies elsewhere, and where; None if it may be as it stands."""
    if any(Path(path).is_relative_to(root) for root in (setup.work, setup.cache, setup.results)):
        return None
    if Path(path).is_absolute() and Path(path).is_relative_to(Path.cwd()):
        return "files are named from this folder on", str(Path(path).relative_to(Path.cwd()))
    root, _, rest = path.partition("/")
    keys = {Roots.model_fields[key].default: key for key in ("work", "cache", "results")}
    own = getattr(setup.config.roots, keys[root]) if root in keys else root
    return None if own == root else (f"`roots.{keys[root]}` is {own}", f"{own}/{rest}")


def _unknown_names(rules: Rules, path: str, near: str) -> str:
    """Say which names in a path of a known form are unknown; nothing if it has no such form."""
    found = [(form, wrong) for form in rules.all_forms if (wrong := form.unknown(path))]
    fewest = min((len(wrong) for _, wrong in found), default=0)
    groups: dict[tuple[str, ...], list[PathForm]] = {}
    for form, wrong in found:
        if len(wrong) == fewest:
            groups.setdefault((form.pattern, *wrong), []).append(form)
    told = [
        [_unknown_name(rules, forms, wildcard, path) for wildcard in wildcards]
        for (_, *wildcards), forms in groups.items()
    ]
    best = max(told, key=lambda names: sum(bool(name.hint) for name in names), default=[])
    if near and best and _differ_once(path, near) and all(name.is_strange for name in best):
        return "; ".join(name.problem for name in best) + hint(near)
    return "; ".join(name.problem + (name.hint or name.known) for name in best)


class _UnknownName(NamedTuple):
    """What is wrong with a name in a path, the nearest one as a hint, and those that are known."""

    problem: str
    hint: str = ""
    known: str = ""

    @property
    def is_strange(self) -> bool:
        """Whether other names are known, none of which is near."""
        return bool(self.known) and not self.hint


def _unknown_name(
    rules: Rules, forms: Sequence[PathForm], wildcard: str, path: str
) -> _UnknownName:
    term, pattern = TERMS.get(wildcard, wildcard), forms[0].pattern
    value = (forms[0].values(path) or {})[wildcard]
    names = list(dict.fromkeys(name for form in forms for name in form.names[wildcard]))
    if not names:
        return _UnknownName(f'"{_cut(value)}" is no {term}')
    if any(value in form.names.get(wildcard, ()) for form in rules.all_forms):
        return _UnknownName(f'no {pattern} for {term} "{value}", only for {listing(names)}')
    return _UnknownName(
        f'unknown {term} "{_cut(value)}"',
        hint(nearest(value, names)),
        f"; known: {listing(names)}",
    )


def _nearest_target(setup: Setup, rules: Rules, name: str, takes_rules: bool) -> str:
    """The file or rule that a name is nearest to, or nothing if none is near."""
    if "/" not in name:
        known = rules.forms if takes_rules else rules.targets
        near = nearest(Path(name).stem, [*known, *setup.datasets])
        return f"{setup.results}/{near}.json" if near in setup.datasets else near
    words = [
        word for part in Path(name).parts for word in (part, *re.split(r"[.-]", part, maxsplit=1))
    ]
    return nearest(name, list(filter(None, (form.filled(words) for form in rules.all_forms))))


def _offer(setup: Setup, rules: Rules) -> str:
    """What can be asked for: results first."""
    patterns = sorted(rules.shown, key=lambda pattern: not pattern.startswith(setup.results))
    return f"; ask for {listing(patterns, OFFERED)}; datasets: {listing(setup.datasets)}"


def _differ_once(path: str, other: str) -> bool:
    pairs = zip_longest(Path(path).parts, Path(other).parts)
    return [part == counterpart for part, counterpart in pairs].count(False) == 1


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}..."
