"""What the machine can do: copying the same bytes, hashing them, writing them to the disk."""

from __future__ import annotations

import ctypes
import hashlib
import os
from pathlib import Path

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from evafast import Bank
from evafast.sampling.recipe import Placements

_libc = ctypes.CDLL(None)
_memcpy, _memset = _libc.memcpy, _libc.memset
_memcpy.argtypes, _memcpy.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t], None
_memset.argtypes, _memset.restype = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t], None


@njit(parallel=True)
def _copy_each(backgrounds, which, image, mask):  # type: ignore[no-untyped-def]  # pragma: no cover
    for sample in prange(len(which)):
        source = backgrounds[which[sample]]
        _memcpy(image[sample].ctypes.data, source.ctypes.data, source.size)
        _memset(mask[sample].ctypes.data, 0, mask[sample].size)


@njit(parallel=True)
def _copy_all(source, image, mask, pieces):  # type: ignore[no-untyped-def]  # pragma: no cover
    for piece in prange(pieces):
        a, b = image.size * piece // pieces, image.size * (piece + 1) // pieces
        c, d = mask.size * piece // pieces, mask.size * (piece + 1) // pieces
        _memcpy(image[a:b].ctypes.data, source[a:b].ctypes.data, b - a)
        _memset(mask[c:d].ctypes.data, 0, d - c)


class CopyEach:
    """The C library's memcpy of each sample's background and memset of its mask, all threads.

    Reads what compositing reads (the bank's backgrounds, in the samples' order) and writes what it
    writes: the least that any compositor has to move.
    """

    def __init__(self, bank: Bank, placements: Placements) -> None:
        count, side = len(placements), bank.canvas
        self._backgrounds = bank.backgrounds.reshape(bank.background_count, -1)
        self._which = placements.background
        self._image = np.empty((count, 3 * side * side), np.uint8)
        self._mask = np.empty((count, side * side), np.uint8)

    def __call__(self) -> None:
        """Copy a batch."""
        _copy_each(self._backgrounds, self._which, self._image, self._mask)


class CopyAll:
    """One long memcpy and memset a thread, from fresh memory: C libraries then skip the cache."""

    def __init__(self, count: int, side: int, threads: int) -> None:
        self._source = np.ones(3 * count * side * side, np.uint8)
        self._image = np.empty_like(self._source)
        self._mask = np.empty(count * side * side, np.uint8)
        self._threads = threads

    def __call__(self) -> None:
        """Copy a batch."""
        _copy_all(self._source, self._image, self._mask, self._threads)


def write_and_flush(path: Path, pieces: list[bytes]) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("wb") as stream:
        for piece in pieces:
            stream.write(piece)
        stream.flush()
        os.fsync(stream.fileno())


def hash_all(pieces: list[bytes]) -> None:
    """SHA-256, as the manifest holds it; one thread."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)


def lossless(pixels: NDArray, decoded: NDArray) -> bool:
    """Tell whether decoding gave back the very pixels."""
    return pixels.dtype == decoded.dtype and np.array_equal(pixels, decoded)
