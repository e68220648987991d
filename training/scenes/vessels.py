"""Vases, cups, bottles, glasses, teapots.

Every maker adds an object that stands on z = 0 at the origin, about a metre in size; the caller's
frame places and scales it.
"""

from __future__ import annotations

from training.scenes import textures as tex
from training.scenes.build import Builder, hsv, turn
from training.scenes.materials import glaze, metal, timber
from training.scenes.plants import flowers


def vase(b: Builder) -> None:
    """Vase of a random outline, sometimes with flowers."""
    n = b.many(4, 6)
    pts = [(0.0, b.uniform(0.12, 0.25))]
    pts += [(i / n, b.uniform(0.1, 0.4)) for i in range(1, n)]
    pts += [(0.97, b.uniform(0.08, 0.2)), (1.0, b.uniform(0.12, 0.24))]
    m = glaze(b)
    b.turned((0, 0, 0), 0.9, pts, m)
    b.rod((0, 0, 0.895), (0, 0, 0.903), pts[-1][1] * 0.85, b.mat((0.02, 0.02, 0.02)))
    if b.chance(0.5):
        flowers(b, (0, 0, 0.85), 0.45)


def cup(b: Builder) -> None:
    """Cup with a handle and a drink, perhaps on a saucer."""
    m = glaze(b)
    r = b.uniform(0.26, 0.36)
    b.turned((0, 0, 0.03), 0.6, [(0, r * 0.6), (0.08, r * 0.75), (0.5, r * 0.95), (1, r)], m)
    b.ring((0, 0, 0.625), r * 0.96, 0.022, m)
    b.rod(
        (0, 0, 0.61),
        (0, 0, 0.632),
        r * 0.93,
        b.mat(b.pick([(0.09, 0.035, 0.015), (0.3, 0.12, 0.02), (0.5, 0.35, 0.2)]), spec=0.5),
    )
    b.ring((r + 0.06, 0, 0.33), 0.15, 0.035, m, turn(0, 90))
    if b.chance(0.6):
        b.turned((0, 0, 0), 0.06, [(0, 0.25), (0.5, 0.42), (1, 0.55)], m)


def bottle(b: Builder) -> None:
    """Bottle of coloured glass with a label and a cork."""
    hue = b.pick([0.33, 0.09, 0.55, 0.0, 0.42])
    glass = b.mat(
        hsv(hue, 0.8, 0.45), spec=1.5, shine=90, mirror=0.06, opacity=b.uniform(0.45, 0.85)
    )
    r, shoulder = b.uniform(0.13, 0.2), b.uniform(0.45, 0.68)
    body = [
        (0, r * 0.95),
        (0.03, r),
        (shoulder, r),
        (shoulder + 0.17, 0.055),
        (0.95, 0.05),
        (1, 0.06),
    ]
    b.turned((0, 0, 0), 1.0, body, glass)
    paper = b.mat(
        (0.85, 0.8, 0.68),
        hsv(b.uniform(0, 1), 0.7, 0.6),
        kind=b.pick([tex.BANDS, tex.SPECKLES]),
        scale=0.09,
    )
    b.rod((0, 0, 0.14), (0, 0, 0.14 + shoulder * 0.5), r * 1.01, paper)
    b.rod((0, 0, 0.99), (0, 0, 1.04), 0.05, timber(b))


def glass(b: Builder) -> None:
    """Drinking glass or goblet, half full."""
    clear = b.mat((0.75, 0.85, 0.9), spec=2.0, shine=120, mirror=0.05, opacity=0.18)
    drink = b.mat(
        b.pick([(0.5, 0.02, 0.05), (0.9, 0.45, 0.03), (0.25, 0.5, 0.1), (0.7, 0.6, 0.2)]),
        spec=0.6,
        opacity=0.8,
    )
    if b.chance(0.5):
        bowl = [(0, 0.05), (0.12, 0.2), (0.4, 0.27), (0.75, 0.25), (1, 0.2)]
        b.turned((0, 0, 0.42), 0.5, bowl, clear)
        b.turned((0, 0, 0.44), 0.27, [(0, 0.05), (0.25, 0.19), (0.75, 0.25), (1, 0.255)], drink)
        b.turned(
            (0, 0, 0), 0.44, [(0, 0.22), (0.06, 0.2), (0.12, 0.04), (0.85, 0.03), (1, 0.06)], clear
        )
        return
    b.turned((0, 0, 0), 0.75, [(0, 0.2), (1, 0.27)], clear)
    b.turned((0, 0, 0.04), 0.45, [(0, 0.185), (1, 0.23)], drink)
    straw = b.mat(hsv(b.uniform(0, 1), 0.8, 0.9), (0.9, 0.9, 0.9), kind=tex.BANDS, scale=0.08)
    b.rod((0.05, 0, 0.1), (0.22, 0.05, 1.0), 0.018, straw)
    b.rod(
        (-0.27, 0, 0.68),
        (-0.24, 0.02, 0.83),
        0.1,
        b.mat((0.9, 0.7, 0.05), (0.95, 0.9, 0.5), kind=tex.SWIRL, extra=8),
    )


def teapot(b: Builder) -> None:
    """Teapot or watering can."""
    m = glaze(b) if b.chance(0.7) else metal(b)
    b.turned(
        (0, 0, 0), 0.62, [(0, 0.2), (0.1, 0.3), (0.4, 0.4), (0.7, 0.36), (0.95, 0.2), (1, 0.18)], m
    )
    b.turned(
        (0, 0, 0.61),
        0.18,
        [(0, 0.19), (0.3, 0.14), (0.45, 0.04), (0.6, 0.06), (0.8, 0.06), (1, 0.02)],
        m,
    )
    b.rod((0.3, 0, 0.2), (0.52, 0, 0.38), 0.09, m, 0.06)
    b.rod((0.52, 0, 0.38), (0.66, 0, 0.62), 0.06, m, 0.035)
    b.ring((-0.42, 0, 0.34), 0.19, 0.035, m, turn(0, 90))
