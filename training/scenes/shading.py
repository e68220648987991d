"""Light from what a ray hits: sun, lamps, sky, occlusion, mirrors, glass and haze; compiled."""

from __future__ import annotations

import math

from numba import njit

from training.scenes.geometry import FOLIAGE, FUR, MISS
from training.scenes.noise import hash3, noise3, smooth
from training.scenes.sky import (
    AMBIENT_DOWN,
    AMBIENT_UP,
    AO_REACH,
    HAZE,
    STAGE,
    SUN,
    SUN_LIGHT,
    SUN_SIZE,
    haze_colour,
    sky_colour,
)
from training.scenes.surfaces import outside, surface
from training.scenes.textures import (
    BUMP,
    BUMP_SCALE,
    MIRROR,
    OPACITY,
    SEED,
    SHININESS,
    SPECULAR,
    WRAP,
)
from training.scenes.tracing import SKY_ID, WATER_ID, WINDOW_ID, blocked, trace
from training.scenes.world import LAND_KIND, ROOM

_A1 = 0.7548776662466927  # powers of the plastic number: evenly spread sample pairs
_A2 = 0.5698402909980532


@njit(cache=True)
def jitter(px, py, sample, salt):
    """Pair of numbers in [0, 1), evenly spread over samples and shifted per pixel."""
    u = hash3(px, py, salt) + sample * _A1
    v = hash3(px, py, salt + 1) + sample * _A2
    return u - math.floor(u), v - math.floor(v)


@njit(cache=True)
def _beside(nx, ny, nz, spread, u, v):
    """Direction within ``spread`` of a unit direction; spread 1 is a cosine lobe."""
    angle = 6.283185307179586 * u
    r = math.sqrt(v) * spread
    x = r * math.cos(angle)
    y = r * math.sin(angle)
    z = math.sqrt(max(0.0, 1.0 - r * r))
    # a frame about the direction without square roots of small numbers
    s = 1.0 if nz >= 0.0 else -1.0
    a = -1.0 / (s + nz)
    b = nx * ny * a
    return (
        (1.0 + s * nx * nx * a) * x + b * y + nx * z,
        s * b * x + (s + ny * ny * a) * y + ny * z,
        -s * nx * x - ny * y + nz * z,
    )


@njit(cache=True)
def lit(world, what, ox, oy, oz, dx, dy, dz, t, px, py, sample, occlusion):
    """Light that leaves a hit point towards the ray's origin.

    ``occlusion`` is the number of ambient occlusion rays; 0 also omits shadows, which is good
    enough for reflections.

    Returns
    -------
    tuple of float
        Red, green, blue, mirror weight, unit normal (3), opacity.
    """
    sky = world.sky
    mats = world.mats
    x = ox + t * dx
    y = oy + t * dy
    z = oz + t * dz
    m, nx, ny, nz, r, g, b, glow, mirror = surface(world, what, x, y, z)
    if nx * dx + ny * dy + nz * dz > 0.0:
        nx, ny, nz = -nx, -ny, -nz
    # shadow rays start along the geometric normal; the bumped normal is lit
    eps = 1e-4 + 2e-4 * t
    if what >= 0:
        kind = int(world.prims[what, 0])
        if kind in (FOLIAGE, FUR):
            # hair and leaves would shade themselves to black: start nearer the rim
            size = 1.0 / math.sqrt(
                world.prims[what, 1] ** 2 + world.prims[what, 2] ** 2 + world.prims[what, 3] ** 2
            )
            eps += size * (0.35 if kind == FOLIAGE else 0.8 * world.prims[what, 13])
    gx, gy, gz = x + nx * eps, y + ny * eps, z + nz * eps
    bump = mats[m, BUMP]
    if bump > 0.0 and what != WATER_ID:
        k = 1.0 / mats[m, BUMP_SCALE]
        fade = bump / (1.0 + 0.02 * t * k)
        seed = int(mats[m, SEED]) + 50
        n0 = noise3(x * k, y * k, z * k, seed)
        nx += fade * (n0 - noise3(x * k + 0.2, y * k, z * k, seed)) * 5.0
        ny += fade * (n0 - noise3(x * k, y * k + 0.2, z * k, seed)) * 5.0
        nz += fade * (n0 - noise3(x * k, y * k, z * k + 0.2, seed)) * 5.0
        n = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
        nx, ny, nz = nx * n, ny * n, nz * n
    wrap = mats[m, WRAP]
    facing = 0.5 + 0.5 * nz
    ar = sky[AMBIENT_DOWN] + (sky[AMBIENT_UP] - sky[AMBIENT_DOWN]) * facing
    ag = sky[AMBIENT_DOWN + 1] + (sky[AMBIENT_UP + 1] - sky[AMBIENT_DOWN + 1]) * facing
    ab = sky[AMBIENT_DOWN + 2] + (sky[AMBIENT_UP + 2] - sky[AMBIENT_DOWN + 2]) * facing
    open_share = 1.0
    if occlusion > 0:
        reach = sky[AO_REACH]
        covered = 0.0
        for k in range(occlusion):
            u, v = jitter(px, py, sample * occlusion + k, 11)
            vx, vy, vz = _beside(nx, ny, nz, 1.0, u, v * 0.98)
            s, near = trace(world, gx, gy, gz, vx, vy, vz, 1e-4)
            if near != WINDOW_ID and s < reach:
                f = 1.0 - s / reach
                covered += f * f
        open_share = 1.0 - 0.9 * covered / occlusion
    lr, lg, lb = ar * open_share, ag * open_share, ab * open_share
    sr = sg = sb = 0.0  # highlight
    spec = mats[m, SPECULAR]
    shine = mats[m, SHININESS]
    sun = sky[SUN_LIGHT] + sky[SUN_LIGHT + 1] + sky[SUN_LIGHT + 2]
    if sun > 0.0:
        face = nx * sky[SUN] + ny * sky[SUN + 1] + nz * sky[SUN + 2]
        face = (face + wrap) / (1.0 + wrap)
        if face > 0.0:
            pass_share = 1.0
            if occlusion > 0:
                u, v = jitter(px, py, sample, 23)
                vx, vy, vz = _beside(sky[SUN], sky[SUN + 1], sky[SUN + 2], sky[SUN_SIZE], u, v)
                pass_share = blocked(world, gx, gy, gz, vx, vy, vz, MISS * 0.5, True)
            elif int(world.land[LAND_KIND]) == ROOM:
                pass_share = 0.0
            if pass_share > 0.0:
                f = face * pass_share
                lr, lg, lb = (
                    lr + f * sky[SUN_LIGHT],
                    lg + f * sky[SUN_LIGHT + 1],
                    lb + f * sky[SUN_LIGHT + 2],
                )
                if spec > 0.0:
                    hx, hy, hz = sky[SUN] - dx, sky[SUN + 1] - dy, sky[SUN + 2] - dz
                    h = (hx * nx + hy * ny + hz * nz) / math.sqrt(hx * hx + hy * hy + hz * hz)
                    if h > 0.0:
                        f = spec * pass_share * h**shine * 0.6
                        sr, sg, sb = (
                            sr + f * sky[SUN_LIGHT],
                            sg + f * sky[SUN_LIGHT + 1],
                            sb + f * sky[SUN_LIGHT + 2],
                        )
    lamps = world.lamps
    for lamp in range(lamps.shape[0]):
        u, v = jitter(px, py, sample, 31 + 2 * lamp)
        w = hash3(px, py, 97 + lamp + sample)
        size = lamps[lamp, 6]
        vx = lamps[lamp, 0] - gx + size * (2.0 * u - 1.0)
        vy = lamps[lamp, 1] - gy + size * (2.0 * v - 1.0)
        vz = lamps[lamp, 2] - gz + size * (2.0 * w - 1.0)
        far2 = vx * vx + vy * vy + vz * vz
        far = math.sqrt(far2)
        face = (nx * vx + ny * vy + nz * vz) / far
        face = (face + wrap) / (1.0 + wrap)
        if face <= 0.0:
            continue
        pass_share = 1.0
        if occlusion > 0:
            pass_share = blocked(
                world, gx, gy, gz, vx / far, vy / far, vz / far, far - 1.8 * size, False
            )
        if pass_share <= 0.0:
            continue
        f = face * pass_share / (far2 + 0.3)
        lr, lg, lb = lr + f * lamps[lamp, 3], lg + f * lamps[lamp, 4], lb + f * lamps[lamp, 5]
        if spec > 0.0:
            hx, hy, hz = vx / far - dx, vy / far - dy, vz / far - dz
            h = (hx * nx + hy * ny + hz * nz) / math.sqrt(hx * hx + hy * hy + hz * hz)
            if h > 0.0:
                f = spec * pass_share * h**shine / (far2 + 0.3)
                sr += f * lamps[lamp, 3]
                sg += f * lamps[lamp, 4]
                sb += f * lamps[lamp, 5]
    cosine = max(0.0, -(nx * dx + ny * dy + nz * dz))
    fresnel = (1.0 - cosine) ** 5
    base = mats[m, MIRROR] + mirror
    weight = base + (1.0 - base) * fresnel * (1.0 if base > 0.0 else 0.0)
    opacity = mats[m, OPACITY]
    if opacity < 1.0:
        opacity = opacity + (1.0 - opacity) * (1.0 - cosine) ** 2.5
        gloss = max(sr, max(sg, sb))
        opacity = min(1.0, opacity + gloss)
    return (
        r * lr + sr + glow * r,
        g * lg + sg + glow * g,
        b * lb + sb + glow * b,
        weight,
        nx,
        ny,
        nz,
        opacity,
    )


@njit(cache=True)
def seen(world, ox, oy, oz, dx, dy, dz, px, py, sample, occlusion):
    """Colour along a ray, through up to four layers of glass.

    Returns
    -------
    tuple of float
        Red, green, blue (premultiplied linear light), coverage (1 unless the ray leaves a world
        without sky), distance of the first surface in metres.
    """
    sky = world.sky
    r = g = b = 0.0
    left = 1.0
    first = -1.0
    travelled = 0.0
    for _layer in range(4):
        t, what = trace(world, ox, oy, oz, dx, dy, dz, 1e-4)
        if what == WINDOW_ID:
            t2, cr, cg, cb = outside(world, ox, oy, oz, dx, dy, dz)
            t = max(t, t2)
            if first < 0.0:
                first = t
            return r + left * cr, g + left * cg, b + left * cb, 1.0, first
        if what == SKY_ID:
            if first < 0.0:
                first = MISS
            if sky[STAGE] > 0.0:  # a cut-out stands before nothing
                return r, g, b, 1.0 - left, first
            cr, cg, cb = sky_colour(sky, dx, dy, dz, True)
            return r + left * cr, g + left * cg, b + left * cb, 1.0, first
        if first < 0.0:
            first = t
        cr, cg, cb, weight, nx, ny, nz, opacity = lit(
            world, what, ox, oy, oz, dx, dy, dz, t, px, py, sample, occlusion
        )
        x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
        if weight > 0.01:
            twice = 2.0 * (nx * dx + ny * dy + nz * dz)
            vx, vy, vz = dx - twice * nx, dy - twice * ny, dz - twice * nz
            if what == WATER_ID:
                vz = abs(vz)
            e = 1e-4 + 2e-4 * t
            s, other = trace(world, x + nx * e, y + ny * e, z + nz * e, vx, vy, vz, 1e-4)
            if other == SKY_ID:
                mr, mg, mb = sky_colour(sky, vx, vy, vz, True)
                if sky[STAGE] > 0.0:  # a studio: dark floor, a bright window to one side
                    f = 0.18 + 0.82 * smooth(-0.15, 0.25, vz)
                    box = (
                        smooth(0.3, 0.4, vx) * (1.0 - smooth(0.75, 0.85, vx)) * smooth(0.1, 0.2, vz)
                    )
                    f += 1.6 * box
                    mr, mg, mb = mr * f, mg * f, mb * f
            elif other == WINDOW_ID:
                _, mr, mg, mb = outside(world, x, y, z, vx, vy, vz)
            else:
                mr, mg, mb, _, _, _, _, _ = lit(
                    world,
                    other,
                    x + nx * e,
                    y + ny * e,
                    z + nz * e,
                    vx,
                    vy,
                    vz,
                    s,
                    px,
                    py,
                    sample,
                    0,
                )
            cr, cg, cb = cr + (mr - cr) * weight, cg + (mg - cg) * weight, cb + (mb - cb) * weight
        travelled += t
        if sky[HAZE] > 0.0:
            thick = sky[HAZE] * travelled
            w = 1.0 - math.exp(-thick)
            hr, hg, hb = haze_colour(sky, dx, dy, dz)
            cr, cg, cb = cr + (hr - cr) * w, cg + (hg - cg) * w, cb + (hb - cb) * w
        share = left * opacity
        r += share * cr
        g += share * cg
        b += share * cb
        left -= share
        if left < 0.02:
            break
        ox, oy, oz = x + dx * 1e-3, y + dy * 1e-3, z + dz * 1e-3
    return r, g, b, 1.0 - left, first
