"""Cars, boats, rockets, balloons, and toy houses.

Every maker adds an object that stands on z = 0 at the origin, about a metre in size; the caller's
frame places and scales it.
"""

from __future__ import annotations

import math

from training.scenes import textures as tex
from training.scenes.build import Builder, hsv, turn
from training.scenes.materials import glaze, metal, timber


def car(b: Builder) -> None:
    """Car, van, truck or racing car."""
    paint = b.mat(
        hsv(b.uniform(0, 1), b.pick([0.8, 0.7, 0.1]), b.uniform(0.4, 0.9)),
        spec=1.2,
        shine=80,
        mirror=0.08,
    )
    pane, tyre, rim = (
        b.mat((0.04, 0.06, 0.08), spec=1.5, mirror=0.3),
        b.mat((0.02, 0.02, 0.02)),
        b.mat((0.7, 0.7, 0.72), spec=1.0, mirror=0.2),
    )
    sort = b.many(0, 3)
    with b.thing(yaw=b.pick([60, -60, 40, 75, -40, 120])):
        if sort == 0:
            b.pillow((0, 0, 0.27), (0.52, 1.2, 0.28), paint, None, True)
            b.pillow((0, 0.06, 0.46), (0.46, 0.66, 0.3), pane)
            b.pillow((0, 0.06, 0.585), (0.4, 0.42, 0.06), paint)
        elif sort == 1:
            b.pillow((0, 0.05, 0.42), (0.5, 1.1, 0.56), paint, None, True)
            b.box((0, 0.02, 0.53), (0.505, 0.8, 0.17), pane)
            b.pillow((0, -0.5, 0.3), (0.48, 0.22, 0.28), paint)
            b.box((0, -0.497, 0.54), (0.4, 0.02, 0.18), pane)
        elif sort == 2:
            b.pillow((0, -0.42, 0.42), (0.46, 0.34, 0.56), paint, None, True)
            b.box((0, -0.59, 0.52), (0.38, 0.02, 0.18), pane)
            b.box(
                (0, 0.2, 0.46),
                (0.5, 0.84, 0.58),
                b.mat(
                    (0.85, 0.85, 0.83),
                    hsv(b.uniform(0, 1), 0.7, 0.8),
                    kind=b.pick([tex.STRIPES, tex.PLAIN, tex.DOTS]),
                    scale=0.3,
                ),
            )
            b.box((0, 0, 0.16), (0.4, 1.15, 0.08), tyre)
        else:
            b.pillow((0, 0, 0.22), (0.3, 1.25, 0.2), paint)
            b.box((0, -0.58, 0.14), (0.62, 0.14, 0.04), paint)
            b.box((0, 0.55, 0.4), (0.55, 0.14, 0.03), paint)
            b.box((0, 0.55, 0.28), (0.04, 0.1, 0.24), tyre)
            b.ball((0, 0.05, 0.34), 0.09, b.mat((0.9, 0.8, 0.1), spec=1.0))
        for sx in (-1, 1):
            for sy in (-0.36, 0.38):
                x = 0.24 * sx if sort != 3 else 0.27 * sx
                b.rod((x - 0.05, sy, 0.13), (x + 0.05, sy, 0.13), 0.135, tyre)
                b.rod((x - 0.056, sy, 0.13), (x + 0.056, sy, 0.13), 0.075, rim)
            b.ball(
                (0.17 * sx, -0.595, 0.28), (0.06, 0.03, 0.045), b.mat((0.95, 0.92, 0.8), glow=0.5)
            )
            b.ball((0.18 * sx, 0.595, 0.28), (0.05, 0.03, 0.04), b.mat((0.7, 0.02, 0.02), glow=0.3))


def boat(b: Builder) -> None:
    """Sailing boat or rocket or balloon."""
    sort = b.many(0, 2)
    if sort == 0:
        hull, sail = (
            glaze(b),
            b.mat(
                (0.9, 0.88, 0.82),
                hsv(b.uniform(0, 1), 0.7, 0.8),
                kind=b.pick([tex.BANDS, tex.PLAIN, tex.STRIPES]),
                scale=0.2,
                wrap=0.5,
            ),
        )
        with b.thing(yaw=b.uniform(40, 75)):
            b.ball((0, 0, 0.16), (0.2, 0.55, 0.16), hull)
            b.box((0, 0, 0.24), (0.3, 0.8, 0.03), timber(b))
            b.rod((0, 0, 0.2), (0, 0, 1.15), 0.02, timber(b))
            for s, w in ((1, 0.42), (-1, 0.32)):
                for i in range(9):
                    z = 0.34 + 0.08 * i
                    y = w * (1 - i / 9.5)
                    b.box((0, s * (y / 2 + 0.02), z), (0.015, y, 0.082), sail)
    elif sort == 1:
        m, n = glaze(b), metal(b)
        b.turned(
            (0, 0, 0.15),
            1.0,
            [(0, 0.11), (0.1, 0.17), (0.4, 0.2), (0.7, 0.16), (0.9, 0.07), (1, 0.005)],
            m,
        )
        for i in range(4):
            with b.thing(yaw=90 * i + 30):
                b.box((0.21, 0, 0.2), (0.2, 0.03, 0.26), n, turn(0, 0, 25))
        b.ring((0, -0.17, 0.75), 0.07, 0.02, n, turn(0, 90))
        b.ball((0, -0.15, 0.75), 0.065, b.mat((0.2, 0.5, 0.8), spec=1.5, mirror=0.2))
        b.turned(
            (0, 0, 0),
            0.18,
            [(0, 0.01), (0.5, 0.06), (1, 0.09)],
            b.mat((1.0, 0.5, 0.1), glow=2.0, opacity=0.7),
        )
    else:
        m = b.mat(
            hsv(b.uniform(0, 1), 0.8, 0.9),
            hsv(b.uniform(0, 1), 0.7, 0.95),
            kind=tex.SWIRL,
            extra=b.many(4, 8),
            scale=99.0,
            wrap=0.2,
        )
        b.turned(
            (0, 0, 0.3),
            0.9,
            [(0, 0.07), (0.2, 0.2), (0.45, 0.36), (0.7, 0.42), (0.9, 0.28), (0.98, 0.1), (1, 0.03)],
            m,
        )
        b.pillow(
            (0, 0, 0.07),
            (0.17, 0.17, 0.14),
            b.mat((0.4, 0.25, 0.1), (0.25, 0.14, 0.05), kind=tex.WEAVE, scale=0.04),
        )
        for sx in (-1, 1):
            for sy in (-1, 1):
                b.rod((0.07 * sx, 0.07 * sy, 0.12), (0.05 * sx, 0.05 * sy, 0.34), 0.006, timber(b))


def house(b: Builder) -> None:
    """Toy house, tower, windmill or lighthouse."""
    wall = b.mat(
        hsv(b.uniform(0, 1), b.uniform(0.1, 0.5), 0.85),
        hsv(0.05, 0.5, 0.5),
        (0.7, 0.68, 0.6),
        kind=b.pick([tex.BRICK, tex.PLAIN, tex.PLANKS, tex.BANDS]),
        scale=0.12,
    )
    roof = b.mat(
        hsv(b.pick([0.02, 0.55, 0.08]), 0.65, 0.55), hsv(0.03, 0.6, 0.4), kind=tex.ROOF, scale=0.07
    )
    dark, pane = timber(b), b.mat((0.9, 0.75, 0.4), glow=0.25)
    with b.thing(yaw=b.uniform(20, 50)):
        if b.chance(0.5):
            b.box((0, 0, 0.25), (0.7, 0.55, 0.5), wall)
            for s in (-1, 1):
                b.box((0.2 * s, 0, 0.62), (0.58, 0.68, 0.04), roof, turn(0, 0, 42 * s))
            b.box((0, 0, 0.56), (0.36, 0.54, 0.2), wall)
            b.box((0.2, 0.1, 0.75), (0.1, 0.1, 0.32), wall)
            b.box((0, -0.28, 0.15), (0.14, 0.02, 0.3), dark)
            for s in (-1, 1):
                b.box((0.22 * s, -0.28, 0.28), (0.14, 0.02, 0.15), pane)
        else:
            b.turned((0, 0, 0), 0.85, [(0, 0.3), (0.9, 0.2), (0.92, 0.26), (1, 0.26)], wall)
            b.rod((0, 0, 0.85), (0, 0, 1.15), 0.24, roof, 0.01)
            b.box((0, -0.28, 0.13), (0.14, 0.06, 0.26), dark)
            for z in (0.4, 0.6):
                b.ball((0, -0.24, z), (0.05, 0.04, 0.07), pane)
            if b.chance(0.5):
                with b.thing(place=(0, -0.27, 0.8), roll=b.uniform(0, 90)):
                    for i in range(4):
                        a = i * math.pi / 2
                        b.box(
                            (0.25 * math.cos(a), 0, 0.25 * math.sin(a)),
                            (0.46, 0.015, 0.11),
                            pane,
                            turn(0, 0, -90.0 * i),
                        )
