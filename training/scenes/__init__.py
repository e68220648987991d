"""Procedural scenes with true depth, by seed: rooms, streets, landscapes, and single objects.

``scene(seed)`` and ``thing(seed)`` are the interface. The first image compiles the renderer: half
a minute, cached on disk. ``python -m training.scenes`` makes and verifies the built-in pack.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evafast.errors import UsageError
from training.scenes import interiors, landscapes, towns
from training.scenes.build import Builder
from training.scenes.render import Camera, cut_out, expose, photograph
from training.scenes.things import MAKERS

INTERIORS = interiors.STYLES
EXTERIORS = (*towns.STYLES, *landscapes.STYLES, "table")
STYLES = (*INTERIORS, *EXTERIORS)
THINGS = tuple(MAKERS)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A rendered scene.

    Attributes
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        sRGB.
    depth : ndarray of float32, shape (height, width)
        Metres along the optical axis; the sky is 1000.
    style : str
        One of ``STYLES``.
    indoors : bool
        Whether it is a room.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    style: str
    indoors: bool


@dataclass(frozen=True, kw_only=True)
class CutOut:
    """A rendered object without a background.

    Attributes
    ----------
    rgba : ndarray of uint8, shape (side, side, 4)
        sRGB with straight alpha.
    relief : ndarray of float32, shape (side, side)
        Depth behind the object's middle plane, as a share of the image's width at that plane: an
        object as wide as the image and half as deep has -0.25..0.25. NaN where the pixel's centre
        misses the object.
    kind : str
        One of ``THINGS``.
    """

    rgba: NDArray[np.uint8]
    relief: NDArray[np.float32]
    kind: str


def scene(
    seed: int,
    style: str | None = None,
    *,
    width: int = 224,
    height: int = 224,
    samples: int = 2,
    occlusion: int = 2,
) -> Picture:
    """Render the scene of a seed.

    Parameters
    ----------
    seed : int
        At least 0; the same seed and style give the same scene at any size.
    style : str, optional
        One of ``STYLES``; drawn from the seed by default.
    width, height : int
        Pixels.
    samples, occlusion : int
        Rays per pixel, and ambient occlusion rays per sample; see `render.expose`.

    Returns
    -------
    Picture

    Raises
    ------
    UsageError
        If the style is unknown or the seed is below 0.
    """
    if seed < 0:
        raise UsageError(f"seed: expected at least 0, got {seed}; choose another")
    if style is not None and style not in STYLES:
        raise UsageError(
            f"style: expected one of {', '.join(STYLES)}, got {style!r}; choose one of these"
        )
    b = Builder(seed)
    drawn = b.pick(STYLES)
    # half of all scenes are rooms, whatever the number of styles
    if style is None and b.chance(0.25):
        drawn = b.pick(INTERIORS)
    style = style or drawn
    if style in INTERIORS:
        camera, middle = interiors.room(b, style)
    elif style == "table":
        camera, middle = towns.still_life(b)
    elif style in towns.STYLES:
        camera, middle = towns.town(b, style)
    else:
        camera, middle = landscapes.nature(b, style)
    rgb, depth = photograph(
        b.world(), camera, width, height, samples=samples, occlusion=occlusion, middle=middle
    )
    return Picture(rgb=rgb, depth=depth, style=style, indoors=style in INTERIORS)


def thing(seed: int, kind: str | None = None, *, side: int = 256, samples: int = 16) -> CutOut:
    """Render the object of a seed without a background.

    Parameters
    ----------
    seed : int
        At least 0.
    kind : str, optional
        One of ``THINGS``; drawn from the seed by default.
    side : int
        Side in pixels.
    samples : int
        Rays per pixel; coverage has as many levels.

    Returns
    -------
    CutOut

    Raises
    ------
    UsageError
        If the kind is unknown or the seed is below 0.
    """
    if seed < 0:
        raise UsageError(f"seed: expected at least 0, got {seed}; choose another")
    if kind is not None and kind not in MAKERS:
        raise UsageError(
            f"kind: expected one of {', '.join(THINGS)}, got {kind!r}; choose one of these"
        )
    b = Builder(seed)
    kind = kind or b.pick(THINGS)
    with b.thing(yaw=b.uniform(-25, 25)):
        MAKERS[kind](b)
    b.sky[35] = 1.0
    b.sky[30] = 0.35
    side_light = b.pick([-1, 1]) * b.uniform(105, 160)
    warm = b.uniform(0.75, 1.0)
    b.sun(side_light, b.uniform(28, 60), (2.1, 2.1 * (0.9 + 0.1 * warm), 2.1 * warm), 0.06)
    b.ambient((0.6, 0.63, 0.68), (0.32, 0.3, 0.28))
    b.sky[0:3], b.sky[3:6] = (0.8, 0.9, 1.1), (0.75, 0.75, 0.75)
    world = b.world()
    centre, reach = world.groups[0, :3], float(world.groups[0, 3])
    view, pitch = b.uniform(18, 34), b.uniform(-24, -4)
    away = reach / np.sin(np.radians(view / 2)) * 1.02
    lift = np.radians(pitch)
    place = (
        float(centre[0]),
        float(centre[1] - away * np.cos(lift)),
        float(centre[2] - away * np.sin(lift)),
    )
    # the bounding ball is loose: render once at 64 px and narrow the view to what is visible
    _, rough = expose(world, Camera(place=place, pitch=pitch, view=view), 64, 64, 1, 0)
    rows, columns = np.nonzero(rough < 900)
    if len(rows):
        fill = max(abs(rows - 31.5).max(), abs(columns - 31.5).max()) / 32 * 1.05 + 0.03
        view = float(2 * np.degrees(np.arctan(np.tan(np.radians(view / 2)) * min(1.0, fill))))
    rgba, depth = cut_out(
        world, Camera(place=place, pitch=pitch, view=max(5.0, view)), side, samples=samples
    )
    span = 2 * away * np.tan(np.radians(view / 2))
    relief = np.where(depth < 900, (depth - away) / span, np.nan).astype(np.float32)
    return CutOut(rgba=rgba, relief=relief, kind=kind)
