"""Flags as data: fifty national flags and a generator of invented ones.

A flag is a base (bands, stripes, quarters ...), overlays (cantons, triangles, crosses ...) and
charges (stars, discs, crescents ...), each in one of nine named colours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

COLOURS: Final[dict[str, tuple[int, int, int]]] = {
    "red": (206, 24, 38),
    "white": (248, 248, 248),
    "blue": (16, 52, 148),
    "green": (0, 128, 62),
    "yellow": (252, 209, 22),
    "black": (16, 16, 18),
    "orange": (250, 128, 20),
    "light blue": (98, 176, 232),
    "maroon": (122, 20, 48),
}
COLOUR_NAMES: Final = tuple(COLOURS)
_COLOUR_WEIGHTS: Final = np.array([5, 5, 4, 4, 4, 2.5, 1.5, 1.5, 1.2])
POPULARITY_EXPONENT: Final = 0.7


@dataclass(frozen=True)
class Base:
    """Field of the flag; `weights` are relative band widths, or the stripe count for stripes."""

    kind: str
    colours: tuple[str, ...]
    weights: tuple[int, ...] = ()


@dataclass(frozen=True)
class Overlay:
    """Shape laid over the base; `edge` is the colour of its narrow border, if it has one."""

    kind: str
    colour: str
    edge: str | None = None


@dataclass(frozen=True)
class Charge:
    """Emblem: `size` is its radius as a fraction of the flag height."""

    kind: str
    colour: str
    place: str = "centre"
    count: int = 1
    size: float = 0.24


@dataclass(frozen=True)
class Spec:
    """Complete description of one flag."""

    base: Base
    overlays: tuple[Overlay, ...] = ()
    charges: tuple[Charge, ...] = ()


@dataclass(frozen=True)
class Country:
    """One class: its name, its continent and its true flag."""

    name: str
    continent: str
    spec: Spec


def _spec(base: Base, *parts: Overlay | Charge) -> Spec:
    overlays = tuple(p for p in parts if isinstance(p, Overlay))
    charges = tuple(p for p in parts if isinstance(p, Charge))
    return Spec(base, overlays, charges)


def _bands(kind: str, colours: str, weights: str = "") -> Base:
    names = tuple(colours.replace("light ", "light_").split())
    return Base(
        kind,
        tuple(name.replace("_", " ") for name in names),
        tuple(int(w) for w in weights) or (1,) * len(names),
    )


def _h(colours: str, weights: str = "") -> Base:
    return _bands("horizontal", colours, weights)


def _v(colours: str, weights: str = "") -> Base:
    return _bands("vertical", colours, weights)


def _plain(colour: str) -> Base:
    return Base("plain", (colour,))


def _stripes(count: int, first: str, second: str) -> Base:
    return Base("stripes", (first, second), (count,))


_EUROPE, _ASIA, _AFRICA = "Europe", "Asia", "Africa"
_NORTH, _SOUTH, _OCEANIA = "North America", "South America", "Oceania"

# Ordered by how often a flag is met: the class order, on purpose not the alphabetical one.
COUNTRIES: Final[tuple[Country, ...]] = tuple(
    Country(name, continent, _spec(base, *parts))
    for name, continent, base, *parts in (
        (
            "United States", _NORTH, _stripes(13, "red", "white"),
            Overlay("canton", "blue"), Charge("star", "white", "canton", 50),
        ),
        ("France", _EUROPE, _v("blue white red")),
        ("Japan", _ASIA, _plain("white"), Charge("disc", "red", size=0.3)),
        ("Germany", _EUROPE, _h("black red yellow")),
        (
            "United Kingdom", _EUROPE, _plain("blue"),
            Overlay("saltire", "red", "white"), Overlay("cross", "red", "white"),
        ),
        ("Italy", _EUROPE, _v("green white red")),
        ("Canada", _NORTH, _v("red white red", "121"), Charge("leaf", "red", size=0.3)),
        ("China", _ASIA, _plain("red"), Charge("cluster", "yellow", "canton")),
        ("India", _ASIA, _h("orange white green"), Charge("wheel", "blue", size=0.15)),
        ("Russia", _EUROPE, _h("white blue red")),
        ("Switzerland", _EUROPE, _plain("red"), Charge("cross", "white", size=0.31)),
        ("Turkey", _ASIA, _plain("red"), Charge("crescent and star", "white", size=0.28)),
        ("Sweden", _EUROPE, _plain("blue"), Overlay("nordic cross", "yellow")),
        ("Netherlands", _EUROPE, _h("red white blue")),
        (
            "Greece", _EUROPE, _stripes(9, "blue", "white"),
            Overlay("canton", "blue"), Charge("cross", "white", "canton", size=0.27),
        ),
        ("Ireland", _EUROPE, _v("green white orange")),
        ("Ukraine", _EUROPE, _h("blue yellow")),
        (
            "Argentina", _SOUTH, _h("light blue white light blue"),
            Charge("sun", "yellow", size=0.15),
        ),
        ("Denmark", _EUROPE, _plain("red"), Overlay("nordic cross", "white")),
        ("Norway", _EUROPE, _plain("red"), Overlay("nordic cross", "blue", "white")),
        (
            "Jamaica", _NORTH, Base("per saltire", ("green", "black")),
            Overlay("saltire", "yellow"),
        ),
        ("Poland", _EUROPE, _h("white red")),
        ("Vietnam", _ASIA, _plain("red"), Charge("star", "yellow", size=0.3)),
        (
            "Pakistan", _ASIA, _plain("green"),
            Overlay("hoist", "white"), Charge("crescent and star", "white", size=0.27),
        ),
        (
            "Cuba", _NORTH, _stripes(5, "blue", "white"),
            Overlay("triangle", "red"), Charge("star", "white", "hoist", size=0.15),
        ),
        ("Belgium", _EUROPE, _v("black yellow red")),
        ("Austria", _EUROPE, _h("red white red")),
        ("Finland", _EUROPE, _plain("white"), Overlay("nordic cross", "blue")),
        ("Colombia", _SOUTH, _h("yellow blue red", "211")),
        (
            "Chile", _SOUTH, _h("white red"),
            Overlay("canton", "blue"), Charge("star", "white", "canton", size=0.17),
        ),
        ("Thailand", _ASIA, _h("red white blue white red", "11211")),
        ("Nigeria", _AFRICA, _v("green white green")),
        ("Czech Republic", _EUROPE, _h("white red"), Overlay("triangle", "blue")),
        ("United Arab Emirates", _ASIA, _h("green white black"), Overlay("hoist", "red")),
        ("Morocco", _AFRICA, _plain("red"), Charge("star", "green", size=0.24)),
        ("Tonga", _OCEANIA, _plain("red"), Overlay("canton", "white"),
         Charge("cross", "red", "canton", size=0.19)),
        ("Latvia", _EUROPE, _h("maroon white maroon", "212")),
        ("Ghana", _AFRICA, _h("red yellow green"), Charge("star", "black", size=0.17)),
        ("Bangladesh", _ASIA, _plain("green"), Charge("disc", "red", size=0.3)),
        (
            "Malaysia", _ASIA, _stripes(14, "red", "white"),
            Overlay("canton", "blue"), Charge("crescent and star", "yellow", "canton", size=0.21),
        ),
        ("Senegal", _AFRICA, _v("green yellow red"), Charge("star", "green", size=0.17)),
        (
            "Tunisia", _AFRICA, _plain("red"),
            Charge("disc", "white", size=0.3), Charge("crescent and star", "red", size=0.2),
        ),
        ("Ivory Coast", _AFRICA, _v("orange white green")),
        ("Cameroon", _AFRICA, _v("green red yellow"), Charge("star", "yellow", size=0.17)),
        (
            "Panama", _NORTH, Base("quarters", ("white", "red", "blue", "white")),
            Charge("star", "blue", "canton", size=0.17),
            Charge("star", "red", "lower right", size=0.17),
        ),
        ("Trinidad and Tobago", _NORTH, _plain("red"), Overlay("diagonal", "black", "white")),
        ("Somalia", _AFRICA, _plain("light blue"), Charge("star", "white", size=0.26)),
        ("Madagascar", _AFRICA, _h("red green"), Overlay("hoist", "white")),
        ("Palau", _OCEANIA, _plain("light blue"), Charge("disc", "yellow", size=0.3)),
        ("Burkina Faso", _AFRICA, _h("red green"), Charge("star", "yellow", size=0.21)),
    )
)  # fmt: skip

CONTINENTS: Final = tuple(sorted({country.continent for country in COUNTRIES}))


def popularity(exponent: float = POPULARITY_EXPONENT) -> NDArray[np.float64]:
    """Zipf probability (n_countries,) of meeting each country's flag."""
    weights: NDArray[np.float64] = np.arange(1.0, len(COUNTRIES) + 1) ** -exponent
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


_POPULARITY_CDF: Final = np.cumsum(popularity())


def random_country(rng: np.random.Generator) -> int:
    """Index of a country, drawn by popularity."""
    return min(int(np.searchsorted(_POPULARITY_CDF, rng.random())), len(COUNTRIES) - 1)


def _pick(rng: np.random.Generator, table: tuple[tuple[str, float], ...]) -> str:
    """One key of `table`, with probability proportional to its weight."""
    point = rng.random() * sum(weight for _, weight in table)
    for key, weight in table:
        point -= weight
        if point < 0:
            return key
    return table[-1][0]


_COLOUR_TABLE: Final = tuple(zip(COLOUR_NAMES, _COLOUR_WEIGHTS.tolist(), strict=True))


def random_colour(rng: np.random.Generator, *avoid: str) -> str:
    """A colour name other than those in `avoid`."""
    while True:
        colour = _pick(rng, _COLOUR_TABLE)
        if colour not in avoid:
            return colour


_BASES: Final = (
    ("horizontal", 0.34), ("vertical", 0.2), ("plain", 0.26), ("stripes", 0.08),
    ("quarters", 0.04), ("split", 0.04), ("per saltire", 0.04),
)  # fmt: skip
_OVERLAYS: Final = (
    ("nordic cross", 1.3), ("canton", 1.4), ("hoist", 1.0), ("triangle", 1.3), ("saltire", 0.7),
    ("cross", 0.7), ("diagonal", 0.7), ("border", 0.5),
)  # fmt: skip
_CHARGES: Final = (
    ("star", 3.0), ("disc", 1.3), ("crescent", 0.6), ("crescent and star", 1.0), ("cross", 0.9),
    ("sun", 0.8), ("leaf", 0.6), ("wheel", 0.6), ("cluster", 0.5),
)  # fmt: skip
_BAND_WEIGHTS: Final = {2: ("11",), 3: ("111", "111", "111", "121", "211", "212"),
                        4: ("1111",), 5: ("11111", "11211")}  # fmt: skip


def _random_bands(rng: np.random.Generator, kind: str) -> Base:
    count = int(rng.choice((2, 3, 3, 3, 3, 4, 5) if kind == "horizontal" else (2, 3, 3, 3)))
    colours = [random_colour(rng)]
    while len(colours) < count:
        colours.append(random_colour(rng, colours[-1]))
    if count == 3 and rng.random() < 0.25:
        colours[2] = colours[0]
    if count == 5:
        colours[3:] = colours[1::-1]
    options = _BAND_WEIGHTS[count]
    weights = options[int(rng.integers(len(options)))]
    return Base(kind, tuple(colours), tuple(int(w) for w in weights))


def random_base(rng: np.random.Generator) -> Base:
    """A random field."""
    kind = _pick(rng, _BASES)
    if kind in ("horizontal", "vertical"):
        return _random_bands(rng, kind)
    first = random_colour(rng)
    if kind == "plain":
        return Base(kind, (first,))
    second = random_colour(rng, first)
    if kind == "stripes":
        return Base(kind, (first, second), (int(rng.choice((5, 7, 9, 11, 13, 14))),))
    if kind == "quarters":
        last = first if rng.random() < 0.5 else random_colour(rng, second)
        third = second if last == first and rng.random() < 0.5 else random_colour(rng, first, last)
        return Base(kind, (first, second, third, last))
    return Base(kind, (first, second))


def _ground(base: Base, overlays: tuple[Overlay, ...], place: str) -> tuple[str, ...]:
    """Colours that a charge at `place` must differ from to be seen."""
    under = {"canton": ("canton",), "hoist": ("hoist", "triangle")}.get(place, ())
    for overlay in overlays:
        if overlay.kind in under or (place == "centre" and "cross" in overlay.kind):
            return (overlay.colour,)
    if base.kind in ("horizontal", "vertical") and len(base.colours) % 2:
        return (base.colours[len(base.colours) // 2],)
    return base.colours


def _random_charge(
    rng: np.random.Generator, base: Base, overlays: tuple[Overlay, ...]
) -> tuple[Charge, ...]:
    kinds = {overlay.kind for overlay in overlays}
    place = "centre"
    if "canton" in kinds:
        place = "canton" if rng.random() < 0.85 else "centre"
    elif kinds & {"hoist", "triangle"}:
        place = "hoist" if rng.random() < 0.65 else "centre"
    elif rng.random() < 0.15:
        place = "canton" if rng.random() < 0.7 else "lower right"
    kind = _pick(rng, _CHARGES)
    size = float(rng.uniform(0.13, 0.32)) if place == "centre" else float(rng.uniform(0.12, 0.2))
    count = 1
    if kind == "star":
        count = int(rng.choice((1, 1, 1, 1, 2, 3, 4, 5, 50)))
    charge = Charge(kind, random_colour(rng, *_ground(base, overlays, place)), place, count, size)
    if kind == "disc" and rng.random() < 0.4:
        top = _pick(rng, (("star", 1.0), ("crescent and star", 1.0), ("sun", 0.5), ("leaf", 0.5)))
        above = Charge(top, random_colour(rng, charge.colour), place, 1, size * 0.65)
        return (charge, above)
    return (charge,)


def random_spec(rng: np.random.Generator) -> Spec:
    """An invented flag."""
    base = random_base(rng)
    overlays: tuple[Overlay, ...] = ()
    if rng.random() < (0.6 if base.kind in ("plain", "stripes", "per saltire") else 0.3):
        edge = rng.random() < 0.35
        kind = _pick(rng, _OVERLAYS)
        if base.kind == "per saltire":
            kind = "saltire"
        colour = random_colour(rng, *base.colours)
        if kind in ("canton", "hoist", "triangle", "border"):
            edge = False
        overlays = (Overlay(kind, colour, random_colour(rng, colour) if edge else None),)
    crowded = overlays and overlays[0].kind in ("nordic cross", "saltire", "cross", "diagonal")
    charges: tuple[Charge, ...] = ()
    if rng.random() < (0.08 if crowded else 0.75 if base.kind == "plain" else 0.5):
        charges = _random_charge(rng, base, overlays)
        if rng.random() < 0.07:
            charges += _random_charge(rng, base, overlays)
    if overlays and overlays[0].kind == "saltire" and rng.random() < 0.15:
        overlays += (Overlay("cross", overlays[0].colour, overlays[0].edge),)
    return Spec(base, overlays, charges)


def corrupt(spec: Spec, rng: np.random.Generator) -> Spec:
    """`spec` with one colour changed, or one emblem replaced, lost or invented."""
    if spec.charges and rng.random() < 0.5:
        if rng.random() < 0.5:
            return replace(spec, charges=())
        first = replace(spec.charges[0], kind=_pick(rng, _CHARGES), count=1)
        return replace(spec, charges=(first, *spec.charges[1:]))
    at = int(rng.integers(len(spec.base.colours)))
    colours = list(spec.base.colours)
    colours[at] = random_colour(rng, *spec.base.colours)
    return replace(spec, base=replace(spec.base, colours=tuple(colours)))
