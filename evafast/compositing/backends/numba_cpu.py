"""The CPU backend: one Numba kernel, parallel over samples.

Each row of a sample is three runs: background copied, cut-out blended, background copied. The
coverage is stored three times over, once a channel, so that the blend is one flat loop over equal
bytes, which the compiler turns into vector code.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np
from numba import njit, prange

from evafast.compositing import pixel

if TYPE_CHECKING:
    import torch

    from evafast.bank import Bank
    from evafast.recipe import Placements

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
"""Read when Numba starts its threads: idle ones must not spin beside encoders and torch."""

_over = njit(inline="always")(pixel.over)
_one_launch = threading.Lock()  # Numba's fallback thread pool must not be entered twice at once


@njit(parallel=True, cache=True, boundscheck=False)
def _composite(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    backgrounds, colour, coverage, mask_values, offsets, background, foreground, left, top, width,
    height, image, mask,
):
    side = image.shape[1]
    for sample in prange(image.shape[0]):
        canvas = backgrounds[background[sample]]
        start = offsets[foreground[sample]]
        x, y, w, h = left[sample], top[sample], width[sample], height[sample]
        for row in range(side):
            source = canvas[row]
            target = image[sample, row]
            matte = mask[sample, row]
            if row < y or row >= y + h:
                for i in range(3 * side):
                    target[i] = source[i]
                for i in range(side):
                    matte[i] = 0
                continue
            first = start + (row - y) * w
            inner = source[3 * x : 3 * (x + w)]
            blended = target[3 * x : 3 * (x + w)]
            ink = colour[3 * first : 3 * (first + w)]
            cover = coverage[3 * first : 3 * (first + w)]
            for i in range(3 * x):
                target[i] = source[i]
            for i in range(3 * w):
                blended[i] = _over(cover[i], ink[i], inner[i])
            for i in range(3 * (x + w), 3 * side):
                target[i] = source[i]
            for i in range(x):
                matte[i] = 0
            for i in range(w):
                matte[x + i] = mask_values[first + i]
            for i in range(x + w, side):
                matte[i] = 0


class Backend:
    """Numba on the CPU; see `evafast.compositing.backends.Backend`."""

    device_type = "cpu"

    def __init__(self, bank: Bank, device: torch.device, *, binary: bool) -> None:
        rgba = bank.foreground_rgba
        coverage = np.ascontiguousarray(rgba[:, 3])
        self._backgrounds = bank.backgrounds.reshape(bank.background_count, bank.canvas, -1)
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
        with _one_launch:
            _composite(
                self._backgrounds, self._colour, self._coverage, self._mask_values, self._offsets,
                placements.background, placements.foreground, placements.left, placements.top,
                placements.width, placements.height,
                image.numpy().reshape(count, side, 3 * side), mask.numpy(),
            )
