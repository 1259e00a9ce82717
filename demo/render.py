"""Draw a flag spec and photograph it: 64x64 RGB images in three domains.

`web` looks like a search engine's result (flat, plain background), `photo` like a snapshot
(perspective, cloth waves, light, occluders, noise), `print` like a page of an atlas (nearly
straight, on white). A flag is drawn once as a small map of colour
numbers, warped by index look-up at twice the final resolution, then averaged down.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from demo.flags import COLOUR_NAMES, COLOURS, Base, Charge, Overlay, Spec

SIZE: Final = 64
DOMAINS: Final = ("web", "photo", "print")
PHOTO_STRENGTH: Final = 1.0
_FINE: Final = 2 * SIZE
_WIDTH, _HEIGHT = 120, 80
_OUTSIDE: Final = len(COLOUR_NAMES)
_RIM: Final = np.float32(1.0 - 1e-5)  # just below 1, so that rounding stays on the flag
_RGB: Final = np.array([COLOURS[name] for name in COLOUR_NAMES], dtype=np.float32)
_PLACES: Final = {
    "centre": (0.5, 0.5), "canton": (0.2, 0.27), "hoist": (0.13, 0.5), "lower right": (0.75, 0.75),
}  # fmt: skip
_GRID: Final = (np.arange(_FINE, dtype=np.float32) + 0.5) / SIZE - 1.0
_PIXEL: Final = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE
_SATURATION: Final = np.array([0.3, 0.59, 0.11], dtype=np.float32)

Pixels = NDArray[np.floating[Any]]


def _number(colour: str) -> int:
    return COLOUR_NAMES.index(colour)


def _draw_base(draw: ImageDraw.ImageDraw, base: Base) -> None:
    w, h = _WIDTH, _HEIGHT
    inks = [_number(colour) for colour in base.colours]
    if base.kind in ("horizontal", "vertical"):
        edges = np.cumsum((0, *base.weights)) / sum(base.weights)
        for ink, low, high in zip(inks, edges[:-1], edges[1:], strict=True):
            if base.kind == "horizontal":
                draw.rectangle((0, round(low * h), w, round(high * h)), fill=ink)
            else:
                draw.rectangle((round(low * w), 0, round(high * w), h), fill=ink)
    elif base.kind == "stripes":
        count = base.weights[0]
        for i in range(count):
            top, bottom = round(i * h / count), round((i + 1) * h / count)
            draw.rectangle((0, top, w, bottom), fill=inks[i % 2])
    elif base.kind == "quarters":
        for ink, x, y in zip(inks, (0, w // 2, 0, w // 2), (0, 0, h // 2, h // 2), strict=True):
            draw.rectangle((x, y, x + w // 2, y + h // 2), fill=ink)
    else:
        draw.rectangle((0, 0, w, h), fill=inks[0])
        if base.kind == "split":
            draw.polygon([(0, h), (w, 0), (w, h)], fill=inks[1])
        elif base.kind == "per saltire":
            draw.polygon([(0, 0), (w / 2, h / 2), (0, h)], fill=inks[1])
            draw.polygon([(w, 0), (w / 2, h / 2), (w, h)], fill=inks[1])


def _draw_lines(draw: ImageDraw.ImageDraw, kind: str, ink: int, width: int) -> None:
    w, h = _WIDTH, _HEIGHT
    if kind in ("saltire", "diagonal"):
        draw.line((-9, -6, w + 9, h + 6), fill=ink, width=width)
    if kind == "saltire":
        draw.line((-9, h + 6, w + 9, -6), fill=ink, width=width)
    if kind in ("cross", "nordic cross"):
        x = w // 2 if kind == "cross" else 42
        draw.rectangle((x - width // 2, 0, x + width // 2, h), fill=ink)
        draw.rectangle((0, h // 2 - width // 2, w, h // 2 + width // 2), fill=ink)


def _draw_overlay(draw: ImageDraw.ImageDraw, overlay: Overlay) -> None:
    w, h = _WIDTH, _HEIGHT
    ink = _number(overlay.colour)
    if overlay.kind == "canton":
        draw.rectangle((0, 0, 48, 43), fill=ink)
    elif overlay.kind == "hoist":
        draw.rectangle((0, 0, 32, h), fill=ink)
    elif overlay.kind == "triangle":
        draw.polygon([(0, 0), (56, h / 2), (0, h)], fill=ink)
    elif overlay.kind == "border":
        draw.rectangle((0, 0, w - 1, h - 1), outline=ink, width=12)
    else:
        width = 20 if overlay.kind == "diagonal" else 14
        if overlay.edge:
            _draw_lines(draw, overlay.kind, _number(overlay.edge), width + 10)
        _draw_lines(draw, overlay.kind, ink, width - (2 if overlay.edge else 0))


def _star(x: float, y: float, radius: float, points: int = 5) -> list[tuple[float, float]]:
    inner = 0.4 if points == 5 else 0.62
    corners = []
    for i in range(2 * points):
        r = radius * (inner if i % 2 else 1.0)
        angle = math.pi * i / points
        corners.append((x + r * math.sin(angle), y - r * math.cos(angle)))
    return corners


_LEAF: Final = (
    (0.0, -1.0), (0.22, -0.6), (0.45, -0.7), (0.38, -0.2), (0.62, -0.42), (0.72, -0.25),
    (1.0, -0.3), (0.88, 0.0), (1.0, 0.12), (0.5, 0.45), (0.55, 0.62), (0.07, 0.55), (0.07, 1.0),
)  # fmt: skip


def _many_stars(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, ink: int) -> None:
    for row in range(5):
        for column in range(6 - row % 2):
            sx = x + radius * (2.0 * (column + 0.5 * (row % 2)) / 5 - 1.0) * 1.3
            sy = y + radius * (row / 2 - 1.0)
            draw.polygon(_star(sx, sy, 2.8), fill=ink)


def _draw_stars(draw: ImageDraw.ImageDraw, charge: Charge, x: float, y: float, r: float) -> None:
    ink = _number(charge.colour)
    if charge.kind == "cluster":
        draw.polygon(_star(x - 0.35 * r, y, 0.75 * r), fill=ink)
        for angle in (-1.0, -0.35, 0.35, 1.0):
            sx, sy = x - 0.35 * r + 1.25 * r * math.cos(angle), y + 1.1 * r * math.sin(angle)
            draw.polygon(_star(sx, sy, 0.3 * r), fill=ink)
    elif charge.count == 1:
        draw.polygon(_star(x, y, r), fill=ink)
    elif charge.count > 5:
        _many_stars(draw, x, y, min(max(r, 15.0), 18.0), ink)
    else:
        for i in range(charge.count):
            angle = 2 * math.pi * (i + 0.5 * (charge.count == 2)) / charge.count
            sx, sy = x + 0.75 * r * math.sin(angle), y - 0.75 * r * math.cos(angle)
            draw.polygon(_star(sx, sy, 0.48 * r), fill=ink)


def _draw_crescent(
    image: Image.Image, draw: ImageDraw.ImageDraw, charge: Charge, x: float, y: float, r: float
) -> None:
    ink = _number(charge.colour)
    paired = charge.kind == "crescent and star"
    cx, outer = (x - 0.25 * r, 0.85 * r) if paired else (x, r)
    mask = Image.new("1", image.size)
    pen = ImageDraw.Draw(mask)
    pen.ellipse((cx - outer, y - outer, cx + outer, y + outer), fill=1)
    cut, inner = cx + 0.3 * outer, 0.8 * outer
    pen.ellipse((cut - inner, y - inner, cut + inner, y + inner), fill=0)
    image.paste(ink, (0, 0), mask)
    if paired:
        draw.polygon(_star(x + 0.6 * r, y, 0.42 * r), fill=ink)


def _draw_charge(image: Image.Image, draw: ImageDraw.ImageDraw, charge: Charge) -> None:
    px, py = _PLACES[charge.place]
    x, y, r = px * _WIDTH, py * _HEIGHT, charge.size * _HEIGHT
    ink = _number(charge.colour)
    if charge.kind in ("star", "cluster"):
        _draw_stars(draw, charge, x, y, 1.15 * r)
    elif charge.kind.startswith("crescent"):
        _draw_crescent(image, draw, charge, x, y, r)
    elif charge.kind == "disc":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=ink)
    elif charge.kind == "cross":
        arm = max(2.0, 0.3 * r)
        draw.rectangle((x - r, y - arm, x + r, y + arm), fill=ink)
        draw.rectangle((x - arm, y - r, x + arm, y + r), fill=ink)
    elif charge.kind == "sun":
        draw.polygon(_star(x, y, 1.2 * r, 14), fill=ink)
    elif charge.kind == "leaf":
        right = [(x + r * a, y + r * b) for a, b in _LEAF]
        left = [(x - r * a, y + r * b) for a, b in reversed(_LEAF)]
        draw.polygon(right + left, fill=ink)
    else:
        line = max(1, round(0.16 * r))
        draw.ellipse((x - r, y - r, x + r, y + r), outline=ink, width=line)
        for i in range(4):
            dx, dy = r * math.cos(math.pi * i / 4), r * math.sin(math.pi * i / 4)
            draw.line((x - dx, y - dy, x + dx, y + dy), fill=ink, width=line)


def draw_flag(spec: Spec) -> NDArray[np.uint8]:
    """Flat flag as colour numbers, (80, 120) uint8."""
    image = Image.new("L", (_WIDTH, _HEIGHT))
    draw = ImageDraw.Draw(image)
    _draw_base(draw, spec.base)
    for overlay in spec.overlays:
        _draw_overlay(draw, overlay)
    for charge in spec.charges:
        _draw_charge(image, draw, charge)
    return np.asarray(image)


_flat = lru_cache(maxsize=256)(draw_flag)


def _palette(rng: np.random.Generator, spread: float) -> Pixels:
    """Shades of the nine colours for one image, (10, 3); the last row is 'no flag'."""
    shades = _RGB + rng.normal(0.0, spread, _RGB.shape).astype(np.float32)
    return np.concatenate([shades, np.zeros((1, 3), np.float32)])


def _look_up(flat: NDArray[np.uint8], u: Pixels, v: Pixels) -> NDArray[np.uint8]:
    """Colour numbers (128, 128) at flag coordinates `u`, `v` in [-1, 1]; outside is its own."""
    column = ((u + 1.0) * (0.5 * _WIDTH)).astype(np.int32)
    row = ((v + 1.0) * (0.5 * _HEIGHT)).astype(np.int32)
    inside = (np.abs(u) < _RIM) & (np.abs(v) < _RIM)
    flag = flat.take(np.where(inside, row * _WIDTH + column, 0))
    return np.where(inside, flag, np.uint8(_OUTSIDE))


def _average(numbers: NDArray[np.uint8], palette: Pixels) -> tuple[Pixels, Pixels]:
    """Mean flag colour (64, 64, 3), premultiplied, and its coverage (64, 64, 1)."""
    quarters = [numbers[i::2, j::2] for i in (0, 1) for j in (0, 1)]
    colour = sum((palette.take(q, axis=0) for q in quarters[1:]), palette.take(quarters[0], axis=0))
    covered = [(q != _OUTSIDE).astype(np.float32) for q in quarters]
    hits = sum(covered[1:], covered[0])
    return colour * np.float32(0.25), hits[..., None] * np.float32(0.25)


def _homography(
    rng: np.random.Generator, rotation: float, tilt: float, shift: float, scale: float
) -> tuple[Pixels, Pixels]:
    """Flag coordinates (128, 128) of every fine pixel under a random projective view."""
    angle = float(rng.normal(0.0, rotation))
    gx, gy = (float(np.clip(g, -0.5, 0.5)) for g in rng.normal(0.0, tilt, 2))
    tx, ty = (float(t) for t in rng.uniform(-shift, shift, 2))
    half_width = scale
    half_height = scale * float(rng.uniform(0.56, 0.7))
    cos, sin = math.cos(angle), math.sin(angle)
    x, y = _GRID - np.float32(tx), (_GRID - np.float32(ty))[:, None]
    depth = np.float32(1.0) + np.float32(gx) * x + np.float32(gy) * y
    u = (np.float32(cos / half_width) * x + np.float32(sin / half_width) * y) / depth
    v = (np.float32(-sin / half_height) * x + np.float32(cos / half_height) * y) / depth
    return u, v


def _wave(rng: np.random.Generator, u: Pixels, v: Pixels, depth: float) -> tuple[Pixels, Pixels]:
    """Cloth wave: displaced `v` (128, 128) and the light it catches (64, 64, 1)."""
    frequency, lean = float(rng.uniform(2.0, 7.0)), float(rng.uniform(-1.5, 1.5))
    phase = float(rng.uniform(0.0, 2 * math.pi))
    angle = np.float32(frequency) * u + np.float32(lean) * v + np.float32(phase)
    light = np.float32(1.0) + np.float32(2.2 * depth) * np.cos(angle[::2, ::2])
    return v + np.float32(depth) * np.sin(angle), light[..., None]


def _upsample(coarse: Pixels) -> Pixels:
    """(k, k, 3) colours enlarged smoothly to (64, 64, 3)."""
    small = Image.fromarray(np.clip(coarse, 0, 255).astype(np.uint8))
    return np.asarray(small.resize((SIZE, SIZE), Image.Resampling.BILINEAR), dtype=np.float32)


def _background(rng: np.random.Generator) -> Pixels:
    """Scene behind a photographed flag: a gradient, a texture or blocks, (64, 64, 3)."""
    kind = rng.random()
    if kind < 0.4:
        return _upsample(rng.uniform(0, 255, (2, 2, 3)))
    if kind < 0.7:
        base, grain = rng.uniform(0, 255, 3), float(rng.uniform(15, 60))
        return _upsample(base + rng.normal(0, grain, (int(rng.integers(4, 17)),) * 2 + (3,)))
    scene = _upsample(rng.uniform(0, 255, (2, 2, 3)))
    for _ in range(int(rng.integers(3, 9))):
        x, y = rng.integers(-10, SIZE - 4, 2)
        w, h = rng.integers(6, 40, 2)
        scene[max(y, 0) : y + h, max(x, 0) : x + w] = rng.uniform(0, 255, 3)
    return scene


def _occlude(rng: np.random.Generator, image: Pixels, strength: float) -> None:
    """Paint a pole and up to two foreign objects over `image` (64, 64, 3), in place."""
    if rng.random() < 0.4 * strength:
        x, width = int(rng.integers(0, 16)), int(rng.integers(1, 4))
        image[:, x : x + width] = rng.uniform(30, 220)
    for _ in range(int(rng.choice((0, 1, 2), p=(0.5, 0.3, 0.2)))):
        x, y = rng.random(2)
        rx, ry = rng.uniform(0.04, 0.04 + 0.12 * strength, 2)
        dx = np.abs(_PIXEL - np.float32(x)) / np.float32(rx)
        dy = (np.abs(_PIXEL - np.float32(y)) / np.float32(ry))[:, None]
        hidden = (dx * dx + dy * dy < 1.0) if rng.random() < 0.5 else (np.maximum(dx, dy) < 1.0)
        image[hidden] = rng.uniform(0, 255, 3)


def _blur(image: Pixels, amount: float) -> Pixels:
    """Mix with the four neighbours, (64, 64, 3)."""
    mixed = image.copy()
    mixed[1:] += amount * image[:-1]
    mixed[:-1] += amount * image[1:]
    mixed[:, 1:] += amount * image[:, :-1]
    mixed[:, :-1] += amount * image[:, 1:]
    weight = np.full((SIZE, SIZE, 1), 1 + 4 * amount, np.float32)
    weight[[0, -1]] -= amount
    weight[:, [0, -1]] -= amount
    return mixed / weight


def _blocks(rng: np.random.Generator, spread: float) -> Pixels:
    """Compression-like noise, constant on 4x4 blocks, (64, 64, 1)."""
    coarse = rng.standard_normal((16, 16), dtype=np.float32) * np.float32(spread)
    return np.repeat(np.repeat(coarse, 4, axis=0), 4, axis=1)[..., None]


def _quantise(image: Pixels) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = np.clip(image + 0.5, 0, 255).astype(np.uint8)
    return pixels


def _web(flat: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    scale = float(rng.uniform(0.72, 0.98))
    u, v = _homography(rng, 0.05, 0.0, 0.12, scale)
    light: Pixels | np.float32 = np.float32(1.0)
    if rng.random() < 0.1:
        u = np.where(u < 0, u + 0.5, u - 0.5) * np.float32(2.1)
        v = v * np.float32(2.1)
    if rng.random() < 0.12:
        v, light = _wave(rng, u, v, float(rng.uniform(0.02, 0.06)))
    colour, cover = _average(_look_up(flat, u, v), _palette(rng, 7.0))
    plain = np.full(3, 252.0) if rng.random() < 0.75 else rng.uniform(0, 255, 3)
    image = colour * light + (np.float32(1.0) - cover) * plain.astype(np.float32)
    return _quantise(image + _blocks(rng, float(rng.uniform(0.0, 6.0))))


def _print(flat: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    u, v = _homography(rng, 0.02, 0.0, 0.03, float(rng.uniform(0.9, 0.97)))
    colour, cover = _average(_look_up(flat, u, v), _palette(rng, 7.0))
    return _quantise(colour + (np.float32(1.0) - cover) * np.float32(252.0))


def _photo(flat: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    k = PHOTO_STRENGTH
    u, v = _homography(rng, 0.2 * k, 0.25 * k, 0.2, float(rng.uniform(0.62, 1.05)))
    v, light = _wave(rng, u, v, float(rng.uniform(0.0, 0.13 * k)))
    if rng.random() < 0.08:
        u = -u
    colour, cover = _average(_look_up(flat, u, v), _palette(rng, 10.0))
    image: Pixels = colour * light + (np.float32(1.0) - cover) * _background(rng)
    _occlude(rng, image, k)
    image = _blur(image, float(rng.uniform(0.0, 0.5 * k)))
    grey = image @ _SATURATION
    keep = np.float32(rng.uniform(1.0 - 0.45 * k, 1.1))
    image = keep * image + (np.float32(1.0) - keep) * grey[..., None]
    contrast, lift = float(rng.uniform(1.0 - 0.5 * k, 1.15)), float(rng.normal(0.0, 22.0 * k))
    cast = rng.normal(0.0, 14.0 * k, 3) + 128.0 + lift
    image = (image - np.float32(128.0)) * np.float32(contrast) + cast.astype(np.float32)
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    return _quantise(image + noise * np.float32(rng.uniform(2.0, 14.0 * k)))


_RENDERERS: Final[
    dict[str, Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]]
] = {"web": _web, "photo": _photo, "print": _print}


def render(
    spec: Spec, domain: str, rng: np.random.Generator, cached: bool = False
) -> NDArray[np.uint8]:
    """One (64, 64, 3) uint8 image of `spec`; `cached` keeps the drawing of flags seen often."""
    if domain not in _RENDERERS:
        raise ValueError(f"unknown domain {domain!r}: choose from {', '.join(DOMAINS)}")
    return _RENDERERS[domain](_flat(spec) if cached else draw_flag(spec), rng)
