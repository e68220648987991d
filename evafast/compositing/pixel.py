"""The pixel rule, written once: Pillow's *over* in integers.

Every backend returns exactly these bytes. The functions are plain integer arithmetic, so that the
same lines serve as NumPy code on whole arrays, as a Numba CPU function and as a Numba CUDA device
function; ``over.cu`` restates them in C and is held against them.
"""

from __future__ import annotations

MASKS = ("matte", "binary")
"""Kinds of mask: the coverage itself, or all or nothing."""

BINARY_THRESHOLD = 128
"""Coverage from which a pixel counts as foreground in a binary mask."""


def over(coverage, foreground, background):
    """Blend one channel: ``(foreground*m + background*(255-m)) / 255``, rounded as Pillow does.

    Parameters
    ----------
    coverage, foreground, background : int or integer ndarray
        Values in 0..255; arrays must be wider than 8 bits, for the sum needs 16.

    Returns
    -------
    int or ndarray
        The value in 0..255 that ``Image.paste(foreground, box, mask)`` writes.
    """
    # the sum is below 2**16 anyway: saying so lets compilers blend twice as many bytes at once
    t = (foreground * coverage + background * (255 - coverage) + 128) & 0xFFFF
    return (t + (t >> 8)) >> 8


def binary(coverage):
    """Return 255 where coverage is at least one half (128), else 0."""
    return 255 * (coverage >= BINARY_THRESHOLD)
