"""Check indices for random access."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def checked_indices(which: int | slice | ArrayLike, count: int, name: str) -> NDArray[np.int64]:
    """Return indices into `count` items, shape (n,); negative ones count from the end.

    Raise `IndexError`, with `name`, if one is out of range or not an integer (bool is not).
    """
    if isinstance(which, slice):
        return np.arange(*which.indices(count), dtype=np.int64)
    index = np.atleast_1d(np.asarray(which))
    if index.size == 0:
        return index.astype(np.int64).reshape(-1)
    if index.dtype.kind not in "iu" or index.ndim != 1:
        raise IndexError(
            f"{name}: expected 1-D integers, got {index.dtype} of shape {index.shape}; convert them"
        )
    low, high = int(index.min()), int(index.max())
    if low < -count or high >= count:
        raise IndexError(f"{name}: expected {-count} to {count - 1}, got {low} to {high}")
    index = index.astype(np.int64)
    return np.where(index < 0, index + count, index)
