"""ShuffledOrder: a seeded permutation of any length, with random access."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evafast.sampling.indexing import checked_indices
from evafast.sampling.philox import ORDER_STREAM, below, key_of_seed, philox4x32


@dataclass(frozen=True)
class ShuffledOrder:
    """A seeded permutation of ``range(count)`` that is computed, not stored.

    An unbalanced Feistel network of six rounds permutes the cells of the smallest near-square
    rectangle with at least ``count`` cells; results past ``count`` are permuted again (cycle
    walking). The time and memory of construction and access do not grow with ``count``, which is
    at least 1. The seed is 0 to 2**64-1.
    """

    count: int
    seed: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, positions: int | slice | ArrayLike) -> NDArray[np.int64]:
        """Return the indices at these positions of the shuffled order, shape (n,)."""
        index = self._permute(checked_indices(positions, self.count, "position"))
        while (outside := index >= self.count).any():
            index[outside] = self._permute(index[outside])
        return index

    def _permute(self, cell: NDArray[np.int64]) -> NDArray[np.int64]:
        columns = isqrt(self.count - 1) + 1
        rows = -(-self.count // columns)
        row, column = np.divmod(cell, columns)
        for turn in range(6):
            row = (row + self._draw(2 * turn, column, rows)) % rows
            column = (column + self._draw(2 * turn + 1, row, columns)) % columns
        return row * columns + column

    def _draw(self, turn: int, half: NDArray[np.int64], bound: int) -> NDArray[np.int64]:
        key = key_of_seed(self.seed)
        word, _, _, _ = philox4x32((half.astype(np.uint64), turn, ORDER_STREAM, 0), key)
        return below(word, bound)
