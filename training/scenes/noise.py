"""Hashes and value noise for textures and jitter; compiled.

Integer and float64 arithmetic without ``fastmath``: the same in every thread and run.
"""

from __future__ import annotations

import math

from numba import njit

_MASK = 0xFFFFFFFF


@njit(cache=True)
def hash3(x, y, z):
    """Hash three integers to a number in [0, 1)."""
    h = (x * 374761393 + y * 668265263 + z * 2147483647 + 1013904223) & _MASK
    h = ((h ^ (h >> 15)) * 739982445) & _MASK
    h = ((h ^ (h >> 12)) * 695872825) & _MASK
    h = h ^ (h >> 15)
    return h * (1.0 / 4294967296.0)


@njit(cache=True)
def noise2(x, y, seed):
    """Smooth value noise on the plane, in [0, 1), one feature per unit."""
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
    """Smooth value noise in space, in [0, 1), one feature per unit."""
    fz = math.floor(z)
    iz = int(fz)
    w = z - fz
    w = w * w * (3.0 - 2.0 * w)
    low = noise2(x, y, seed + iz * 7919)
    high = noise2(x, y, seed + (iz + 1) * 7919)
    return low + (high - low) * w


@njit(cache=True)
def fbm2(x, y, seed, octaves):
    """Fractal sum of `noise2`, in [0, 1); each octave has half the weight."""
    total = 0.0
    weight = 0.5
    reach = 0.0
    for octave in range(octaves):
        total += weight * noise2(x, y, seed + octave * 131)
        reach += weight
        # rotated in every octave, to hide the lattice
        x, y = 1.62 * x + 1.18 * y + 17.3, -1.18 * x + 1.62 * y + 9.1
        weight *= 0.5
    return total / reach


@njit(cache=True)
def fbm3(x, y, z, seed, octaves):
    """Fractal sum of `noise3`, in [0, 1); each octave has half the weight."""
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
    """Worley noise on the plane.

    Returns
    -------
    tuple
        Distance to the nearest cell centre, approximate distance to the next cell, and the
        cell's number in [0, 1).
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
    """Smoothstep from 0 at ``low`` to 1 at ``high``."""
    s = (x - low) / (high - low)
    s = min(1.0, max(0.0, s))
    return s * s * (3.0 - 2.0 * s)
