"""Fruit.

Every maker adds an object that stands on z = 0 at the origin, about a metre in size; the caller's
frame places and scales it.
"""

from __future__ import annotations

import math

from training.scenes import textures as tex
from training.scenes.build import Builder, hsv, turn
from training.scenes.materials import leaf


def fruit(b: Builder) -> None:
    """Apple, pear, orange, lemon, banana bunch, pumpkin, melon, pineapple or strawberry."""
    sort = b.many(0, 8)
    stalk = b.mat((0.12, 0.07, 0.03))
    if sort == 0:
        m = b.mat(
            hsv(b.pick([0.0, 0.25, 0.98]), 0.85, 0.8),
            hsv(0.13, 0.7, 0.85),
            (0.9, 0.8, 0.4),
            kind=tex.FRUIT,
            scale=0.3,
            spec=0.6,
            shine=50,
        )
        b.turned(
            (0, 0, 0),
            0.72,
            [
                (0, 0.12),
                (0.08, 0.25),
                (0.35, 0.39),
                (0.6, 0.43),
                (0.85, 0.34),
                (0.97, 0.16),
                (1, 0.04),
            ],
            m,
        )
        b.rod((0, 0, 0.68), (0.05, 0, 0.86), 0.02, stalk)
        b.ball((0.14, 0, 0.82), (0.12, 0.05, 0.015), leaf(b), turn(0, 0, -20))
    elif sort == 1:
        m = b.mat(
            hsv(0.2, 0.7, 0.75),
            hsv(0.14, 0.75, 0.85),
            (0.4, 0.3, 0.1),
            kind=tex.FRUIT,
            scale=0.3,
            spec=0.4,
        )
        b.turned(
            (0, 0, 0),
            0.95,
            [
                (0, 0.12),
                (0.1, 0.28),
                (0.3, 0.36),
                (0.5, 0.29),
                (0.7, 0.18),
                (0.93, 0.12),
                (1, 0.03),
            ],
            m,
        )
        b.rod((0, 0, 0.92), (0.06, 0, 1.08), 0.02, stalk)
    elif sort == 2:
        m = b.mat(
            (0.9, 0.32, 0.02),
            (0.85, 0.25, 0.01),
            kind=tex.PLAIN,
            scale=0.1,
            spec=0.5,
            bump=0.25,
            bump_scale=0.02,
        )
        b.ball((0, 0, 0.4), 0.4, m)
        b.ball((0, 0, 0.79), (0.04, 0.04, 0.02), b.mat((0.15, 0.3, 0.05)))
    elif sort == 3:
        m = b.mat(
            (0.9, 0.7, 0.03), (0.8, 0.6, 0.02), scale=0.1, spec=0.5, bump=0.2, bump_scale=0.025
        )
        pts = [
            (0, 0.04),
            (0.07, 0.07),
            (0.15, 0.2),
            (0.5, 0.32),
            (0.85, 0.2),
            (0.93, 0.07),
            (1, 0.04),
        ]
        b.turned((-0.45, 0, 0.3), 0.95, pts, m, turn(0, 0, 90))
    elif sort == 4:
        m = b.mat(
            (0.85, 0.62, 0.03),
            (0.6, 0.5, 0.05),
            (0.1, 0.05, 0.02),
            kind=tex.FRUIT,
            scale=0.4,
            spec=0.2,
        )
        for k in range(3):
            lean = math.radians(-14 + 14 * k)
            previous = None
            for i in range(8):
                s = i / 7.0
                p = (
                    0.75 * (s - 0.5) * 1.3,
                    (0.1 + 0.06 * s) * (k - 1) + math.sin(lean) * 0.1,
                    0.12 + 1.1 * (s - 0.4) ** 2,
                )
                if previous:
                    b.rod(previous, p, 0.085 - 0.05 * abs(s - 0.5), m, 0.085 - 0.05 * abs(s - 0.6))
                    b.ball(p, 0.085 - 0.05 * abs(s - 0.5), m)
                previous = p
        b.rod((0.44, 0, 0.46), (0.56, 0.0, 0.62), 0.1, stalk, 0.06)
    elif sort == 5:
        m = b.mat((0.8, 0.25, 0.02), (0.6, 0.16, 0.01), kind=tex.MOTTLED, scale=0.2, spec=0.35)
        for i in range(9):
            a = i * 2 * math.pi / 9
            b.ball(
                (0.22 * math.cos(a), 0.22 * math.sin(a), 0.34),
                (0.26, 0.2, 0.34),
                m,
                turn(math.degrees(a)),
            )
        b.rod((0, 0, 0.6), (0.06, 0, 0.84), 0.06, b.mat((0.2, 0.25, 0.06)), 0.04)
    elif sort == 6:
        m = b.mat(
            (0.05, 0.22, 0.04), (0.3, 0.55, 0.12), kind=tex.SWIRL, extra=10, scale=9.0, spec=0.5
        )
        b.ball((0, 0, 0.42), (0.48, 0.48, 0.42), m)
        b.rod((0, 0, 0.82), (0.03, 0, 0.9), 0.03, stalk)
    elif sort == 7:
        m = b.mat(
            (0.6, 0.33, 0.05),
            (0.35, 0.2, 0.04),
            (0.8, 0.6, 0.2),
            kind=tex.SPECKLES,
            scale=0.09,
            bump=0.3,
            bump_scale=0.05,
        )
        b.turned((0, 0, 0), 0.75, [(0, 0.18), (0.2, 0.3), (0.5, 0.33), (0.8, 0.28), (1, 0.1)], m)
        green = leaf(b, 0.32)
        for i in range(11):
            a = i * 2.4
            out = 0.08 + 0.2 * (i / 10)
            b.rod(
                (0.04 * math.cos(a), 0.04 * math.sin(a), 0.7),
                (out * math.cos(a), out * math.sin(a), 1.2 - 0.25 * i / 10),
                0.05,
                green,
                0.004,
            )
    else:
        m = b.mat(
            (0.75, 0.02, 0.03),
            (0.6, 0.01, 0.02),
            (0.9, 0.7, 0.2),
            kind=tex.DOTS,
            scale=0.1,
            spec=0.6,
        )
        b.turned(
            (0, 0, 0),
            0.8,
            [(0, 0.03), (0.15, 0.17), (0.5, 0.31), (0.8, 0.38), (0.95, 0.27), (1, 0.1)],
            m,
        )
        green = leaf(b, 0.3)
        for i in range(7):
            a = i * 0.9
            b.rod((0, 0, 0.79), (0.3 * math.cos(a), 0.3 * math.sin(a), 0.74), 0.07, green, 0.004)
