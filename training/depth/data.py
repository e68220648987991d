"""Samples to learn depth from: rendered scenes, composites, or any image/depth pairs.

As in DenseDepth, the network learns ``y = 1000 / depth`` with ``depth`` in 10..1000: ``y`` runs
from 1 (far) to 100 (near), and ``1 / y`` is depth as a share of ten metres. That is metric in
rooms. Outdoors nothing ends at ten metres, so there ``y = 1 + 10 m / distance``: far is again 1,
and ``distance = 10 m / (y - 1)``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from evafast.errors import UsageError
from training.depth.cache import (
    HELD_OUT,
    SHARD,
    SIDE,
    THING_SIDE,
    Arrays,
    inverse_depth,
    joined,
    load_shard,
    read_shard,
)

FIT = 150  # longest side of a foreground on the canvas, as in evafast's preprocessing
_SPAN = 1.27  # width of what an image of 65 degrees shows at distance 1


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An image with its target.

    Attributes
    ----------
    rgb : ndarray of uint8, (h, w, 3)
    y : ndarray of float32, (h, w)
        Target, 1 (far) to 100 (near).
    behind : ndarray of float32, (h, w)
        Target without the pasted object.
    mask : ndarray of bool, (h, w)
        Where the object is.
    """

    rgb: NDArray[np.uint8]
    y: NDArray[np.float32]
    behind: NDArray[np.float32]
    mask: NDArray[np.bool_]

    @classmethod
    def plain(cls, rgb: NDArray[np.uint8], y: NDArray[np.float32]) -> Sample:
        """Return a sample without a pasted object."""
        return cls(rgb=rgb, y=y, behind=y, mask=np.zeros(y.shape, bool))


# -- composites with true depth ------------------------------------------------------------------


def fitted(
    rgba: NDArray[np.uint8], relief: NDArray[np.floating], fit: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32], float] | None:
    """Crop an object to what is visible and shrink it to fit ``fit`` pixels.

    Returns
    -------
    rgba : ndarray of uint8, (h, w, 4)
    relief : ndarray of float32, (h, w)
        NaN off the object.
    side : float
        Canvas pixels that the rendered side became.

    None if nothing is visible.
    """
    rows, columns = np.flatnonzero(rgba[..., 3].any(1)), np.flatnonzero(rgba[..., 3].any(0))
    if not len(rows):
        return None
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    rgba, relief = rgba[box], relief[box]
    scale = min(fit / rgba.shape[0], fit / rgba.shape[1])
    size = (max(1, round(rgba.shape[1] * scale)), max(1, round(rgba.shape[0] * scale)))
    # Resized premultiplied, or black would bleed in at the edge.
    cover = rgba[..., 3:].astype(np.float32) / 255.0
    light = cv2.resize(
        np.dstack([rgba[..., :3] * cover, cover]), size, interpolation=cv2.INTER_AREA
    )
    cover = light[..., 3:]
    rgb = light[..., :3] / np.maximum(cover, 1e-3)
    rgba = (np.dstack([rgb, cover * 255.0]) + 0.5).clip(0, 255).astype(np.uint8)
    relief = cv2.resize(relief.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
    return rgba, relief, THING_SIDE * scale


def paste(
    rgb: NDArray[np.uint8],
    y: NDArray[np.float32],
    rgba: NDArray[np.uint8],
    relief: NDArray[np.floating],
    rng: np.random.Generator,
    fit: int = FIT,
) -> Sample:
    """Paste an object between the camera and the scene, with its own depth.

    Its middle lies at 0.55 to 0.8 of the depth of the nearer part of what it hides; its surface
    extends before and behind that by its own relief at the size at which it appears.
    """
    cut = fitted(rgba, relief, fit)
    if cut is None:
        return Sample.plain(rgb, y)
    rgba, relief, side = cut
    h, w = rgba.shape[:2]
    top, left = rng.integers(rgb.shape[0] - h + 1), rng.integers(rgb.shape[1] - w + 1)
    box = np.s_[top : top + h, left : left + w]
    mask = np.zeros(y.shape, bool)
    mask[box] = np.isfinite(relief) & (rgba[..., 3] > 24)
    if not mask.any():
        return Sample.plain(rgb, y)
    cover = rgba[..., 3:].astype(np.float32) / 255.0
    out, target = rgb.copy(), y.copy()
    out[box] = (rgba[..., :3] * cover + rgb[box] * (1 - cover) + 0.5).astype(np.uint8)
    behind = 1.0 / y[mask]
    middle = rng.uniform(0.55, 0.8) * np.quantile(behind, 0.1)
    depth = middle * (1.0 + relief[mask[box]] * _SPAN * side / SIDE)
    depth = np.minimum(depth, 0.97 * behind)  # what is visible is in front
    target[mask] = np.clip(1.0 / np.maximum(depth, 0.01), 1.0, 100.0)
    return Sample(rgb=out, y=target, behind=y, mask=mask)


# -- sources -------------------------------------------------------------------------------------


class Source(ABC):
    """Random access to samples."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images."""

    @abstractmethod
    def draw(self, index: int, rng: np.random.Generator) -> Sample:
        """Return image `index` at 224 pixels, with what is random drawn from ``rng``."""

    def refresh(self) -> None:  # noqa: B027 - most sources are complete
        """Take in images that have become available; called now and then during training."""


class Rendered(Source):
    """Rendered scenes, most of them with a rendered object pasted in.

    Parameters
    ----------
    scenes, things : dict
        See `training.depth.cache.load_shard`.
    """

    def __init__(self, scenes: Arrays, things: Arrays) -> None:
        self.scenes, self.things = scenes, things

    def __len__(self) -> int:
        return len(self.scenes["rgb"])

    def draw(self, index: int, rng: np.random.Generator) -> Sample:
        """Return scene `index`, perhaps cropped, and with a random object in 70 of 100 cases."""
        scenes, things = self.scenes, self.things
        rgb, y = scenes["rgb"][index], scenes["y"][index].astype(np.float32)
        if rng.random() < 0.5:
            rgb, y = _cropped(rgb, y, rng.uniform(0.8, 1.0), rng)
        if rng.random() < 0.3:
            return Sample.plain(rgb, y)
        i = int(rng.integers(len(things["rgba"])))
        fit = FIT if rng.random() < 0.6 else int(rng.integers(60, FIT))
        rgba, relief = things["rgba"][i], things["relief"][i]
        if rng.random() < 0.5:
            rgba, relief = rgba[:, ::-1], relief[:, ::-1]
        return paste(rgb, y, np.ascontiguousarray(rgba), np.ascontiguousarray(relief), rng, fit)


class AsCached(Rendered):
    """The training shards that a cache holds; `refresh` takes in new ones.

    Parameters
    ----------
    cache : Path
        The first shard of each kind is rendered if it is missing.
    """

    def __init__(self, cache: Path) -> None:
        super().__init__({}, {})
        self._cache, self._read = cache, set[str]()
        for kind in ("scenes", "things"):
            load_shard(cache, kind, 0)
        self.refresh()

    def refresh(self) -> None:
        """Read the shards that are new in the cache."""
        for kind in ("scenes", "things"):
            paths = [
                path for path in sorted(self._cache.glob(f"{kind}-*-{SHARD}.npz"))
                if int(path.name.split("-")[1]) < HELD_OUT and path.name not in self._read
            ]  # fmt: skip
            if paths:
                self._read.update(path.name for path in paths)
                held = [arrays] if (arrays := getattr(self, kind)) else []
                # One assignment, because another thread may be drawing.
                setattr(self, kind, joined([*held, *map(read_shard, paths)]))


class Pairs(Source):
    """A folder of images and depth maps with the same stem.

    Parameters
    ----------
    folder : Path
        ``rgb/NAME.jpg|png`` with ``depth/NAME.png`` (16-bit millimetres) or ``depth/NAME.npy``
        (metres). Zero or NaN depth counts as far.
    indoors : bool
        Whether depth ends at ten metres; see the module.

    Raises
    ------
    UsageError
        If there is no pair.
    """

    def __init__(self, folder: Path, indoors: bool = True) -> None:
        self.indoors = indoors
        self.rows = []
        for path in sorted((folder / "rgb").glob("*")):
            maps = [folder / "depth" / f"{path.stem}{suffix}" for suffix in (".png", ".npy")]
            if truth := next((p for p in maps if p.exists()), None):
                self.rows.append((path, truth))
        if not self.rows:
            raise UsageError(
                f"--pairs: expected {folder}/rgb/NAME.jpg with {folder}/depth/NAME.png|npy, "
                "got no such pair; give both files the same name"
            )

    def __len__(self) -> int:
        return len(self.rows)

    def draw(self, index: int, rng: np.random.Generator) -> Sample:
        """Return pair `index`."""
        path, truth = self.rows[index]
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if truth.suffix == ".npy":
            metres = np.load(truth).astype(np.float32)
        else:
            metres = cv2.imread(str(truth), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000.0
        metres = np.where(np.isfinite(metres) & (metres > 0), metres, 1000.0)
        metres = cv2.resize(metres, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
        rgb = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        return Sample.plain(rgb, inverse_depth(metres, self.indoors))


# -- batches -------------------------------------------------------------------------------------


def batch(
    source: Source, indices: NDArray[np.integer], seed: int, *, swap: float = 0.25
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return augmented images (n, 224, 224, 3) and targets at half size (n, 112, 112)."""
    images, targets = [], []
    for index in indices:
        rng = np.random.default_rng([seed, int(index)])
        sample = source.draw(int(index), rng)
        rgb, y = sample.rgb, sample.y
        if rng.random() < 0.5:
            rgb, y = rgb[:, ::-1], y[:, ::-1]
        images.append(augmented(rgb, rng, swap))
        targets.append(half(y))
    return np.stack(images), np.stack(targets)


def half(y: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return a target at half size: one pixel of four, because a mean would invent depths."""
    return np.ascontiguousarray(y[1::2, 1::2], np.float32)


def augmented(rgb: NDArray[np.uint8], rng: np.random.Generator, swap: float) -> NDArray[np.uint8]:
    """Return an image with permuted channels (as in DenseDepth), other light, contrast and blur."""
    if rng.random() < swap:
        rgb = rgb[..., rng.permutation(3)]
    if rng.random() < 0.7:
        x = np.arange(256) / 255.0
        x = np.clip(x, 0, 1) ** rng.uniform(0.7, 1.4)
        x = (x - 0.5) * rng.uniform(0.75, 1.2) + 0.5 + rng.uniform(-0.08, 0.08)
        rgb = (x * 255).clip(0, 255).astype(np.uint8)[rgb]
    if rng.random() < 0.3:
        grey = rgb @ np.array([0.3, 0.59, 0.11])
        s = rng.uniform(0.0, 0.8)
        rgb = (rgb * s + grey[..., None] * (1 - s)).astype(np.uint8)
    if rng.random() < 0.3:
        rgb = cv2.GaussianBlur(np.ascontiguousarray(rgb), (0, 0), rng.uniform(0.4, 1.2))
    return rgb


def _cropped(
    rgb: NDArray[np.uint8], y: NDArray[np.float32], share: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return a random square, ``share`` of the side, resized to full size."""
    side = round(rgb.shape[0] * share)
    top, left = rng.integers(rgb.shape[0] - side + 1, size=2)
    box = np.s_[top : top + side, left : left + side]
    whole = (rgb.shape[1], rgb.shape[0])
    return (
        cv2.resize(rgb[box], whole, interpolation=cv2.INTER_LINEAR),
        cv2.resize(y[box], whole, interpolation=cv2.INTER_NEAREST),
    )
