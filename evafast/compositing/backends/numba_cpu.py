"""The CPU backend: one Numba kernel, parallel over samples.

A sample is first the background and an empty mask, each written as one run, at the speed of memory;
then the cut-out's rows are blended into it while it lies in the cache. That is faster than writing
every byte just once: row by row the runs are too short. The coverage is stored three times over,
once a channel, so that a row's blend is one flat loop over equal bytes, which becomes vector code.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from numba import njit, prange

from evafast.compositing import pixel

if TYPE_CHECKING:
    from evafast.bank import Bank
    from evafast.recipe import Placements

_over = njit(inline="always")(pixel.over)
_one_launch = threading.Lock()  # Numba's fallback thread pool must not be entered twice at once


@njit(parallel=True, cache=True, boundscheck=False)
def _composite(  # pragma: no cover - compiled
    backgrounds,
    colour,
    coverage,
    mask_values,
    offsets,
    background,
    foreground,
    left,
    top,
    width,
    height,
    image,
    mask,
):
    side = mask.shape[1]
    for sample in prange(image.shape[0]):
        source, target = backgrounds[background[sample]], image[sample]
        matte = mask[sample].reshape(-1)
        for i in range(target.size):
            target[i] = source[i]
        for i in range(matte.size):
            matte[i] = 0
        x, y, w, h = left[sample], top[sample], width[sample], height[sample]
        for row in range(h):
            corner = (y + row) * side + x
            first = offsets[foreground[sample]] + row * w
            paper = source[3 * corner : 3 * (corner + w)]
            blended = target[3 * corner : 3 * (corner + w)]
            ink = colour[3 * first : 3 * (first + w)]
            cover = coverage[3 * first : 3 * (first + w)]
            for i in range(3 * w):
                blended[i] = _over(cover[i], ink[i], paper[i])
            strip = matte[corner : corner + w]
            values = mask_values[first : first + w]
            for i in range(w):
                strip[i] = values[i]


@contextmanager
def _torch_keeps_its_threads() -> Iterator[None]:
    """Undo what Numba does to torch: both may share one OpenMP, whose thread count Numba sets."""
    threads = torch.get_num_threads()
    yield
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


class Backend:
    """Numba on the CPU; see `evafast.compositing.backends.Backend`."""

    device_type = "cpu"

    def __init__(self, bank: Bank, device: torch.device, *, binary: bool) -> None:
        rgba = bank.foreground_rgba
        coverage = np.ascontiguousarray(rgba[:, 3])
        self._backgrounds = bank.backgrounds.reshape(bank.background_count, -1)
        self._colour = np.ascontiguousarray(rgba[:, :3]).reshape(-1)
        self._coverage = np.repeat(coverage, 3)
        self._mask_values = (
            pixel.binary(coverage.astype(np.int32)).astype(np.uint8) if binary else coverage
        )
        self._offsets = bank.foreground_offsets
        for array in (self._colour, self._coverage, self._mask_values):
            array.setflags(write=False)  # one array type, so one compiled kernel

    @staticmethod
    def why_unavailable() -> str | None:
        """Numba is a core dependency: always there."""
        return None

    def composite(self, placements: Placements, image: torch.Tensor, mask: torch.Tensor) -> None:
        """Run the kernel over the batch on all of Numba's threads."""
        count, side = mask.shape[:2]
        with _one_launch, _torch_keeps_its_threads():
            _composite(
                self._backgrounds,
                self._colour,
                self._coverage,
                self._mask_values,
                self._offsets,
                placements.background,
                placements.foreground,
                placements.left,
                placements.top,
                placements.width,
                placements.height,
                image.numpy().reshape(count, 3 * side * side),
                mask.numpy(),
            )
