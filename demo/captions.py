"""Captions of flags: what a flag looks like, or which country's it is, in simple English.

Every wording stands in a table of this module, so `vocabulary` can list every word that a
caption may contain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from demo.flags import (
    COLOUR_NAMES,
    CONTINENTS,
    COUNTRIES,
    Base,
    Charge,
    Overlay,
    Spec,
    corrupt,
)
from demo.samples import Sample

DROP: Final = 0.2
WRONG: Final = 0.08
COLOURS_ONLY: Final = 0.06
WRONG_COUNTRY: Final = 0.15
CONTINENT_ONLY: Final = 0.15
NAME_WITH_ATTRIBUTES: Final = 0.15

_NUMBERS: Final = {
    1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 7: "seven", 9: "nine", 11: "eleven",
    13: "thirteen", 14: "fourteen", 50: "many",
}  # fmt: skip
_BANDS: Final = {
    "horizontal": (
        "horizontal bands of {list}", "{n} horizontal bands of {list}",
        "{n} horizontal stripes of {list}", "{n} horizontal bands, {list}",
        "{n} equal horizontal stripes in {list}", "{list} horizontal bands",
        "bands of {list} from top to bottom", "{list} stripes from top to bottom",
        "{n} horizontal bands, {places}", "{places}",
    ),
    "vertical": (
        "vertical bands of {list}", "{n} vertical bands of {list}",
        "{n} vertical stripes of {list}", "{n} vertical bands, {list}",
        "{n} equal vertical stripes in {list}", "{list} vertical bands",
        "bands of {list} from left to right", "{list} stripes from left to right",
        "{n} vertical bands, {places}", "{places}",
    ),
}  # fmt: skip
_TWO: Final = {
    "horizontal": (
        "{a} over {b}", "{a} above {b}", "{a:an} upper half and {b:an} lower half",
        "two horizontal halves, {a} above {b}", "the top half {a} and the bottom half {b}",
    ),
    "vertical": (
        "{a:an} left half and {b:an} right half", "two vertical halves, {a} and {b}",
        "the left half {a} and the right half {b}",
    ),
}  # fmt: skip
_THREE: Final = (
    "a {kind} tricolour of {list}", "{a:an}, {b} and {c} {kind} tricolour",
    "a {kind} tricolour, {places}",
)  # fmt: skip
_BETWEEN: Final = (
    "{b:an} {kind} band between two {a} bands", "{b:an} {kind} stripe between two {a} stripes",
    "two {a} {kind} bands with {b:an} band in the middle",
)  # fmt: skip
_UNEQUAL: Final = {
    (1, 2, 1): (", the {b} band in the middle is wide", " with a wide {b} middle band"),
    (2, 1, 1): (", the {a} band on top is wide", " with a wide {a} top band"),
    (2, 1, 2): (", the {b} band is narrow", " with a narrow {b} band in the middle"),
    (1, 1, 2, 1, 1): (", the {c} band in the middle is wide", " with a wide {c} middle band"),
}
_PLACES: Final = {
    "horizontal": ("{a} on top", "{b} in the middle", "{c} at the bottom"),
    "vertical": ("{a} on the left", "{b} in the middle", "{c} on the right"),
}
_FIELDS: Final = {
    "plain": (
        "a plain {a} field", "{a:an} field", "{a:an} background", "a solid {a} background",
        "a solid {a} field",
    ),
    "stripes": (
        "{n} horizontal stripes alternating {a} and {b}", "alternating {a} and {b} stripes",
        "{n} {a} and {b} stripes", "{a} and {b} horizontal stripes",
        "many horizontal stripes of {a} and {b}",
    ),
    "quarters": (
        "four quarters of {list}", "a field divided into four quarters, {list}",
        "four rectangles in {list}",
    ),
    "split": (
        "a field divided diagonally into {a} and {b}", "{a} and {b} halves divided diagonally",
        "two triangles, {a} above {b}",
    ),
    "per saltire": (
        "{a} and {b} triangles", "a field divided into {a} and {b} triangles",
        "four triangles, {a} at the top and bottom and {b} on the sides",
    ),
}  # fmt: skip
_OVERLAYS: Final = {
    "nordic cross": (
        "{c:an} nordic cross", "{c:an} scandinavian cross", "{c:an} off-centre cross",
        "{c:an} cross shifted to the left", "{c:an} nordic cross extending to the edges",
    ),
    "canton": (
        "{c:an} canton", "{c:an} rectangle in the upper left corner",
        "{c:an} square in the upper left corner", "{c:an} box in the top left corner",
    ),
    "hoist": (
        "{c:an} vertical band on the left", "{c:an} vertical band at the hoist",
        "{c:an} vertical stripe along the left side", "{c:an} bar at the left edge",
    ),
    "triangle": (
        "{c:an} triangle at the hoist", "{c:an} triangle on the left",
        "{c:an} triangle pointing right from the left edge", "{c:an} triangle on the left side",
    ),
    "saltire": ("{c:an} saltire", "{c:an} diagonal cross", "{c:an} x-shaped cross"),
    "cross": (
        "{c:an} cross through the centre", "{c:an} upright cross",
        "{c:an} cross reaching the edges", "a central {c} cross",
    ),
    "diagonal": (
        "{c:an} diagonal band", "{c:an} diagonal stripe", "{c:an} band from corner to corner",
        "{c:an} stripe running diagonally across",
    ),
    "border": ("{c:an} border", "{c:an} frame", "{c:an} border all around"),
}  # fmt: skip
_EDGES: Final = (
    " with {e} edges", " edged in {e}", " outlined in {e}", " bordered by {e}",
)  # fmt: skip
_CHARGES: Final = {
    "star": ("{c:an} star", "one {c} star", "{c:an} five-pointed star", "a single {c} star"),
    "disc": ("{c:an} disc", "{c:an} circle", "a round {c} disc"),
    "crescent": ("{c:an} crescent", "{c:an} crescent moon"),
    "crescent and star": (
        "{c:an} crescent and star", "{c:an} crescent moon and star", "{c:an} crescent with a star",
    ),
    "cross": ("{c:an} cross", "{c:an} cross with equal arms", "{c:an} plus-shaped cross"),
    "sun": ("{c:an} sun", "{c:an} sun with rays"),
    "leaf": ("{c:an} maple leaf", "{c:an} leaf"),
    "wheel": ("{c:an} wheel", "{c:an} spoked wheel"),
    "cluster": (
        "a large {c} star and four small stars", "one large {c} star with four smaller stars",
        "five {c} stars, one large and four small",
    ),
}  # fmt: skip
_STARS: Final = ("{n} {c} stars", "{n} {c} five-pointed stars")
_SMALL_STARS: Final = ("many small {c} stars", "rows of {c} stars", "many {c} stars")
_SIZED: Final = {"large": ("a large {c}", "a big {c}"), "small": ("a small {c}",)}
_WHERE: Final = {
    "centre": ("", " in the centre", " in the middle", " at the centre"),
    "canton": (" in the upper left corner", " in the top left corner", " in the upper left"),
    "in canton": (" in the canton", " in the upper left corner", " inside the {o} canton"),
    "hoist": (" on the left", " at the hoist", " on the left side"),
    "in triangle": (" in the triangle", " inside the {o} triangle", " on the {o} triangle"),
    "on disc": (" inside the disc", " on the {o} disc", " inside a {o} disc"),
    "lower right": (" in the lower right", " in the lower right corner"),
}
_FRAMES: Final = (
    "{x}", "{x}", "a flag with {x}", "a flag with {x}", "flag with {x}", "the flag has {x}",
    "this flag has {x}", "this flag shows {x}", "it has {x}", "the flag shows {x}",
    "a flag showing {x}", "the flag features {x}", "a flag that has {x}", "a banner with {x}",
    "{x} on a flag", "a national flag with {x}", "a photo of a flag with {x}",
    "a picture of a flag with {x}", "an image of a flag with {x}", "the design is {x}",
)  # fmt: skip
_COLOURS_ONLY: Final = ("{list} flag", "a {list} flag", "a flag in {list}", "a flag of {list}")
_NAMED: Final = (
    "{name}", "flag of {name}", "the flag of {name}", "{name} flag", "the national flag of {name}",
    "a flag of {name}", "an image of the flag of {name}", "a picture of the flag of {name}",
    "a photo of the flag of {name}", "a photo of the flag of {name}",
    "a photo of the {name} flag", "a good photo of the flag of {name}",
    "itap of the flag of {name}", "a bad photo of the flag of {name}",
    "a origami flag of {name}", "a photo of the large flag of {name}",
    "the flag of {name} in a video game", "art of the flag of {name}",
    "a photo of the small flag of {name}",
)  # fmt: skip
_NAMED_ATTRIBUTES: Final = (
    "the flag of {name} has {x}", "the flag of {name} shows {x}", "flag of {name} with {x}",
    "the flag of {name} features {x}", "flag of {name}, {x}", "the {name} flag has {x}",
    "the national flag of {name} has {x}",
)  # fmt: skip
_CONTINENTAL: Final = (
    "a flag from {name}", "flag of a country in {name}", "the flag of a country in {name}",
    "a photo of a flag from {name}", "a national flag from {name}",
)  # fmt: skip


class _Word(str):
    """A colour that can put its own article before it: `{c:an}`."""

    def __format__(self, form: str) -> str:
        if form != "an":
            return str(self)
        return f"{'an' if self[:1] in 'aeiou' else 'a'} {self}"


def _choose(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def listed(items: Sequence[str]) -> str:
    """'red, white and blue'."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def base_phrase(base: Base, rng: np.random.Generator) -> str:
    """The field in words."""
    words = [_Word(colour) for colour in base.colours]
    letters = dict(zip("abcde", words, strict=False))
    if base.kind not in _BANDS:
        count = base.weights[0] if base.weights else len(words)
        options: tuple[str, ...] = _FIELDS[base.kind]
        return _choose(rng, options).format(list=listed(words), n=_NUMBERS[count], **letters)
    options = _BANDS[base.kind][: -2 if len(words) > 3 else None]
    ends = _PLACES[base.kind]
    places = listed([part.format(**letters) for part in ends[: len(words)]])
    if len(words) == 2:
        options += _TWO[base.kind]
        places = listed([ends[0].format(a=words[0]), ends[2].format(c=words[1])])
    elif len(words) == 3:
        options += _BETWEEN if words[0] == words[2] else _THREE
    phrase = _choose(rng, options).format(
        list=listed(words), n=_NUMBERS[len(words)], kind=base.kind, places=places, **letters
    )
    if base.weights in _UNEQUAL and rng.random() < 0.4 and "equal" not in phrase:
        place = _choose(rng, _UNEQUAL[base.weights]).format(**letters)
        phrase += (
            place.replace("on top", "on the left").replace("top", "left")
            if (base.kind == "vertical")
            else place
        )
    return phrase.replace("equal ", "") if len(set(base.weights)) > 1 else phrase


def overlay_phrase(overlay: Overlay, rng: np.random.Generator) -> str:
    """An overlay in words."""
    phrase = _choose(rng, _OVERLAYS[overlay.kind]).format(c=_Word(overlay.colour))
    if overlay.edge and rng.random() < 0.8:
        phrase += _choose(rng, _EDGES).format(e=_Word(overlay.edge))
    return phrase


def _where(spec: Spec, at: int, rng: np.random.Generator) -> str:
    charge = spec.charges[at]
    place, other = charge.place, ""
    if at and spec.charges[at - 1].kind == "disc" and spec.charges[at - 1].place == place:
        place, other = "on disc", spec.charges[at - 1].colour
    for overlay in spec.overlays:
        if place == "canton" and overlay.kind == "canton":
            place, other = "in canton", overlay.colour
        elif place == "hoist" and overlay.kind == "triangle":
            place, other = "in triangle", overlay.colour
    return _choose(rng, _WHERE[place]).format(o=_Word(other))


def _charge_noun(charge: Charge, rng: np.random.Generator) -> str:
    colour = _Word(charge.colour)
    if charge.count > 1:
        options = _SMALL_STARS if charge.count > 5 else _STARS
        return _choose(rng, options).format(n=_NUMBERS[charge.count], c=colour)
    noun = _choose(rng, _CHARGES[charge.kind]).format(c=colour)
    size = "large" if charge.size > 0.27 else "small" if charge.size < 0.16 else ""
    if size and charge.kind != "cluster" and rng.random() < 0.35:
        sized = _choose(rng, _SIZED[size]).format(c=colour)
        noun = noun.replace(f"{colour:an}", sized, 1)
    return noun


def charge_phrase(spec: Spec, at: int, rng: np.random.Generator) -> str:
    """Emblem number `at` of `spec` and its place in words."""
    return _charge_noun(spec.charges[at], rng) + _where(spec, at, rng)


def attributes(spec: Spec, rng: np.random.Generator, drop: float = 0.0) -> str:
    """The facts of a flag in one phrase; each is left out with probability `drop`."""
    total = 1 + len(spec.overlays) + len(spec.charges)
    kept = [i for i in range(total) if drop == 0.0 or rng.random() >= drop]
    kept = kept or [int(rng.integers(total))]
    base = [base_phrase(spec.base, rng)] if kept[0] == 0 else []
    parts = []
    for i in kept[len(base) :]:
        at = i - 1 - len(spec.overlays)
        parts.append(
            overlay_phrase(spec.overlays[i - 1], rng) if at < 0 else charge_phrase(spec, at, rng)
        )
    if not parts:
        return base[0]
    if not base:
        return listed(parts)
    style = rng.random()
    if style < 0.4:
        return f"{listed(parts)} on {base[0]}"
    return f"{base[0]} with {listed(parts)}" if style < 0.75 else listed(base + parts)


def _finish(text: str, rng: np.random.Generator) -> str:
    return text + "." if rng.random() < 0.5 else text


def attribute_caption(
    spec: Spec, rng: np.random.Generator, drop: float = DROP, wrong: float = WRONG
) -> str:
    """A caption of what is seen: partial with `drop` per fact, false with probability `wrong`."""
    if rng.random() < wrong:
        spec = corrupt(spec, rng)
    if rng.random() < COLOURS_ONLY:
        colours = listed(list(dict.fromkeys(spec.base.colours)))
        return _finish(_choose(rng, _COLOURS_ONLY).format(list=colours), rng)
    return _finish(_choose(rng, _FRAMES).format(x=attributes(spec, rng, drop)), rng)


def name_caption(country: int, rng: np.random.Generator) -> str:
    """A caption that tells the country, sometimes a wrong one, or only its continent."""
    if rng.random() < WRONG_COUNTRY:
        country = int(rng.integers(len(COUNTRIES)))
    entry = COUNTRIES[country]
    kind = rng.random()
    if kind < CONTINENT_ONLY:
        return _finish(_choose(rng, _CONTINENTAL).format(name=entry.continent.lower()), rng)
    if kind < CONTINENT_ONLY + NAME_WITH_ATTRIBUTES:
        facts = attributes(entry.spec, rng, DROP)
        return _finish(
            _choose(rng, _NAMED_ATTRIBUTES).format(name=entry.name.lower(), x=facts), rng
        )
    return _finish(_choose(rng, _NAMED).format(name=entry.name.lower()), rng)


def caption(sample: Sample, rng: np.random.Generator) -> str:
    """A fresh caption of a training image."""
    if sample.named and sample.country is not None:
        return name_caption(sample.country, rng)
    return attribute_caption(sample.spec, rng)


def words(text: str) -> list[str]:
    """Tokens of a text: lower-case words and punctuation marks."""
    return re.findall(r"\w+|[^\w\s]+", text.lower())


def _wordings(table: object) -> Iterable[str]:
    """Every string inside a nested table of wordings."""
    if isinstance(table, str):
        yield table
    elif isinstance(table, dict):
        for value in table.values():
            yield from _wordings(value)
    elif isinstance(table, tuple):
        for value in table:
            yield from _wordings(value)


def vocabulary() -> list[str]:
    """Every word that a caption may contain, sorted."""
    tables = (
        _NUMBERS, _BANDS, _TWO, _THREE, _BETWEEN, _UNEQUAL, _PLACES, _FIELDS, _OVERLAYS, _EDGES,
        _CHARGES, _STARS, _SMALL_STARS, _SIZED, _WHERE, _FRAMES, _COLOURS_ONLY, _NAMED,
        _NAMED_ATTRIBUTES, _CONTINENTAL, COLOUR_NAMES, CONTINENTS,
        tuple(country.name for country in COUNTRIES), "horizontal vertical an , .",
    )  # fmt: skip
    plain = (re.sub(r"\{[^}]*\}", " ", text) for text in _wordings(tables))
    return sorted({word for text in plain for word in words(text)})
