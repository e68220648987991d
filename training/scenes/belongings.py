"""Lamps, books, balls, gems, candles, clocks, presents, instruments.

Every maker adds an object that stands on z = 0 at the origin, about a metre in size; the caller's
frame places and scales it.
"""

from __future__ import annotations

import math

from training.scenes import textures as tex
from training.scenes.build import Builder, hsv, turn
from training.scenes.materials import glaze, metal, timber

BLACK = (0.015, 0.015, 0.02)


def lamp(b: Builder) -> None:
    """Table lamp with a shade that glows, or a lantern."""
    light = b.mat(
        (1.0, 0.8, 0.5),
        (0.95, 0.7, 0.4),
        kind=b.pick([tex.PLAIN, tex.STRIPES, tex.WEAVE]),
        scale=0.08,
        glow=b.uniform(0.4, 1.1),
    )
    if b.chance(0.7):
        foot = b.pick([glaze, metal, timber])(b)
        n = [(i / 5, b.uniform(0.03, 0.14)) for i in range(1, 5)]
        b.turned((0, 0, 0), 0.6, [(0, 0.22), (0.05, 0.2), (0.1, 0.06), *n[1:], (1, 0.025)], foot)
        b.rod((0, 0, 0.55), (0, 0, 0.62), 0.02, foot)
        b.rod((0, 0, 0.58), (0, 0, 1.0), b.uniform(0.28, 0.38), light, b.uniform(0.14, 0.25))
        return
    m = metal(b)
    b.rod((0, 0, 0), (0, 0, 0.08), 0.3, m)
    b.turned((0, 0, 0.08), 0.6, [(0, 0.2), (0.5, 0.28), (1, 0.18)], light)
    for i in range(5):
        a = i * 2 * math.pi / 5
        b.rod(
            (0.29 * math.cos(a), 0.29 * math.sin(a), 0.05),
            (0.29 * math.cos(a), 0.29 * math.sin(a), 0.7),
            0.02,
            m,
        )
    b.rod((0, 0, 0.68), (0, 0, 0.9), 0.32, m, 0.05)
    b.ring((0, 0, 1.0), 0.1, 0.02, m, turn(0, 90))


def books(b: Builder) -> None:
    """Stack of books."""
    z = 0.0
    for _ in range(b.many(3, 6)):
        h, w, d = b.uniform(0.07, 0.14), b.uniform(0.7, 0.9), b.uniform(0.48, 0.62)
        hue = b.uniform(0, 1)
        skin = b.mat(
            hsv(hue, 0.6, b.uniform(0.4, 0.8)),
            hsv(hue, 0.5, 0.9),
            (0.85, 0.7, 0.3),
            kind=b.pick([tex.PLAIN, tex.STRIPES, tex.PLAIN]),
            scale=0.3,
            spec=0.2,
        )
        rot = turn(b.uniform(-14, 14))
        b.box(
            (0, 0, z + h / 2),
            (w * 0.97, d * 0.97, h * 0.84),
            b.mat((0.8, 0.75, 0.62), (0.6, 0.55, 0.45), kind=tex.BANDS, scale=0.02),
            rot,
        )
        b.box((0, 0, z + h * 0.06), (w, d, h * 0.12), skin, rot)
        b.box((0, 0, z + h * 0.94), (w, d, h * 0.12), skin, rot)
        off = rot @ [0, -d / 2, 0]
        b.box((off[0], off[1], z + h / 2), (w, 0.03, h), skin, rot)
        z += h


def ball(b: Builder) -> None:
    """Beach ball, football, basketball, marble or billiard ball."""
    sort = b.many(0, 4)
    if sort == 0:
        m = b.mat(
            hsv(b.uniform(0, 1), 0.85, 0.9),
            (0.9, 0.9, 0.88),
            kind=tex.SWIRL,
            extra=b.many(3, 5),
            scale=99.0,
            spec=0.6,
        )
    elif sort == 1:
        m = b.mat(
            (0.85, 0.85, 0.83),
            (0.03, 0.03, 0.03),
            (0.03, 0.03, 0.03),
            kind=tex.DOTS,
            scale=0.33,
            spec=0.3,
        )
    elif sort == 2:
        m = b.mat(
            (0.75, 0.25, 0.05),
            (0.6, 0.2, 0.04),
            (0.02, 0.02, 0.02),
            kind=tex.PANELS,
            scale=0.42,
            spec=0.2,
            bump=0.2,
            bump_scale=0.02,
        )
    elif sort == 3:
        m = b.mat(
            hsv(b.uniform(0, 1), 0.7, 0.8),
            (0.9, 0.9, 0.9),
            kind=tex.MARBLE,
            scale=0.5,
            spec=1.5,
            shine=100,
            mirror=0.06,
            opacity=0.75,
        )
    else:
        m = glaze(b, 0.3)
    b.ball((0, 0, 0.45), 0.45, m, turn(b.uniform(0, 360), b.uniform(-50, 50), b.uniform(-30, 30)))


def gem(b: Builder) -> None:
    """Crystals, a torus knot of rings, or a tower of solids."""
    sort = b.many(0, 2)
    if sort == 0:
        hue = b.uniform(0, 1)
        m = b.mat(
            hsv(hue, 0.6, 0.8),
            hsv(hue + 0.1, 0.5, 0.95),
            kind=tex.MARBLE,
            scale=0.4,
            spec=1.5,
            shine=60,
            mirror=0.12,
            opacity=0.6,
        )
        for i in range(b.many(4, 7)):
            a = i * 2.4
            lean, h = (0.0, 0.9) if i == 0 else (b.uniform(0.15, 0.4), b.uniform(0.35, 0.7))
            tip = (lean * math.cos(a), lean * math.sin(a), h)
            foot = (0.1 * math.cos(a), 0.1 * math.sin(a), 0.0)
            mid = tuple(f + 0.7 * (t - f) for f, t in zip(foot, tip, strict=True))
            b.rod(foot, mid, 0.1, m)
            b.rod(mid, tip, 0.1, m, 0.01)
    elif sort == 1:
        for i in range(3):
            b.ring(
                (0, 0, 0.5),
                0.36,
                0.07,
                metal(b) if i else glaze(b),
                turn(60 * i, 35 + 55 * i, 20 * i),
            )
        b.ball((0, 0, 0.5), 0.2, glaze(b))
    else:
        b.pillow((0, 0, 0.2), (0.5, 0.5, 0.4), glaze(b), turn(b.uniform(0, 90)), True)
        b.rod((0, 0, 0.4), (0, 0, 0.65), 0.2, glaze(b))
        b.rod((0, 0, 0.65), (0, 0, 1.0), 0.22, glaze(b), 0.0)


def candle(b: Builder) -> None:
    """Candlestick with burning candles."""
    m = metal(b)
    wax = b.mat(b.pick([(0.9, 0.85, 0.7), (0.7, 0.1, 0.1), (0.2, 0.3, 0.6)]), glow=0.12, wrap=0.5)
    flame = b.mat((1.0, 0.65, 0.2), glow=3.0, opacity=0.85)
    spots = [(0.0, 0.5)] if b.chance(0.4) else [(-0.3, 0.4), (0.0, 0.5), (0.3, 0.4)]
    b.turned(
        (0, 0, 0),
        0.5,
        [(0, 0.25), (0.06, 0.22), (0.15, 0.05), (0.5, 0.08), (0.6, 0.04), (0.9, 0.05), (1, 0.1)],
        m,
    )
    if len(spots) > 1:
        b.ring((0, 0, 0.45), 0.3, 0.03, m, turn(0, 90))
    for x, z in spots:
        h = b.uniform(0.25, 0.4)
        b.rod((x, 0, z), (x, 0, z + h), 0.055, wax)
        b.turned(
            (x, 0, z + h + 0.01), 0.15, [(0, 0.01), (0.3, 0.035), (0.6, 0.02), (1, 0.002)], flame
        )


def clock(b: Builder) -> None:
    """Alarm clock."""
    m, face = glaze(b), b.mat((0.9, 0.88, 0.82))
    dark = b.mat((0.03, 0.03, 0.04))
    b.rod((0, 0.12, 0.45), (0, -0.12, 0.45), 0.4, m)
    b.rod((0, -0.1, 0.45), (0, -0.13, 0.45), 0.34, face)
    for i in range(12):
        a = i * math.pi / 6
        b.box(
            (0.28 * math.sin(a), -0.13, 0.45 + 0.28 * math.cos(a)),
            (0.025, 0.02, 0.07),
            dark,
            turn(0, 0, math.degrees(a)),
        )
    for length, a in ((0.17, b.uniform(0, 6.3)), (0.26, b.uniform(0, 6.3))):
        b.rod(
            (0, -0.14, 0.45),
            (length * math.sin(a), -0.14, 0.45 + length * math.cos(a)),
            0.018,
            dark,
        )
    for s in (-1, 1):
        b.ball((0.22 * s, 0, 0.88), (0.14, 0.14, 0.1), metal(b), turn(0, 0, 25 * s))
        b.rod((0.22 * s, 0, 0.15), (0.34 * s, 0, 0), 0.04, dark)


def present(b: Builder) -> None:
    """Wrapped box with a ribbon."""
    hue = b.uniform(0, 1)
    wrap = b.mat(
        hsv(hue, 0.7, 0.8),
        hsv(hue + 0.4, 0.5, 0.9),
        (0.9, 0.9, 0.9),
        kind=b.pick([tex.DOTS, tex.STRIPES, tex.PLAID, tex.PLAIN]),
        scale=0.14,
        spec=0.4,
    )
    band = b.mat(hsv(hue + 0.5, 0.75, 0.85), spec=0.6)
    w, h = b.uniform(0.6, 0.8), b.uniform(0.4, 0.7)
    b.box((0, 0, h / 2), (w, w, h), wrap)
    b.box((0, 0, h / 2), (0.11, w * 1.01, h * 1.012), band)
    b.box((0, 0, h / 2), (w * 1.01, 0.11, h * 1.012), band)
    for s in (-1, 1):
        b.ring((0.13 * s, 0, h + 0.08), 0.12, 0.035, band, turn(0, 80, 20 * s))
    b.ball((0, 0, h + 0.04), 0.06, band)


def instrument(b: Builder) -> None:
    """Guitar, drum or trumpet-like horn."""
    sort = b.many(0, 1)
    wood, dark = timber(b), b.mat(BLACK)
    with b.thing(yaw=b.uniform(-35, 35), pitch=-6):
        if sort == 0:
            front = b.mat(
                hsv(b.uniform(0.02, 0.12), 0.75, b.uniform(0.5, 0.85)),
                (0.1, 0.03, 0.01),
                kind=tex.GRAIN,
                scale=0.4,
                spec=0.7,
            )
            for x, z, r in ((0, 0.26, 0.26), (0, 0.56, 0.2), (0, 0.42, 0.18)):
                b.rod((x, 0.06, z), (x, -0.06, z), r, front)
            b.rod((0, -0.058, 0.45), (0, -0.064, 0.45), 0.085, dark)
            b.box((0, -0.07, 0.95), (0.07, 0.035, 0.75), wood)
            b.box((0, -0.07, 1.38), (0.12, 0.04, 0.18), dark)
            b.box((0, -0.07, 0.2), (0.18, 0.03, 0.03), dark)
        else:
            shell = glaze(b)
            b.rod((0, 0, 0.05), (0, 0, 0.5), 0.4, shell)
            b.rod((0, 0, 0.5), (0, 0, 0.52), 0.4, b.mat((0.88, 0.85, 0.78)))
            for z in (0.05, 0.5):
                b.ring((0, 0, z), 0.4, 0.03, metal(b))
            for s in (-1, 1):
                b.rod((0.3 * s, -0.1, 0.56), (-0.2 * s, 0.1 * s, 0.64), 0.02, wood)
                b.ball((-0.2 * s, 0.1 * s, 0.64), 0.035, wood)
