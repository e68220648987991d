"""Things that stand on tables and floors, and serve as cut-outs: vessels, fruit, plants, lamps.

Every maker takes the builder and leaves an object standing on z = 0 about the origin, within
about a metre; the caller's frame scales and places it.
"""

from __future__ import annotations

import math

from evafast.builtin.scenes import textures as tex
from evafast.builtin.scenes.build import Builder, hsv, turn

_SHINY = [tex.PLAIN, tex.BANDS, tex.SWIRL, tex.DOTS, tex.MARBLE, tex.SPECKLES, tex.PLAID, tex.STRIPES]


def glaze(b: Builder, scale: float = 0.12) -> int:
    """Pick a lively glazed or painted material."""
    hue = b.uniform(0, 1)
    c1 = hsv(hue, b.uniform(0.45, 0.9), b.uniform(0.55, 0.95))
    c2 = b.pick([hsv(hue + 0.5, 0.5, 0.9), hsv(hue + 0.1, 0.3, 0.95), (0.85, 0.82, 0.75), hsv(hue, 0.8, 0.3)])
    return b.mat(
        c1, c2, b.pick([(0.9, 0.88, 0.8), (0.05, 0.05, 0.07), hsv(hue + 0.33, 0.6, 0.8)]),
        kind=b.pick(_SHINY), scale=scale * b.uniform(0.7, 1.6), spec=0.7, shine=b.uniform(30, 120),
        mirror=0.04, extra=b.many(3, 9),
    )


def timber(b: Builder, scale: float = 0.25) -> int:
    """Pick a wood."""
    hue, value = b.uniform(0.05, 0.10), b.uniform(0.35, 0.8)
    c1 = hsv(hue, b.uniform(0.45, 0.7), value)
    return b.mat(c1, hsv(hue - 0.01, 0.7, value * 0.6), kind=tex.GRAIN, scale=scale, spec=0.2, shine=25)


def metal(b: Builder) -> int:
    """Pick a metal."""
    c = b.pick([(0.9, 0.65, 0.25), (0.75, 0.75, 0.78), (0.85, 0.5, 0.35), (0.3, 0.3, 0.33)])
    return b.mat(c, spec=1.2, shine=60, mirror=0.35)


def cloth(b: Builder, scale: float = 0.03) -> int:
    """Pick a fabric."""
    hue = b.uniform(0, 1)
    value = b.uniform(0.35, 0.9)
    kind = b.pick([tex.WEAVE, tex.PLAID, tex.STRIPES, tex.WEAVE, tex.DOTS, tex.MOTTLED])
    size = scale if kind == tex.WEAVE else scale * b.uniform(3, 6)
    return b.mat(
        hsv(hue, b.uniform(0.1, 0.7), value), hsv(hue + b.uniform(-0.1, 0.1), 0.4, value * 0.65),
        (0.85, 0.82, 0.75), kind=kind, scale=size, bump=0.1, bump_scale=0.02, wrap=0.2,
    )


def leaf(b: Builder, hue: float | None = None) -> int:
    """Pick a leaf material."""
    hue = b.uniform(0.22, 0.38) if hue is None else hue
    return b.mat(
        hsv(hue, b.uniform(0.55, 0.8), b.uniform(0.35, 0.6)), hsv(hue - 0.05, 0.65, b.uniform(0.55, 0.8)),
        kind=tex.MOTTLED, scale=0.1, wrap=0.35,
    )


def vase(b: Builder) -> None:
    """Vase of a random outline, sometimes with twigs."""
    n = b.many(4, 6)
    pts = [(0.0, b.uniform(0.12, 0.25))]
    pts += [(i / n, b.uniform(0.1, 0.4)) for i in range(1, n)]
    pts += [(0.97, b.uniform(0.08, 0.2)), (1.0, b.uniform(0.12, 0.24))]
    m = glaze(b)
    b.turned((0, 0, 0), 0.9, pts, m)
    b.rod((0, 0, 0.895), (0, 0, 0.903), pts[-1][1] * 0.85, b.mat((0.02, 0.02, 0.02)))
    if b.chance(0.5):
        flowers(b, (0, 0, 0.85), 0.45)


def flowers(b: Builder, root, height: float) -> None:
    """Bunch of flowers out of a point."""
    stem, bloom = leaf(b), b.mat(hsv(b.uniform(0, 1), 0.75, 0.95), (0.9, 0.8, 0.4), kind=tex.MOTTLED, scale=0.05, wrap=0.3)
    heart = b.mat((0.8, 0.55, 0.05))
    for i in range(b.many(4, 8)):
        a, lean = i * 2.4, b.uniform(0.1, 0.45)
        tip = (root[0] + lean * math.cos(a), root[1] + lean * math.sin(a), root[2] + height * b.uniform(0.6, 1.1))
        b.rod(root, tip, 0.012, stem)
        r = b.uniform(0.06, 0.11)
        b.ball(tip, (r, r, r * 0.55), bloom, turn(b.uniform(0, 360), b.uniform(-40, 40)))
        b.ball((tip[0], tip[1], tip[2] + r * 0.35), r * 0.45, heart)
    for i in range(b.many(2, 4)):
        a = i * 2.1 + 1
        b.leaves((root[0] + 0.16 * math.cos(a), root[1] + 0.16 * math.sin(a), root[2] + 0.1), 0.15, stem, 4.0)


def cup(b: Builder) -> None:
    """Cup with handle and something to drink, on a saucer or not."""
    m = glaze(b)
    r = b.uniform(0.26, 0.36)
    b.turned((0, 0, 0.03), 0.6, [(0, r * 0.6), (0.08, r * 0.75), (0.5, r * 0.95), (1, r)], m)
    b.ring((0, 0, 0.625), r * 0.96, 0.022, m)
    b.rod((0, 0, 0.61), (0, 0, 0.632), r * 0.93, b.mat(b.pick([(0.09, 0.035, 0.015), (0.3, 0.12, 0.02), (0.5, 0.35, 0.2)]), spec=0.5))
    b.ring((r + 0.06, 0, 0.33), 0.15, 0.035, m, turn(0, 90))
    if b.chance(0.6):
        b.turned((0, 0, 0), 0.06, [(0, 0.25), (0.5, 0.42), (1, 0.55)], m)


def bottle(b: Builder) -> None:
    """Bottle of coloured glass with a label and a cork."""
    hue = b.pick([0.33, 0.09, 0.55, 0.0, 0.42])
    glass = b.mat(hsv(hue, 0.8, 0.45), spec=1.5, shine=90, mirror=0.06, opacity=b.uniform(0.45, 0.85))
    r, shoulder = b.uniform(0.13, 0.2), b.uniform(0.45, 0.68)
    body = [(0, r * 0.95), (0.03, r), (shoulder, r), (shoulder + 0.17, 0.055), (0.95, 0.05), (1, 0.06)]
    b.turned((0, 0, 0), 1.0, body, glass)
    paper = b.mat((0.85, 0.8, 0.68), hsv(b.uniform(0, 1), 0.7, 0.6), kind=b.pick([tex.BANDS, tex.SPECKLES]), scale=0.09)
    b.rod((0, 0, 0.14), (0, 0, 0.14 + shoulder * 0.5), r * 1.01, paper)
    b.rod((0, 0, 0.99), (0, 0, 1.04), 0.05, timber(b))


def glass(b: Builder) -> None:
    """Drinking glass or goblet, half full."""
    clear = b.mat((0.75, 0.85, 0.9), spec=2.0, shine=120, mirror=0.05, opacity=0.18)
    drink = b.mat(b.pick([(0.5, 0.02, 0.05), (0.9, 0.45, 0.03), (0.25, 0.5, 0.1), (0.7, 0.6, 0.2)]), spec=0.6, opacity=0.8)
    if b.chance(0.5):
        bowl = [(0, 0.05), (0.12, 0.2), (0.4, 0.27), (0.75, 0.25), (1, 0.2)]
        b.turned((0, 0, 0.42), 0.5, bowl, clear)
        b.turned((0, 0, 0.44), 0.27, [(0, 0.05), (0.25, 0.19), (0.75, 0.25), (1, 0.255)], drink)
        b.turned((0, 0, 0), 0.44, [(0, 0.22), (0.06, 0.2), (0.12, 0.04), (0.85, 0.03), (1, 0.06)], clear)
        return
    b.turned((0, 0, 0), 0.75, [(0, 0.2), (1, 0.27)], clear)
    b.turned((0, 0, 0.04), 0.45, [(0, 0.185), (1, 0.23)], drink)
    straw = b.mat(hsv(b.uniform(0, 1), 0.8, 0.9), (0.9, 0.9, 0.9), kind=tex.BANDS, scale=0.08)
    b.rod((0.05, 0, 0.1), (0.22, 0.05, 1.0), 0.018, straw)
    b.rod((-0.27, 0, 0.68), (-0.24, 0.02, 0.83), 0.1, b.mat((0.9, 0.7, 0.05), (0.95, 0.9, 0.5), kind=tex.SWIRL, extra=8))


def fruit(b: Builder) -> None:
    """Apple, pear, orange, lemon, banana bunch, pumpkin, melon, pineapple or strawberry."""
    sort = b.many(0, 8)
    stalk = b.mat((0.12, 0.07, 0.03))
    if sort == 0:
        m = b.mat(hsv(b.pick([0.0, 0.25, 0.98]), 0.85, 0.8), hsv(0.13, 0.7, 0.85), (0.9, 0.8, 0.4), kind=tex.FRUIT, scale=0.3, spec=0.6, shine=50)
        b.turned((0, 0, 0), 0.72, [(0, 0.12), (0.08, 0.25), (0.35, 0.39), (0.6, 0.43), (0.85, 0.34), (0.97, 0.16), (1, 0.04)], m)
        b.rod((0, 0, 0.68), (0.05, 0, 0.86), 0.02, stalk)
        b.ball((0.14, 0, 0.82), (0.12, 0.05, 0.015), leaf(b), turn(0, 0, -20))
    elif sort == 1:
        m = b.mat(hsv(0.2, 0.7, 0.75), hsv(0.14, 0.75, 0.85), (0.4, 0.3, 0.1), kind=tex.FRUIT, scale=0.3, spec=0.4)
        b.turned((0, 0, 0), 0.95, [(0, 0.12), (0.1, 0.28), (0.3, 0.36), (0.5, 0.29), (0.7, 0.18), (0.93, 0.12), (1, 0.03)], m)
        b.rod((0, 0, 0.92), (0.06, 0, 1.08), 0.02, stalk)
    elif sort == 2:
        m = b.mat((0.9, 0.32, 0.02), (0.85, 0.25, 0.01), kind=tex.PLAIN, scale=0.1, spec=0.5, bump=0.25, bump_scale=0.02)
        b.ball((0, 0, 0.4), 0.4, m)
        b.ball((0, 0, 0.79), (0.04, 0.04, 0.02), b.mat((0.15, 0.3, 0.05)))
    elif sort == 3:
        m = b.mat((0.9, 0.7, 0.03), (0.8, 0.6, 0.02), scale=0.1, spec=0.5, bump=0.2, bump_scale=0.025)
        pts = [(0, 0.04), (0.07, 0.07), (0.15, 0.2), (0.5, 0.32), (0.85, 0.2), (0.93, 0.07), (1, 0.04)]
        b.turned((-0.45, 0, 0.3), 0.95, pts, m, turn(0, 0, 90))
    elif sort == 4:
        m = b.mat((0.85, 0.62, 0.03), (0.6, 0.5, 0.05), (0.1, 0.05, 0.02), kind=tex.FRUIT, scale=0.4, spec=0.2)
        for k in range(3):
            a = -14 + 14 * k
            previous = None
            for i in range(8):
                s = i / 7.0
                p = (0.75 * (s - 0.5) * 1.3, (0.1 + 0.06 * s) * (k - 1) + math.sin(math.radians(a)) * 0.1, 0.12 + 1.1 * (s - 0.4) ** 2)
                if previous:
                    b.rod(previous, p, 0.085 - 0.05 * abs(s - 0.5), m, 0.085 - 0.05 * abs(s - 0.6))
                    b.ball(p, 0.085 - 0.05 * abs(s - 0.5), m)
                previous = p
        b.rod((0.44, 0, 0.46), (0.56, 0.0, 0.62), 0.1, stalk, 0.06)
    elif sort == 5:
        m = b.mat((0.8, 0.25, 0.02), (0.6, 0.16, 0.01), kind=tex.MOTTLED, scale=0.2, spec=0.35)
        for i in range(9):
            a = i * 2 * math.pi / 9
            b.ball((0.22 * math.cos(a), 0.22 * math.sin(a), 0.34), (0.26, 0.2, 0.34), m, turn(math.degrees(a)))
        b.rod((0, 0, 0.6), (0.06, 0, 0.84), 0.06, b.mat((0.2, 0.25, 0.06)), 0.04)
    elif sort == 6:
        m = b.mat((0.05, 0.22, 0.04), (0.3, 0.55, 0.12), kind=tex.SWIRL, extra=10, scale=9.0, spec=0.5)
        b.ball((0, 0, 0.42), (0.48, 0.48, 0.42), m)
        b.rod((0, 0, 0.82), (0.03, 0, 0.9), 0.03, stalk)
    elif sort == 7:
        m = b.mat((0.6, 0.33, 0.05), (0.35, 0.2, 0.04), (0.8, 0.6, 0.2), kind=tex.SPECKLES, scale=0.09, bump=0.3, bump_scale=0.05)
        b.turned((0, 0, 0), 0.75, [(0, 0.18), (0.2, 0.3), (0.5, 0.33), (0.8, 0.28), (1, 0.1)], m)
        green = leaf(b, 0.32)
        for i in range(11):
            a = i * 2.4
            out = 0.08 + 0.2 * (i / 10)
            b.rod((0.04 * math.cos(a), 0.04 * math.sin(a), 0.7), (out * math.cos(a), out * math.sin(a), 1.2 - 0.25 * i / 10), 0.05, green, 0.004)
    else:
        m = b.mat((0.75, 0.02, 0.03), (0.6, 0.01, 0.02), (0.9, 0.7, 0.2), kind=tex.DOTS, scale=0.1, spec=0.6)
        b.turned((0, 0, 0), 0.8, [(0, 0.03), (0.15, 0.17), (0.5, 0.31), (0.8, 0.38), (0.95, 0.27), (1, 0.1)], m)
        green = leaf(b, 0.3)
        for i in range(7):
            a = i * 0.9
            b.rod((0, 0, 0.79), (0.3 * math.cos(a), 0.3 * math.sin(a), 0.74), 0.07, green, 0.004)


def plant(b: Builder) -> None:
    """Potted plant: bush, cactus, palm or flowers."""
    pot = b.mat(hsv(b.uniform(0.02, 0.08), 0.65, b.uniform(0.5, 0.8)), spec=0.1) if b.chance(0.5) else glaze(b)
    b.turned((0, 0, 0), 0.36, [(0, 0.17), (0.8, 0.25), (0.82, 0.28), (1, 0.28)], pot)
    b.rod((0, 0, 0.34), (0, 0, 0.362), 0.25, b.mat((0.05, 0.03, 0.02)))
    sort = b.many(0, 3)
    if sort == 0:
        m = leaf(b)
        for i in range(b.many(4, 7)):
            a = i * 2.4
            r = 0.2 if i else 0.0
            b.leaves((r * math.cos(a), r * math.sin(a), b.uniform(0.55, 0.9)), b.uniform(0.2, 0.3), m, 3.5)
    elif sort == 1:
        m = b.mat((0.08, 0.25, 0.08), (0.3, 0.5, 0.2), kind=tex.SWIRL, extra=14, scale=9.0, bump=0.1)
        b.turned((0, 0, 0.34), 0.75, [(0, 0.13), (0.2, 0.17), (0.8, 0.16), (0.95, 0.1), (1, 0.02)], m)
        b.rod((0.1, 0, 0.66), (0.32, 0, 0.7), 0.07, m)
        b.turned((0.32, 0, 0.66), 0.28, [(0, 0.06), (0.2, 0.085), (0.8, 0.08), (1, 0.02)], m)
        b.ball((0, 0, 1.1), (0.06, 0.06, 0.05), b.mat(hsv(0.92, 0.7, 0.9)))
    elif sort == 2:
        m = leaf(b, 0.31)
        b.rod((0, 0, 0.34), (0.03, 0, 0.85), 0.045, timber(b, 0.05))
        for i in range(10):
            a, drop = i * 2.4, b.uniform(0.05, 0.3)
            mid = (0.22 * math.cos(a), 0.22 * math.sin(a), 1.08)
            end = (0.48 * math.cos(a), 0.48 * math.sin(a), 1.1 - drop)
            b.rod((0.03, 0, 0.85), mid, 0.025, m, 0.05)
            b.rod(mid, end, 0.05, m, 0.004)
    else:
        flowers(b, (0, 0, 0.36), 0.55)


def lamp(b: Builder) -> None:
    """Table lamp with a shade that glows, or a lantern."""
    light = b.mat((1.0, 0.8, 0.5), (0.95, 0.7, 0.4), kind=b.pick([tex.PLAIN, tex.STRIPES, tex.WEAVE]), scale=0.08, glow=b.uniform(0.4, 1.1))
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
        b.rod((0.29 * math.cos(a), 0.29 * math.sin(a), 0.05), (0.29 * math.cos(a), 0.29 * math.sin(a), 0.7), 0.02, m)
    b.rod((0, 0, 0.68), (0, 0, 0.9), 0.32, m, 0.05)
    b.ring((0, 0, 1.0), 0.1, 0.02, m, turn(0, 90))


def books(b: Builder) -> None:
    """Stack of books."""
    z = 0.0
    for _ in range(b.many(3, 6)):
        h, w, d = b.uniform(0.07, 0.14), b.uniform(0.7, 0.9), b.uniform(0.48, 0.62)
        hue = b.uniform(0, 1)
        skin = b.mat(hsv(hue, 0.6, b.uniform(0.4, 0.8)), hsv(hue, 0.5, 0.9), (0.85, 0.7, 0.3), kind=b.pick([tex.PLAIN, tex.STRIPES, tex.PLAIN]), scale=0.3, spec=0.2)
        rot = turn(b.uniform(-14, 14))
        b.box((0, 0, z + h / 2), (w * 0.97, d * 0.97, h * 0.84), b.mat((0.8, 0.75, 0.62), (0.6, 0.55, 0.45), kind=tex.BANDS, scale=0.02), rot)
        b.box((0, 0, z + h * 0.06), (w, d, h * 0.12), skin, rot)
        b.box((0, 0, z + h * 0.94), (w, d, h * 0.12), skin, rot)
        off = rot @ [0, -d / 2, 0]
        b.box((off[0], off[1], z + h / 2), (w, 0.03, h), skin, rot)
        z += h


def ball(b: Builder) -> None:
    """Beach ball, football, basketball, marble or billiard ball."""
    sort = b.many(0, 4)
    if sort == 0:
        m = b.mat(hsv(b.uniform(0, 1), 0.85, 0.9), (0.9, 0.9, 0.88), kind=tex.SWIRL, extra=b.many(3, 5), scale=99.0, spec=0.6)
    elif sort == 1:
        m = b.mat((0.85, 0.85, 0.83), (0.03, 0.03, 0.03), (0.03, 0.03, 0.03), kind=tex.DOTS, scale=0.33, spec=0.3)
    elif sort == 2:
        m = b.mat((0.75, 0.25, 0.05), (0.6, 0.2, 0.04), (0.02, 0.02, 0.02), kind=tex.PANELS, scale=0.42, spec=0.2, bump=0.2, bump_scale=0.02)
    elif sort == 3:
        m = b.mat(hsv(b.uniform(0, 1), 0.7, 0.8), (0.9, 0.9, 0.9), kind=tex.MARBLE, scale=0.5, spec=1.5, shine=100, mirror=0.06, opacity=0.75)
    else:
        m = glaze(b, 0.3)
    b.ball((0, 0, 0.45), 0.45, m, turn(b.uniform(0, 360), b.uniform(-50, 50), b.uniform(-30, 30)))


def gem(b: Builder) -> None:
    """Crystals, a torus knot of rings, or a tower of solids."""
    sort = b.many(0, 2)
    if sort == 0:
        hue = b.uniform(0, 1)
        m = b.mat(hsv(hue, 0.6, 0.8), hsv(hue + 0.1, 0.5, 0.95), kind=tex.MARBLE, scale=0.4, spec=1.5, shine=60, mirror=0.12, opacity=0.6)
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
            b.ring((0, 0, 0.5), 0.36, 0.07, metal(b) if i else glaze(b), turn(60 * i, 35 + 55 * i, 20 * i))
        b.ball((0, 0, 0.5), 0.2, glaze(b))
    else:
        b.pillow((0, 0, 0.2), (0.5, 0.5, 0.4), glaze(b), turn(b.uniform(0, 90)), True)
        b.rod((0, 0, 0.4), (0, 0, 0.65), 0.2, glaze(b))
        b.rod((0, 0, 0.65), (0, 0, 1.0), 0.22, glaze(b), 0.0)


def mushroom(b: Builder) -> None:
    """Toadstools."""
    cap = b.mat(hsv(b.pick([0.0, 0.06, 0.1]), 0.85, b.uniform(0.5, 0.85)), (0.9, 0.88, 0.8), (0.92, 0.9, 0.85), kind=b.pick([tex.DOTS, tex.SPECKLES, tex.FRUIT]), scale=0.22, spec=0.5)
    stem = b.mat((0.8, 0.75, 0.62), (0.6, 0.5, 0.38), kind=tex.MOTTLED, scale=0.1)
    for i in range(b.many(1, 3)):
        s = 1.0 if i == 0 else b.uniform(0.4, 0.6)
        x, y = (0.0, 0.0) if i == 0 else (0.38 * (-1) ** i, -0.1)
        b.turned((x, y, 0), 0.6 * s, [(0, 0.14 * s), (0.15, 0.12 * s), (0.7, 0.08 * s), (1, 0.09 * s)], stem)
        b.turned((x, y, 0.5 * s), 0.38 * s, [(0, 0.3 * s), (0.08, 0.42 * s), (0.35, 0.36 * s), (0.75, 0.22 * s), (1, 0.03 * s)], cap)


def teapot(b: Builder) -> None:
    """Teapot or watering can."""
    m = glaze(b) if b.chance(0.7) else metal(b)
    b.turned((0, 0, 0), 0.62, [(0, 0.2), (0.1, 0.3), (0.4, 0.4), (0.7, 0.36), (0.95, 0.2), (1, 0.18)], m)
    b.turned((0, 0, 0.61), 0.18, [(0, 0.19), (0.3, 0.14), (0.45, 0.04), (0.6, 0.06), (0.8, 0.06), (1, 0.02)], m)
    b.rod((0.3, 0, 0.2), (0.52, 0, 0.38), 0.09, m, 0.06)
    b.rod((0.52, 0, 0.38), (0.66, 0, 0.62), 0.06, m, 0.035)
    b.ring((-0.42, 0, 0.34), 0.19, 0.035, m, turn(0, 90))


def candle(b: Builder) -> None:
    """Candlestick with burning candles."""
    m = metal(b)
    wax = b.mat(b.pick([(0.9, 0.85, 0.7), (0.7, 0.1, 0.1), (0.2, 0.3, 0.6)]), glow=0.12, wrap=0.5)
    flame = b.mat((1.0, 0.65, 0.2), glow=3.0, opacity=0.85)
    spots = [(0.0, 0.5)] if b.chance(0.4) else [(-0.3, 0.4), (0.0, 0.5), (0.3, 0.4)]
    b.turned((0, 0, 0), 0.5, [(0, 0.25), (0.06, 0.22), (0.15, 0.05), (0.5, 0.08), (0.6, 0.04), (0.9, 0.05), (1, 0.1)], m)
    if len(spots) > 1:
        b.ring((0, 0, 0.45), 0.3, 0.03, m, turn(0, 90))
    for x, z in spots:
        h = b.uniform(0.25, 0.4)
        b.rod((x, 0, z), (x, 0, z + h), 0.055, wax)
        b.turned((x, 0, z + h + 0.01), 0.15, [(0, 0.01), (0.3, 0.035), (0.6, 0.02), (1, 0.002)], flame)


def clock(b: Builder) -> None:
    """Alarm clock."""
    m, face = glaze(b), b.mat((0.9, 0.88, 0.82))
    dark = b.mat((0.03, 0.03, 0.04))
    b.rod((0, 0.12, 0.45), (0, -0.12, 0.45), 0.4, m)
    b.rod((0, -0.1, 0.45), (0, -0.13, 0.45), 0.34, face)
    for i in range(12):
        a = i * math.pi / 6
        b.box((0.28 * math.sin(a), -0.13, 0.45 + 0.28 * math.cos(a)), (0.025, 0.02, 0.07), dark, turn(0, 0, math.degrees(a)))
    for length, a in ((0.17, b.uniform(0, 6.3)), (0.26, b.uniform(0, 6.3))):
        b.rod((0, -0.14, 0.45), (length * math.sin(a), -0.14, 0.45 + length * math.cos(a)), 0.018, dark)
    for s in (-1, 1):
        b.ball((0.22 * s, 0, 0.88), (0.14, 0.14, 0.1), metal(b), turn(0, 0, 25 * s))
        b.rod((0.22 * s, 0, 0.15), (0.34 * s, 0, 0), 0.04, dark)


def present(b: Builder) -> None:
    """Wrapped box with a ribbon."""
    hue = b.uniform(0, 1)
    wrap = b.mat(hsv(hue, 0.7, 0.8), hsv(hue + 0.4, 0.5, 0.9), (0.9, 0.9, 0.9), kind=b.pick([tex.DOTS, tex.STRIPES, tex.PLAID, tex.PLAIN]), scale=0.14, spec=0.4)
    band = b.mat(hsv(hue + 0.5, 0.75, 0.85), spec=0.6)
    w, h = b.uniform(0.6, 0.8), b.uniform(0.4, 0.7)
    b.box((0, 0, h / 2), (w, w, h), wrap)
    b.box((0, 0, h / 2), (0.11, w * 1.01, h * 1.012), band)
    b.box((0, 0, h / 2), (w * 1.01, 0.11, h * 1.012), band)
    for s in (-1, 1):
        b.ring((0.13 * s, 0, h + 0.08), 0.12, 0.035, band, turn(0, 80, 20 * s))
    b.ball((0, 0, h + 0.04), 0.06, band)


SMALL = [vase, cup, bottle, glass, fruit, plant, lamp, books, ball, gem, mushroom, teapot, candle, clock, present]
