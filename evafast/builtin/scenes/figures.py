"""Toy animals, people, vehicles and buildings: bigger solids, also standing on z = 0."""

from __future__ import annotations

import math

from evafast.builtin.scenes import textures as tex
from evafast.builtin.scenes.build import Builder, hsv, turn
from evafast.builtin.scenes.objects import cloth, glaze, leaf, metal, timber

BLACK = (0.015, 0.015, 0.02)


def coat(b: Builder) -> int:
    """Pick an animal's coat."""
    kind = b.pick([tex.PLAIN, tex.PATCHES, tex.ZEBRA, tex.DOTS, tex.MOTTLED, tex.PATCHES])
    hue = b.pick([0.06, 0.08, 0.04, 0.1, b.uniform(0, 1)])
    return b.mat(
        hsv(hue, b.uniform(0.2, 0.65), b.uniform(0.5, 0.9)),
        b.pick([(0.85, 0.82, 0.78), (0.04, 0.03, 0.03), hsv(hue, 0.6, 0.35)]),
        kind=kind, scale=b.uniform(0.12, 0.3), wrap=0.2, spec=0.1,
    )


def _eyes(b: Builder, x: float, y: float, z: float, r: float) -> None:
    white, dark = b.mat((0.9, 0.9, 0.9), spec=1.0), b.mat(BLACK, spec=1.5, shine=60)
    for s in (-1, 1):
        b.ball((x * s, y, z), r, white)
        b.ball((x * s, y - r * 0.62, z), r * 0.62, dark)


def beast(b: Builder) -> None:
    """Four-legged toy: dog, pig, horse, sheep, giraffe or elephant."""
    m, dark = coat(b), b.mat(BLACK, spec=0.5)
    sort = b.many(0, 4)
    fluffy = sort == 3
    # length of the body, how far the head is carried above it, length of the legs
    long, rise, legs = ((0.5, 0.1, 0.3), (0.42, 0.06, 0.18), (0.55, 0.42, 0.45), (0.45, 0.05, 0.2),
                        (0.4, 0.75, 0.55))[sort]
    thick = b.uniform(0.17, 0.22) * (1.25 if sort in (1, 3) else 1.0)
    z = legs + thick * 0.8
    with b.thing(yaw=b.pick([55, -50, 70, -65])):
        if fluffy:
            b.fur((0, 0, z), (thick * 1.3, long * 0.72, thick * 1.3), b.mat((0.85, 0.83, 0.78), (0.7, 0.66, 0.6), kind=tex.MOTTLED, scale=0.1, wrap=0.3), hair=0.3)
        else:
            b.ball((0, 0, z), (thick, long * 0.65, thick), m)
        for sx in (-1, 1):
            for sy in (-1, 1):
                foot = (thick * 0.55 * sx, long * 0.42 * sy, 0.0)
                b.rod(foot, (foot[0], foot[1], legs + 0.04), 0.06, m, 0.075)
                b.rod((foot[0], foot[1], 0.0), (foot[0], foot[1], 0.05), 0.068, dark)
        head = (0.0, -long * 0.62 - 0.16, z + rise + 0.14)
        b.rod((0, -long * 0.4, z), (head[0], head[1] + 0.06, head[2]), 0.13, m, 0.09)
        b.ball(head, (0.13, 0.17, 0.14), m)
        b.ball((0, head[1] - 0.15, head[2] - 0.05), (0.09, 0.11, 0.08), b.mat(hsv(0.04, 0.35, 0.8)))
        b.ball((0, head[1] - 0.25, head[2] - 0.02), (0.04, 0.03, 0.03), dark)
        _eyes(b, 0.075, head[1] - 0.12, head[2] + 0.07, 0.032)
        ear = b.uniform(0.07, 0.12)
        for s in (-1, 1):
            b.ball((0.11 * s, head[1] + 0.05, head[2] + 0.12), (ear * 0.5, 0.025, ear), m, turn(0, 0, 30 * s))
        b.rod((0, long * 0.58, z + 0.05), (0, long * 0.58 + 0.18, z + b.uniform(-0.1, 0.25)), 0.04, m, 0.015)


def bear(b: Builder) -> None:
    """Teddy bear, rabbit or monster, of plush with a soft edge."""
    hue = b.pick([0.07, 0.08, 0.0, 0.9, 0.55, b.uniform(0, 1)])
    plush = b.mat(hsv(hue, b.uniform(0.35, 0.7), b.uniform(0.5, 0.85)), hsv(hue, 0.6, 0.4), kind=tex.MOTTLED, scale=0.06, wrap=0.35)
    pale, dark = b.mat(hsv(hue, 0.25, 0.85), wrap=0.3), b.mat(BLACK, spec=1.2)
    with b.thing(yaw=b.uniform(-30, 30)):
        b.fur((0, 0, 0.3), (0.27, 0.23, 0.31), plush)
        b.ball((0, -0.13, 0.3), (0.17, 0.13, 0.2), pale)
        b.fur((0, 0, 0.72), 0.23, plush)
        b.ball((0, -0.19, 0.66), (0.1, 0.08, 0.075), pale)
        b.ball((0, -0.265, 0.69), (0.035, 0.025, 0.025), dark)
        _eyes(b, 0.085, -0.18, 0.77, 0.03)
        rabbit = b.chance(0.35)
        for s in (-1, 1):
            if rabbit:
                b.fur((0.1 * s, 0.0, 1.05), (0.06, 0.04, 0.22), plush, turn(0, 0, 10 * s))
            else:
                b.fur((0.18 * s, 0.02, 0.9), (0.085, 0.05, 0.085), plush)
            b.fur((0.27 * s, -0.06, 0.36), (0.09, 0.1, 0.2), plush, turn(0, 0, -38 * s))
            b.fur((0.19 * s, -0.24, 0.09), (0.1, 0.2, 0.1), plush)
            b.ball((0.19 * s, -0.41, 0.1), (0.07, 0.025, 0.07), pale)
        if b.chance(0.5):
            b.ring((0, 0, 0.53), 0.16, 0.035, glaze(b))


def bird(b: Builder) -> None:
    """Duck, owl or penguin."""
    hue = b.pick([0.14, 0.55, 0.0, 0.35, 0.1])
    m, beak = b.mat(hsv(hue, 0.75, 0.9), spec=0.3), b.mat((0.9, 0.4, 0.02), spec=0.4)
    with b.thing(yaw=b.pick([60, -60, 30, -35])):
        if b.chance(0.5):
            b.ball((0, 0, 0.28), (0.27, 0.42, 0.26), m)
            b.rod((0, 0.3, 0.36), (0, 0.5, 0.52), 0.13, m, 0.02)
            b.ball((0, -0.27, 0.62), 0.21, m)
            b.ball((0, -0.49, 0.58), (0.1, 0.13, 0.035), beak)
            for s in (-1, 1):
                b.ball((0.24 * s, 0.06, 0.33), (0.06, 0.24, 0.14), m)
            _eyes(b, 0.1, -0.43, 0.7, 0.035)
        else:
            belly = b.mat((0.88, 0.86, 0.8), spec=0.2)
            b.ball((0, 0, 0.45), (0.3, 0.27, 0.43), m)
            b.ball((0, -0.07, 0.42), (0.23, 0.23, 0.36), belly)
            b.ball((0, 0, 0.9), (0.22, 0.2, 0.2), m)
            b.rod((0, -0.16, 0.87), (0, -0.34, 0.83), 0.06, beak, 0.005)
            _eyes(b, 0.09, -0.14, 0.95, 0.045)
            for s in (-1, 1):
                b.ball((0.3 * s, 0, 0.48), (0.05, 0.14, 0.28), m, turn(0, 0, -12 * s))
                b.ball((0.13 * s, -0.12, 0.03), (0.1, 0.17, 0.04), beak)


def fish(b: Builder) -> None:
    """Fish swimming upright in the air."""
    m = b.mat(hsv(b.uniform(0, 1), 0.8, 0.9), (0.9, 0.9, 0.85), (0.05, 0.05, 0.1), kind=b.pick([tex.BANDS, tex.ZEBRA, tex.SPECKLES, tex.FRUIT]), scale=b.uniform(0.15, 0.3), spec=0.8)
    fin = b.mat(hsv(b.uniform(0, 1), 0.8, 0.95), opacity=0.75, wrap=0.4)
    with b.thing(place=(0, 0, 0.4), yaw=b.pick([75, -75, 110, 60]), pitch=b.uniform(-15, 15)):
        b.ball((0, 0, 0), (0.16, 0.5, 0.3), m)
        b.rod((0, 0.42, 0), (0, 0.75, 0.2), 0.05, fin, 0.16)
        b.rod((0, 0.42, 0), (0, 0.75, -0.2), 0.05, fin, 0.16)
        b.ball((0, 0.05, 0.3), (0.02, 0.25, 0.13), fin, turn(0, -15))
        for s in (-1, 1):
            b.ball((0.17 * s, -0.05, -0.1), (0.12, 0.14, 0.02), fin, turn(0, 0, 35 * s))
            b.ball((0.11 * s, -0.34, 0.07), 0.055, b.mat((0.9, 0.9, 0.85), spec=1.0))
            b.ball((0.145 * s, -0.355, 0.07), 0.032, b.mat(BLACK, spec=1.5))


def person(b: Builder) -> None:
    """Wooden figure, robot, snowman or chess piece."""
    sort = b.many(0, 3)
    with b.thing(yaw=b.uniform(-35, 35)):
        if sort == 0:
            skin = b.mat(hsv(b.uniform(0.05, 0.09), b.uniform(0.3, 0.6), b.uniform(0.45, 0.95)))
            shirt, trousers = cloth(b), cloth(b)
            for s in (-1, 1):
                b.rod((0.09 * s, 0, 0.03), (0.08 * s, 0, 0.48), 0.06, trousers, 0.085)
                b.ball((0.09 * s, -0.05, 0.035), (0.06, 0.11, 0.04), b.mat(BLACK, spec=0.4))
                elbow = (0.27 * s, b.uniform(-0.15, 0.02), 0.66)
                b.rod((0.17 * s, 0, 0.87), elbow, 0.055, shirt)
                hand = (0.3 * s, -0.2, b.uniform(0.5, 0.95))
                b.rod(elbow, hand, 0.05, shirt, 0.04)
                b.ball(hand, 0.055, skin)
            b.turned((0, 0, 0.42), 0.52, [(0, 0.15), (0.4, 0.14), (0.8, 0.2), (0.95, 0.16), (1, 0.06)], shirt)
            b.ball((0, 0, 1.08), (0.135, 0.14, 0.16), skin)
            b.ball((0, 0.03, 1.14), (0.145, 0.145, 0.13), b.mat(hsv(b.uniform(0, 0.12), 0.6, b.uniform(0.1, 0.7))))
            _eyes(b, 0.05, -0.12, 1.09, 0.022)
        elif sort == 1:
            m, n = metal(b), glaze(b)
            b.pillow((0, 0, 0.5), (0.5, 0.35, 0.5), n, None, True)
            b.pillow((0, 0, 0.92), (0.34, 0.3, 0.28), m, None, True)
            b.rod((0, 0, 1.05), (0, 0, 1.2), 0.015, m)
            b.ball((0, 0, 1.22), 0.04, b.mat((0.9, 0.1, 0.05), glow=0.8))
            b.box((0, -0.17, 0.55), (0.26, 0.03, 0.16), b.mat((0.1, 0.6, 0.5), glow=0.5))
            for s in (-1, 1):
                b.ball((0.08 * s, -0.14, 0.95), 0.05, b.mat((0.2, 0.8, 0.9), glow=1.0))
                b.rod((0.14 * s, 0, 0.0), (0.14 * s, 0, 0.28), 0.085, m)
                b.rod((0.27 * s, 0, 0.68), (0.42 * s, -0.08, 0.38), 0.06, m)
                b.ring((0.44 * s, -0.09, 0.32), 0.06, 0.025, n, turn(0, 90))
        elif sort == 2:
            snow = b.mat((0.88, 0.9, 0.95), (0.75, 0.8, 0.9), kind=tex.MOTTLED, scale=0.2, wrap=0.3, bump=0.15)
            for z, r in ((0.28, 0.3), (0.68, 0.22), (0.98, 0.16)):
                b.ball((0, 0, z), r, snow)
            dark = b.mat(BLACK)
            b.rod((0, -0.14, 0.98), (0.03, -0.36, 0.96), 0.035, b.mat((0.9, 0.35, 0.02)), 0.004)
            for i in range(3):
                b.ball((0, -0.215 - 0.01 * i, 0.78 - 0.1 * i), 0.025, dark)
            for s in (-1, 1):
                b.ball((0.06 * s, -0.14, 1.03), 0.022, dark)
                b.rod((0.18 * s, 0, 0.74), (0.45 * s, -0.05, 0.95), 0.018, b.mat((0.15, 0.08, 0.04)))
            b.rod((0, 0, 1.1), (0, 0, 1.12), 0.2, dark)
            b.rod((0, 0, 1.1), (0, 0, 1.32), 0.13, dark)
            b.ring((0, 0, 0.84), 0.15, 0.04, glaze(b))
        else:
            m = b.pick([timber, glaze, metal])(b)
            top = b.pick([[(0.84, 0.16), (0.99, 0.19), (1, 0.19)], [(0.8, 0.2), (0.9, 0.23), (0.93, 0.12), (0.96, 0.04), (1, 0.03)]])
            b.turned((0, 0, 0), 1.0, [(0, 0.28), (0.08, 0.28), (0.12, 0.22), (0.2, 0.14), (0.6, 0.09), (0.7, 0.09), (0.72, 0.18), (0.76, 0.18), *top], m)


def car(b: Builder) -> None:
    """Car, van, truck or racing car."""
    paint = b.mat(hsv(b.uniform(0, 1), b.pick([0.8, 0.7, 0.1]), b.uniform(0.4, 0.9)), spec=1.2, shine=80, mirror=0.08)
    pane, tyre, rim = b.mat((0.04, 0.06, 0.08), spec=1.5, mirror=0.3), b.mat((0.02, 0.02, 0.02)), b.mat((0.7, 0.7, 0.72), spec=1.0, mirror=0.2)
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
            b.box((0, 0.2, 0.46), (0.5, 0.84, 0.58), b.mat((0.85, 0.85, 0.83), hsv(b.uniform(0, 1), 0.7, 0.8), kind=b.pick([tex.STRIPES, tex.PLAIN, tex.DOTS]), scale=0.3))
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
            b.ball((0.17 * sx, -0.595, 0.28), (0.06, 0.03, 0.045), b.mat((0.95, 0.92, 0.8), glow=0.5))
            b.ball((0.18 * sx, 0.595, 0.28), (0.05, 0.03, 0.04), b.mat((0.7, 0.02, 0.02), glow=0.3))


def boat(b: Builder) -> None:
    """Sailing boat or rocket or balloon."""
    sort = b.many(0, 2)
    if sort == 0:
        hull, sail = glaze(b), b.mat((0.9, 0.88, 0.82), hsv(b.uniform(0, 1), 0.7, 0.8), kind=b.pick([tex.BANDS, tex.PLAIN, tex.STRIPES]), scale=0.2, wrap=0.5)
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
        b.turned((0, 0, 0.15), 1.0, [(0, 0.11), (0.1, 0.17), (0.4, 0.2), (0.7, 0.16), (0.9, 0.07), (1, 0.005)], m)
        for i in range(4):
            with b.thing(yaw=90 * i + 30):
                b.box((0.21, 0, 0.2), (0.2, 0.03, 0.26), n, turn(0, 0, 25))
        b.ring((0, -0.17, 0.75), 0.07, 0.02, n, turn(0, 90))
        b.ball((0, -0.15, 0.75), 0.065, b.mat((0.2, 0.5, 0.8), spec=1.5, mirror=0.2))
        b.turned((0, 0, 0), 0.18, [(0, 0.01), (0.5, 0.06), (1, 0.09)], b.mat((1.0, 0.5, 0.1), glow=2.0, opacity=0.7))
    else:
        m = b.mat(hsv(b.uniform(0, 1), 0.8, 0.9), hsv(b.uniform(0, 1), 0.7, 0.95), kind=tex.SWIRL, extra=b.many(4, 8), scale=99.0, wrap=0.2)
        b.turned((0, 0, 0.3), 0.9, [(0, 0.07), (0.2, 0.2), (0.45, 0.36), (0.7, 0.42), (0.9, 0.28), (0.98, 0.1), (1, 0.03)], m)
        b.pillow((0, 0, 0.07), (0.17, 0.17, 0.14), b.mat((0.4, 0.25, 0.1), (0.25, 0.14, 0.05), kind=tex.WEAVE, scale=0.04))
        for sx in (-1, 1):
            for sy in (-1, 1):
                b.rod((0.07 * sx, 0.07 * sy, 0.12), (0.05 * sx, 0.05 * sy, 0.34), 0.006, timber(b))


def house(b: Builder) -> None:
    """Toy house, tower, windmill or lighthouse."""
    wall = b.mat(hsv(b.uniform(0, 1), b.uniform(0.1, 0.5), 0.85), hsv(0.05, 0.5, 0.5), (0.7, 0.68, 0.6), kind=b.pick([tex.BRICK, tex.PLAIN, tex.PLANKS, tex.BANDS]), scale=0.12)
    roof = b.mat(hsv(b.pick([0.02, 0.55, 0.08]), 0.65, 0.55), hsv(0.03, 0.6, 0.4), kind=tex.ROOF, scale=0.07)
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
                        b.box((0.25 * math.cos(a), 0, 0.25 * math.sin(a)), (0.46, 0.015, 0.11), pane, turn(0, 0, -90.0 * i))


def tree(b: Builder) -> None:
    """Toy tree or shrub with a ragged edge."""
    m = leaf(b, b.pick([0.28, 0.33, 0.09, 0.05, 0.92]))
    b.rod((0, 0, 0), (0, 0, 0.6), 0.07, timber(b, 0.06), 0.04)
    if b.chance(0.5):
        for i in range(7):
            a = i * 2.4
            r = 0.24 if i else 0.0
            b.leaves((r * math.cos(a), r * math.sin(a), b.uniform(0.65, 0.95)), b.uniform(0.22, 0.32), m, 4.0)
    else:
        for i in range(5):
            b.leaves((0, 0, 0.35 + 0.18 * i), (0.4 - 0.075 * i, 0.4 - 0.075 * i, 0.16), m, 4.0)


def instrument(b: Builder) -> None:
    """Guitar, drum or trumpet-like horn."""
    sort = b.many(0, 1)
    wood, dark = timber(b), b.mat(BLACK)
    with b.thing(yaw=b.uniform(-35, 35), pitch=-6):
        if sort == 0:
            front = b.mat(hsv(b.uniform(0.02, 0.12), 0.75, b.uniform(0.5, 0.85)), (0.1, 0.03, 0.01), kind=tex.GRAIN, scale=0.4, spec=0.7)
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


LARGE = [beast, bear, bird, fish, person, car, boat, house, tree, instrument, bear, beast]
