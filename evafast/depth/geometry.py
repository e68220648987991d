"""Image sizes that a network's strides divide."""

from __future__ import annotations

#: Longer than this many times the shorter side, an image is squeezed: a strip would take all
#: memory.
_LONGEST = 4


def fitted_size(height: int, width: int, shorter: int, multiple: int = 32) -> tuple[int, int]:
    """Return (height, width) for a network to see an image at.

    Parameters
    ----------
    height, width : int
        The image's own.
    shorter : int
        Expected for the shorter side.
    multiple : int
        Both sides become the nearest multiple of it, which may bend the aspect a little.
    """
    scale = shorter / min(height, width)

    def rounded(side: int) -> int:
        expected = min(side * scale, _LONGEST * shorter)
        return max(round(expected / multiple), 1) * multiple

    return rounded(height), rounded(width)
