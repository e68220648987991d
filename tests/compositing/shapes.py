"""Banks and placements at the edges of what the compositor accepts; shared by the kernel tests."""

from __future__ import annotations

import numpy as np

from evafast.assets.bank import Bank
from evafast.sampling.recipe import Placements


def odd_bank(canvas: int, seed: int = 0, *, backgrounds: int = 3) -> Bank:
    """Cut-outs from 1 x 1 to the whole canvas, of every coverage, none, and full coverage."""
    rng = np.random.default_rng([seed, canvas])
    sizes = {
        (min(h, canvas), min(w, canvas))
        for h, w in ((1, 1), (5, 123), (123, 5), (canvas, canvas), (canvas, 1), (1, canvas),
                     (17, 31), (50, 40), (canvas - 1 or 1, 16))
    }
    cutouts = [rng.integers(0, 256, (h, w, 4), dtype=np.uint8) for h, w in sorted(sizes)]
    for cutout, coverage in ((cutouts[-1].copy(), 0), (cutouts[0].copy(), 255)):
        cutout[..., 3] = coverage
        cutouts.append(cutout)
    pictures = rng.integers(0, 256, (backgrounds, canvas, canvas, 3), dtype=np.uint8)
    return Bank.from_arrays(pictures, cutouts)


def real_like_bank(canvas: int, seed: int = 0, *, pairs: int = 4) -> Bank:
    """Smooth backgrounds and soft-edged discs, as cut-outs of photographs have."""
    rng = np.random.default_rng([seed, canvas, 1])
    y, x = np.mgrid[0:canvas, 0:canvas] / canvas
    pictures, cutouts = [], []
    for _ in range(pairs):
        waves = rng.uniform(1, 9, (3, 2))
        picture = np.stack([127.5 + 127.5 * np.sin(a * x + b * y) for a, b in waves], axis=-1)
        pictures.append(picture.astype(np.uint8))
        height, width = rng.integers(max(1, canvas // 4), max(2, 2 * canvas // 3), 2)
        v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        soft = np.clip((1 - u * u - v * v) * 4, 0, 1) * 255
        shade = rng.integers(0, 256, (height, width, 3))
        cutouts.append(np.dstack([shade, soft]).astype(np.uint8))
    return Bank.from_arrays(pictures, cutouts)


def edge_placements(bank: Bank, seed: int = 0) -> Placements:
    """Every cut-out in all four corners and somewhere inside."""
    rng = np.random.default_rng(seed)
    height, width = np.repeat(bank.foreground_sizes, 5, axis=0).T.astype(np.int32)
    foreground = np.repeat(np.arange(bank.foreground_count, dtype=np.int32), 5)
    slack_x, slack_y = bank.canvas - width, bank.canvas - height
    corner = np.tile(np.arange(5), bank.foreground_count)
    left = np.where(corner == 4, rng.integers(0, slack_x + 1), slack_x * (corner % 2))
    top = np.where(corner == 4, rng.integers(0, slack_y + 1), slack_y * (corner // 2 % 2))
    count = len(foreground)
    return Placements(
        index=np.arange(count),
        background=rng.integers(0, bank.background_count, count, dtype=np.int32),
        foreground=foreground,
        placement=np.zeros(count, np.int32),
        left=left.astype(np.int32),
        top=top.astype(np.int32),
        width=np.ascontiguousarray(width),
        height=np.ascontiguousarray(height),
    )


class Borrowed:
    """A NumPy array that the Pillow backend takes for a CPU tensor."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def numpy(self) -> np.ndarray:
        return self._array


def reference(
    bank: Bank, placements: Placements, *, binary: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, canvas, canvas, 3) and masks by Pillow, without importing torch."""
    from evafast.compositing.backends.pillow import Backend

    side, count = bank.canvas, len(placements)
    image = np.empty((count, side, side, 3), np.uint8)
    mask = np.empty((count, side, side), np.uint8)
    Backend(bank, None, binary=binary).composite(placements, Borrowed(image), Borrowed(mask))
    return image, mask
