"""Outdoor objects, in metres: trees, houses, street furniture, rocks, cars."""

from __future__ import annotations

import math

from training.scenes import textures as tex
from training.scenes.build import Builder, hsv, turn
from training.scenes.vehicles import car


class Grove:
    """A few kinds of tree with shared materials."""

    def __init__(self, b: Builder, season: str) -> None:
        self.b = b
        hues = {
            "green": (0.25, 0.36),
            "autumn": (0.02, 0.14),
            "blossom": (0.88, 0.97),
            "snow": (0.3, 0.4),
        }[season]
        self.bark = b.mat(
            hsv(0.07, 0.4, b.uniform(0.25, 0.5)), hsv(0.07, 0.4, 0.2), kind=tex.MOTTLED, scale=0.3
        )
        self.leafage = []
        for _ in range(3):
            hue = b.uniform(*hues)
            c1, c2 = hsv(hue, 0.6, b.uniform(0.35, 0.6)), hsv(hue - 0.04, 0.6, b.uniform(0.55, 0.8))
            if season == "blossom":
                c1, c2 = hsv(hue, 0.35, 0.9), hsv(hue, 0.15, 0.97)
            if season == "snow":
                c2 = (0.8, 0.84, 0.9)
            self.leafage.append(b.mat(c1, c2, kind=tex.MOTTLED, scale=0.4, wrap=0.4))
        self.sorts = b.pick([(0,), (1,), (0, 1), (2, 0), (0, 3), (1, 3)])
        if season == "snow":
            self.sorts = (1,)

    def plant(self, x: float, y: float, z: float, size: float) -> None:
        """Plant one tree about ``size`` metres high."""
        b, m = self.b, self.b.pick(self.leafage)
        sort = b.pick(self.sorts)
        with b.thing((x, y, z - 0.1), b.uniform(0, 360), size):
            if sort == 0:  # round crown
                b.rod((0, 0, 0), (0, 0, 0.5), 0.035, self.bark, 0.022)
                for i in range(3):
                    a = i * 2.1
                    b.leaves(
                        (0.15 * math.cos(a), 0.15 * math.sin(a), b.uniform(0.55, 0.75)),
                        b.uniform(0.2, 0.3),
                        m,
                        5.0,
                    )
            elif sort == 1:  # fir
                b.rod((0, 0, 0), (0, 0, 0.3), 0.03, self.bark)
                for i in range(4):
                    r = 0.24 - 0.05 * i
                    b.leaves((0, 0, 0.28 + 0.19 * i), (r, r, 0.16), m, 6.0)
            elif sort == 2:  # palm
                lean = b.uniform(-0.12, 0.12)
                b.rod((0, 0, 0), (lean, 0, 0.8), 0.028, self.bark, 0.018)
                for i in range(8):
                    a = i * math.pi / 4 + 0.2
                    mid = (lean + 0.14 * math.cos(a), 0.14 * math.sin(a), 0.88)
                    b.rod((lean, 0, 0.8), mid, 0.012, m, 0.02)
                    b.rod(
                        mid, (lean + 0.36 * math.cos(a), 0.36 * math.sin(a), 0.74), 0.028, m, 0.003
                    )
            else:  # poplar
                b.rod((0, 0, 0), (0, 0, 0.3), 0.03, self.bark)
                b.leaves((0, 0, 0.58), (0.13, 0.13, 0.42), m, 5.0)

    def bush(self, x: float, y: float, z: float, size: float) -> None:
        """Plant a bush."""
        b = self.b
        b.leaves(
            (x, y, z + size * 0.3), (size * 0.6, size * 0.6, size * 0.5), b.pick(self.leafage), 4.0
        )


def rock(b: Builder, place, size: float, m: int) -> None:
    """Put down a boulder."""
    rot = turn(b.uniform(0, 360), b.uniform(-25, 25), b.uniform(-25, 25))
    b.pillow(place, [size * b.uniform(0.7, 1.4) for _ in range(3)], m, rot)


def house(b: Builder, place, yaw: float, width: float, deep: float, height: float) -> None:
    """Build a house with a pitched roof, door and windows; its front faces -y in its frame."""
    hue = b.pick([0.02, 0.08, 0.12, 0.55, 0.3])
    kind = b.pick([tex.BRICK, tex.PLAIN, tex.BANDS, tex.PLAIN])
    wall = b.mat(
        hsv(hue, b.uniform(0.05, 0.45), b.uniform(0.65, 0.95)),
        hsv(hue, 0.4, 0.6),
        (0.7, 0.68, 0.62),
        kind=kind,
        scale=0.35,
    )
    roof = b.mat(
        hsv(b.pick([0.02, 0.04, 0.6]), b.uniform(0.2, 0.65), b.uniform(0.3, 0.6)),
        hsv(0.03, 0.5, 0.3),
        kind=tex.ROOF,
        scale=0.35,
    )
    white, pane = b.mat((0.75, 0.74, 0.7)), b.mat((0.05, 0.07, 0.1), spec=1.0, mirror=0.35)
    door = b.mat(hsv(b.uniform(0, 1), 0.6, 0.5))
    with b.thing(place, yaw):
        b.box((0, 0, height / 2), (width, deep, height), wall)
        rise, half = width * b.uniform(0.28, 0.42), width / 2
        slope = math.degrees(math.atan2(rise, half))
        long = math.hypot(half, rise) + 0.35
        for s in (-1, 1):
            b.box(
                (s * half / 2 * 1.06, 0, height + rise / 2 - 0.02),
                (long, deep + 0.7, 0.14),
                roof,
                turn(0, 0, slope * s),
            )
        steps = 7
        for i in range(steps):  # gable, in courses
            w = width * (1 - (i + 0.6) / steps)
            b.box((0, 0, height + rise * (i + 0.5) / steps), (w, deep * 0.98, rise / steps), wall)
        b.box((half * 0.5, deep * 0.2, height + rise), (0.5, 0.5, 1.5), wall)
        b.box((0, -deep / 2, 1.05), (1.0, 0.12, 2.1), door)
        floors = max(1, int(height // 2.6))
        for floor in range(floors):
            for x in (-0.3, 0.3) if floor == 0 else (-0.3, 0.0, 0.3):
                z = 1.5 + 2.6 * floor
                b.box((x * width, -deep / 2, z), (1.15, 0.1, 1.25), white)
                b.box((x * width, -deep / 2 - 0.02, z), (1.0, 0.1, 1.1), pane)


def lamp_post(b: Builder, x: float, y: float, night: bool) -> None:
    """Put up a street lamp."""
    m = b.mat((0.04, 0.05, 0.05), spec=0.5)
    with b.thing((x, y, 0)):
        b.rod((0, 0, 0), (0, 0, 4.2), 0.07, m, 0.045)
        b.rod((0, 0, 4.15), (-math.copysign(0.9, x), 0, 4.4), 0.04, m)
        b.ball(
            (-math.copysign(0.9, x), 0, 4.28),
            0.2,
            b.mat((1.0, 0.85, 0.6), glow=2.5 if night else 0.3),
        )


def street_car(b: Builder, x: float, y: float, yaw: float) -> None:
    """Park a car of true size: the toy, scaled up."""
    with b.thing((x, y, 0), yaw, 3.6):
        car(b)


def fence(b: Builder, a, c, height: float, m: int) -> None:
    """Run a fence from one point to another."""
    length = math.hypot(c[0] - a[0], c[1] - a[1])
    yaw = math.degrees(math.atan2(c[1] - a[1], c[0] - a[0]))
    n = max(2, min(14, int(length / 1.5)))
    with b.thing((a[0], a[1], a[2] if len(a) > 2 else 0.0), yaw):
        for i in range(n + 1):
            b.box((length * i / n, 0, height / 2), (0.12, 0.12, height), m)
        for z in (0.45, 0.85):
            b.box((length / 2, 0, height * z), (length, 0.05, 0.13), m)


def bench(b: Builder, place, yaw: float) -> None:
    """Set down a park bench."""
    wood, iron = (
        b.mat(hsv(0.07, 0.6, 0.5), hsv(0.06, 0.6, 0.35), kind=tex.GRAIN, scale=0.3),
        b.mat((0.03, 0.03, 0.03)),
    )
    with b.thing(place, yaw):
        for i in range(3):
            b.box((0, 0.15 * i - 0.15, 0.45), (1.6, 0.12, 0.04), wood)
            b.box((0, 0.26, 0.55 + 0.14 * i), (1.6, 0.03, 0.11), wood)
        for s in (-1, 1):
            b.box((0.7 * s, 0.05, 0.22), (0.06, 0.5, 0.44), iron)
            b.box((0.7 * s, 0.27, 0.7), (0.05, 0.04, 0.5), iron)
