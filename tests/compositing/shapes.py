"""Banks and placements at the limits of what the compositor accepts; shared by the kernel tests."""

from __future__ import annotations

import numpy as np

from evafast.assets.bank import Bank
from evafast.sampling.recipe import Placements


def odd_bank(canvas: int, seed: int = 0, *, backgrounds: int = 3) -> Bank:
    """Foregrounds from 1 x 1 to the whole canvas; one is transparent, one opaque."""
    rng = np.random.default_rng([seed, canvas])
    sizes = {
        (min(h, canvas), min(w, canvas))
        for h, w in (
            (1, 1),
            (5, 123),
            (123, 5),
            (canvas, canvas),
            (canvas, 1),
            (1, canvas),
            (17, 31),
            (50, 40),
            (canvas - 1 or 1, 16),
        )
    }
    foregrounds = [rng.integers(0, 256, (h, w, 4), dtype=np.uint8) for h, w in sorted(sizes)]
    for rgba, coverage in ((foregrounds[-1].copy(), 0), (foregrounds[0].copy(), 255)):
        rgba[..., 3] = coverage
        foregrounds.append(rgba)
    images = rng.integers(0, 256, (backgrounds, canvas, canvas, 3), dtype=np.uint8)
    return Bank.from_arrays(images, foregrounds)


def real_like_bank(canvas: int, seed: int = 0, *, pairs: int = 4) -> Bank:
    """Smooth backgrounds and soft-edged discs, like photographs and their cut-outs."""
    rng = np.random.default_rng([seed, canvas, 1])
    y, x = np.mgrid[0:canvas, 0:canvas] / canvas
    backgrounds, foregrounds = [], []
    for _ in range(pairs):
        waves = rng.uniform(1, 9, (3, 2))
        image = np.stack([127.5 + 127.5 * np.sin(a * x + b * y) for a, b in waves], axis=-1)
        backgrounds.append(image.astype(np.uint8))
        height, width = rng.integers(max(1, canvas // 4), max(2, 2 * canvas // 3), 2)
        v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        soft = np.clip((1 - u * u - v * v) * 4, 0, 1) * 255
        shade = rng.integers(0, 256, (height, width, 3))
        foregrounds.append(np.dstack([shade, soft]).astype(np.uint8))
    return Bank.from_arrays(backgrounds, foregrounds)


def all_triples() -> tuple[Bank, np.ndarray, np.ndarray]:
    """Return a bank with one foreground per coverage, and its foreground and background values.

    Pasted at (0, 0), foreground `coverage` covers all pairs of values in every channel.
    """
    foreground, background = np.mgrid[0:256, 0:256].astype(np.uint8)
    rgba = np.repeat(foreground[None, ..., None], 256, axis=0).repeat(4, axis=3)
    rgba[..., 3] = np.arange(256)[:, None, None]
    bank = Bank.from_arrays([np.repeat(background[..., None], 3, axis=2)], rgba, mirror=False)
    return bank, foreground.astype(np.int32), background.astype(np.int32)


def edge_placements(bank: Bank, seed: int = 0) -> Placements:
    """Every foreground in all four corners and somewhere inside."""
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
    """A NumPy array in place of a CPU tensor."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def numpy(self) -> np.ndarray:
        return self._array


def reference(bank: Bank, placements: Placements, *, binary: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, canvas, canvas, 3) and masks by Pillow, without importing torch."""
    from evafast.compositing.backends.pillow import Backend

    side, count = bank.canvas, len(placements)
    image = np.empty((count, side, side, 3), np.uint8)
    mask = np.empty((count, side, side), np.uint8)
    Backend(bank, None, binary=binary).composite(placements, Borrowed(image), Borrowed(mask))
    return image, mask
