"""Landscapes: hills, woods, lakes, beaches, deserts, snow, canyons."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from training.scenes import outdoors, world
from training.scenes import textures as tex
from training.scenes.build import Builder, hsv
from training.scenes.render import Camera
from training.scenes.things import LARGE
from training.scenes.weather import HOURS, daylight

STYLES = ("hills", "forest", "lake", "beach", "desert", "snow", "canyon")
_CELLS = 160  # side of the height grid


def _soft(b: Builder, n: int, cells: float) -> NDArray[np.float64]:
    """Return smooth noise (n, n) in 0..1, with about ``cells`` features per side."""
    k = max(2, int(cells) + 2)
    coarse = b.rng.random((k, k))
    s = np.linspace(0, k - 1.001, n)
    i = s.astype(int)
    f = s - i
    f = f * f * (3 - 2 * f)
    rows = coarse[i] * (1 - f)[:, None] + coarse[i + 1] * f[:, None]
    return rows[:, i] * (1 - f)[None] + rows[:, i + 1] * f[None]


def terrain(
    b: Builder, extent: float, *, relief: float, cells: float, sharp: float = 1.0
) -> NDArray[np.float64]:
    """Return heights of a square of ``extent`` metres in front of the camera."""
    h = np.zeros((_CELLS, _CELLS))
    weight, total = 1.0, 0.0
    for octave in range(5):
        layer = _soft(b, _CELLS, cells * 2**octave)
        if sharp > 1.0:
            layer = 1 - np.abs(2 * layer - 1)
        h += weight * layer
        total += weight
        weight *= 0.45
    return relief * (h / total) ** sharp


def _lay(
    b: Builder,
    heights: NDArray[np.float64],
    extent: float,
    mat: int,
    water: float = -1e9,
    water_mat: int = 0,
) -> None:
    land = b.land
    cell = extent / (_CELLS - 1)
    land[world.LAND_KIND], land[world.LAND_MAT] = world.FIELD, mat
    land[world.WATER_LEVEL], land[world.WATER_MAT] = water, water_mat
    land[world.FIELD_X], land[world.FIELD_Y], land[world.FIELD_CELL] = (
        -extent / 2,
        -0.12 * extent,
        cell,
    )
    land[world.FIELD_TOP] = float(heights.max()) + 0.01
    b.heights = heights


def _height(b: Builder, x: float, y: float) -> float:
    land, h = b.land, b.heights
    u = min(_CELLS - 2.0, max(0.0, (x - land[world.FIELD_X]) / land[world.FIELD_CELL]))
    v = min(_CELLS - 2.0, max(0.0, (y - land[world.FIELD_Y]) / land[world.FIELD_CELL]))
    i, j = int(u), int(v)
    u, v = u - i, v - j
    low = h[j, i] * (1 - u) + h[j, i + 1] * u
    high = h[j + 1, i] * (1 - u) + h[j + 1, i + 1] * u
    return float(low * (1 - v) + high * v)


def _grid(extent: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    s = np.linspace(0, extent, _CELLS)
    return s[None, :] - extent / 2, s[:, None] - 0.12 * extent


def _water(b: Builder, clear: bool) -> int:
    deep = b.pick([(0.01, 0.06, 0.1), (0.01, 0.09, 0.12), (0.02, 0.07, 0.06)])
    near = (0.08, 0.42, 0.42) if clear else (0.1, 0.14, 0.1)
    return b.mat(
        deep,
        near,
        kind=tex.PLAIN,
        scale=b.uniform(1.0, 3.0),
        spec=1.2,
        shine=160,
        mirror=0.04,
        bump=b.uniform(0.02, 0.07),
        bump_scale=b.uniform(0.5, 1.6),
    )


def nature(b: Builder, style: str) -> tuple[Camera, float]:
    """Build terrain with plants; return a camera and the brightness to expose for."""
    hour = b.pick(HOURS if style != "beach" else HOURS[:7])
    middle = daylight(b, hour)
    extent = {
        "hills": 260,
        "forest": 90,
        "lake": 240,
        "beach": 160,
        "desert": 300,
        "snow": 240,
        "canyon": 320,
    }[style] * b.uniform(0.8, 1.2)
    x, y = _grid(extent)
    season = b.pick(["green", "green", "autumn", "blossom"]) if style != "snow" else "snow"
    grass1, grass2 = (
        hsv(b.uniform(0.2, 0.3), b.uniform(0.45, 0.65), b.uniform(0.35, 0.6)),
        (0.22, 0.2, 0.17),
    )
    water, water_mat, trees, eye = -1e9, 0, 0, b.uniform(1.4, 3.0)
    if style == "hills":
        h = terrain(b, extent, relief=b.uniform(18, 45), cells=b.uniform(2, 4)) * np.clip(
            (y + 5) / (0.5 * extent), 0.08, 1
        )
        m = b.mat(
            grass1,
            grass2,
            (0.8, 0.82, 0.86),
            kind=tex.TERRAIN,
            scale=2.0,
            extra=b.pick([0.0, 26.0, 0.0]),
        )
        trees = b.many(10, 40)
    elif style == "forest":
        h = terrain(b, extent, relief=b.uniform(1.5, 6), cells=4)
        m = b.mat(
            hsv(b.uniform(0.1, 0.28), 0.5, 0.4),
            hsv(b.uniform(0.05, 0.2), 0.55, 0.5),
            hsv(b.uniform(0, 1), 0.6, 0.9),
            kind=tex.GRASS,
            scale=0.6,
            extra=b.pick([0.0, 0.004]),
            bump=0.2,
            bump_scale=0.2,
        )
        trees = b.many(45, 70)
    elif style == "lake":
        h = terrain(b, extent, relief=b.uniform(14, 34), cells=b.uniform(2, 4)) - b.uniform(7, 10)
        bowl = np.sqrt(x**2 + (y - 0.3 * extent) ** 2) / (0.45 * extent)
        h = h * np.clip(bowl, 0.15, 1.4) - 3.0 * (1 - np.clip(bowl, 0, 1))
        h = h + np.clip(1 - (y + 4) / 14.0, 0, 1) * 4.5
        m = b.mat(grass1, grass2, hsv(0.1, 0.35, 0.6), kind=tex.TERRAIN, scale=2.0, extra=-0.5)
        water, water_mat, trees = 0.0, _water(b, False), b.many(12, 40)
    elif style == "beach":
        side = b.pick([-1.0, 1.0]) * b.uniform(0.2, 0.6)
        h = 1.9 - 0.10 * (y + side * x) - 0.0006 * y**2 + terrain(b, extent, relief=0.7, cells=7)
        h = np.clip(h, -6, 8)
        sand = hsv(b.uniform(0.09, 0.12), b.uniform(0.2, 0.4), b.uniform(0.8, 0.95))
        m = b.mat(
            sand,
            hsv(0.1, 0.35, 0.7),
            kind=tex.RIPPLES,
            scale=b.uniform(0.5, 1.5),
            bump=0.15,
            bump_scale=0.1,
        )
        water, water_mat, trees, eye = 0.0, _water(b, True), b.many(3, 9), b.uniform(1.4, 2.4)
    elif style == "desert":
        h = terrain(
            b, extent, relief=b.uniform(10, 30), cells=b.uniform(2, 5), sharp=1.6
        ) * np.clip((y + 8) / (0.3 * extent), 0.12, 1)
        sand = hsv(b.uniform(0.05, 0.11), b.uniform(0.35, 0.65), b.uniform(0.75, 0.95))
        m = b.mat(
            sand,
            hsv(0.06, 0.6, 0.6),
            kind=tex.RIPPLES,
            scale=b.uniform(0.8, 2.5),
            bump=0.2,
            bump_scale=0.15,
        )
    elif style == "snow":
        h = terrain(
            b, extent, relief=b.uniform(12, 50), cells=b.uniform(2, 4), sharp=1.3
        ) * np.clip((y + 5) / (0.4 * extent), 0.08, 1)
        m = b.mat(
            (0.8, 0.84, 0.9),
            (0.28, 0.28, 0.3),
            (0.85, 0.88, 0.92),
            kind=tex.TERRAIN,
            scale=2.0,
            bump=0.06,
            bump_scale=0.3,
        )
        trees = b.many(8, 35)
    else:  # canyon
        h = terrain(b, extent, relief=1.0, cells=b.uniform(3, 5))
        valley = np.clip(np.abs(x + 12 * np.sin(y / 40.0)) / b.uniform(18, 40) - 0.3, 0, 1)
        h = np.clip(valley * 1.5 * h, 0, 1)
        steps = b.many(3, 5)
        h = (np.floor(h * steps) + np.clip((h * steps % 1) * 3 - 1, 0, 1)) / steps * b.uniform(
            25, 60
        ) + terrain(b, extent, relief=1.2, cells=9)
        m = b.mat(
            hsv(b.uniform(0.03, 0.08), 0.55, 0.75),
            hsv(b.uniform(0.01, 0.05), 0.6, 0.55),
            hsv(0.09, 0.4, 0.9),
            kind=tex.TERRAIN,
            scale=3.0,
            bump=0.15,
            bump_scale=0.3,
        )
    _lay(b, h, extent, m, water, water_mat)
    # a dry spot that is not in a hole
    cx = b.uniform(-0.1, 0.1) * extent if style != "canyon" else b.uniform(-3, 3)
    cz = max(_height(b, cx, 0.0), water) + eye
    _grow(b, style, season, trees, extent, cx, water)
    pitch = b.uniform(-9, 3)
    ahead = max(_height(b, cx, d) for d in (6.0, 12.0, 20.0, 30.0))
    if ahead > cz:
        pitch = min(16.0, pitch + 0.6 * math.degrees(math.atan2(ahead - cz, 20)))
        if ahead > cz + 4.0:  # in front of a slope: rise to see over some of it
            cz += 0.6 * (ahead - cz)
    return Camera(
        place=(cx, 0.0, cz), yaw=b.uniform(-22, 22), pitch=pitch, view=b.uniform(50, 78)
    ), middle


def _grow(
    b: Builder, style: str, season: str, trees: int, extent: float, cx: float, water: float
) -> None:
    grove = outdoors.Grove(b, season)
    if style == "beach":
        grove.sorts = (2,)
    for _ in range(trees):
        far = (9 if style != "forest" else 5) + (extent * 0.75) * b.uniform(0, 1) ** (
            1.3 if style != "forest" else 1.0
        )
        x, y = cx + far * b.uniform(-0.75, 0.75), far
        if style == "forest" and abs(x - cx) < 1.6:
            x += math.copysign(2.2, x - cx)
        z = _height(b, x, y)
        if z < water + 0.4 or (style == "beach" and z < 1.2):
            continue
        grove.plant(x, y, z, b.uniform(4, 9) if style != "forest" else b.uniform(6, 13))
    rocky = b.mat(
        hsv(b.uniform(0.05, 0.12), b.uniform(0.05, 0.3), b.uniform(0.4, 0.65)),
        hsv(0.08, 0.15, 0.35),
        kind=tex.MOTTLED,
        scale=0.5,
        bump=0.35,
        bump_scale=0.15,
    )
    for _ in range(b.many(2, 12)):
        far = 3 + 40 * b.uniform(0, 1) ** 2
        x, y = cx + far * b.uniform(-0.6, 0.6), far
        size = b.uniform(0.2, 1.3) * (2.5 if style in ("canyon", "desert") and far > 12 else 1.0)
        outdoors.rock(b, (x, y, _height(b, x, y) + 0.1 * size), size, rocky)
    if season != "snow" and style in ("hills", "forest", "lake"):
        for _ in range(b.many(0, 10)):
            far = 3 + 25 * b.uniform(0, 1)
            x = cx + far * b.uniform(-0.6, 0.6)
            z = _height(b, x, far)
            if z > water + 0.2:
                grove.bush(x, far, z, b.uniform(0.5, 1.4))
    if style in ("hills", "snow", "lake") and b.chance(0.6):
        for _ in range(b.many(1, 3)):
            far = b.uniform(22, 70)
            x = cx + far * b.uniform(-0.5, 0.5)
            z = _height(b, x, far)
            if z > water + 0.5:
                outdoors.house(
                    b,
                    (x, far, z - 0.6),
                    b.uniform(-50, 50),
                    b.uniform(6, 9),
                    b.uniform(6, 10),
                    b.uniform(3, 5.5),
                )
    if style in ("hills", "snow", "desert", "beach", "lake") and b.chance(0.6):
        for _ in range(b.many(1, 3)):
            far = b.uniform(4, 14)
            x = cx + far * b.uniform(-0.45, 0.45)
            z = _height(b, x, far)
            with b.thing((x, far, max(z, water - 0.1)), b.uniform(0, 360), b.uniform(0.9, 1.8)):
                b.pick(LARGE)(b)
