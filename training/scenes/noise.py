"""Deterministic hashes and value noise, compiled: the grain of every texture and every jitter.

Everything here is plain integer and float64 arithmetic without ``fastmath``, so the same input
gives the same number in every thread and in every run.
"""

from __future__ import annotations

import math

from numba import njit

_MASK = 0xFFFFFFFF


@njit(cache=True)
def hash3(x, y, z):
    """Mix three integers to a number in [0, 1)."""
    h = (x * 374761393 + y * 668265263 + z * 2147483647 + 1013904223) & _MASK
    h = ((h ^ (h >> 15)) * 739982445) & _MASK
    h = ((h ^ (h >> 12)) * 695872825) & _MASK
    h = h ^ (h >> 15)
    return h * (1.0 / 4294967296.0)


@njit(cache=True)
def noise2(x, y, seed):
    """Value noise over the plane, in [0, 1), smooth, one feature a unit."""
    fx = math.floor(x)
    fy = math.floor(y)
    ix = int(fx)
    iy = int(fy)
    u = x - fx
    v = y - fy
    u = u * u * (3.0 - 2.0 * u)
    v = v * v * (3.0 - 2.0 * v)
    a = hash3(ix, iy, seed)
    b = hash3(ix + 1, iy, seed)
    c = hash3(ix, iy + 1, seed)
    d = hash3(ix + 1, iy + 1, seed)
    return (a + (b - a) * u) * (1.0 - v) + (c + (d - c) * u) * v


@njit(cache=True)
def noise3(x, y, z, seed):
    """Value noise in space, in [0, 1), smooth, one feature a unit."""
    fz = math.floor(z)
    iz = int(fz)
    w = z - fz
    w = w * w * (3.0 - 2.0 * w)
    low = noise2(x, y, seed + iz * 7919)
    high = noise2(x, y, seed + (iz + 1) * 7919)
    return low + (high - low) * w


@njit(cache=True)
def fbm2(x, y, seed, octaves):
    """Sum of halving octaves of :func:`noise2`, scaled back to [0, 1)."""
    total = 0.0
    weight = 0.5
    reach = 0.0
    for octave in range(octaves):
        total += weight * noise2(x, y, seed + octave * 131)
        reach += weight
        # turned a little at every octave, so that the lattice does not show
        x, y = 1.62 * x + 1.18 * y + 17.3, -1.18 * x + 1.62 * y + 9.1
        weight *= 0.5
    return total / reach


@njit(cache=True)
def fbm3(x, y, z, seed, octaves):
    """Sum of halving octaves of :func:`noise3`, scaled back to [0, 1)."""
    total = 0.0
    weight = 0.5
    reach = 0.0
    for octave in range(octaves):
        total += weight * noise3(x, y, z, seed + octave * 131)
        reach += weight
        x, y, z = 1.62 * x + 1.18 * y + 17.3, -1.18 * x + 1.62 * y + 9.1, 2.03 * z + 5.7
        weight *= 0.5
    return total / reach


@njit(cache=True)
def cells2(x, y, seed):
    """Scattered cells over the plane.

    Returns
    -------
    tuple
        Distance to the nearest cell centre, distance to the border with the next cell (about),
        and the cell's own number in [0, 1).
    """
    ix = math.floor(x)
    iy = math.floor(y)
    nearest = 9.0
    second = 9.0
    name = 0.0
    for j in range(iy - 1, iy + 2):
        for i in range(ix - 1, ix + 2):
            cx = i + 0.15 + 0.7 * hash3(i, j, seed)
            cy = j + 0.15 + 0.7 * hash3(i, j, seed + 77)
            r = math.sqrt((x - cx) ** 2 + (y - cy) ** 2)
            if r < nearest:
                second = nearest
                nearest = r
                name = hash3(i, j, seed + 155)
            elif r < second:
                second = r
    return nearest, second - nearest, name


@njit(cache=True)
def smooth(low, high, x):
    """Ease from 0 at ``low`` to 1 at ``high``."""
    s = (x - low) / (high - low)
    s = min(1.0, max(0.0, s))
    return s * s * (3.0 - 2.0 * s)
