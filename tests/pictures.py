"""Small generated images."""

from __future__ import annotations

import numpy as np
from PIL import Image


def cutout(width: int, height: int, seed: int) -> np.ndarray:
    """Return (height, width, 4) uint8 noise under a soft round alpha."""
    rng = np.random.default_rng(seed)
    rgba = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    rgba[..., 3] = np.clip((1.2 - np.hypot(x, y)) * 400, 0, 255)
    rgba[height // 2, width // 2, 3] = 255
    return rgba


def photograph(side: int, seed: int) -> np.ndarray:
    """Return (side, side, 3) uint8: smooth colours with a little noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))
    return np.clip(smooth + rng.integers(-9, 10, smooth.shape), 0, 255).astype(np.uint8)
