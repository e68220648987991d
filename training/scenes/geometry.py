"""Intersection of a ray and a solid; every solid is a unit shape under an affine map. Compiled.

A solid is a row of ``prims``: kind, the 3x3 matrix and translation from world metres to the unit
shape's coordinates, a shape parameter, the material, and the profile (lathe only). A mapped ray's
direction is not normalized, so that distances found in the unit shape are metres in the world.
"""

from __future__ import annotations

import math

from numba import njit

from training.scenes.noise import noise3

SPHERE, BOX, FRUSTUM, TORUS, LATHE, FOLIAGE, PILLOW, FUR = range(8)
PRIM_WIDTH = 18
PROFILE_POINTS = 33
MISS = 1e30


@njit(cache=True)
def local(prims, i, x, y, z):
    """World point to the unit shape's coordinates."""
    return (
        prims[i, 1] * x + prims[i, 2] * y + prims[i, 3] * z + prims[i, 10],
        prims[i, 4] * x + prims[i, 5] * y + prims[i, 6] * z + prims[i, 11],
        prims[i, 7] * x + prims[i, 8] * y + prims[i, 9] * z + prims[i, 12],
    )


@njit(cache=True)
def radius_at(profiles, row, z):
    """Radius of a lathed solid at height ``z`` in [-1, 1], interpolated linearly."""
    s = (z + 1.0) * 0.5 * (PROFILE_POINTS - 1)
    j = min(PROFILE_POINTS - 2, max(0, int(s)))
    f = s - j
    return profiles[row, j] * (1.0 - f) + profiles[row, j + 1] * f


@njit(cache=True)
def slab(o, d, low, high):
    """Entry and exit of a ray between two parallel planes."""
    if abs(d) < 1e-12:
        if o < low or o > high:
            return MISS, -MISS
        return -MISS, MISS
    a = (low - o) / d
    b = (high - o) / d
    return min(a, b), max(a, b)


@njit(cache=True)
def box_span(ox, oy, oz, dx, dy, dz, rx, ry, rz):
    """Entry and exit of a ray through a box of half sides ``rx, ry, rz`` about the origin."""
    a0, a1 = slab(ox, dx, -rx, rx)
    b0, b1 = slab(oy, dy, -ry, ry)
    c0, c1 = slab(oz, dz, -rz, rz)
    return max(a0, max(b0, c0)), min(a1, min(b1, c1))


@njit(cache=True)
def ball_span(ox, oy, oz, dx, dy, dz):
    """Entry and exit of a ray through the unit ball."""
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    c = ox * ox + oy * oy + oz * oz - 1.0
    disc = b * b - a * c
    if disc <= 0.0:
        return MISS, -MISS
    root = math.sqrt(disc)
    return (-b - root) / a, (-b + root) / a


@njit(cache=True)
def _hit_frustum(ox, oy, oz, dx, dy, dz, top, tmin):
    # radius 1 at z = -1 and `top` at z = 1: r(z) = m + k z
    m = 0.5 * (1.0 + top)
    k = 0.5 * (top - 1.0)
    best = MISS
    if abs(dz) > 1e-12:
        for side in range(2):
            zc = -1.0 if side == 0 else 1.0
            rc = 1.0 if side == 0 else top
            t = (zc - oz) / dz
            if tmin < t < best and (ox + t * dx) ** 2 + (oy + t * dy) ** 2 <= rc * rc:
                best = t
    a = dx * dx + dy * dy - k * k * dz * dz
    b = ox * dx + oy * dy - k * dz * (m + k * oz)
    c = ox * ox + oy * oy - (m + k * oz) ** 2
    disc = b * b - a * c
    if disc > 0.0 and abs(a) > 1e-14:
        root = math.sqrt(disc)
        for side in range(2):
            t = (-b - root) / a if side == 0 else (-b + root) / a
            if tmin < t < best:
                z = oz + t * dz
                if -1.0 <= z <= 1.0 and m + k * z >= 0.0:
                    best = t
    return best


@njit(cache=True)
def _hit_torus(ox, oy, oz, dx, dy, dz, minor, tmin):
    reach = 1.0 + minor
    t0, t1 = box_span(ox, oy, oz, dx, dy, dz, reach, reach, minor)
    t = max(t0, tmin)
    if t > t1:
        return MISS
    speed = math.sqrt(dx * dx + dy * dy + dz * dz)
    for _ in range(48):
        x = ox + t * dx
        y = oy + t * dy
        z = oz + t * dz
        ring = math.sqrt(x * x + y * y) - 1.0
        gap = math.sqrt(ring * ring + z * z) - minor
        if gap < 1e-4:
            return t if t > tmin else MISS
        t += gap / speed
        if t > t1:
            return MISS
    return MISS


@njit(cache=True)
def _hit_lathe(ox, oy, oz, dx, dy, dz, profiles, row, tmin):
    t0, t1 = box_span(ox, oy, oz, dx, dy, dz, 1.0, 1.0, 1.0)
    t0 = max(t0, tmin)
    if t0 >= t1:
        return MISS
    steps = 28
    dt = (t1 - t0) / steps
    before = t0
    z = oz + t0 * dz
    r = radius_at(profiles, row, z)
    if (ox + t0 * dx) ** 2 + (oy + t0 * dy) ** 2 < r * r:
        # entered through the flat top or bottom, or starting inside (then there is no hit)
        return t0 if t0 > tmin else MISS
    for step in range(1, steps + 1):
        t = t0 + dt * step
        z = oz + t * dz
        r = radius_at(profiles, row, z)
        if (ox + t * dx) ** 2 + (oy + t * dy) ** 2 < r * r:
            after = t
            for _ in range(9):
                middle = 0.5 * (before + after)
                r = radius_at(profiles, row, oz + middle * dz)
                if (ox + middle * dx) ** 2 + (oy + middle * dy) ** 2 < r * r:
                    after = middle
                else:
                    before = middle
            return after
        before = t
    return MISS


@njit(cache=True)
def _hit_foliage(ox, oy, oz, dx, dy, dz, grain, seed, tmin):
    t0, t1 = ball_span(ox, oy, oz, dx, dy, dz)
    t0 = max(t0, tmin)
    if t0 >= t1:
        return MISS
    dt = (t1 - t0) / 12.0
    for step in range(12):
        t = t0 + dt * (step + 0.3)
        x = ox + t * dx
        y = oy + t * dy
        z = oz + t * dz
        fill = noise3(x * grain, y * grain, z * grain, seed)
        fill = 0.6 * fill + 0.4 * noise3(
            x * grain * 2.3, y * grain * 2.3, z * grain * 2.3, seed + 9
        )
        r2 = x * x + y * y + z * z
        # dense inside, ragged towards the rim
        if fill > 0.16 + 0.5 * r2 * r2:
            return t
    return MISS


@njit(cache=True)
def _odd_power(x, power):
    """Return x**3 for power 4 (soft edges), x**7 for power 8 (nearly a box), by products only."""
    cube = x * x * x
    return cube if power < 6.0 else cube * cube * x


@njit(cache=True)
def _hit_pillow(ox, oy, oz, dx, dy, dz, power, tmin):
    # |x|^p + |y|^p + |z|^p = 1 is convex, so Newton from outside never steps over the surface
    t0, t1 = box_span(ox, oy, oz, dx, dy, dz, 1.0, 1.0, 1.0)
    t = max(t0, tmin)
    if t >= t1:
        return MISS
    for step in range(14):
        x = ox + t * dx
        y = oy + t * dy
        z = oz + t * dz
        ax = _odd_power(x, power)
        ay = _odd_power(y, power)
        az = _odd_power(z, power)
        f = ax * x + ay * y + az * z - 1.0
        if f < 1e-5:
            return t if (t > tmin or step > 0) else MISS
        slope = power * (ax * dx + ay * dy + az * dz)
        if slope >= 0.0:
            return MISS
        t -= f / slope
        if t > t1:
            return MISS
    return t


@njit(cache=True)
def _hit_fur(ox, oy, oz, dx, dy, dz, depth, seed, tmin):
    t0, t1 = ball_span(ox, oy, oz, dx, dy, dz)
    t0 = max(t0, tmin)
    if t0 >= t1:
        return MISS
    core = 1.0 - depth
    dt = (t1 - t0) / 24.0
    for step in range(24):
        t = t0 + dt * (step + 0.5)
        x = ox + t * dx
        y = oy + t * dy
        z = oz + t * dz
        r = math.sqrt(x * x + y * y + z * z)
        if r < core:
            return t
        # a hair is a patch of directions, thinner towards its tip and bent down slightly
        s = 26.0 / (r + 1e-9)
        hair = noise3(x * s, y * s, (z + 0.35 * (r - core)) * s, seed)
        if hair > 0.25 + 0.6 * (r - core) / depth:
            return t
    return MISS


@njit(cache=True)
def hit(prims, i, profiles, ox, oy, oz, dx, dy, dz, tmin):
    """Distance at which a ray enters solid ``i``, beyond ``tmin``; MISS if it does not.

    Parameters
    ----------
    prims : ndarray of float64, shape (N, PRIM_WIDTH)
        The solids of the scene.
    i : int
        Which of them.
    profiles : ndarray of float64, shape (P, PROFILE_POINTS)
        Radii of lathed solids.
    ox, oy, oz, dx, dy, dz : float
        Origin and direction of the ray, world metres.
    tmin : float
        Hits at or before this distance do not count.

    Returns
    -------
    float
        Distance in units of the direction's length.
    """
    ax = prims[i, 1] * ox + prims[i, 2] * oy + prims[i, 3] * oz + prims[i, 10]
    ay = prims[i, 4] * ox + prims[i, 5] * oy + prims[i, 6] * oz + prims[i, 11]
    az = prims[i, 7] * ox + prims[i, 8] * oy + prims[i, 9] * oz + prims[i, 12]
    bx = prims[i, 1] * dx + prims[i, 2] * dy + prims[i, 3] * dz
    by = prims[i, 4] * dx + prims[i, 5] * dy + prims[i, 6] * dz
    bz = prims[i, 7] * dx + prims[i, 8] * dy + prims[i, 9] * dz
    kind = int(prims[i, 0])
    if kind == BOX:
        t0, t1 = box_span(ax, ay, az, bx, by, bz, 1.0, 1.0, 1.0)
        if t0 > t1:
            return MISS
        return t0 if t0 > tmin else MISS
    if kind == SPHERE:
        t0, t1 = ball_span(ax, ay, az, bx, by, bz)
        if t0 > tmin:
            return t0
        return MISS
    if kind == FRUSTUM:
        return _hit_frustum(ax, ay, az, bx, by, bz, prims[i, 13], tmin)
    if kind == TORUS:
        return _hit_torus(ax, ay, az, bx, by, bz, prims[i, 13], tmin)
    if kind == LATHE:
        return _hit_lathe(ax, ay, az, bx, by, bz, profiles, int(prims[i, 15]), tmin)
    if kind == FOLIAGE:
        return _hit_foliage(ax, ay, az, bx, by, bz, prims[i, 13], i, tmin)
    if kind == PILLOW:
        return _hit_pillow(ax, ay, az, bx, by, bz, prims[i, 13], tmin)
    return _hit_fur(ax, ay, az, bx, by, bz, prims[i, 13], i, tmin)


@njit(cache=True)
def normal(prims, i, profiles, x, y, z):
    """Outward unit normal of solid ``i`` at a world point."""
    a, b, c = local(prims, i, x, y, z)
    kind = int(prims[i, 0])
    if kind == BOX:
        u, v, w = abs(a), abs(b), abs(c)
        if u >= v and u >= w:
            a, b, c = math.copysign(1.0, a), 0.0, 0.0
        elif v >= w:
            a, b, c = 0.0, math.copysign(1.0, b), 0.0
        else:
            a, b, c = 0.0, 0.0, math.copysign(1.0, c)
    elif kind == FRUSTUM:
        top = prims[i, 13]
        r = math.sqrt(a * a + b * b)
        here = 0.5 * (1.0 + top) + 0.5 * (top - 1.0) * c
        if abs(c) > 0.9999 and r < here - 1e-4:
            a, b, c = 0.0, 0.0, math.copysign(1.0, c)
        else:
            a, b, c = a / (r + 1e-12), b / (r + 1e-12), -0.5 * (top - 1.0)
    elif kind == TORUS:
        r = math.sqrt(a * a + b * b) + 1e-12
        k = (r - 1.0) / r
        a, b = a * k, b * k
    elif kind == LATHE:
        row = int(prims[i, 15])
        r = math.sqrt(a * a + b * b) + 1e-12
        if abs(c) > 0.998 and r < radius_at(profiles, row, c) - 0.01:
            a, b, c = 0.0, 0.0, math.copysign(1.0, c)
        else:
            up = radius_at(profiles, row, min(1.0, c + 0.05))
            down = radius_at(profiles, row, max(-1.0, c - 0.05))
            a, b, c = a / r, b / r, -(up - down) / 0.1
    elif kind == PILLOW:
        a = _odd_power(a, prims[i, 13])
        b = _odd_power(b, prims[i, 13])
        c = _odd_power(c, prims[i, 13])
    elif kind == FOLIAGE:
        g = prims[i, 13] * 1.5
        n0 = noise3(a * g, b * g, c * g, i)
        a += 1.4 * (n0 - noise3((a + 0.1) * g, b * g, c * g, i))
        b += 1.4 * (n0 - noise3(a * g, (b + 0.1) * g, c * g, i))
        c += 0.3
    # normals transform by the transposed matrix
    nx = prims[i, 1] * a + prims[i, 4] * b + prims[i, 7] * c
    ny = prims[i, 2] * a + prims[i, 5] * b + prims[i, 8] * c
    nz = prims[i, 3] * a + prims[i, 6] * b + prims[i, 9] * c
    n = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-30)
    return nx * n, ny * n, nz * n
