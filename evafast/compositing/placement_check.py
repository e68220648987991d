"""Check placements against a bank: a wrong one would make a kernel access other memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evafast.errors import UsageError

if TYPE_CHECKING:
    from evafast.assets.bank import Bank
    from evafast.sampling.recipe import Placements

_COLUMNS = ("background", "foreground", "left", "top", "width", "height")


class PlacementCheck:
    """Checks placements against one bank."""

    def __init__(self, bank: Bank) -> None:
        self._backgrounds = bank.background_count
        self._foregrounds = bank.foreground_count
        self._heights, self._widths = np.ascontiguousarray(bank.foreground_sizes.T, np.int32)
        self._lefts = (bank.canvas + 1 - self._widths).astype(np.uint32)  # positions that fit
        self._tops = (bank.canvas + 1 - self._heights).astype(np.uint32)

    def __call__(self, placements: Placements) -> None:
        """Raise `UsageError` with the column, row, range and value that do not fit.

        That is: a column that is not contiguous int32, an asset that the bank does not have, a size
        that is not the foreground's, or a foreground that leaves the canvas.
        """
        count, foreground = len(placements), placements.foreground
        for name in _COLUMNS:
            column = getattr(placements, name)
            flat = column.shape == (count,) and column.flags.c_contiguous
            if column.dtype != np.int32 or not flat:
                raise UsageError(
                    f"placements.{name}: expected contiguous int32 of shape ({count},), got "
                    f"{column.dtype} of shape {column.shape}; take placements from a Recipe"
                )
        _check_range("background", placements.background, self._backgrounds)
        _check_range("foreground", foreground, self._foregrounds)
        widths, heights = self._widths.take(foreground), self._heights.take(foreground)
        if (widths != placements.width).any() or (heights != placements.height).any():
            raise UsageError(
                "placements: expected the sizes of this bank's foregrounds, got others; make the "
                "recipe with Recipe.for_bank(bank)"
            )
        _check_range("left", placements.left, self._lefts.take(foreground))
        _check_range("top", placements.top, self._tops.take(foreground))


def _check_range(name: str, values: NDArray[np.int32], bound: int | NDArray[np.uint32]) -> None:
    bad = values.view(np.uint32) >= bound  # as unsigned numbers, negative ones are out of range too
    if bad.any():
        row = int(np.argmax(bad))
        limit = int(np.broadcast_to(bound, values.shape)[row]) - 1
        raise UsageError(
            f"placements.{name}[{row}]: expected 0 to {limit}, got {values[row]}; make the recipe "
            "with Recipe.for_bank(bank)"
        )
