"""Draw images above their predicted depth: near is bright, far is dark.

    python -m training.depth.show docs/depth.jpg                        # built-in pack and network
    python -m training.depth.show out.jpg --pictures DIR --model FILE   # photographs as they are

The README's picture is this command's output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from evafast import Bank, DepthEstimator, Recipe, composite
from evafast.depth.images import colorize_depth
from evafast.errors import UsageError, quoted
from evafast.system.cli import parse
from evafast.system.console import run_command

SIDE = 224
GAP = 6


def depth_image(depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return relative depth (h, w) as RGB, with more contrast in what is near than in the map."""
    nearness = 1.0 / np.clip(depth, 0.01, 1.0)
    low, high = np.quantile(nearness, [0.01, 0.99])
    shade = np.clip((nearness - low) / max(high - low, 1e-6), 0, 1) ** 0.6
    return colorize_depth(shade, "inverse")


def composites(count: int, seed: int) -> NDArray[np.uint8]:
    """Return composites over the built-in pack, spread over its backgrounds: (n, 224, 224, 3)."""
    bank = Bank.builtin()
    recipe = Recipe.for_bank(bank, seed=seed)
    # The odd stride moves through the foregrounds as well.
    indices = (np.arange(count) * (len(recipe) // count + 20 * 37 + 3)) % len(recipe)
    return np.asarray(composite(bank, recipe[indices], backend="numba", device="cpu").image)


def photographs(folder: Path, count: int) -> NDArray[np.uint8]:
    """Return images of a folder, cropped square and resized: (n, 224, 224, 3)."""
    found = []
    for path in sorted(folder.glob("*.*")):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if image is not None:
            side = min(image.shape[:2])
            top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
            image = image[top : top + side, left : left + side]
            found.append(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    if not found:
        raise UsageError(f"pictures: expected a folder of images, got none in {quoted(folder)}")
    chosen = np.linspace(0, len(found) - 1, min(count, len(found))).astype(int)
    return np.stack([found[i] for i in chosen])


def sheet(images: NDArray[np.uint8], depth: NDArray[np.float32], columns: int) -> NDArray[np.uint8]:
    """Return a page with every image above its depth."""
    rows = -(-len(images) // columns)
    pair = 2 * SIDE + GAP
    page = np.full((rows * (pair + GAP) + GAP, columns * (SIDE + GAP) + GAP, 3), 255, np.uint8)
    for i, (image, one) in enumerate(zip(images, depth, strict=True)):
        top, left = GAP + i // columns * (pair + GAP), GAP + i % columns * (SIDE + GAP)
        page[top : top + SIDE, left : left + SIDE] = image
        top += SIDE
        page[top : top + SIDE, left : left + SIDE] = depth_image(one)
    return page


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of the command.

    Attributes
    ----------
    out : Path
        Image file to write.
    model : str
        compact, or a weights file.
    pictures : Path or None
        Folder of photographs (default: composites of the built-in pack).
    count : int
        Images to draw.
    columns : int
        Images per row.
    scale : float
        Size of the page.
    seed : int
        Of the composites.
    """

    out: tyro.conf.Positional[Path]
    model: str = "compact"
    pictures: Path | None = None
    count: int = 10
    columns: int = 5
    scale: float = 0.75
    seed: int = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def command() -> None:
        options: Options = parse(
            Options, arguments, prog="python -m training.depth.show",
            description="Draw images above their predicted depth.",
        )  # fmt: skip
        if options.pictures is not None:
            images = photographs(options.pictures, options.count)
        else:
            images = composites(options.count, options.seed)
        depth = DepthEstimator.load(options.model)(torch.from_numpy(images)).depth.numpy()
        page = sheet(images, depth, options.columns)
        scale = options.scale
        page = cv2.resize(page, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        jpeg = options.out.suffix in (".jpg", ".jpeg")
        settings = [cv2.IMWRITE_JPEG_QUALITY, 82] if jpeg else []
        cv2.imwrite(str(options.out), page[..., ::-1], settings)

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
