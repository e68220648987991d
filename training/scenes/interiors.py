"""Rooms: four walls, windows, furniture against the walls, a rug, pictures, lamps."""

from __future__ import annotations

import math

from training.scenes import furniture, sky, world
from training.scenes import textures as tex
from training.scenes.build import Builder, hsv, turn
from training.scenes.materials import cloth, timber
from training.scenes.render import Camera
from training.scenes.things import LARGE, SMALL

STYLES = ("living", "bedroom", "kitchen", "study", "gallery", "attic", "bath")


def _wall(b: Builder, style: str) -> int:
    hue, value = b.uniform(0, 1), b.uniform(0.65, 0.95)
    c1 = hsv(hue, b.uniform(0.02, 0.36), value)
    c2 = hsv(hue + b.uniform(-0.06, 0.06), b.uniform(0.05, 0.5), value * b.uniform(0.75, 1.05))
    kinds = {
        "living": [tex.PLAIN, tex.WALLPAPER, tex.STRIPES, tex.BRICK, tex.PLAIN],
        "bedroom": [tex.PLAIN, tex.WALLPAPER, tex.STRIPES, tex.DOTS, tex.PLAIN],
        "kitchen": [tex.TILES, tex.PLAIN, tex.TILES],
        "study": [tex.PLAIN, tex.PANELS, tex.BRICK, tex.WALLPAPER],
        "gallery": [tex.PLAIN, tex.PANELS],
        "attic": [tex.PLANKS, tex.BRICK],
        "bath": [tex.TILES, tex.HERRINGBONE],
    }[style]
    kind = b.pick(kinds)
    scale = {
        tex.PLAIN: 2.0,
        tex.WALLPAPER: b.uniform(0.15, 0.4),
        tex.STRIPES: b.uniform(0.15, 0.5),
        tex.BRICK: 0.24,
        tex.DOTS: 0.2,
        tex.TILES: b.uniform(0.1, 0.3),
        tex.PANELS: 0.9,
        tex.PLANKS: 0.16,
        tex.HERRINGBONE: 0.15,
    }[kind]
    if kind == tex.BRICK:
        c1, c2 = hsv(b.uniform(0.01, 0.07), 0.55, 0.65), hsv(0.03, 0.5, 0.45)
    if kind == tex.PLANKS:
        c1, c2 = hsv(0.08, 0.45, 0.75), hsv(0.07, 0.5, 0.5)
    return b.mat(c1, c2, (0.75, 0.73, 0.7), kind=kind, scale=scale, bump=0.03, bump_scale=0.05)


def _floor(b: Builder, style: str) -> int:
    kind = b.pick(
        [tex.TILES, tex.MARBLE, tex.TILES]
        if style in ("bath", "kitchen")
        else [tex.PLANKS, tex.PLANKS, tex.HERRINGBONE, tex.TILES, tex.MOTTLED]
    )
    hue, value = b.uniform(0.05, 0.1), b.uniform(0.35, 0.75)
    c1, c2 = hsv(hue, b.uniform(0.3, 0.6), value), hsv(hue, b.uniform(0.3, 0.65), value * 0.65)
    scale, mirror = b.uniform(0.09, 0.2), b.pick([0.0, 0.03, 0.06])
    if kind == tex.TILES:
        c1, c2, scale = (
            hsv(b.uniform(0, 1), 0.1, 0.85),
            hsv(b.uniform(0, 1), 0.25, b.uniform(0.2, 0.8)),
            b.uniform(0.25, 0.6),
        )
    if kind == tex.MOTTLED:
        c1, c2, scale, mirror = (
            hsv(b.uniform(0, 1), 0.35, value),
            hsv(b.uniform(0, 1), 0.3, value * 0.8),
            0.08,
            0.0,
        )
    return b.mat(c1, c2, (0.4, 0.38, 0.36), kind=kind, scale=scale, spec=0.3, mirror=mirror)


def _window(
    b: Builder, wall: int, lo: float, hi: float, height: float
) -> tuple[float, float, float, float] | None:
    wide = min(hi - lo - 0.6, b.uniform(1.0, 2.4))
    if wide < 0.7:
        return None
    u0 = b.uniform(lo + 0.3, hi - 0.3 - wide)
    v0 = b.uniform(0.15, 0.9)
    v1 = min(height - 0.15, v0 + b.uniform(1.2, 1.9))
    b.windows.append([wall, u0, u0 + wide, v0, v1, b.many(1, 4), b.many(1, 3)])
    return u0, u0 + wide, v0, v1


def _light(b: Builder, evening: bool) -> None:
    s = b.sky
    if evening:
        s[sky.ZENITH : sky.ZENITH + 3] = (0.02, 0.04, 0.12)
        s[sky.HORIZON : sky.HORIZON + 3] = b.pick([(0.5, 0.22, 0.12), (0.1, 0.14, 0.3)])
        s[sky.STARS] = 0.6
        b.ambient((0.16, 0.13, 0.12), (0.12, 0.09, 0.07))
        s[sky.OUTSIDE : sky.OUTSIDE + 3] = (0.02, 0.03, 0.03)
    else:
        s[sky.ZENITH : sky.ZENITH + 3] = (0.5, 0.8, 1.6)
        s[sky.HORIZON : sky.HORIZON + 3] = (1.6, 1.7, 1.8)
        warm = b.uniform(0.7, 1.0)
        b.ambient((0.55, 0.55 * (0.9 + 0.1 * warm), 0.58), (0.38, 0.34 * warm, 0.30 * warm))
        s[sky.OUTSIDE : sky.OUTSIDE + 3] = (0.35, 0.55, 0.2)
        s[sky.CLOUDS], s[sky.CLOUD_SCALE], s[sky.CLOUD_LIGHT] = (b.uniform(0.2, 0.7), 0.8, 2.2)
    s[sky.RIDGES], s[sky.RIDGE_HEIGHT] = 2, b.uniform(0.05, 0.2)
    s[sky.RIDGE : sky.RIDGE + 3] = (0.05, 0.06, 0.07) if evening else (0.3, 0.5, 0.45)
    s[sky.SKY_SEED] = b.many(1, 5000)
    s[sky.AO_REACH] = 1.0


def room(b: Builder, style: str) -> tuple[Camera, float]:
    """Furnish a room; return a camera in it and the brightness to expose for."""
    wide, deep, height = b.uniform(3.4, 6.0), b.uniform(3.8, 6.5), b.uniform(2.4, 3.1)
    if style == "bath":
        wide, deep = b.uniform(2.6, 3.4), b.uniform(3.0, 3.8)
    if style == "gallery":
        wide, deep, height = b.uniform(5, 8), b.uniform(6, 9), b.uniform(3.0, 4.2)
    x0, x1, y0, y1 = -wide / 2, wide / 2, -deep / 2, deep / 2
    land = b.land
    land[world.LAND_KIND] = world.ROOM
    land[world.ROOM_X0 : world.ROOM_HEIGHT + 1] = x0, x1, y0, y1, height
    evening = b.chance(0.3)
    _light(b, evening)
    main, other = _wall(b, style), _wall(b, style if style in ("bath", "attic") else "gallery")
    walls = [main] * 4 if b.chance(0.6) else [other, other, main, main]
    ceiling = (
        b.mat((0.82, 0.81, 0.78))
        if style != "attic"
        else b.mat((0.35, 0.22, 0.12), (0.25, 0.15, 0.08), kind=tex.PLANKS, scale=0.18)
    )
    land[world.ROOM_MATS : world.ROOM_MATS + 6] = *walls, _floor(b, style), ceiling
    _openings(b, evening, x0, x1, y0, y1, height)
    _trim(b, x0, x1, y0, y1, height, style)
    _furnish(b, style, x0, x1, y0, y1)
    _pictures(b, style, x0, x1, y1)
    _lamps(b, evening, height)
    # stand near the front wall, look across the room
    eye = b.uniform(1.1, 1.75)
    cx = b.uniform(-0.35, 0.35) * wide
    yaw = -math.degrees(math.atan2(cx, deep * 0.8)) * b.uniform(0.4, 1.2) + b.uniform(-12, 12)
    camera = Camera(
        place=(cx, y0 + b.uniform(0.15, 0.5), eye),
        yaw=yaw,
        pitch=b.uniform(-16, -3),
        view=b.uniform(62, 82),
    )
    return camera, b.uniform(0.16, 0.24)


def _openings(
    b: Builder, evening: bool, x0: float, x1: float, y0: float, y1: float, height: float
) -> None:
    spans = {0: (y0, y1), 1: (y0, y1), 3: (x0, x1)}
    lit = b.pick([0, 1, 3])
    for wall in (0, 1, 3):
        if wall != lit and b.chance(0.55):
            continue
        frame = _window(b, wall, *spans[wall], height)
        if frame and b.chance(0.6):
            _curtain(b, wall, frame, x0, x1, y1)
    if evening:
        return
    yaw = {0: b.uniform(-115, -60), 1: b.uniform(60, 115), 3: b.uniform(-35, 35)}[lit]
    strength = b.pick([0.0, 3.0, 5.0, 6.5])
    b.sun(yaw, b.uniform(18, 48), (strength, strength * 0.86, strength * 0.66), 0.012)
    for window in list(b.windows):  # daylight from each pane: a soft lamp just inside
        wall, u, v = int(window[0]), (window[1] + window[2]) / 2, (window[3] + window[4]) / 2
        area = (window[2] - window[1]) * (window[4] - window[3])
        at = {0: (x0 + 0.75, u, v), 1: (x1 - 0.75, u, v), 3: (u, y1 - 0.75, v)}[wall]
        k = 0.85 * area
        b.lamp(at, (k * 0.9, k * 0.98, k * 1.1), 0.38)


def _curtain(b: Builder, wall: int, frame, x0: float, x1: float, y1: float) -> None:
    m, rail = cloth(b, 0.06), timber(b)

    def on_wall(u: float) -> tuple[float, float]:
        return {0: (x0 + 0.1, u), 1: (x1 - 0.1, u), 3: (u, y1 - 0.1)}[wall]

    z = frame[3] + 0.13
    for s in (-1, 1):
        edge = frame[0] - 0.12 if s < 0 else frame[1] + 0.12
        for i in range(4):
            at = on_wall(edge + s * (0.08 * i - 0.1))
            b.rod((*at, 0.03), (*at, z - 0.01), 0.055, m)
    b.rod((*on_wall(frame[0] - 0.45), z), (*on_wall(frame[1] + 0.45), z), 0.015, rail)


def _trim(
    b: Builder, x0: float, x1: float, y0: float, y1: float, height: float, style: str
) -> None:
    white = b.mat((0.75, 0.74, 0.7)) if style != "attic" else timber(b)
    b.box((0, y1 - 0.01, 0.05), (x1 - x0, 0.025, 0.1), white)
    for x in (x0 + 0.01, x1 - 0.01):
        b.box((x, 0, 0.05), (0.025, y1 - y0, 0.1), white)
    if style == "attic":
        for i in range(5):
            b.box((0, y0 + (i + 0.5) * (y1 - y0) / 5, height - 0.1), (x1 - x0, 0.15, 0.2), white)
    if b.chance(0.5):  # a door in a side wall
        side = b.pick([x0, x1])
        y, m = b.uniform(y0 + 1.2, y1 - 0.8), timber(b, 0.4)
        b.box((side, y, 1.02), (0.1, 0.98, 2.1), white)
        b.box((side, y, 1.0), (0.13, 0.86, 2.0), m)
        b.ball(
            (side - math.copysign(0.09, side), y - 0.34, 1.0),
            0.035,
            b.mat((0.8, 0.6, 0.25), spec=1.0, mirror=0.2),
        )


def _stand(b: Builder, maker, place, yaw: float) -> None:
    with b.thing(place, yaw):
        top = maker(b)
        if top > 0:
            for i in range(b.many(1, 3)):
                small = b.pick(SMALL)
                with b.thing(
                    ((i - 1) * 0.33 + b.uniform(-0.06, 0.06), b.uniform(-0.08, 0.08), top),
                    b.uniform(0, 360),
                    b.uniform(0.2, 0.34),
                ):
                    small(b)


def _furnish(b: Builder, style: str, x0: float, x1: float, y0: float, y1: float) -> None:
    back = {
        "living": [furniture.sofa, furniture.television, furniture.shelf, furniture.cabinet],
        "bedroom": [furniture.bed],
        "kitchen": [furniture.kitchen],
        "study": [furniture.shelf, furniture.cabinet, furniture.table],
        "gallery": [furniture.cabinet, furniture.armchair],
        "attic": [furniture.bed, furniture.sofa, furniture.shelf],
        "bath": [furniture.cabinet],
    }[style]
    maker = b.pick(back)
    x = b.uniform(-0.15, 0.15) * (x1 - x0)
    _stand(b, maker, (x, y1 - {furniture.bed: 1.1, furniture.sofa: 0.5}.get(maker, 0.36), 0), 0.0)
    for side in (-1, 1):
        edge = x0 if side < 0 else x1
        for k in range(2):
            if b.chance(0.75):
                piece = b.pick(
                    [
                        furniture.shelf,
                        furniture.cabinet,
                        furniture.armchair,
                        furniture.chair,
                        furniture.big_plant,
                        furniture.floor_lamp,
                        furniture.cabinet,
                        furniture.sofa,
                    ]
                )
                y = y1 - 0.9 - 1.7 * k - b.uniform(0, 0.4)
                if y > y0 + 1.4:
                    _stand(b, piece, (edge - side * 0.48, y, 0), -90.0 * side)
    for side in (-1, 1):
        if b.chance(0.45):
            with b.thing((side * (x1 - 0.4), y1 - 0.4, 0)):
                b.pick([furniture.big_plant, furniture.floor_lamp])(b)
    # the middle: rug, table, chairs
    middle = (b.uniform(-0.4, 0.4), (y0 + y1) / 2 + b.uniform(-0.2, 0.5))
    if b.chance(0.75):
        half = b.uniform(0.7, 1.2)
        rug = b.mat(
            hsv(b.uniform(0, 1), 0.6, b.uniform(0.35, 0.8)),
            hsv(b.uniform(0, 1), 0.5, b.uniform(0.4, 0.9)),
            hsv(b.uniform(0, 1), 0.4, 0.85),
            kind=b.pick([tex.RUG, tex.RUG, tex.PLAID, tex.STRIPES]),
            scale=b.uniform(0.12, 0.3),
            extra=half,
        )
        with b.thing((*middle, 0), b.uniform(-12, 12)):
            if b.chance(0.7):
                b.box((0, 0, 0.006), (2 * half, 2 * half * 0.8, 0.012), rug)
            else:
                b.rod((0, 0, 0), (0, 0, 0.012), half, rug)
    if b.chance(0.65) and style not in ("bath", "kitchen"):
        _stand(b, furniture.table, (*middle, 0), b.uniform(-20, 20))
        for side in (-1, 1):
            if b.chance(0.5):
                _stand(
                    b,
                    furniture.chair,
                    (middle[0] + side * b.uniform(0.9, 1.1), middle[1], 0),
                    -90.0 * side + b.uniform(-25, 25),
                )
    else:
        for _ in range(b.many(0, 3)):
            big = b.pick(LARGE)
            with b.thing(
                (middle[0] + b.uniform(-1, 1), middle[1] + b.uniform(-0.8, 0.8), 0.01),
                b.uniform(0, 360),
                b.uniform(0.25, 0.6),
            ):
                big(b)


def _pictures(b: Builder, style: str, x0: float, x1: float, y1: float) -> None:
    spots = [(x, y1 - 0.02, 0.0) for x in (-1.2, 0.0, 1.2)] if b.chance(0.8) else []
    spots += [(x0 + 0.02, b.uniform(-0.8, 1.2), 90.0), (x1 - 0.02, b.uniform(-0.8, 1.2), -90.0)]
    for x, y, yaw in spots:
        if any(int(w[0]) == 3 and yaw == 0.0 and w[1] - 0.4 < x < w[2] + 0.4 for w in b.windows):
            continue
        if any(
            int(w[0]) == (0 if yaw > 0 else 1) and yaw and w[1] - 0.5 < y < w[2] + 0.5
            for w in b.windows
        ):
            continue
        if not b.chance(0.9 if style == "gallery" else 0.5):
            continue
        w, h = b.uniform(0.4, 0.9), b.uniform(0.4, 0.8)
        art = b.mat(
            hsv(b.uniform(0, 1), 0.7, 0.7),
            hsv(b.uniform(0, 1), 0.5, 0.9),
            hsv(b.uniform(0, 1), 0.8, 0.9),
            kind=tex.PAINTING,
            scale=max(w, h),
        )
        with b.thing((x, y, b.uniform(1.45, 1.7)), yaw):
            b.box(
                (0, 0, 0),
                (w + 0.08, 0.04, h + 0.08),
                timber(b) if b.chance(0.7) else b.mat((0.02, 0.02, 0.02)),
            )
            b.box((0, -0.012, 0), (w, 0.03, h), art)


def _lamps(b: Builder, evening: bool, height: float) -> None:
    if not evening and b.chance(0.5):
        return
    glow = b.mat((1.0, 0.85, 0.6), glow=1.6)
    warm = b.uniform(0.55, 0.85)
    k = b.uniform(2.2, 3.5) if evening else 0.8
    place = (b.uniform(-0.8, 0.8), b.uniform(-0.2, 0.9), height - b.uniform(0.35, 0.7))
    b.rod(place, (place[0], place[1], height), 0.008, b.mat((0.02, 0.02, 0.02)))
    if b.chance(0.5):
        b.ball(place, 0.15, glow)
        b.lamp(place, (k, k * warm, k * warm * 0.65), 0.17)
    else:
        b.turned(
            (place[0], place[1], place[2]),
            0.24,
            [(0, 0.24), (0.7, 0.1), (1, 0.03)],
            b.pick([glow, timber(b)]),
            turn(),
        )
        b.lamp((place[0], place[1], place[2] - 0.12), (k, k * warm, k * warm * 0.65), 0.06)
    if evening:
        b.lamp((place[0] * -1.2, 0.5, 1.3), (k * 0.35, k * 0.3 * warm, k * 0.2), 0.25)
