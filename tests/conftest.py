"""Small made-up pictures for every test; nothing outside the repository is needed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

REAL = Path(__file__).parents[2] / "shared" / "data"


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


@pytest.fixture(scope="session")
def bank():
    """A bank of 3 backgrounds at 64 px and 4 cut-outs of odd sizes, with their mirrors."""
    from evafast import Bank

    sizes = [(1, 1), (5, 23), (64, 64), (33, 17)]
    return Bank.from_arrays(
        [photograph(64, i) for i in range(3)],
        [cutout(w, h, 10 + i) for i, (w, h) in enumerate(sizes)],
    )


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Two folders of picture files: 3 backgrounds, 2 cut-outs."""
    root = tmp_path_factory.mktemp("pictures")
    for name in ("bg", "fg"):
        (root / name).mkdir()
    for i, suffix in enumerate(("jpg", "png", "png")):
        Image.fromarray(photograph(80 + 9 * i, i)).save(root / "bg" / f"photo{i + 9}.{suffix}")
    for i, size in enumerate([(70, 90), (200, 120)]):
        Image.fromarray(cutout(*size, 20 + i)).save(root / "fg" / f"thing {i}.png")
    return root / "bg", root / "fg"
