"""Material, normal and colour of what a ray hits, and the view out of a window; compiled."""

from __future__ import annotations

import math

from numba import njit

from training.scenes.geometry import FOLIAGE, FRUSTUM, LATHE, MISS, SPHERE, TORUS, local, normal
from training.scenes.noise import noise2, smooth
from training.scenes.sky import OUTSIDE, haze_colour, sky_colour
from training.scenes.textures import BUMP, BUMP_SCALE, C1, C2, SCALE, SEED, colour, surface_uv
from training.scenes.tracing import (
    FIELD_ID,
    FRAME_ID,
    PLANE_ID,
    WALL_ID,
    WATER_ID,
    field_normal,
    height_at,
)
from training.scenes.world import (
    LAND_MAT,
    ROOM_MATS,
    ROOM_X1,
    ROOM_Y0,
    ROOM_Y1,
    WATER_LEVEL,
    WATER_MAT,
)


@njit(cache=True)
def surface(world, what, x, y, z):
    """Material, normal and colour of what a ray hit at a point.

    Returns
    -------
    tuple
        Material number, unit normal (3), colour (3), glow, mirror weight.
    """
    mats = world.mats
    land = world.land
    if what >= 0:
        prims = world.prims
        m = int(prims[what, 14])
        nx, ny, nz = normal(prims, what, world.profiles, x, y, z)
        a, b, c = local(prims, what, x, y, z)
        sx = math.sqrt(prims[what, 1] ** 2 + prims[what, 2] ** 2 + prims[what, 3] ** 2)
        sy = math.sqrt(prims[what, 4] ** 2 + prims[what, 5] ** 2 + prims[what, 6] ** 2)
        sz = math.sqrt(prims[what, 7] ** 2 + prims[what, 8] ** 2 + prims[what, 9] ** 2)
        # normal in the object's own frame, which decides how to unwrap the surface
        lx = (prims[what, 1] * nx + prims[what, 2] * ny + prims[what, 3] * nz) / sx
        ly = (prims[what, 4] * nx + prims[what, 5] * ny + prims[what, 6] * nz) / sy
        lz = (prims[what, 7] * nx + prims[what, 8] * ny + prims[what, 9] * nz) / sz
        a, b, c = a / sx, b / sy, c / sz
        kind = int(prims[what, 0])
        turned = kind in (SPHERE, FRUSTUM, LATHE, TORUS) and abs(lz) < 0.97
        u, v = surface_uv(a, b, c, lx, ly, lz, turned)
        r, g, bl, glow, mirror = colour(mats, m, a, b, c, lx, ly, lz, u, v, x, y, z, nz)
        if kind == FOLIAGE:  # deeper leaves see less sky
            a2, b2, c2 = local(prims, what, x, y, z)
            deep = 0.45 + 0.55 * min(1.0, a2 * a2 + b2 * b2 + c2 * c2)
            r, g, bl = r * deep, g * deep, bl * deep
        return m, nx, ny, nz, r, g, bl, glow, mirror
    if what == FIELD_ID:
        m = int(land[LAND_MAT])
        nx, ny, nz = field_normal(world, x, y)
        r, g, b, glow, mirror = colour(mats, m, x, y, z, 0.0, 0.0, 1.0, x, y, x, y, z, nz)
        return m, nx, ny, nz, r, g, b, glow, mirror
    if what == WATER_ID:
        m = int(land[WATER_MAT])
        e = mats[m, BUMP]
        k = 1.0 / mats[m, BUMP_SCALE]
        seed = int(mats[m, SEED])
        w0 = noise2(x * k, y * k * 1.6, seed) + 0.5 * noise2(x * k * 3.1, y * k * 4.3, seed + 1)
        wx = noise2(x * k + 0.1, y * k * 1.6, seed) + 0.5 * noise2(
            x * k * 3.1 + 0.31, y * k * 4.3, seed + 1
        )
        wy = noise2(x * k, y * k * 1.6 + 0.16, seed) + 0.5 * noise2(
            x * k * 3.1, y * k * 4.3 + 0.43, seed + 1
        )
        nx = e * (w0 - wx) * 10.0
        ny = e * (w0 - wy) * 10.0
        n = 1.0 / math.sqrt(nx * nx + ny * ny + 1.0)
        thick = land[WATER_LEVEL] - height_at(world, x, y)
        shallow = 1.0 - smooth(0.0, mats[m, SCALE], thick)
        r = mats[m, C1] + (mats[m, C2] - mats[m, C1]) * shallow
        g = mats[m, C1 + 1] + (mats[m, C2 + 1] - mats[m, C1 + 1]) * shallow
        b = mats[m, C1 + 2] + (mats[m, C2 + 2] - mats[m, C1 + 2]) * shallow
        foam = smooth(0.45, 0.7, noise2(x * 1.3, y * 1.3, seed + 4)) * (
            1.0 - smooth(0.02, 0.35, thick)
        )
        line = smooth(0.82, 0.9, math.sin(thick * 4.0 + 2.0 * noise2(x * 0.3, y * 0.3, seed)))
        foam = max(foam, 0.7 * line * (1.0 - smooth(0.3, 1.3, thick)))
        r, g, b = r + (0.9 - r) * foam, g + (0.9 - g) * foam, b + (0.9 - b) * foam
        return m, nx * n, ny * n, n, r, g, b, 0.0, 0.0
    if what == PLANE_ID:
        m = int(land[LAND_MAT])
        r, g, b, glow, mirror = colour(mats, m, x, y, z, 0.0, 0.0, 1.0, x, y, x, y, z, 1.0)
        return m, 0.0, 0.0, 1.0, r, g, b, glow, mirror
    if what == FRAME_ID:
        side = 0
        if abs(x - land[ROOM_X1]) < 1e-6:
            side = 1
        elif abs(y - land[ROOM_Y0]) < 1e-6:
            side = 2
        elif abs(y - land[ROOM_Y1]) < 1e-6:
            side = 3
        n = 1.0 if side == 0 or side == 2 else -1.0
        if side < 2:
            return 0, n, 0.0, 0.0, 0.75, 0.74, 0.72, 0.0, 0.0
        return 0, 0.0, n, 0.0, 0.75, 0.74, 0.72, 0.0, 0.0
    side = WALL_ID - what
    m = int(land[ROOM_MATS + side])
    nx = ny = nz = 0.0
    if side == 0:
        nx, u, v = 1.0, y, z
    elif side == 1:
        nx, u, v = -1.0, y, z
    elif side == 2:
        ny, u, v = 1.0, x, z
    elif side == 3:
        ny, u, v = -1.0, x, z
    elif side == 4:
        nz, u, v = 1.0, x, y
    else:
        nz, u, v = -1.0, x, y
    r, g, b, glow, mirror = colour(mats, m, x, y, z, nx, ny, nz, u, v, x, y, z, nz)
    return m, nx, ny, nz, r, g, b, glow, mirror


@njit(cache=True)
def outside(world, ox, oy, oz, dx, dy, dz):
    """View through a window: sky above, a plain lawn below; returns distance and colour."""
    sky = world.sky
    if dz < -0.01:
        t = (oz + 2.5) / -dz
        if t < 300.0:
            hr, hg, hb = haze_colour(sky, dx, dy, dz)
            w = 1.0 - math.exp(-t * 0.012)
            s = 0.6 + 0.8 * noise2((ox + t * dx) * 0.4, (oy + t * dy) * 0.4, 5)
            r = sky[OUTSIDE] * s
            g = sky[OUTSIDE + 1] * s
            b = sky[OUTSIDE + 2] * s
            return t, r + (hr - r) * w, g + (hg - g) * w, b + (hb - b) * w
    r, g, b = sky_colour(sky, dx, dy, dz, True)
    return MISS, r, g, b
