"""What the machine can do: copy the same bytes, hash them, write them to disk; device time."""

from __future__ import annotations

import ctypes
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numba import njit, prange

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


class CopyEach:
    """memcpy of each sample's background and memset of its mask, all threads.

    Reads what compositing reads (the bank's backgrounds, in the samples' order) and writes what it
    writes: the least that any compositor has to move.
    """

    def __init__(self, bank: Bank, placements: Placements) -> None:
        count, side = len(placements), bank.canvas
        self.backgrounds = bank.backgrounds.reshape(bank.background_count, -1)
        self._which = placements.background
        self.image = np.empty((count, 3 * side * side), np.uint8)
        self.mask = np.empty((count, side * side), np.uint8)

    def __call__(self) -> None:
        """Copy a batch."""
        _copy_each(self.backgrounds, self._which, self.image, self.mask)


def bytes_to_move(bank: Bank, placements: Placements) -> int:
    """Return the bytes of a batch: outputs written once, the part of the bank in use read once."""
    area = bank.canvas**2
    backgrounds = len(np.unique(placements.background)) * 3 * area
    foregrounds = bank.foreground_sizes[np.unique(placements.foreground)].prod(axis=1).sum()
    return len(placements) * 4 * area + backgrounds + 4 * int(foregrounds)


def write_and_flush(path: Path, blocks: list[bytes]) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("wb") as stream:
        stream.writelines(blocks)
        stream.flush()
        os.fsync(stream.fileno())


def hash_all(blocks: list[bytes]) -> None:
    """SHA-256, as the manifest has it; one thread."""
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)


def timed_on(device: torch.device, call: Callable[[], Any]) -> Callable[[], float]:
    """Return a function that runs `call` once and returns the device's seconds for it."""

    def timed() -> float:
        if device.type != "cuda":
            start = time.perf_counter()
            call()
            return time.perf_counter() - start
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        # Earlier work keeps the device busy while the host queues the call, so that the events
        # enclose the device's work and not the host's.
        torch.cuda._sleep(400_000)
        begin.record()
        call()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3

    return timed
