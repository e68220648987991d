"""Flowers, potted plants, mushrooms, toy trees.

Every maker adds an object that stands on z = 0 at the origin, about a metre in size; the caller's
frame places and scales it.
"""

from __future__ import annotations

import math

from training.scenes import textures as tex
from training.scenes.build import Builder, hsv, turn
from training.scenes.materials import glaze, leaf, timber


def flowers(b: Builder, root, height: float) -> None:
    """Bunch of flowers out of a point."""
    stem, bloom = (
        leaf(b),
        b.mat(
            hsv(b.uniform(0, 1), 0.75, 0.95),
            (0.9, 0.8, 0.4),
            kind=tex.MOTTLED,
            scale=0.05,
            wrap=0.3,
        ),
    )
    heart = b.mat((0.8, 0.55, 0.05))
    for i in range(b.many(4, 8)):
        a, lean = i * 2.4, b.uniform(0.1, 0.45)
        tip = (
            root[0] + lean * math.cos(a),
            root[1] + lean * math.sin(a),
            root[2] + height * b.uniform(0.6, 1.1),
        )
        b.rod(root, tip, 0.012, stem)
        r = b.uniform(0.06, 0.11)
        b.ball(tip, (r, r, r * 0.55), bloom, turn(b.uniform(0, 360), b.uniform(-40, 40)))
        b.ball((tip[0], tip[1], tip[2] + r * 0.35), r * 0.45, heart)
    for i in range(b.many(2, 4)):
        a = i * 2.1 + 1
        b.leaves(
            (root[0] + 0.16 * math.cos(a), root[1] + 0.16 * math.sin(a), root[2] + 0.1),
            0.15,
            stem,
            4.0,
        )


def plant(b: Builder) -> None:
    """Potted plant: bush, cactus, palm or flowers."""
    pot = (
        b.mat(hsv(b.uniform(0.02, 0.08), 0.65, b.uniform(0.5, 0.8)), spec=0.1)
        if b.chance(0.5)
        else glaze(b)
    )
    b.turned((0, 0, 0), 0.36, [(0, 0.17), (0.8, 0.25), (0.82, 0.28), (1, 0.28)], pot)
    b.rod((0, 0, 0.34), (0, 0, 0.362), 0.25, b.mat((0.05, 0.03, 0.02)))
    sort = b.many(0, 3)
    if sort == 0:
        m = leaf(b)
        for i in range(b.many(4, 7)):
            a = i * 2.4
            r = 0.2 if i else 0.0
            b.leaves(
                (r * math.cos(a), r * math.sin(a), b.uniform(0.55, 0.9)),
                b.uniform(0.2, 0.3),
                m,
                3.5,
            )
    elif sort == 1:
        m = b.mat(
            (0.08, 0.25, 0.08), (0.3, 0.5, 0.2), kind=tex.SWIRL, extra=14, scale=9.0, bump=0.1
        )
        b.turned(
            (0, 0, 0.34), 0.75, [(0, 0.13), (0.2, 0.17), (0.8, 0.16), (0.95, 0.1), (1, 0.02)], m
        )
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


def mushroom(b: Builder) -> None:
    """Toadstools."""
    cap = b.mat(
        hsv(b.pick([0.0, 0.06, 0.1]), 0.85, b.uniform(0.5, 0.85)),
        (0.9, 0.88, 0.8),
        (0.92, 0.9, 0.85),
        kind=b.pick([tex.DOTS, tex.SPECKLES, tex.FRUIT]),
        scale=0.22,
        spec=0.5,
    )
    stem = b.mat((0.8, 0.75, 0.62), (0.6, 0.5, 0.38), kind=tex.MOTTLED, scale=0.1)
    for i in range(b.many(1, 3)):
        s = 1.0 if i == 0 else b.uniform(0.4, 0.6)
        x, y = (0.0, 0.0) if i == 0 else (0.38 * (-1) ** i, -0.1)
        b.turned(
            (x, y, 0),
            0.6 * s,
            [(0, 0.14 * s), (0.15, 0.12 * s), (0.7, 0.08 * s), (1, 0.09 * s)],
            stem,
        )
        b.turned(
            (x, y, 0.5 * s),
            0.38 * s,
            [(0, 0.3 * s), (0.08, 0.42 * s), (0.35, 0.36 * s), (0.75, 0.22 * s), (1, 0.03 * s)],
            cap,
        )


def tree(b: Builder) -> None:
    """Toy tree or shrub with a ragged edge."""
    m = leaf(b, b.pick([0.28, 0.33, 0.09, 0.05, 0.92]))
    b.rod((0, 0, 0), (0, 0, 0.6), 0.07, timber(b, 0.06), 0.04)
    if b.chance(0.5):
        for i in range(7):
            a = i * 2.4
            r = 0.24 if i else 0.0
            b.leaves(
                (r * math.cos(a), r * math.sin(a), b.uniform(0.65, 0.95)),
                b.uniform(0.22, 0.32),
                m,
                4.0,
            )
    else:
        for i in range(5):
            b.leaves((0, 0, 0.35 + 0.18 * i), (0.4 - 0.075 * i, 0.4 - 0.075 * i, 0.16), m, 4.0)
