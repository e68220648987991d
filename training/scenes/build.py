"""Builder: a world from solids, materials and light."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from training.scenes import geometry, sky, world
from training.scenes import textures as tex

Vector = tuple[float, float, float]
Item = TypeVar("Item")


def hsv(hue: float, saturation: float, value: float) -> Vector:
    """Return a linear-light colour for hue (0..1), saturation and sRGB-like value."""
    r, g, b = colorsys.hsv_to_rgb(hue % 1.0, min(1.0, saturation), min(1.0, value))
    return r**2.2, g**2.2, b**2.2


def turn(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> NDArray[np.float64]:
    """Return the rotation by roll about y, then pitch about x, then yaw about z; degrees."""
    a, b, c = (math.radians(v) for v in (yaw, pitch, roll))
    rz = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
    rx = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    ry = np.array([[math.cos(c), 0, math.sin(c)], [0, 1, 0], [-math.sin(c), 0, math.cos(c)]])
    return rz @ rx @ ry


class Builder:
    """Collects solids, materials and light for a `World`.

    Solids added inside ``with builder.thing(place, yaw, scale):`` are placed in that frame and
    share a bounding ball.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.Generator(np.random.Philox(key=seed))
        self.prims: list[list[float]] = []
        self.mats: list[list[float]] = []
        self.profiles: list[NDArray[np.float64]] = [np.ones(geometry.PROFILE_POINTS)]
        self.groups: list[list[float]] = []
        self.lamps: list[list[float]] = []
        self.windows: list[list[float]] = []
        self.sky = np.zeros(sky.SKY_WIDTH)
        self.land = np.zeros(world.LAND_WIDTH)
        self.heights = np.zeros((2, 2))
        self._frame = np.eye(4)
        self._balls: list[tuple[NDArray[np.float64], float]] | None = None
        self.mat((0.8, 0.8, 0.8))
        self.sky[sky.CLOUD_LIGHT] = 1.0
        self.sky[sky.AO_REACH] = 0.6
        self.sky[sky.SUN + 2] = 1.0

    # -- random choice ----------------------------------------------------------------------
    def uniform(self, low: float, high: float) -> float:
        """Draw a number from [low, high)."""
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        """Return True with the given probability."""
        return bool(self.rng.random() < share)

    def pick(self, of: Sequence[Item]) -> Item:
        """Draw one of a sequence."""
        return of[int(self.rng.integers(len(of)))]

    def many(self, low: int, high: int) -> int:
        """Draw an integer from low to high, inclusive."""
        return int(self.rng.integers(low, high + 1))

    # -- materials --------------------------------------------------------------------------
    def mat(
        self,
        c1: Vector,
        c2: Vector | None = None,
        c3: Vector | None = None,
        *,
        kind: int = tex.PLAIN,
        scale: float = 1.0,
        spec: float = 0.0,
        shine: float = 30.0,
        mirror: float = 0.0,
        bump: float = 0.0,
        bump_scale: float = 0.05,
        opacity: float = 1.0,
        glow: float = 0.0,
        wrap: float = 0.0,
        extra: float = 0.0,
    ) -> int:
        """Add a material and return its number. Colours are linear light, lengths are metres."""
        row = [0.0] * tex.MAT_WIDTH
        row[tex.KIND] = kind
        c2 = c2 if c2 is not None else (c1[0] * 0.8, c1[1] * 0.8, c1[2] * 0.8)
        c3 = c3 if c3 is not None else (c1[0] * 0.5, c1[1] * 0.5, c1[2] * 0.5)
        row[tex.C1 : tex.C1 + 3], row[tex.C2 : tex.C2 + 3], row[tex.C3 : tex.C3 + 3] = c1, c2, c3
        row[tex.SCALE], row[tex.SPECULAR], row[tex.SHININESS] = scale, spec, shine
        row[tex.MIRROR], row[tex.BUMP], row[tex.BUMP_SCALE] = mirror, bump, bump_scale
        row[tex.OPACITY], row[tex.GLOW], row[tex.WRAP], row[tex.EXTRA] = opacity, glow, wrap, extra
        row[tex.SEED] = float(self.rng.integers(1, 60000))
        self.mats.append(row)
        return len(self.mats) - 1

    def profile(self, points: Sequence[tuple[float, float]]) -> tuple[int, float]:
        """Add the profile of a lathed solid and return its number and largest radius.

        Points are (height 0..1, radius). The stored radii are divided by the largest.
        """
        heights = np.array([p[0] for p in points], np.float64)
        radii = np.array([p[1] for p in points], np.float64)
        s = np.linspace(0.0, 1.0, geometry.PROFILE_POINTS)
        r = np.interp(s, heights, radii)
        # two passes of a small blur round off the corners, but not the ends
        for _ in range(2):
            r[1:-1] = 0.25 * r[:-2] + 0.5 * r[1:-1] + 0.25 * r[2:]
        widest = float(r.max())
        self.profiles.append(r / widest)
        return len(self.profiles) - 1, widest

    # -- frames -----------------------------------------------------------------------------
    @contextmanager
    def thing(
        self,
        place: Sequence[float] = (0, 0, 0),
        yaw: float = 0.0,
        scale: float = 1.0,
        pitch: float = 0.0,
        roll: float = 0.0,
    ) -> Iterator[None]:
        """Place what is added inside at ``place``, rotated (degrees) and scaled."""
        outer = self._frame
        inner = np.eye(4)
        inner[:3, :3] = turn(yaw, pitch, roll) * scale
        inner[:3, 3] = place
        self._frame = outer @ inner
        top = self._balls is None
        first = len(self.prims)
        if top:
            self._balls = []
        try:
            yield
        finally:
            self._frame = outer
            if top:
                self._close(first)

    def _close(self, first: int) -> None:
        balls, self._balls = self._balls, None
        if not balls:
            return
        low = np.min([c - r for c, r in balls], axis=0)
        high = np.max([c + r for c, r in balls], axis=0)
        middle = 0.5 * (low + high)
        reach = max(float(np.linalg.norm(c - middle)) + r for c, r in balls)
        self.groups.append([*middle.tolist(), reach * 1.001, first, len(self.prims)])

    def _add(
        self,
        kind: int,
        place: Sequence[float],
        half: Sequence[float],
        mat: int,
        rotation: NDArray[np.float64] | None,
        reach: float,
        param: float = 0.0,
        row: int = 0,
    ) -> None:
        local = np.eye(4)
        local[:3, :3] = (np.eye(3) if rotation is None else rotation) @ np.diag(
            np.maximum(half, 1e-5)
        )
        local[:3, 3] = place
        whole = self._frame @ local
        back = np.linalg.inv(whole)
        prim = [0.0] * geometry.PRIM_WIDTH
        prim[0] = kind
        prim[1:10] = back[:3, :3].reshape(-1).tolist()
        prim[10:13] = back[:3, 3].tolist()
        prim[13], prim[14], prim[15] = param, mat, row
        self.prims.append(prim)
        ball = (whole[:3, 3].copy(), float(np.linalg.norm(whole[:3, :3], axis=0).max()) * reach)
        if kind in (geometry.BOX, geometry.FRUSTUM, geometry.LATHE, geometry.PILLOW):
            ball = (ball[0], float(np.linalg.norm(np.linalg.norm(whole[:3, :3], axis=0))))
        if self._balls is None:
            self._balls = [ball]
            self._close(len(self.prims) - 1)
        else:
            self._balls.append(ball)

    # -- solids; `place` is the centre unless stated otherwise --------------------------------
    def box(self, place: Sequence[float], size: Sequence[float], mat: int, rot=None) -> None:
        """Add a box with sides ``size``."""
        self._add(geometry.BOX, place, [s / 2 for s in size], mat, rot, 1.0)

    def ball(
        self, place: Sequence[float], radii: float | Sequence[float], mat: int, rot=None
    ) -> None:
        """Add a ball or ellipsoid."""
        half = [radii] * 3 if isinstance(radii, (int, float)) else list(radii)
        self._add(geometry.SPHERE, place, half, mat, rot, 1.0)

    def pillow(
        self, place: Sequence[float], size: Sequence[float], mat: int, rot=None, sharp=False
    ) -> None:
        """Add a box with rounded sides, less rounded if ``sharp``."""
        self._add(
            geometry.PILLOW, place, [s / 2 for s in size], mat, rot, 1.0, 8.0 if sharp else 4.0
        )

    def rod(
        self, a: Sequence[float], b: Sequence[float], r0: float, mat: int, r1: float | None = None
    ) -> None:
        """Add a round rod or cone from ``a`` (radius r0) to ``b`` (radius r1)."""
        start, end = np.asarray(a, float), np.asarray(b, float)
        if r1 is not None and r1 > r0:  # the unit shape narrows upwards
            start, end, r0, r1 = end, start, r1, r0
        axis = end - start
        length = float(np.linalg.norm(axis))
        z = axis / length
        x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0], z)
        x /= np.linalg.norm(x)
        rotation = np.stack([x, np.cross(z, x), z], axis=1)
        top = 1.0 if r1 is None else r1 / r0
        self._add(
            geometry.FRUSTUM,
            ((start + end) / 2).tolist(),
            [r0, r0, length / 2],
            mat,
            rotation,
            1.0,
            top,
        )

    def ring(self, place: Sequence[float], radius: float, thick: float, mat: int, rot=None) -> None:
        """Add a torus about the z axis of its frame."""
        self._add(
            geometry.TORUS, place, [radius] * 3, mat, rot, 1.0 + thick / radius, thick / radius
        )

    def turned(self, foot: Sequence[float], height: float, points, mat: int, rot=None) -> None:
        """Add a solid of revolution on ``foot``; points are (share of height, radius)."""
        row, widest = self.profile(points)
        up = (np.eye(3) if rot is None else rot) @ np.array([0, 0, height / 2])
        middle = [f + u for f, u in zip(foot, up, strict=True)]
        self._add(geometry.LATHE, middle, [widest, widest, height / 2], mat, rot, 1.0, 0.0, row)

    def leaves(self, place: Sequence[float], radii, mat: int, grain: float = 5.0) -> None:
        """Add a ragged ball of leaves."""
        half = [radii] * 3 if isinstance(radii, (int, float)) else list(radii)
        self._add(geometry.FOLIAGE, place, half, mat, None, 1.0, grain)

    def fur(self, place: Sequence[float], radii, mat: int, rot=None, hair: float = 0.16) -> None:
        """Add a ball whose outer ``hair`` share is hair."""
        half = [radii] * 3 if isinstance(radii, (int, float)) else list(radii)
        self._add(geometry.FUR, place, half, mat, rot, 1.0, hair)

    # -- light --------------------------------------------------------------------------------
    def sun(self, yaw: float, height: float, light: Vector, size: float = 0.02) -> None:
        """Set the sun at ``yaw`` (0 is +y, towards +x) and ``height`` degrees; soft by ``size``."""
        a, b = math.radians(yaw), math.radians(height)
        s = self.sky
        s[sky.SUN : sky.SUN + 3] = (
            math.sin(a) * math.cos(b),
            math.cos(a) * math.cos(b),
            math.sin(b),
        )
        s[sky.SUN_LIGHT : sky.SUN_LIGHT + 3] = light
        s[sky.SUN_SIZE] = size

    def ambient(self, up: Vector, down: Vector) -> None:
        """Set the light from above and from below."""
        self.sky[sky.AMBIENT_UP : sky.AMBIENT_UP + 3] = up
        self.sky[sky.AMBIENT_DOWN : sky.AMBIENT_DOWN + 3] = down

    def lamp(self, place: Sequence[float], light: Vector, size: float = 0.15) -> None:
        """Add a small light with inverse-square falloff, in the current frame."""
        x, y, z = (self._frame @ np.array([*place, 1.0]))[:3].tolist()
        self.lamps.append([x, y, z, *light, size])

    def world(self) -> world.World:
        """Return what was added as arrays."""

        def table(rows: list[list[float]], width: int) -> NDArray[np.float64]:
            return np.array(rows, np.float64).reshape(len(rows), width)

        return world.World(
            table(self.prims, geometry.PRIM_WIDTH),
            table(self.mats, tex.MAT_WIDTH),
            np.array(self.profiles),
            table(self.groups, world.GROUP_WIDTH),
            table(self.lamps, world.LAMP_WIDTH),
            table(self.windows, world.WINDOW_WIDTH),
            self.sky.copy(),
            self.land.copy(),
            np.ascontiguousarray(self.heights, np.float64),
        )
