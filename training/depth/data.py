"""What the depth network learns from: rendered scenes, composites, or any image/depth pairs.

Depth is learned as DenseDepth does, as ``y = 1000 / depth`` with ``depth`` running 10..1000; so
``y`` runs 1 (far) to 100 (near) and ``1 / y`` is depth as a share of ten metres. Rooms are metric.
The open has no ten-metre end, so there ``y = 1 + 10 m / distance``: far is again 1, and
``distance = 10 m / (y - 1)`` brings the metres back.

    python training/data.py CACHE --scenes 0:6000 --things 0:3000

renders ahead of training; training renders what is missing itself.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from evafast.errors import UsageError
from training import scenes

SIDE = 224  # pixels of a picture
THING_SIDE = 176  # pixels of a rendered cut-out, before it is cropped and fitted
FIT = 150  # longest side of a cut-out on the canvas, as in evafast's preprocessing
SHARD = 100  # pictures a cache file holds
HELD_OUT = 10_000_000  # seeds from here on are never trained on
_SPAN = 1.27  # what a picture of 65 degrees spans at distance 1


def inverse_depth(metres: NDArray[np.floating], indoors: bool) -> NDArray[np.float32]:
    """Metres to the network's target ``y`` (1 far to 100 near); shape kept, float32."""
    y = 10.0 / np.maximum(np.asarray(metres, np.float32), 0.05)
    return np.clip(y if indoors else y + 1.0, 1.0, 100.0).astype(np.float32)


# -- the cache of rendered pictures ----------------------------------------------------------


def _save(path: Path, **arrays: NDArray) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.npz")  # a killed run leaves no half shard
    np.savez(part, **arrays)
    part.replace(path)


def scene_shard(cache: Path, start: int, count: int = SHARD) -> dict[str, NDArray]:
    """Scenes of seeds ``start`` to ``start + count``, from the cache or rendered now.

    Returns
    -------
    dict
        ``rgb`` uint8 (N, 224, 224, 3), ``y`` float16 (N, 224, 224), ``indoors`` bool (N,).
    """
    path = cache / f"scenes-{start:08d}-{count}.npz"
    if not path.exists():
        pictures = [scenes.scene(start + i, samples=2, occlusion=1) for i in range(count)]
        _save(
            path,
            rgb=np.stack([p.rgb for p in pictures]),
            y=np.stack([inverse_depth(p.depth, p.indoors) for p in pictures]).astype(np.float16),
            indoors=np.array([p.indoors for p in pictures]),
        )
    with np.load(path) as stored:
        return dict(stored)


def thing_shard(cache: Path, start: int, count: int = SHARD) -> dict[str, NDArray]:
    """Cut-outs from seed ``start``: ``rgba`` uint8 (N, S, S, 4), ``relief`` float16 (N, S, S)."""
    path = cache / f"things-{start:08d}-{count}.npz"
    if not path.exists():
        things = [scenes.thing(start + i, side=THING_SIDE, samples=9) for i in range(count)]
        _save(
            path,
            rgba=np.stack([t.rgba for t in things]),
            relief=np.stack([t.relief for t in things]).astype(np.float16),
        )
    with np.load(path) as stored:
        return dict(stored)


def load(cache: Path, kind: str, seeds: range, report=print) -> dict[str, NDArray]:
    """Gather shards of ``scenes`` or ``things`` in memory, rendering what is missing."""
    one = {"scenes": scene_shard, "things": thing_shard}[kind]
    cache.mkdir(parents=True, exist_ok=True)
    shards, began = [], time.monotonic()
    for start in range(seeds.start, seeds.stop, SHARD):
        shards.append(one(cache, start, min(SHARD, seeds.stop - start)))
        done = start + SHARD - seeds.start
        if done % 1000 == 0:
            report(f"{kind}: {done} of {len(seeds)}, {done / (time.monotonic() - began):.1f}/s")
    return {name: np.concatenate([s[name] for s in shards]) for name in shards[0]}


# -- composites with true depth ------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Composite:
    """A picture with its target, and where an object was pasted (empty if none was)."""

    rgb: NDArray[np.uint8]
    y: NDArray[np.float32]
    behind: NDArray[np.float32]  # the target without the object
    mask: NDArray[np.bool_]


def fitted(rgba: NDArray[np.uint8], relief: NDArray[np.floating], fit: int):
    """Crop a cut-out to what is visible and shrink it to ``fit`` pixels.

    Returns
    -------
    rgba : ndarray of uint8
    relief : ndarray of float32
        Same height and width; NaN off the object.
    side : float
        How many canvas pixels the whole rendered side became.
    """
    rows, columns = np.flatnonzero(rgba[..., 3].any(1)), np.flatnonzero(rgba[..., 3].any(0))
    if not len(rows):
        return None
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    rgba, relief = rgba[box], relief[box]
    scale = min(fit / rgba.shape[0], fit / rgba.shape[1])
    size = (max(1, round(rgba.shape[1] * scale)), max(1, round(rgba.shape[0] * scale)))
    # colour is shrunk premultiplied, or the black outside would bleed in at the edge
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
) -> Composite:
    """Paste a cut-out between the camera and the scene, with its own depth.

    Its middle is set to 0.55..0.8 of the depth of the nearer parts of what it hides; its surface
    runs before and behind that by its own relief, at the size at which it is seen.
    """
    nothing = np.zeros(y.shape, bool)
    cut = fitted(rgba, relief, fit)
    if cut is None:
        return Composite(rgb=rgb, y=y, behind=y, mask=nothing)
    rgba, relief, side = cut
    h, w = rgba.shape[:2]
    top, left = rng.integers(rgb.shape[0] - h + 1), rng.integers(rgb.shape[1] - w + 1)
    box = np.s_[top : top + h, left : left + w]
    cover = rgba[..., 3:].astype(np.float32) / 255.0
    out, target, mask = rgb.copy(), y.copy(), nothing
    out[box] = (rgba[..., :3] * cover + rgb[box] * (1 - cover) + 0.5).astype(np.uint8)
    mask[box] = np.isfinite(relief) & (rgba[..., 3] > 24)
    if not mask.any():
        return Composite(rgb=rgb, y=y, behind=y, mask=mask)
    behind = 1.0 / y[mask]
    middle = rng.uniform(0.55, 0.8) * np.quantile(behind, 0.1)
    depth = middle * (1.0 + relief[mask[box]] * _SPAN * side / SIDE)
    depth = np.minimum(depth, 0.97 * behind)  # what shows of it is in front
    target[mask] = np.clip(1.0 / np.maximum(depth, 0.01), 1.0, 100.0)
    return Composite(rgb=out, y=target, behind=y, mask=mask)


# -- batches -------------------------------------------------------------------------------------


class Rendered:
    """Endless random samples of rendered scenes, half of them with a cut-out pasted on."""

    def __init__(self, scene: dict[str, NDArray], thing: dict[str, NDArray]) -> None:
        self.scene, self.thing = scene, thing
        self.seen: set[str] = set()

    def __len__(self) -> int:
        return len(self.scene["rgb"])

    def draw(self, index: int, rng: np.random.Generator) -> Composite:
        """Draw sample ``index`` with chance from ``rng``."""
        scene, thing = self.scene, self.thing
        rgb, y = scene["rgb"][index], scene["y"][index].astype(np.float32)
        if rng.random() < 0.5:
            rgb, y = cropped(rgb, y, rng.uniform(0.8, 1.0), rng)
        if rng.random() < 0.3:
            return Composite(rgb=rgb, y=y, behind=y, mask=np.zeros(y.shape, bool))
        i = int(rng.integers(len(thing["rgba"])))
        fit = FIT if rng.random() < 0.6 else int(rng.integers(60, FIT))
        rgba, relief = thing["rgba"][i], thing["relief"][i]
        if rng.random() < 0.5:
            rgba, relief = rgba[:, ::-1], relief[:, ::-1]
        return paste(rgb, y, np.ascontiguousarray(rgba), np.ascontiguousarray(relief), rng, fit)


def cached(cache: Path) -> Rendered:
    """Whatever training shards a cache holds by now; at least one of each kind is rendered."""
    scene_shard(cache, 0)
    thing_shard(cache, 0)
    source = Rendered({}, {})
    take_in(source, cache)
    return source


def take_in(source: Rendered, cache: Path) -> None:
    """Read the shards that appeared in a cache since the last look."""
    for kind, name_in_source in (("scenes", "scene"), ("things", "thing")):
        held, new = getattr(source, name_in_source), []
        for path in sorted(cache.glob(f"{kind}-*-{SHARD}.npz")):
            if int(path.name.split("-")[1]) < HELD_OUT and path.name not in source.seen:
                source.seen.add(path.name)
                with np.load(path) as stored:
                    new.append(dict(stored))
        if new:
            # set in one go: another thread may be drawing
            grown = {
                n: np.concatenate([*([held[n]] if held else []), *(s[n] for s in new)])
                for n in new[0]
            }
            setattr(source, name_in_source, grown)


class Pairs:
    """A folder of pictures and depth maps of the same stem.

    ``DIR/rgb/NAME.jpg|png`` with ``DIR/depth/NAME.png`` (16-bit millimetres) or ``NAME.npy``
    (metres). Zero or NaN depth counts as far.
    """

    def __init__(self, folder: Path, indoors: bool = True) -> None:
        self.indoors = indoors
        self.rows = []
        for path in sorted((folder / "rgb").glob("*")):
            found = [
                p for e in (".png", ".npy") if (p := folder / "depth" / (path.stem + e)).exists()
            ]
            if found:
                self.rows.append((path, found[0]))
        if not self.rows:
            raise UsageError(
                f"--pairs: expected {folder}/rgb/NAME.jpg with {folder}/depth/NAME.png|npy, "
                "got no such pair; name both files alike"
            )

    def __len__(self) -> int:
        return len(self.rows)

    def draw(self, index: int, rng: np.random.Generator) -> Composite:
        """Read pair ``index``, resized to 224."""
        picture, truth = self.rows[index]
        image = cv2.imread(str(picture), cv2.IMREAD_COLOR_RGB)
        if truth.suffix == ".npy":
            metres = np.load(truth).astype(np.float32)
        else:
            metres = cv2.imread(str(truth), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000.0
        metres = np.where(np.isfinite(metres) & (metres > 0), metres, 1000.0)
        rgb = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        y = inverse_depth(
            cv2.resize(metres, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST), self.indoors
        )
        return Composite(rgb=rgb, y=y, behind=y, mask=np.zeros(y.shape, bool))


def cropped(
    rgb: NDArray[np.uint8], y: NDArray[np.float32], share: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A random square of a picture, ``share`` of its side, brought back to full size."""
    side = round(rgb.shape[0] * share)
    top, left = rng.integers(rgb.shape[0] - side + 1, size=2)
    box = np.s_[top : top + side, left : left + side]
    whole = (rgb.shape[1], rgb.shape[0])
    return (
        cv2.resize(rgb[box], whole, interpolation=cv2.INTER_LINEAR),
        cv2.resize(y[box], whole, interpolation=cv2.INTER_NEAREST),
    )


def augment(rgb: NDArray[np.uint8], rng: np.random.Generator, swap: float) -> NDArray[np.uint8]:
    """Channel swap (as DenseDepth), then light, contrast, softness: photographs vary in those."""
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


def batch(
    source: Rendered | Pairs,
    indices: NDArray[np.integer],
    seed: int,
    *,
    train: bool,
    swap: float = 0.25,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Pictures (N, 224, 224, 3) uint8 and targets ``y`` at half size (N, 112, 112) float32."""
    pictures, targets = [], []
    for index in indices:
        rng = np.random.default_rng([seed, int(index)])
        sample = source.draw(int(index), rng)
        rgb, y = sample.rgb, sample.y
        if train:
            if rng.random() < 0.5:
                rgb, y = rgb[:, ::-1], y[:, ::-1]
            rgb = augment(rgb, rng, swap)
        pictures.append(rgb)
        targets.append(half(y))
    return np.stack(pictures), np.stack(targets)


def half(y: NDArray[np.floating]) -> NDArray[np.float32]:
    """Target at the network's output size: one of every four, since a mean would invent edges."""
    return np.ascontiguousarray(y[1::2, 1::2], np.float32)


def main(argv: list[str] | None = None) -> int:
    """Render a cache ahead of training."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--scenes", default="0:2000", help="seeds, first:past-last")
    parser.add_argument("--things", default="0:1000")
    args = parser.parse_args(argv)
    args.cache.mkdir(parents=True, exist_ok=True)
    for kind, one in (("things", thing_shard), ("scenes", scene_shard)):
        low, high = (int(s) for s in getattr(args, kind).split(":"))
        began = time.monotonic()
        for start in range(low, high, SHARD):
            one(args.cache, start, min(SHARD, high - start))
            rate = (start + SHARD - low) / (time.monotonic() - began)
            print(f"{kind}: {start + SHARD - low} of {high - low}, {rate:.1f}/s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
