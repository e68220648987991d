"""From a world and a camera to an image with metric depth.

Rows are rendered in parallel and share no sums, so the image does not depend on the number of
threads. Depth is along the optical axis at each pixel's centre; colour is the mean of ``samples``
rays per pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from evafast.errors import UsageError
from training.scenes.shading import jitter, seen
from training.scenes.world import FAR, World


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera.

    Attributes
    ----------
    place : tuple of float
        Position in metres; z is up.
    yaw, pitch : float
        Viewing direction in degrees: yaw 0 is +y, turning towards +x; pitch is up.
    view : float
        Angle of view across the longer side, degrees, 5 to 120.
    """

    place: tuple[float, float, float]
    yaw: float = 0.0
    pitch: float = 0.0
    view: float = 65.0

    def __post_init__(self) -> None:
        if not 5.0 <= self.view <= 120.0:
            raise UsageError(
                f"view: expected 5 to 120 degrees, got {self.view}; choose one in between"
            )

    def row(self) -> NDArray[np.float64]:
        """Return place, forward, right, up and tangent of half the view, float64 (13,)."""
        yaw, pitch = math.radians(self.yaw), math.radians(self.pitch)
        forward = (
            math.sin(yaw) * math.cos(pitch),
            math.cos(yaw) * math.cos(pitch),
            math.sin(pitch),
        )
        right = (math.cos(yaw), -math.sin(yaw), 0.0)
        up = (-math.sin(yaw) * math.sin(pitch), -math.cos(yaw) * math.sin(pitch), math.cos(pitch))
        half = math.tan(math.radians(self.view) / 2)
        return np.array([*self.place, *forward, *right, *up, half], np.float64)


@njit(parallel=True, cache=True)
def _expose(world, camera, width, height, samples, occlusion, light, depth):
    half = camera[12]
    scale = 2.0 * half / max(width, height)
    for row in prange(height):
        for column in range(width):
            r = g = b = a = 0.0
            for sample in range(samples):
                u, v = jitter(column, row, sample, 3)
                if sample == 0:
                    u = v = 0.5
                sx = (column + u - 0.5 * width) * scale
                sy = (0.5 * height - row - v) * scale
                dx = camera[3] + sx * camera[6] + sy * camera[9]
                dy = camera[4] + sx * camera[7] + sy * camera[10]
                dz = camera[5] + sx * camera[8] + sy * camera[11]
                n = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
                cr, cg, cb, ca, t = seen(
                    world,
                    camera[0],
                    camera[1],
                    camera[2],
                    dx * n,
                    dy * n,
                    dz * n,
                    column,
                    row,
                    sample,
                    occlusion,
                )
                r += min(cr, 8.0)
                g += min(cg, 8.0)
                b += min(cb, 8.0)
                a += ca
                if sample == 0:
                    depth[row, column] = min(FAR, t * n)
            light[row, column, 0] = r / samples
            light[row, column, 1] = g / samples
            light[row, column, 2] = b / samples
            light[row, column, 3] = a / samples


def expose(
    world: World, camera: Camera, width: int, height: int, samples: int, occlusion: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Render linear light and depth.

    Parameters
    ----------
    world : World
        What to render.
    camera : Camera
        From where.
    width, height : int
        Pixels, at least 1.
    samples : int
        Rays per pixel, at least 1.
    occlusion : int
        Ambient occlusion rays per sample; 0 is fast and flat.

    Returns
    -------
    light : ndarray of float32, shape (height, width, 4)
        Premultiplied linear red, green, blue, and coverage 0..1.
    depth : ndarray of float32, shape (height, width)
        Metres along the optical axis at pixel centres; ``FAR`` where nothing was hit.
    """
    for name, value in (("width", width), ("height", height), ("samples", samples)):
        if value < 1:
            raise UsageError(f"{name}: expected at least 1, got {value}; raise it")
    light = np.empty((height, width, 4), np.float32)
    depth = np.empty((height, width), np.float32)
    _expose(world, camera.row(), width, height, samples, occlusion, light, depth)
    return light, depth


def develop(
    light: NDArray[np.floating], exposure: float, contrast: float = 1.0
) -> NDArray[np.uint8]:
    """Convert linear light to sRGB bytes, with a soft shoulder.

    Parameters
    ----------
    light : ndarray of float32, shape (..., 3)
        Linear light, not negative.
    exposure : float
        Factor on the light.
    contrast : float
        Exponent about middle grey; 1 changes nothing.

    Returns
    -------
    ndarray of uint8, shape (..., 3)
    """
    x = np.maximum(light.astype(np.float64) * exposure, 0.0)
    x = 0.18 * (x / 0.18) ** contrast
    # linear up to 0.6, then rolled off towards 1, so that suns and lamps keep some colour
    knee = 0.6
    over = np.maximum(x - knee, 0.0)
    x = np.where(x > knee, knee + (1 - knee) * (1 - np.exp(-over / (1 - knee))), x)
    s = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 0.0031308) ** (1 / 2.4) - 0.055)
    return (np.clip(s, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def meter(light: NDArray[np.floating], middle: float) -> float:
    """Return the exposure that puts the typical brightness at ``middle`` (linear, 0..1)."""
    luma = light[..., :3].astype(np.float64) @ np.array([0.2126, 0.7152, 0.0722])
    typical = float(np.exp(np.mean(np.log(luma + 0.02)))) - 0.01
    # keep the 90th percentile under 1.3, so as not to burn out bright skies
    bright = float(np.quantile(luma, 0.9))
    return min(middle / max(typical, 0.01), 1.3 / max(bright, 0.05))


def photograph(
    world: World,
    camera: Camera,
    width: int,
    height: int,
    *,
    samples: int = 2,
    occlusion: int = 2,
    middle: float = 0.22,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Render a finished image and its depth; arguments as for `expose`.

    Parameters
    ----------
    middle : float
        Brightness to expose for, linear 0..1.

    Returns
    -------
    rgb : ndarray of uint8, shape (height, width, 3)
        sRGB.
    depth : ndarray of float32, shape (height, width)
        Metres, 0..FAR.
    """
    light, depth = expose(world, camera, width, height, samples, occlusion)
    return develop(light[..., :3], meter(light[::4, ::4], middle), 1.08), depth


def cut_out(
    world: World, camera: Camera, side: int, *, samples: int = 16, occlusion: int = 1
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Render an object without a background.

    Returns
    -------
    rgba : ndarray of uint8, shape (side, side, 4)
        sRGB with straight alpha.
    depth : ndarray of float32, shape (side, side)
        Metres; ``FAR`` where the pixel's centre misses the object.
    """
    light, depth = expose(world, camera, side, side, samples, occlusion)
    cover = light[..., 3]
    straight = light[..., :3] / np.maximum(cover, 1e-4)[..., None]
    solid = straight[cover > 0.5]
    exposure = meter(solid[None], 0.24) if len(solid) else 1.0
    alpha = (np.clip(cover, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    rgb = develop(straight, min(2.5, max(0.5, exposure)), 1.05)
    rgb[alpha == 0] = 0  # invisible colour would only cost bytes
    return np.dstack([rgb, alpha]), depth
