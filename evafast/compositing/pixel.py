"""The pixel rule, written once: Pillow's *over* in integers.

The same code runs on NumPy arrays and is compiled by Numba for CPU and CUDA. ``over.cu`` restates
it; tests compare the two.
"""

from __future__ import annotations

from typing import Any

MASKS = ("matte", "binary")
"""Kinds of mask: the coverage itself, or 0 and 255 only."""

BINARY_THRESHOLD = 128
"""Lowest coverage that counts as foreground in a binary mask."""


def over(coverage: Any, foreground: Any, background: Any) -> Any:
    """Blend one channel: ``(foreground*m + background*(255-m)) / 255``, rounded as Pillow does.

    Takes and returns values in 0..255, as int or arrays of at least 16 bits, which the sum needs.
    """
    # The sum fits in 16 bits; the mask lets compilers use 16-bit lanes, twice as many.
    t = (foreground * coverage + background * (255 - coverage) + 128) & 0xFFFF
    return (t + (t >> 8)) >> 8


def binary(coverage: Any) -> Any:
    """Return 255 where coverage is at least `BINARY_THRESHOLD`, otherwise 0."""
    return 255 * (coverage >= BINARY_THRESHOLD)
