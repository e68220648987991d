"""Colour of a surface at a point: thirty procedural textures, compiled.

A material is a row of ``mats``, whose columns are named here, as constants of the compiled code.
"""

from __future__ import annotations

import math

from numba import njit

from training.scenes.noise import cells2, fbm2, fbm3, hash3, noise2, noise3, smooth

# columns of a material row
KIND, C1, C2, SCALE, SPECULAR, SHININESS, MIRROR = 0, 1, 4, 7, 8, 9, 10
BUMP, BUMP_SCALE, OPACITY, GLOW, SEED, C3, WRAP, EXTRA = 11, 12, 13, 14, 15, 16, 19, 20
MAT_WIDTH = 21

(
    PLAIN,
    TILES,
    BRICK,
    PLANKS,
    GRAIN,
    MOTTLED,
    MARBLE,
    STRIPES,
    DOTS,
    GRASS,
    TERRAIN,
    FACADE,
    ROAD,
    WEAVE,
    PAINTING,
    RIPPLES,
    RUG,
    WALLPAPER,
    PLAID,
    FRUIT,
    PATCHES,
    ZEBRA,
    BOOKS,
    COBBLES,
    PANELS,
    ROOF,
    HERRINGBONE,
    SWIRL,
    BANDS,
    SPECKLES,
) = range(30)


@njit(cache=True)
def surface_uv(qx, qy, qz, nx, ny, nz, turned):
    """Unwrap metric object coordinates to a plane, by the direction of the normal."""
    if turned:
        r = math.sqrt(qx * qx + qy * qy)
        return math.atan2(qy, qx) * max(r, 1e-3), qz
    ax, ay, az = abs(nx), abs(ny), abs(nz)
    if az >= ax and az >= ay:
        return qx, qy
    if ax >= ay:
        return qy, qz
    return qx, qz


@njit(cache=True)
def _mix(mats, m, s):
    """Blend the material's first and second colour."""
    s = min(1.0, max(0.0, s))
    return (
        mats[m, C1] + (mats[m, C2] - mats[m, C1]) * s,
        mats[m, C1 + 1] + (mats[m, C2 + 1] - mats[m, C1 + 1]) * s,
        mats[m, C1 + 2] + (mats[m, C2 + 2] - mats[m, C1 + 2]) * s,
    )


@njit(cache=True)
def _third(mats, m, r, g, b, s):
    """Blend a colour towards the material's third colour."""
    return (r + (mats[m, C3] - r) * s, g + (mats[m, C3 + 1] - g) * s, b + (mats[m, C3 + 2] - b) * s)


@njit(cache=True)
def _painting(mats, m, u, v, seed):
    style = int(hash3(seed, 3, 1) * 4.0)
    if style == 0:  # hills under a sun
        hill = 0.15 * math.sin(u * 7.0 + seed) + 0.2 * noise2(u * 6.0, 0.5, seed)
        if v < hill - 0.1:
            return _mix(mats, m, 0.25 * noise2(u * 9.0, v * 30.0, seed))
        sun = math.sqrt((u - 0.2) ** 2 + (v - 0.35) ** 2)
        r, g, b = _mix(mats, m, 0.8 + 0.4 * v)
        return _third(mats, m, r, g, b, 1.0 - smooth(0.13, 0.15, sun))
    if style == 1:  # blocks of colour
        i = math.floor(u * 3.3 + 0.3 * math.sin(seed * 1.7))
        j = math.floor(v * 3.1 + 9.0)
        pick = hash3(i, j, seed)
        r, g, b = _mix(mats, m, hash3(i, j, seed + 1))
        return _third(mats, m, r, g, b, 1.0 if pick > 0.7 else 0.0)
    if style == 2:  # brush strokes
        w = fbm2(u * 3.0, v * 9.0, seed, 4)
        r, g, b = _mix(mats, m, smooth(0.3, 0.7, w))
        return _third(
            mats, m, r, g, b, smooth(0.55, 0.75, fbm2(u * 5.0 + 7.0, v * 4.0, seed + 5, 3))
        )
    near, _, name = cells2(u * 3.0, v * 3.0, seed)  # circles
    r, g, b = _mix(mats, m, name)
    return _third(mats, m, r, g, b, 1.0 - smooth(0.2, 0.24, abs(near - 0.25 * name)))


@njit(cache=True)
def _facade(mats, m, u, v, seed):
    """Rows of windows on a wall: colour, glow and mirror weight."""
    width = mats[m, SCALE]
    height = mats[m, SCALE] * 1.25
    i = math.floor(u / width)
    j = math.floor(v / height)
    fu = u / width - i
    fv = v / height - j
    wide = 0.2 + 0.12 * hash3(seed, 1, 5)
    r, g, b = _mix(mats, m, 0.35 * fbm2(u * 0.8, v * 0.8, seed, 3))
    inside = wide < fu < 1.0 - wide and 0.25 < fv < 0.82
    if not inside:
        frame = wide - 0.06 < fu < 1.06 - wide and 0.19 < fv < 0.86
        if frame:
            return r * 0.75 + 0.2, g * 0.75 + 0.2, b * 0.75 + 0.2, 0.0, 0.0
        shade = 0.86 if fv > 0.95 else 1.0
        return r * shade, g * shade, b * shade, 0.0, 0.0
    if abs(fu - 0.5) < 0.02 or abs(fv - 0.6) < 0.015:
        return 0.7, 0.7, 0.7, 0.0, 0.0
    lit = hash3(i, j, seed)
    if lit < mats[m, EXTRA]:
        warm = 0.7 + 0.3 * hash3(i, j, seed + 3)
        return 1.0, 0.8 * warm, 0.45 * warm, 1.5, 0.0
    blind = 0.28 + 0.5 * hash3(i, j, seed + 8)
    if lit > 0.6 and fv > blind:
        return 0.75, 0.72, 0.66, 0.0, 0.1
    return 0.06, 0.08, 0.10, 0.0, 0.55


@njit(cache=True)
def _rug(mats, m, u, v, seed):
    # u, v are metres from the rug's centre, EXTRA is its half length
    half = mats[m, EXTRA]
    s = max(abs(u), abs(v)) / half
    if s > 0.92:
        return _mix(mats, m, 0.0)
    if s > 0.84:
        return _third(mats, m, 0.0, 0.0, 0.0, 1.0)
    k = mats[m, SCALE]
    a = abs((u / k) % 2.0 - 1.0) + abs((v / k) % 2.0 - 1.0)
    r, g, b = _mix(mats, m, 1.0 if a < 0.9 else 0.25)
    if 0.5 < a < 0.7 or hash3(math.floor(a * 5.0), seed, 1) > 0.75:
        r, g, b = _third(mats, m, r, g, b, 0.8)
    return r, g, b


@njit(cache=True)
def colour(mats, m, qx, qy, qz, nx, ny, nz, u, v, x, y, z, wz):
    """Colour of material ``m`` at a point.

    Parameters
    ----------
    mats : ndarray of float64, shape (M, MAT_WIDTH)
        Materials.
    m : int
        Which of them.
    qx, qy, qz : float
        The point in the object's own frame, metres.
    nx, ny, nz : float
        Normal in the object's frame.
    u, v : float
        Unwrapped surface coordinates, metres.
    x, y, z : float
        The point in the world, metres.
    wz : float
        Upward part of the world's normal (slope of terrain).

    Returns
    -------
    tuple of float
        Red, green, blue (linear light, 0..1), glow (radiance factor), mirror (0..1, added).
    """
    kind = int(mats[m, KIND])
    k = 1.0 / mats[m, SCALE]
    seed = int(mats[m, SEED])
    glow = mats[m, GLOW]
    mirror = 0.0
    if kind == PLAIN:
        r, g, b = _mix(mats, m, 0.25 * noise3(qx * k, qy * k, qz * k, seed))
    elif kind == TILES:
        i = math.floor(u * k)
        j = math.floor(v * k)
        fu = abs(u * k - i - 0.5)
        fv = abs(v * k - j - 0.5)
        odd = (int(i) + int(j)) & 1
        r, g, b = _mix(mats, m, odd * 1.0 + 0.12 * (hash3(int(i), int(j), seed) - 0.5))
        shade = 0.93 + 0.14 * noise2(u * k * 3.0, v * k * 3.0, seed)
        r, g, b = r * shade, g * shade, b * shade
        if max(fu, fv) > 0.48:
            r, g, b = _third(mats, m, r, g, b, 1.0)
    elif kind == BRICK:
        row = math.floor(v * k * 2.6)
        shift = 0.5 * (int(row) & 1)
        i = math.floor(u * k + shift)
        fu = u * k + shift - i
        fv = v * k * 2.6 - row
        r, g, b = _mix(mats, m, hash3(int(i), int(row), seed))
        shade = 0.75 + 0.5 * noise2(u * k * 9.0, v * k * 9.0, seed)
        r, g, b = r * shade, g * shade, b * shade
        if fu < 0.045 or fv < 0.11:
            r, g, b = _third(mats, m, r, g, b, 1.0)
    elif kind == PLANKS:
        row = math.floor(u * k)
        shift = hash3(int(row), 5, seed) * 7.0
        j = math.floor(v * k * 0.13 + shift)
        fu = u * k - row
        fv = v * k * 0.13 + shift - j
        tone = hash3(int(row), int(j), seed)
        ring = noise2(u * k * 9.0 + tone * 50.0, v * k * 0.6, seed)
        r, g, b = _mix(mats, m, 0.55 * tone + 0.45 * ring)
        if fu < 0.025 or fv < 0.004:
            r, g, b = r * 0.45, g * 0.45, b * 0.45
    elif kind == GRAIN:
        bend = 1.4 * noise3(qx * k * 0.5, qy * k * 0.5, qz * k * 0.5, seed)
        ring = math.sqrt((qx * k + bend) ** 2 + (qy * k + 2.3) ** 2) * 3.0 + 0.4 * bend
        ring = ring - math.floor(ring)
        r, g, b = _mix(
            mats, m, 0.7 * ring + 0.3 * noise3(qx * k * 15, qy * k * 15, qz * k * 2, seed)
        )
    elif kind == MOTTLED:
        r, g, b = _mix(mats, m, smooth(0.25, 0.75, fbm3(qx * k, qy * k, qz * k, seed, 4)))
    elif kind == MARBLE:
        w = fbm3(qx * k, qy * k, qz * k, seed, 4)
        vein = abs(math.sin((qx + qy + qz) * k * 2.0 + 9.0 * w))
        r, g, b = _mix(mats, m, (1.0 - vein) ** 3 + 0.2 * w)
    elif kind == STRIPES:
        s = u * k - math.floor(u * k)
        r, g, b = _mix(mats, m, 1.0 if s < 0.5 else 0.0)
        if s < 0.06 or 0.5 < s < 0.56:
            r, g, b = _third(mats, m, r, g, b, 1.0)
    elif kind == DOTS:
        fu = u * k
        row = math.floor(v * k)
        fu += 0.5 * (int(row) & 1)
        d = math.sqrt((fu - math.floor(fu) - 0.5) ** 2 + (v * k - row - 0.5) ** 2)
        r, g, b = _mix(mats, m, 1.0 - smooth(0.27, 0.31, d))
    elif kind == GRASS:
        w = fbm2(x * k * 0.12, y * k * 0.12, seed, 3)
        blade = noise2(x * k * 7.0, y * k * 7.0, seed + 1) * noise2(
            x * k * 3.0, y * k * 2.0, seed + 2
        )
        r, g, b = _mix(mats, m, 0.15 + 0.7 * w + 0.9 * (blade - 0.25))
        flower = hash3(math.floor(x * k * 3.0), math.floor(y * k * 3.0), seed)
        if flower > 1.0 - mats[m, EXTRA]:
            r, g, b = _third(mats, m, r, g, b, 0.85)
    elif kind == TERRAIN:
        # lush where flat, rock where steep, third colour (snow, sand) by height
        w = fbm2(x * k * 0.3, y * k * 0.3, seed, 4)
        blade = noise2(x * 5.0, y * 5.0, seed) - 0.5
        r, g, b = _mix(mats, m, smooth(0.12, 0.30, 1.0 - wz + 0.25 * (w - 0.5)))
        shade = 0.8 + 0.5 * w + 0.16 * blade
        r, g, b = r * shade, g * shade, b * shade
        line = mats[m, EXTRA]
        if line < 0.0:  # below the line: a shore
            s = 1.0 - smooth(-line - 0.15, -line + 0.5 + 0.8 * (w - 0.3), z)
            r, g, b = _third(mats, m, r, g, b, s)
        elif line > 0.0:  # above the line, on slopes that hold it: snow
            s = smooth(line - 1.0, line + 2.0, z + 9.0 * (w - 0.5)) * smooth(0.55, 0.75, wz)
            r, g, b = _third(mats, m, r, g, b, s)
    elif kind == FACADE:
        if abs(nz) > 0.7:
            r, g, b = 0.3, 0.3, 0.31
        else:
            r, g, b, glow, mirror = _facade(mats, m, u, v, seed)
    elif kind == ROAD:
        w = noise2(x * 9.0, y * 9.0, seed)
        s = 0.85 + 0.3 * fbm2(x * 1.3, y * 0.4, seed, 3) + 0.12 * w
        half = mats[m, EXTRA]
        side = abs(x)
        if side < half:
            r, g, b = mats[m, C1] * s, mats[m, C1 + 1] * s, mats[m, C1 + 2] * s
            dash = y * 0.25 - math.floor(y * 0.25)
            if (side < 0.08 and dash < 0.55) or abs(side - half + 0.35) < 0.06:
                r, g, b = _third(mats, m, r, g, b, 0.85)
        else:
            i = math.floor(x / 0.6)
            j = math.floor(y / 0.6)
            t = 0.85 + 0.25 * hash3(int(i), int(j), seed)
            r, g, b = mats[m, C2] * s * t, mats[m, C2 + 1] * s * t, mats[m, C2 + 2] * s * t
            if x / 0.6 - i < 0.04 or y / 0.6 - j < 0.04:
                r, g, b = r * 0.7, g * 0.7, b * 0.7
    elif kind == WEAVE:
        a = math.sin(u * k * 6.283) * math.sin(v * k * 6.283)
        r, g, b = _mix(
            mats, m, 0.5 + 0.35 * a + 0.4 * (noise2(u * k * 0.6, v * k * 0.6, seed) - 0.5)
        )
    elif kind == PAINTING:
        r, g, b = _painting(mats, m, u * k, v * k, seed)
    elif kind == RIPPLES:
        w = fbm2(x * 0.15, y * 0.15, seed, 3)
        s = math.sin((y * 1.0 + 0.35 * x) * k * 6.283 + 9.0 * w)
        r, g, b = _mix(
            mats, m, 0.45 + 0.22 * s + 0.5 * (w - 0.5) + 0.2 * (noise2(x * 40, y * 40, seed) - 0.5)
        )
    elif kind == RUG:
        r, g, b = _rug(mats, m, u, v, seed)
        s = 0.85 + 0.3 * noise2(u * 150.0, v * 150.0, seed)
        r, g, b = r * s, g * s, b * s
    elif kind == WALLPAPER:
        i = math.floor(u * k)
        j = math.floor(v * k + 0.5 * (int(i) & 1))
        fu = u * k - i - 0.5
        fv = v * k + 0.5 * (int(i) & 1) - j - 0.5
        a = math.sqrt(fu * fu + fv * fv)
        petal = 0.22 + 0.12 * math.cos(math.atan2(fv, fu) * (4.0 + (seed % 3)))
        r, g, b = _mix(mats, m, 1.0 - smooth(petal, petal + 0.04, a))
        if a < 0.07:
            r, g, b = _third(mats, m, r, g, b, 1.0)
    elif kind == PLAID:
        a = 1.0 if (u * k - math.floor(u * k)) < 0.4 else 0.0
        c = 1.0 if (v * k - math.floor(v * k)) < 0.4 else 0.0
        r, g, b = _mix(mats, m, 0.5 * (a + c))
        if (
            abs(u * k - math.floor(u * k) - 0.7) < 0.04
            or abs(v * k - math.floor(v * k) - 0.7) < 0.04
        ):
            r, g, b = _third(mats, m, r, g, b, 0.8)
    elif kind == FRUIT:
        w = fbm3(qx * k * 2.0, qy * k * 2.0, qz * k, seed, 3)
        r, g, b = _mix(mats, m, smooth(-1.0, 1.0, qz * k + 1.6 * (w - 0.5)))
        spot = noise3(qx * k * 16, qy * k * 16, qz * k * 16, seed + 4)
        r, g, b = _third(mats, m, r, g, b, 0.5 * smooth(0.78, 0.86, spot))
    elif kind == PATCHES:
        w = fbm3(qx * k, qy * k, qz * k, seed, 2)
        r, g, b = _mix(mats, m, smooth(0.5, 0.54, w))
    elif kind == ZEBRA:
        w = noise3(qx * k * 0.7, qy * k * 0.7, qz * k * 0.7, seed)
        s = math.sin((qx * k + 1.7 * w) * 6.283)
        r, g, b = _mix(mats, m, smooth(-0.15, 0.15, s))
    elif kind == BOOKS:
        i = math.floor(u * k)
        tone = hash3(int(i), seed, 2)
        r, g, b = _mix(mats, m, tone)
        r, g, b = _third(mats, m, r, g, b, 1.0 if hash3(int(i), seed, 7) > 0.7 else 0.0)
        fu = u * k - i
        if fu < 0.1:
            r, g, b = r * 0.25, g * 0.25, b * 0.25
        elif 0.3 < noise2(i * 3.7, v * 14.0, seed) < 0.36:
            r, g, b = 0.7 * r + 0.25, 0.7 * g + 0.22, 0.7 * b + 0.12
    elif kind == COBBLES:
        _, edge, name = cells2(u * k, v * k, seed)
        r, g, b = _mix(mats, m, name)
        s = 0.35 + 0.65 * smooth(0.02, 0.16, edge)
        r, g, b = r * s, g * s, b * s
    elif kind == PANELS:
        w = fbm2(u * k * 1.5, v * k * 1.5, seed, 4)
        r, g, b = _mix(mats, m, w)
        fu = u * k - math.floor(u * k)
        fv = v * k - math.floor(v * k)
        if min(fu, fv) < 0.015:
            r, g, b = r * 0.55, g * 0.55, b * 0.55
    elif kind == ROOF:
        row = math.floor(v * k)
        fu = u * k + 0.5 * (int(row) & 1)
        i = math.floor(fu)
        fv = v * k - row
        r, g, b = _mix(mats, m, hash3(int(i), int(row), seed))
        s = 0.55 + 0.45 * fv - 0.25 * abs(fu - i - 0.5)
        r, g, b = r * s, g * s, b * s
    elif kind == HERRINGBONE:
        a = u * k
        c = v * k
        i = math.floor(a)
        zig = c + abs(a - i - 0.5) * (2.0 if int(i) & 1 else -2.0)
        j = math.floor(zig * 2.0)
        r, g, b = _mix(
            mats, m, 0.7 * hash3(int(i), int(j), seed) + 0.3 * noise2(a * 9, c * 9, seed)
        )
        if zig * 2.0 - j < 0.07 or a - i < 0.04:
            r, g, b = r * 0.55, g * 0.55, b * 0.55
    elif kind == SWIRL:
        a = math.atan2(qy, qx) * mats[m, EXTRA] / 6.2832 + qz * k
        a = a - math.floor(a)
        r, g, b = _mix(mats, m, smooth(0.45, 0.5, a) - smooth(0.95, 1.0, a))
    elif kind == BANDS:
        s = qz * k - math.floor(qz * k)
        r, g, b = _mix(mats, m, 1.0 if s < 0.45 else 0.0)
        if s < 0.05 or 0.45 < s < 0.5:
            r, g, b = _third(mats, m, r, g, b, 1.0)
    else:  # SPECKLES
        near, _, name = cells2(u * k, v * k, seed)
        r, g, b = _mix(mats, m, 0.3 * name)
        r, g, b = _third(mats, m, r, g, b, 1.0 - smooth(0.12 + 0.2 * name, 0.16 + 0.2 * name, near))
    return max(0.0, r), max(0.0, g), max(0.0, b), glow, mirror
