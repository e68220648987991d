"""What a ray hits first in a world, and how much light passes along it; compiled."""

from __future__ import annotations

import math

from numba import njit

from training.scenes.geometry import MISS, hit
from training.scenes.textures import OPACITY
from training.scenes.world import (
    FIELD,
    FIELD_CELL,
    FIELD_TOP,
    FIELD_X,
    FIELD_Y,
    FLAT,
    LAND_KIND,
    ROOM,
    ROOM_HEIGHT,
    ROOM_X0,
    ROOM_X1,
    ROOM_Y0,
    ROOM_Y1,
    WATER_LEVEL,
)

# what was hit if it is not a solid (solids are 0 and up)
SKY_ID, PLANE_ID, FIELD_ID, WATER_ID, WINDOW_ID = -1, -2, -3, -4, -5
WALL_ID = -10  # and below: left, right, back, front, floor, ceiling; -20 is a window's frame
FRAME_ID = -20
_FRAME = 0.06  # metres of frame about a window pane


@njit(cache=True)
def height_at(world, x, y):
    """Terrain height, bilinear; beyond the grid the border's."""
    land = world.land
    heights = world.heights
    u = (x - land[FIELD_X]) / land[FIELD_CELL]
    v = (y - land[FIELD_Y]) / land[FIELD_CELL]
    u = min(heights.shape[1] - 1.001, max(0.0, u))
    v = min(heights.shape[0] - 1.001, max(0.0, v))
    i = int(u)
    j = int(v)
    u -= i
    v -= j
    low = heights[j, i] * (1.0 - u) + heights[j, i + 1] * u
    high = heights[j + 1, i] * (1.0 - u) + heights[j + 1, i + 1] * u
    return low * (1.0 - v) + high * v


@njit(cache=True)
def hit_field(world, ox, oy, oz, dx, dy, dz, tmin, tmax, fine):
    """March the terrain in steps that grow with distance, then bisect."""
    top = world.land[FIELD_TOP]
    t = tmin
    if oz > top:
        if dz >= 0.0:
            return MISS
        t = max(t, (top - oz) / dz)
    before = t
    cell = world.land[FIELD_CELL]
    while t < tmax:
        z = oz + t * dz
        if z > top and dz >= 0.0:
            return MISS
        gap = z - height_at(world, ox + t * dx, oy + t * dy)
        if gap < 0.0:
            after = t
            for _ in range(9):
                middle = 0.5 * (before + after)
                if oz + middle * dz < height_at(world, ox + middle * dx, oy + middle * dy):
                    after = middle
                else:
                    before = middle
            return after
        before = t
        t += max(0.45 * gap, fine * (0.25 * cell + 0.008 * t))
    return MISS


@njit(cache=True)
def window_at(world, wall, u, v):
    """Return 0 for no window here, 1 for a pane, 2 for a frame or bar."""
    windows = world.windows
    for w in range(windows.shape[0]):
        if int(windows[w, 0]) != wall:
            continue
        a = u - windows[w, 1]
        b = windows[w, 2] - u
        c = v - windows[w, 3]
        d = windows[w, 4] - v
        if min(min(a, b), min(c, d)) < 0.0:
            continue
        if min(min(a, b), min(c, d)) < _FRAME:
            return 2
        across = windows[w, 5]
        down = windows[w, 6]
        if across > 0.0:
            s = a / (a + b) * across
            if abs(s - round(s)) / across * (a + b) < 0.02:
                return 2
        if down > 0.0:
            s = c / (c + d) * down
            if abs(s - round(s)) / down * (c + d) < 0.02:
                return 2
        return 1
    return 0


@njit(cache=True)
def hit_room(world, ox, oy, oz, dx, dy, dz):
    """Where a ray from inside leaves the room: distance, side (0..3 walls, 4 floor, 5 ceiling)."""
    land = world.land
    t = MISS
    side = 4
    if dx < -1e-9:
        t = (land[ROOM_X0] - ox) / dx
        side = 0
    elif dx > 1e-9:
        t = (land[ROOM_X1] - ox) / dx
        side = 1
    if dy < -1e-9:
        s = (land[ROOM_Y0] - oy) / dy
        if s < t:
            t = s
            side = 2
    elif dy > 1e-9:
        s = (land[ROOM_Y1] - oy) / dy
        if s < t:
            t = s
            side = 3
    if dz < -1e-9:
        s = -oz / dz
        if s < t:
            t = s
            side = 4
    elif dz > 1e-9:
        s = (land[ROOM_HEIGHT] - oz) / dz
        if s < t:
            t = s
            side = 5
    return t, side


@njit(cache=True)
def trace(world, ox, oy, oz, dx, dy, dz, tmin):
    """What a ray of unit direction hits first.

    Returns
    -------
    tuple
        Distance in metres (MISS for the sky) and what it is: a solid's number, or an ``*_ID``.
    """
    best = MISS
    what = SKY_ID
    groups = world.groups
    prims = world.prims
    for g in range(groups.shape[0]):
        cx = groups[g, 0] - ox
        cy = groups[g, 1] - oy
        cz = groups[g, 2] - oz
        along = cx * dx + cy * dy + cz * dz
        away = cx * cx + cy * cy + cz * cz
        reach = groups[g, 3]
        if away - along * along > reach * reach or (along < 0.0 and away > reach * reach):
            continue
        if along - reach > best:
            continue
        for i in range(int(groups[g, 4]), int(groups[g, 5])):
            t = hit(prims, i, world.profiles, ox, oy, oz, dx, dy, dz, tmin)
            if t < best:
                best = t
                what = i
    land = world.land
    kind = int(land[LAND_KIND])
    if kind == FLAT:
        if dz < -1e-9:
            t = -oz / dz
            if tmin < t < best:
                best = t
                what = PLANE_ID
    elif kind == FIELD:
        if oz > land[WATER_LEVEL] and dz < -1e-9:
            t = (land[WATER_LEVEL] - oz) / dz
            if tmin < t < best:
                best = t
                what = WATER_ID
        t = hit_field(world, ox, oy, oz, dx, dy, dz, tmin, min(best, 900.0), 1.0)
        if t < best:
            best = t
            what = FIELD_ID
    elif kind == ROOM:
        t, side = hit_room(world, ox, oy, oz, dx, dy, dz)
        if tmin < t < best:
            best = t
            what = WALL_ID - side
            if side < 4:
                u = (oy + t * dy) if side < 2 else (ox + t * dx)
                pane = window_at(world, side, u, oz + t * dz)
                if pane == 1:
                    what = WINDOW_ID
                elif pane == 2:
                    what = FRAME_ID
    return best, what


@njit(cache=True)
def blocked(world, ox, oy, oz, dx, dy, dz, tmax, sunlight):
    """Share of light that gets through along a ray up to ``tmax`` (0 none, 1 all).

    With ``sunlight`` a room's walls block too: the sun only enters through windows.
    """
    groups = world.groups
    prims = world.prims
    through = 1.0
    for g in range(groups.shape[0]):
        cx = groups[g, 0] - ox
        cy = groups[g, 1] - oy
        cz = groups[g, 2] - oz
        along = cx * dx + cy * dy + cz * dz
        away = cx * cx + cy * cy + cz * cz
        reach = groups[g, 3]
        if away - along * along > reach * reach or (along < 0.0 and away > reach * reach):
            continue
        if along - reach > tmax:
            continue
        for i in range(int(groups[g, 4]), int(groups[g, 5])):
            t = hit(prims, i, world.profiles, ox, oy, oz, dx, dy, dz, 1e-4)
            if t < tmax:
                clear = 1.0 - world.mats[int(prims[i, 14]), OPACITY]
                if clear <= 0.0:
                    return 0.0
                through *= clear
    kind = int(world.land[LAND_KIND])
    if kind == FIELD:
        if hit_field(world, ox, oy, oz, dx, dy, dz, 0.3, min(tmax, 120.0), 3.0) < tmax:
            return 0.0
    elif kind == ROOM and sunlight:
        t, side = hit_room(world, ox, oy, oz, dx, dy, dz)
        if side >= 4:
            return 0.0
        u = (oy + t * dy) if side < 2 else (ox + t * dx)
        if window_at(world, side, u, oz + t * dz) != 1:
            return 0.0
    return through


@njit(cache=True)
def field_normal(world, x, y):
    """Unit normal of the terrain by central differences."""
    e = 0.6 * world.land[FIELD_CELL]
    nx = height_at(world, x - e, y) - height_at(world, x + e, y)
    ny = height_at(world, x, y - e) - height_at(world, x, y + e)
    nz = 2.0 * e
    n = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
    return nx * n, ny * n, nz * n
