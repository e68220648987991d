"""Pixel statistics as exact integer sums, so that they add up the same in any order.

The standard deviation is that of the pixels: the spread of single values around the mean of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass
class PixelSums:
    """Sums and sums of squares of integer pixels, a channel each.

    Attributes
    ----------
    images : int
        Images added.
    pixels : int
        Pixels added, over all images.
    total, squares : tuple of int
        Sum of values and of squared values, one a channel.
    """

    images: int = 0
    pixels: int = 0
    total: tuple[int, ...] = ()
    squares: tuple[int, ...] = ()

    @classmethod
    def of(cls, image: NDArray[np.unsignedinteger]) -> PixelSums:
        """Return the sums of one image, (height, width[, channels]) uint8 or uint16."""
        planes = [image] if image.ndim == 2 else cv2.split(image)
        if image.dtype == np.uint8:
            squares = tuple(int(cv2.norm(plane, cv2.NORM_L2SQR)) for plane in planes)
        else:
            squares = tuple(int((plane.astype(np.uint64) ** 2).sum()) for plane in planes)
        total = tuple(int(cv2.sumElems(plane)[0]) for plane in planes)
        return cls(1, planes[0].size, total, squares)

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

    def to_json(self) -> dict:
        """Return the sums as plain values."""
        return {
            "images": self.images, "pixels": self.pixels,
            "total": list(self.total), "squares": list(self.squares),
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: dict) -> PixelSums:
        """Return sums from what `to_json` gave."""
        return cls(
            values["images"], values["pixels"], tuple(values["total"]), tuple(values["squares"])
        )

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
