"""Placements against the bank: one cheap pass for the good, a precise message for the bad.

A wrong placement would make a kernel read or write beside its buffers, so every batch is checked.
The pass costs a few array operations over the batch, well under the time a GPU takes to make it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evafast.errors import UsageError

if TYPE_CHECKING:
    from evafast.assets.bank import Bank
    from evafast.sampling.recipe import Placements

_COLUMNS = ("background", "foreground", "left", "top", "width", "height")


class PlacementCheck:
    """Holds placements against one bank."""

    def __init__(self, bank: Bank) -> None:
        self._canvas = np.int32(bank.canvas)
        self._backgrounds = bank.background_count
        self._foregrounds = bank.foreground_count
        self._heights, self._widths = np.ascontiguousarray(bank.foreground_sizes.T)

    def __call__(self, placements: Placements) -> None:
        """Refuse what leaves the canvas or names an asset that is not in the bank.

        Raises
        ------
        UsageError
            Naming the column, the row, the range and the value.
        """
        count = len(placements)
        for name in _COLUMNS:
            column = getattr(placements, name)
            flat = column.shape == (count,) and column.flags.c_contiguous
            if column.dtype != np.int32 or not flat:
                raise UsageError(
                    f"placements.{name}: expected contiguous int32 of shape ({count},), got "
                    f"{column.dtype} of shape {column.shape}; take placements from a Recipe"
                )
        if count and not self._fits(placements):
            self._explain(placements)

    def _fits(self, at: Placements) -> bool:
        # Seen as unsigned, a negative number is a huge one: one comparison serves both ends.
        if at.background.view(np.uint32).max() >= self._backgrounds:
            return False
        if at.foreground.view(np.uint32).max() >= self._foregrounds:
            return False
        other = self._widths.take(at.foreground, mode="clip") ^ at.width
        other |= self._heights.take(at.foreground, mode="clip") ^ at.height
        if other.any():
            return False
        outside = self._canvas - at.width  # negative in any of the four: beyond an edge
        outside -= at.left
        outside |= at.left
        outside |= at.top
        outside |= self._canvas - at.height - at.top
        return bool(outside.min() >= 0)

    def _explain(self, at: Placements) -> None:
        _check_range("background", at.background, self._backgrounds)
        _check_range("foreground", at.foreground, self._foregrounds)
        width, height = self._widths[at.foreground], self._heights[at.foreground]
        if (width != at.width).any() or (height != at.height).any():
            raise UsageError(
                "placements: expected the sizes of this bank's cut-outs, got others; make the "
                "recipe with Recipe.for_bank(bank)"
            )
        _check_range("left", at.left, self._canvas - at.width + 1)
        _check_range("top", at.top, self._canvas - at.height + 1)


def _check_range(name: str, values: np.ndarray, bound: int | np.ndarray) -> None:
    bad = (values < 0) | (values >= bound)
    if bad.any():
        row = int(np.argmax(bad))
        limit = int(np.broadcast_to(bound, values.shape)[row]) - 1
        raise UsageError(
            f"placements.{name}[{row}]: expected 0 to {limit}, got {values[row]}; make the recipe "
            "with Recipe.for_bank(bank)"
        )
