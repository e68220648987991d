"""The sky: gradient, sun, clouds, stars and far ridges in the haze; compiled.

The sky is a vector of numbers, whose columns are named here.
"""

from __future__ import annotations

import math

from numba import njit

from training.scenes.noise import fbm2, hash3, noise2, smooth

ZENITH, HORIZON, SUN, SUN_LIGHT, SUN_SIZE, CLOUDS, CLOUD_SCALE, SKY_SEED = (
    0,
    3,
    6,
    9,
    12,
    13,
    14,
    15,
)
HAZE, AMBIENT_UP, AMBIENT_DOWN, STARS, RIDGES, RIDGE_HEIGHT = 16, 17, 20, 23, 24, 25
RIDGE, CLOUD_LIGHT, AO_REACH, OUTSIDE, STAGE = 26, 29, 30, 31, 35
SKY_WIDTH = 36


@njit(cache=True)
def haze_colour(sky, dx, dy, dz):
    """Colour of distance: the horizon, warmer towards the sun."""
    towards = max(0.0, dx * sky[SUN] + dy * sky[SUN + 1] + dz * sky[SUN + 2])
    glow = 0.25 * towards**8
    return (
        sky[HORIZON] + glow * sky[SUN_LIGHT] * 0.3,
        sky[HORIZON + 1] + glow * sky[SUN_LIGHT + 1] * 0.3,
        sky[HORIZON + 2] + glow * sky[SUN_LIGHT + 2] * 0.3,
    )


@njit(cache=True)
def sky_colour(sky, dx, dy, dz, detail):
    """Radiance of the sky along a unit direction; without ``detail`` no clouds or ridges."""
    seed = int(sky[SKY_SEED])
    up = max(0.0, dz)
    s = 1.0 - (1.0 - up) ** 3.0
    hr, hg, hb = haze_colour(sky, dx, dy, dz)
    r = hr + (sky[ZENITH] - hr) * s
    g = hg + (sky[ZENITH + 1] - hg) * s
    b = hb + (sky[ZENITH + 2] - hb) * s
    towards = dx * sky[SUN] + dy * sky[SUN + 1] + dz * sky[SUN + 2]
    if towards > 0.0:
        halo = 0.15 * towards**24 + 0.5 * towards**400
        disc = 6.0 * smooth(0.99955, 0.9998, towards)
        r += (halo + disc) * sky[SUN_LIGHT] * 0.4
        g += (halo + disc) * sky[SUN_LIGHT + 1] * 0.4
        b += (halo + disc) * sky[SUN_LIGHT + 2] * 0.4
    if not detail:
        return r, g, b
    if sky[STARS] > 0.0 and dz > 0.0:
        i = int(dx / (dz + 0.3) * 180.0 + 9000.0)
        j = int(dy / (dz + 0.3) * 180.0 + 9000.0)
        h = hash3(i, j, seed)
        if h > 0.9965:
            w = sky[STARS] * (h - 0.9965) * 220.0 * min(1.0, 4.0 * dz)
            r, g, b = r + w, g + w, b + w
    cover = sky[CLOUDS]
    if cover > 0.0 and dz > 0.01:
        k = sky[CLOUD_SCALE] / (dz + 0.12)
        cx = dx * k + seed % 97
        cy = dy * k + seed % 89
        w = fbm2(cx, cy, seed, 5)
        body = smooth(0.72 - 0.5 * cover, 0.95 - 0.5 * cover, w) * smooth(0.01, 0.16, dz)
        if body > 0.0:
            # brighter where the cloud is thinner towards the sun
            lit = fbm2(cx + 0.35 * sky[SUN], cy + 0.35 * sky[SUN + 1], seed, 4)
            shade = 0.62 + 1.6 * (w - lit) + 0.35 * (1.0 - body)
            shade = min(1.15, max(0.42, shade)) * sky[CLOUD_LIGHT]
            cr = shade * (0.55 * sky[SUN_LIGHT] * 0.33 + 0.45 * sky[AMBIENT_UP] * 1.3)
            cg = shade * (0.55 * sky[SUN_LIGHT + 1] * 0.33 + 0.45 * sky[AMBIENT_UP + 1] * 1.3)
            cb = shade * (0.55 * sky[SUN_LIGHT + 2] * 0.33 + 0.45 * sky[AMBIENT_UP + 2] * 1.3)
            r += (cr - r) * body
            g += (cg - g) * body
            b += (cb - b) * body
    # far ridges, nearest last, each a little darker; too far to be geometry
    ridges = int(sky[RIDGES])
    if ridges > 0 and dz < sky[RIDGE_HEIGHT] * 1.2:
        round_about = math.atan2(dx, dy)
        for layer in range(ridges):
            near = (layer + 1.0) / ridges
            top = noise2(round_about * 5.0 + layer * 31.0, 0.5, seed + layer)
            top += 0.45 * noise2(round_about * 14.0, layer * 3.0, seed + 5)
            top += 0.16 * noise2(round_about * 47.0, layer * 5.0, seed + 6)
            top = sky[RIDGE_HEIGHT] * (top - 0.25) * (1.05 - 0.6 * near)
            if dz < top:
                w = 0.30 + 0.62 * near
                r = hr + (sky[RIDGE] - hr) * w
                g = hg + (sky[RIDGE + 1] - hg) * w
                b = hb + (sky[RIDGE + 2] - hb) * w
    return r, g, b
