"""Furniture, in metres: every maker adds a piece that stands on z = 0 at the origin, facing -y.

Makers return the height of the surface on which small objects may stand, or 0.
"""

from __future__ import annotations

import math

from training.scenes import textures as tex
from training.scenes.build import Builder, hsv, turn
from training.scenes.materials import cloth, glaze, leaf, metal, timber


def table(b: Builder) -> float:
    """Table, round or not."""
    m, h = timber(b), b.uniform(0.42, 0.78)
    w, d = b.uniform(0.9, 1.7), b.uniform(0.6, 0.9)
    if b.chance(0.35):
        r = b.uniform(0.4, 0.65)
        b.rod((0, 0, h - 0.04), (0, 0, h), r, m)
        b.turned(
            (0, 0, 0), h - 0.04, [(0, 0.28), (0.07, 0.24), (0.14, 0.05), (0.9, 0.05), (1, 0.12)], m
        )
        return h
    b.box((0, 0, h - 0.025), (w, d, 0.05), m)
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * (w / 2 - 0.06), sy * (d / 2 - 0.06)
            b.rod((x, y, 0), (x, y, h - 0.05), 0.02, m, 0.035)
    return h


def chair(b: Builder) -> float:
    """Chair with a straight back, or a stool."""
    m = timber(b) if b.chance(0.6) else glaze(b)
    seat = cloth(b)
    h = b.uniform(0.42, 0.5)
    for sx in (-1, 1):
        for sy in (-1, 1):
            b.rod((0.21 * sx, 0.2 * sy, 0), (0.17 * sx, 0.17 * sy, h), 0.018, m, 0.024)
    b.pillow((0, 0, h + 0.02), (0.46, 0.44, 0.08), seat, None, True)
    if b.chance(0.85):
        top = b.uniform(0.85, 1.05)
        for sx in (-1, 1):
            b.rod((0.18 * sx, 0.19, h), (0.19 * sx, 0.27, top), 0.02, m)
        for z in (0.35, 0.6, 0.85) if b.chance(0.5) else (0.8,):
            z = h + (top - h) * z
            b.box((0, 0.2 + 0.07 * (z - h) / (top - h), z), (0.38, 0.025, 0.09), m, turn(0, -10))
    return 0.0


def armchair(b: Builder, width: float = 0.85) -> float:
    """Armchair; wider is a sofa."""
    m, leg = cloth(b, 0.02), timber(b)
    d, h = b.uniform(0.8, 0.95), b.uniform(0.38, 0.45)
    b.pillow((0, 0, h * 0.62), (width, d, h * 0.75), m, None, True)
    b.pillow((0, d * 0.4, h + 0.22), (width, 0.24, 0.75), m, turn(0, -8), True)
    for s in (-1, 1):
        b.pillow((s * width / 2, 0, h * 0.85), (0.2, d, h * 0.95), m, None, True)
        for y in (-0.38, 0.38):
            b.rod(
                (s * (width / 2 - 0.03), y * d, 0),
                (s * (width / 2 - 0.03), y * d, 0.12),
                0.025,
                leg,
            )
    seats = max(1, round((width - 0.2) / 0.62))
    for i in range(seats):
        x = (i - (seats - 1) / 2) * (width - 0.2) / seats
        b.pillow((x, -0.08, h + 0.03), ((width - 0.2) / seats, d * 0.75, 0.2), m)
    for s in (-1, 1):
        if b.chance(0.6):
            b.pillow(
                (s * (width / 2 - 0.3), 0.14, h + 0.26),
                (0.42, 0.16, 0.4),
                cloth(b),
                turn(b.uniform(-15, 15), -22),
            )
    return 0.0


def sofa(b: Builder) -> float:
    """Sofa for two or three."""
    return armchair(b, b.uniform(1.6, 2.3))


def bed(b: Builder) -> float:
    """Bed, its head at +y."""
    m, sheet, cover = timber(b), b.mat((0.8, 0.79, 0.76), wrap=0.2), cloth(b, 0.05)
    w = b.uniform(1.2, 1.8)
    b.box((0, 0, 0.2), (w + 0.06, 2.06, 0.22), m)
    b.pillow((0, 0, 0.4), (w, 2.0, 0.3), sheet, None, True)
    b.pillow((0, -0.3, 0.43), (w + 0.1, 1.45, 0.32), cover, None, True)
    b.box((0, 1.04, 0.55), (w + 0.1, 0.07, b.uniform(0.9, 1.2)), m)
    for s in (-1, 1):
        b.pillow(
            (s * w / 4, 0.72, 0.62),
            (w * 0.42, 0.42, 0.2),
            b.mat((0.82, 0.8, 0.76), wrap=0.2),
            turn(0, 18),
        )
    return 0.0


def shelf(b: Builder) -> float:
    """Bookcase with books and small things."""
    m = timber(b)
    w, h, n = b.uniform(0.8, 1.3), b.uniform(1.5, 2.1), b.many(4, 5)
    b.box((0, 0.14, h / 2), (w, 0.02, h), m)
    for s in (-1, 1):
        b.box((s * w / 2, 0, h / 2), (0.03, 0.3, h), m)
    for i in range(n + 1):
        z = 0.05 + (h - 0.07) * i / n
        b.box((0, 0, z), (w, 0.3, 0.025), m)
        if i < n:
            room = (h - 0.07) / n
            book = b.mat(
                hsv(b.uniform(0, 1), 0.55, 0.5),
                hsv(b.uniform(0, 1), 0.5, 0.75),
                (0.75, 0.7, 0.6),
                kind=tex.BOOKS,
                scale=b.uniform(0.03, 0.05),
            )
            a, c = sorted((b.uniform(-0.47, 0.2), b.uniform(-0.1, 0.47)))
            if c - a > 0.1:
                tall = room * b.uniform(0.6, 0.85)
                b.box(((a + c) / 2 * w, 0, z + tall / 2 + 0.012), ((c - a) * w, 0.2, tall), book)
            if c < 0.3 and b.chance(0.8):
                b.turned(
                    ((c + 0.47) / 2 * w, 0, z + 0.01),
                    room * 0.7,
                    [(0, 0.05), (0.3, 0.08), (0.7, 0.05), (1, 0.03)],
                    glaze(b),
                )
    return 0.0


def cabinet(b: Builder) -> float:
    """Sideboard with doors or drawers."""
    m, knob = (
        timber(b, 0.5) if b.chance(0.6) else b.mat(hsv(b.uniform(0, 1), 0.3, 0.8), spec=0.3),
        metal(b),
    )
    w, h, d = b.uniform(0.9, 1.7), b.uniform(0.6, 0.95), b.uniform(0.38, 0.5)
    b.box((0, 0, h / 2 + 0.05), (w, d, h - 0.1), m)
    b.box((0, 0, h - 0.01), (w + 0.05, d + 0.04, 0.035), m)
    cols, rows = b.many(2, 4), b.many(1, 3)
    for i in range(cols):
        for j in range(rows):
            cw, ch = w / cols, (h - 0.14) / rows
            x, z = (i + 0.5) * cw - w / 2, 0.1 + (j + 0.5) * ch
            b.box((x, -d / 2, z), (cw - 0.03, 0.025, ch - 0.03), m)
            b.ball((x + (0 if rows > 1 else cw * 0.35), -d / 2 - 0.03, z), 0.018, knob)
    for s in (-1, 1):
        b.box((s * (w / 2 - 0.05), 0, 0.03), (0.06, d * 0.9, 0.07), m)
    return h


def floor_lamp(b: Builder) -> float:
    """Standing lamp; the caller adds its light."""
    m = metal(b)
    h = b.uniform(1.4, 1.7)
    b.rod((0, 0, 0), (0, 0, 0.03), 0.16, m)
    b.rod((0, 0, 0), (0, 0, h), 0.014, m)
    b.rod((0, 0, h - 0.05), (0, 0, h + 0.27), 0.24, b.mat((1.0, 0.82, 0.55), glow=0.9), 0.15)
    return 0.0


def big_plant(b: Builder) -> float:
    """Large plant in a pot."""
    pot, m = glaze(b), leaf(b)
    b.turned((0, 0, 0), 0.4, [(0, 0.15), (0.9, 0.22), (1, 0.23)], pot)
    b.rod((0, 0, 0.38), (0, 0, 0.405), 0.2, b.mat((0.04, 0.03, 0.02)))
    if b.chance(0.5):
        for i in range(b.many(7, 11)):
            a, out, h = i * 2.4, b.uniform(0.15, 0.5), b.uniform(0.9, 1.5)
            mid = (0.5 * out * math.cos(a), 0.5 * out * math.sin(a), 0.4 + (h - 0.4) * 0.75)
            tip = (out * math.cos(a), out * math.sin(a), h)
            b.rod((0, 0, 0.38), mid, 0.012, m, 0.03)
            b.ball(tip, (0.2, 0.1, 0.015), m, turn(math.degrees(a), 0, b.uniform(20, 60)))
            b.rod(mid, tip, 0.012, m)
    else:
        b.rod((0, 0, 0.38), (0, 0, 0.9), 0.03, timber(b, 0.05))
        for i in range(5):
            a = i * 2.4
            b.leaves(
                (0.2 * math.cos(a), 0.2 * math.sin(a), 0.9 + 0.13 * i),
                b.uniform(0.24, 0.34),
                m,
                4.5,
            )
    return 0.0


def television(b: Builder) -> float:
    """Low board with a screen."""
    m, dark = timber(b), b.mat((0.012, 0.012, 0.015), spec=0.8, mirror=0.08)
    b.box((0, 0, 0.22), (1.6, 0.4, 0.36), m)
    w = b.uniform(1.0, 1.4)
    b.box((0, 0.02, 0.55 + w * 0.25), (w, 0.05, w * 0.57), dark)
    b.box((0, 0, 0.43), (0.3, 0.2, 0.04), dark)
    return 0.42


def kitchen(b: Builder) -> float:
    """Run of kitchen units with wall cupboards, a sink and a hob."""
    w = b.uniform(2.2, 3.2)
    front = b.mat(hsv(b.uniform(0, 1), b.uniform(0.05, 0.5), b.uniform(0.6, 0.95)), spec=0.4)
    top = b.mat(
        (0.25, 0.24, 0.23), (0.5, 0.48, 0.45), kind=tex.MARBLE, scale=0.3, spec=0.6, mirror=0.05
    )
    steel, dark = (
        b.mat((0.6, 0.6, 0.62), spec=1.0, mirror=0.25),
        b.mat((0.02, 0.02, 0.02), spec=0.8),
    )
    b.box((0, 0, 0.45), (w, 0.58, 0.82), front)
    b.box((0, -0.01, 0.885), (w + 0.04, 0.64, 0.04), top)
    b.box((0, 0.05, 0.04), (w, 0.5, 0.09), dark)
    n = round(w / 0.6)
    for i in range(n):
        x = (i + 0.5) * w / n - w / 2
        b.box((x, -0.29, 0.47), (w / n - 0.02, 0.03, 0.74), front)
        b.box((x, -0.32, 0.8), (0.2, 0.02, 0.02), steel)
        if i != n // 2:
            b.box((x, 0.12, 1.78), (w / n - 0.02, 0.36, 0.7), front)
            b.box((x, -0.07, 1.47), (0.2, 0.02, 0.02), steel)
    x = (n // 2 + 0.5) * w / n - w / 2
    b.box((x, 0, 0.91), (0.55, 0.48, 0.012), dark)
    b.box((x, 0.1, 1.75), (0.55, 0.4, 0.12), steel)
    b.turned((x - 0.1, 0.05, 0.915), 0.17, [(0, 0.11), (0.95, 0.12), (1, 0.12)], steel)
    return 0.905
