"""Philox-4x32-10: random numbers as a pure function of (counter, key).

It has no state: a sample draws the same numbers in any batch, in any order, on any machine.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011. The tests use the known-answer vectors published with it (Random123).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PLACEMENT_STREAM, ORDER_STREAM = 0, 1  # counter word 2: independent streams of one seed

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox4x32(
    counter: tuple[NDArray[np.integer] | int, ...], key: tuple[int, int]
) -> tuple[NDArray[np.uint64], ...]:
    """Return four 32-bit random words per counter, in the counters' broadcast shape.

    A counter is four words, integers or arrays in 0 to 2**32-1, lowest first; a key is two.
    """
    x0, x1, x2, x3 = np.broadcast_arrays(*(np.asarray(word, dtype=np.uint64) for word in counter))
    k0, k1 = key
    for _ in range(10):
        product0 = x0 * _MULTIPLIERS[0]
        product1 = x2 * _MULTIPLIERS[1]
        x0 = (product1 >> _HALF) ^ x1 ^ np.uint64(k0)
        x1 = product1 & _LOW
        x2 = (product0 >> _HALF) ^ x3 ^ np.uint64(k1)
        x3 = product0 & _LOW
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return x0, x1, x2, x3


def key_of_seed(seed: int) -> tuple[int, int]:
    """Split a 64-bit seed into two key words, lowest first."""
    return seed & 0xFFFFFFFF, seed >> 32


def below(word: NDArray[np.uint64], bound: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """Map 32-bit random words to 0 to ``bound - 1``, with a bias of at most ``bound / 2**32``."""
    return ((word * np.asarray(bound, dtype=np.uint64)) >> _HALF).astype(np.int64)
