"""Pixel statistics from exact integer sums, which are the same in any order.

The standard deviation is that of single pixel values around the mean of all images.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(nogil=True, cache=True)
def _add_up(images: Any, total: Any, squares: Any) -> None:  # pragma: no cover - compiled
    """Add up the columns of 8-bit images, in the narrowest integers that fit the sums."""
    rows, columns = images.shape[1:]
    sums = np.zeros(columns, np.uint16)  # of 256 rows: at most 65,280
    powers = np.zeros(columns, np.uint32)
    for image in range(images.shape[0]):
        for start in range(0, rows, 256):
            sums[:] = 0
            powers[:] = 0
            for row in range(start, min(start + 256, rows)):
                line = images[image, row]
                for column in range(columns):
                    value = np.uint16(line[column])
                    sums[column] = np.uint16(sums[column] + value)
                    square = np.uint32(np.uint16(value * value))
                    powers[column] = np.uint32(powers[column] + square)
            for column in range(columns):
                total[column] += sums[column]
                squares[column] += powers[column]


@dataclass
class PixelSums:
    """Sums and sums of squares of integer pixels, per channel."""

    images: int = 0
    pixels: int = 0
    total: tuple[int, ...] = ()
    squares: tuple[int, ...] = ()

    @classmethod
    def of(cls, image: NDArray[np.unsignedinteger]) -> PixelSums:
        """Return the sums of one image, (height, width[, channels]) uint8 or uint16."""
        return cls.of_batch(image[None])

    @classmethod
    def of_batch(cls, images: NDArray[np.unsignedinteger]) -> PixelSums:
        """Return the sums of images, (n, height, width[, channels]) uint8 or uint16."""
        counter = PixelCounter(images)
        counter.add(slice(len(images)))
        return counter.sums()

    def __add__(self, other: PixelSums) -> PixelSums:
        """Return the sums over both."""
        if not self.images or not other.images:
            return other if other.images else self
        return PixelSums(
            self.images + other.images,
            self.pixels + other.pixels,
            tuple(a + b for a, b in zip(self.total, other.total, strict=True)),
            tuple(a + b for a, b in zip(self.squares, other.squares, strict=True)),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return vars(self).copy()

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> PixelSums:
        """Return the sums that `to_json` describes."""
        total, squares = tuple(values["total"]), tuple(values["squares"])
        return cls(values["images"], values["pixels"], total, squares)

    def mean(self, scale: float = 255.0) -> list[float]:
        """Return the mean of each channel, divided by `scale`."""
        return [total / self.pixels / scale for total in self.total]

    def std(self, scale: float = 255.0) -> list[float]:
        """Return the pixel standard deviation of each channel, divided by `scale`."""
        n = self.pixels
        return [
            sqrt(max(0, n * s - t * t)) / n / scale
            for t, s in zip(self.total, self.squares, strict=True)
        ]


class PixelCounter:
    """Adds up the pixels of a batch, (n, height, width[, channels]), a few images at a time."""

    def __init__(self, images: NDArray[np.unsignedinteger]) -> None:
        count, height, width = images.shape[:3]
        self._channels = images.shape[3] if images.ndim == 4 else 1
        self._columns = images.reshape(count, height, width * self._channels)
        self._sums = np.zeros((2, width * self._channels), np.uint64)
        self._images = 0

    def add(self, which: slice) -> None:
        """Add some of the images."""
        columns, sums = self._columns[which], self._sums
        if columns.dtype == np.uint8:
            _add_up(columns, sums[0], sums[1])
        else:
            wide = columns.astype(np.uint64)
            sums += wide.sum(axis=(0, 1)), (wide * wide).sum(axis=(0, 1))
        self._images += len(columns)

    def sums(self) -> PixelSums:
        """Return the sums of what was added."""
        height, width = self._columns.shape[1], self._columns.shape[2] // self._channels
        channels = self._sums.reshape(2, width, self._channels)
        total, squares = channels.sum(axis=1, dtype=np.uint64).tolist()
        return PixelSums(self._images, self._images * height * width, tuple(total), tuple(squares))
