"""Toy animals and people.

Every maker adds an object that stands on z = 0 at the origin, about a metre in size; the caller's
frame places and scales it.
"""

from __future__ import annotations

from training.scenes import textures as tex
from training.scenes.build import Builder, hsv, turn
from training.scenes.materials import cloth, coat, glaze, metal, timber

BLACK = (0.015, 0.015, 0.02)


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
    long, rise, legs = (
        (0.5, 0.1, 0.3),
        (0.42, 0.06, 0.18),
        (0.55, 0.42, 0.45),
        (0.45, 0.05, 0.2),
        (0.4, 0.75, 0.55),
    )[sort]
    thick = b.uniform(0.17, 0.22) * (1.25 if sort in (1, 3) else 1.0)
    z = legs + thick * 0.8
    with b.thing(yaw=b.pick([55, -50, 70, -65])):
        if fluffy:
            b.fur(
                (0, 0, z),
                (thick * 1.3, long * 0.72, thick * 1.3),
                b.mat((0.85, 0.83, 0.78), (0.7, 0.66, 0.6), kind=tex.MOTTLED, scale=0.1, wrap=0.3),
                hair=0.3,
            )
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
            b.ball(
                (0.11 * s, head[1] + 0.05, head[2] + 0.12),
                (ear * 0.5, 0.025, ear),
                m,
                turn(0, 0, 30 * s),
            )
        b.rod(
            (0, long * 0.58, z + 0.05),
            (0, long * 0.58 + 0.18, z + b.uniform(-0.1, 0.25)),
            0.04,
            m,
            0.015,
        )


def bear(b: Builder) -> None:
    """Teddy bear, rabbit or monster, of plush with a soft edge."""
    hue = b.pick([0.07, 0.08, 0.0, 0.9, 0.55, b.uniform(0, 1)])
    plush = b.mat(
        hsv(hue, b.uniform(0.35, 0.7), b.uniform(0.5, 0.85)),
        hsv(hue, 0.6, 0.4),
        kind=tex.MOTTLED,
        scale=0.06,
        wrap=0.35,
    )
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
    m = b.mat(
        hsv(b.uniform(0, 1), 0.8, 0.9),
        (0.9, 0.9, 0.85),
        (0.05, 0.05, 0.1),
        kind=b.pick([tex.BANDS, tex.ZEBRA, tex.SPECKLES, tex.FRUIT]),
        scale=b.uniform(0.15, 0.3),
        spec=0.8,
    )
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
            b.turned(
                (0, 0, 0.42),
                0.52,
                [(0, 0.15), (0.4, 0.14), (0.8, 0.2), (0.95, 0.16), (1, 0.06)],
                shirt,
            )
            b.ball((0, 0, 1.08), (0.135, 0.14, 0.16), skin)
            b.ball(
                (0, 0.03, 1.14),
                (0.145, 0.145, 0.13),
                b.mat(hsv(b.uniform(0, 0.12), 0.6, b.uniform(0.1, 0.7))),
            )
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
            snow = b.mat(
                (0.88, 0.9, 0.95),
                (0.75, 0.8, 0.9),
                kind=tex.MOTTLED,
                scale=0.2,
                wrap=0.3,
                bump=0.15,
            )
            for z, r in ((0.28, 0.3), (0.68, 0.22), (0.98, 0.16)):
                b.ball((0, 0, z), r, snow)
            dark = b.mat(BLACK)
            b.rod((0, -0.14, 0.98), (0.03, -0.36, 0.96), 0.035, b.mat((0.9, 0.35, 0.02)), 0.004)
            for i in range(3):
                b.ball((0, -0.215 - 0.01 * i, 0.78 - 0.1 * i), 0.025, dark)
            for s in (-1, 1):
                b.ball((0.06 * s, -0.14, 1.03), 0.022, dark)
                b.rod(
                    (0.18 * s, 0, 0.74), (0.45 * s, -0.05, 0.95), 0.018, b.mat((0.15, 0.08, 0.04))
                )
            b.rod((0, 0, 1.1), (0, 0, 1.12), 0.2, dark)
            b.rod((0, 0, 1.1), (0, 0, 1.32), 0.13, dark)
            b.ring((0, 0, 0.84), 0.15, 0.04, glaze(b))
        else:
            m = b.pick([timber, glaze, metal])(b)
            top = b.pick(
                [
                    [(0.84, 0.16), (0.99, 0.19), (1, 0.19)],
                    [(0.8, 0.2), (0.9, 0.23), (0.93, 0.12), (0.96, 0.04), (1, 0.03)],
                ]
            )
            b.turned(
                (0, 0, 0),
                1.0,
                [
                    (0, 0.28),
                    (0.08, 0.28),
                    (0.12, 0.22),
                    (0.2, 0.14),
                    (0.6, 0.09),
                    (0.7, 0.09),
                    (0.72, 0.18),
                    (0.76, 0.18),
                    *top,
                ],
                m,
            )
