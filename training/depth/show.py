"""Draw pictures beside their predicted depth, near bright and far dark (colour map inferno).

    python training/show_depth.py docs/depth.jpg                       # built-in pack and network
    python training/show_depth.py out.jpg --pictures DIR --model FILE  # photographs as they are

Composites come from the pack by the recipe, so the picture in the README is this command's output.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from evafast import Bank, DepthEstimator, Recipe, composite
from evafast.errors import UsageError

SIDE = 224
GAP = 6


def coloured(depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Relative depth (H, W) to RGB: inverse depth, stretched from the picture's far to its near."""
    near = 1.0 / np.clip(depth, 0.01, 1.0)
    low, high = np.quantile(near, [0.01, 0.99])
    shade = np.clip((near - low) / max(high - low, 1e-6), 0, 1) ** 0.6
    return cv2.applyColorMap((shade * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]


def composites(count: int, seed: int) -> NDArray[np.uint8]:
    """Composites over the built-in pack, spread evenly over its backgrounds: (N, 224, 224, 3)."""
    bank = Bank.builtin()
    recipe = Recipe.for_bank(bank, seed=seed)
    step = len(recipe) // count
    # a stride that is no multiple of a background's samples walks through the cut-outs too
    indices = (np.arange(count) * (step + 20 * 37 + 3)) % len(recipe)
    return np.asarray(composite(bank, recipe[indices], backend="numba", device="cpu").image)


def pictures(folder: Path, count: int) -> NDArray[np.uint8]:
    """Pictures of a folder, cut square and resized: (N, 224, 224, 3)."""
    found = []
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if image is not None:
            side = min(image.shape[:2])
            top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
            image = image[top : top + side, left : left + side]
            found.append(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    if not found:
        raise UsageError(f"--pictures: expected a folder of pictures, got none in {folder}")
    return np.stack(
        [found[i] for i in np.linspace(0, len(found) - 1, min(count, len(found))).astype(int)]
    )


def sheet(images: NDArray[np.uint8], depth: NDArray[np.float32], columns: int) -> NDArray[np.uint8]:
    """Lay out each picture over its depth."""
    rows = -(-len(images) // columns)
    pair = 2 * SIDE + GAP
    page = np.full((rows * (pair + GAP) + GAP, columns * (SIDE + GAP) + GAP, 3), 255, np.uint8)
    for i, (image, one) in enumerate(zip(images, depth, strict=True)):
        top, left = GAP + i // columns * (pair + GAP), GAP + i % columns * (SIDE + GAP)
        page[top : top + SIDE, left : left + SIDE] = image
        top += SIDE
        page[top : top + SIDE, left : left + SIDE] = coloured(one)
    return page


def main(argv: list[str] | None = None) -> int:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--columns", type=int, default=5)
    parser.add_argument("--scale", type=float, default=0.75, help="size of the sheet")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if args.pictures:
        images = pictures(args.pictures, args.count)
    else:
        images = composites(args.count, args.seed)
    estimator = DepthEstimator.load(args.model)
    depth = np.asarray(estimator(torch.from_numpy(images)).depth)
    page = sheet(images, depth, args.columns)
    page = cv2.resize(page, None, fx=args.scale, fy=args.scale, interpolation=cv2.INTER_AREA)
    settings = [cv2.IMWRITE_JPEG_QUALITY, 82] if args.out.suffix in (".jpg", ".jpeg") else []
    cv2.imwrite(str(args.out), page[..., ::-1], settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
