"""Towns: streets, squares, villages, gardens, a table outdoors."""

from __future__ import annotations

from training.scenes import outdoors, sky, world
from training.scenes import textures as tex
from training.scenes.build import Builder, hsv
from training.scenes.render import Camera
from training.scenes.things import LARGE, SMALL
from training.scenes.weather import HOURS, daylight

STYLES = ("city", "village", "plaza", "garden")


def town(b: Builder, style: str) -> tuple[Camera, float]:
    """Build a town on flat ground; return a camera and the brightness to expose for."""
    hour = b.pick(HOURS)
    night = hour in ("night", "dusk")
    middle = daylight(b, hour)
    land = b.land
    land[world.LAND_KIND] = world.FLAT
    grey = b.uniform(0.08, 0.2)
    half = b.uniform(3.0, 5.0)
    grove = outdoors.Grove(b, b.pick(["green", "green", "autumn", "blossom"]))
    if style == "plaza":
        land[world.LAND_MAT] = b.mat(
            hsv(b.uniform(0, 0.15), 0.2, 0.7),
            hsv(b.uniform(0, 0.15), 0.3, 0.5),
            (0.3, 0.29, 0.27),
            kind=b.pick([tex.COBBLES, tex.TILES, tex.HERRINGBONE]),
            scale=b.uniform(0.4, 1.2),
        )
        half = b.uniform(9, 14)
    elif style in ("garden", "village"):
        land[world.LAND_MAT] = b.mat(
            hsv(0.27, 0.6, 0.45),
            hsv(0.22, 0.55, 0.6),
            hsv(b.uniform(0, 1), 0.6, 0.95),
            kind=tex.GRASS,
            scale=0.6,
            extra=b.pick([0.0, 0.006, 0.02]),
        )
    else:
        land[world.LAND_MAT] = b.mat(
            (grey, grey, grey * 1.05),
            (0.32, 0.31, 0.29),
            (0.75, 0.73, 0.66),
            kind=tex.ROAD,
            scale=1.0,
            extra=half,
        )
    if style in ("city", "plaza"):
        for side in (-1, 1):
            y = b.uniform(-4, 6)
            while y < 130:
                wide, deep = b.uniform(8, 18), b.uniform(8, 14)
                tall = b.uniform(7, 20) * (1.8 if b.chance(0.25) else 1.0)
                m = b.mat(
                    hsv(b.uniform(0, 0.14), b.uniform(0.05, 0.5), b.uniform(0.45, 0.9)),
                    hsv(0.08, 0.3, 0.4),
                    kind=tex.FACADE,
                    scale=b.uniform(1.8, 3.2),
                    extra=b.uniform(0.25, 0.5) if night else 0.02,
                )
                x = side * (half + 2.6 + deep / 2)
                with b.thing((x, y + wide / 2, 0)):
                    b.box((0, 0, tall / 2), (deep, wide, tall), m)
                    b.box((0, 0, tall + 0.15), (deep + 0.5, wide, 0.3), b.mat((0.3, 0.28, 0.26)))
                    b.box(
                        (-side * deep / 2, 0, 1.5),
                        (0.25, wide * 0.94, 2.9),
                        b.mat(
                            hsv(b.uniform(0, 1), 0.5, 0.5),
                            (0.05, 0.06, 0.08),
                            kind=tex.STRIPES,
                            scale=b.uniform(2, 4),
                        ),
                    )
                y += wide + b.pick([0.0, 0.0, 3.0])
        if b.chance(0.6) or style == "plaza":
            deep, tall = 12.0, b.uniform(10, 30)
            m = b.mat(
                hsv(b.uniform(0, 0.14), b.uniform(0.05, 0.4), b.uniform(0.5, 0.9)),
                kind=tex.FACADE,
                scale=2.5,
                extra=0.3 if night else 0.02,
            )
            b.box((0, b.uniform(45, 110), tall / 2), (b.uniform(12, 40), deep, tall), m)
        for i in range(b.many(2, 6)):
            side = b.pick([-1, 1])
            if style == "city":
                outdoors.street_car(
                    b,
                    side * (half - 1.3),
                    6 + 7.5 * i + b.uniform(-1, 1),
                    (0 if side > 0 else 180) + b.uniform(-3, 3) - 60,
                )
            else:
                with b.thing(
                    (b.uniform(-6, 6), b.uniform(6, 25), 0), b.uniform(0, 360), b.uniform(1.0, 1.8)
                ):
                    b.pick(LARGE)(b)
        for i in range(5):
            if b.chance(0.8):
                outdoors.lamp_post(b, -half - 0.6, 7 + 11 * i, night)
            if b.chance(0.6):
                grove.plant(half + 1.2, 5 + 12 * i + b.uniform(-2, 2), 0, b.uniform(4, 7))
        if style == "plaza":  # a fountain
            stone, water = (
                b.mat((0.5, 0.48, 0.44), kind=tex.MOTTLED, scale=0.3),
                b.mat((0.05, 0.2, 0.25), spec=1.0, mirror=0.3),
            )
            with b.thing((b.uniform(-2, 2), b.uniform(9, 16), 0)):
                b.rod((0, 0, 0), (0, 0, 0.6), 2.6, stone)
                b.rod((0, 0, 0.6), (0, 0, 0.61), 2.35, water)
                b.turned(
                    (0, 0, 0.6),
                    2.0,
                    [(0, 0.4), (0.2, 0.2), (0.7, 0.2), (0.8, 1.1), (0.9, 1.1), (1, 0.05)],
                    stone,
                )
    else:
        _village(b, grove, style)
    cx = b.uniform(-0.5, 0.5) * half
    eye = b.pick([b.uniform(1.4, 1.9), b.uniform(1.4, 1.9), b.uniform(3, 7)])
    return Camera(
        place=(cx, 0, eye),
        yaw=b.uniform(-14, 14),
        pitch=b.uniform(-7, 5) - (3 if eye > 2 else 0),
        view=b.uniform(55, 80),
    ), middle


def _village(b: Builder, grove: outdoors.Grove, style: str) -> None:
    path = b.mat(
        hsv(0.09, 0.3, 0.6),
        hsv(0.08, 0.3, 0.45),
        (0.3, 0.28, 0.25),
        kind=b.pick([tex.COBBLES, tex.MOTTLED, tex.TILES]),
        scale=0.6,
    )
    b.box((0, 30, 0.01), (b.uniform(2.0, 4.0), 80, 0.03), path)
    n = b.many(2, 4) if style == "garden" else b.many(5, 8)
    for i in range(n):
        side = -1 if i % 2 else 1
        y = 11 + 9.5 * (i // 2) + b.uniform(-2, 2)
        outdoors.house(
            b,
            (side * b.uniform(8.5, 12), y, 0),
            -70.0 * side + b.uniform(-10, 10),
            b.uniform(6, 9),
            b.uniform(6, 9),
            b.uniform(2.8, 5.6),
        )
    if b.chance(0.6):
        outdoors.house(b, (b.uniform(-4, 4), 48, 0), 0.0, 9, 8, 6)
    wood = b.mat(b.pick([(0.75, 0.74, 0.7), hsv(0.08, 0.5, 0.5)]))
    for side in (-1, 1):
        if b.chance(0.7):
            outdoors.fence(b, (side * 3.4, 3.5), (side * 3.4, 30), 0.95, wood)
    for _ in range(b.many(6, 18)):
        x, y = b.pick([-1, 1]) * b.uniform(4.5, 22), b.uniform(5, 60)
        grove.plant(x, y, 0, b.uniform(3.5, 8))
    for _ in range(b.many(4, 14)):
        grove.bush(b.pick([-1, 1]) * b.uniform(2.4, 7), b.uniform(3, 22), 0, b.uniform(0.4, 1.2))
    if b.chance(0.7):
        outdoors.bench(
            b, (b.pick([-1, 1]) * b.uniform(2.4, 3.0), b.uniform(4, 8), 0), b.uniform(-40, 40)
        )
    for _ in range(b.many(1, 5)):
        with b.thing(
            (b.uniform(-2.5, 2.5), b.uniform(4, 14), 0.02), b.uniform(0, 360), b.uniform(0.5, 1.3)
        ):
            b.pick(LARGE)(b)


def still_life(b: Builder) -> tuple[Camera, float]:
    """Build a table outdoors with small objects, seen from near; see `town`."""
    middle = daylight(b, b.pick(["noon", "clouds", "golden", "mist"]))
    land = b.land
    land[world.LAND_KIND] = world.FLAT
    land[world.LAND_MAT] = b.mat(
        hsv(0.27, 0.55, 0.45),
        hsv(0.22, 0.55, 0.6),
        hsv(0.1, 0.6, 0.95),
        kind=b.pick([tex.GRASS, tex.TILES, tex.COBBLES]),
        scale=0.6,
    )
    hue = b.uniform(0, 1)
    top = b.mat(
        hsv(hue, b.uniform(0.1, 0.6), 0.85),
        hsv(hue, 0.6, 0.5),
        (0.85, 0.85, 0.8),
        kind=b.pick([tex.PLAID, tex.PLANKS, tex.MARBLE, tex.WEAVE, tex.STRIPES]),
        scale=b.uniform(0.08, 0.2),
        spec=0.2,
    )
    b.box((0, 1.5, 0.72), (b.uniform(1.6, 3.0), b.uniform(1.2, 2.0), 0.06), top)
    b.box((0, 1.5, 0.35), (0.5, 0.5, 0.7), top)
    for i in range(b.many(5, 9)):
        with b.thing(
            (b.uniform(-0.75, 0.75), 1.0 + 0.14 * i, 0.75), b.uniform(0, 360), b.uniform(0.2, 0.42)
        ):
            b.pick(SMALL)(b)
    grove = outdoors.Grove(b, b.pick(["green", "autumn", "blossom"]))
    for _ in range(b.many(6, 16)):
        grove.plant(b.uniform(-16, 16), b.uniform(9, 40), 0, b.uniform(4, 8))
    b.sky[sky.AO_REACH] = 0.5
    return Camera(
        place=(b.uniform(-0.4, 0.4), b.uniform(-0.5, 0.1), b.uniform(1.15, 1.6)),
        yaw=b.uniform(-8, 8),
        pitch=b.uniform(-22, -9),
        view=b.uniform(48, 66),
    ), middle
