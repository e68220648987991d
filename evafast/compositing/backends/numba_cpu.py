# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code=call-arg
"""The CPU backend: one Numba kernel, parallel over samples.

Between the rows of the foreground, the background is copied in the longest possible runs. Coverage
is stored once per channel, so that blending a row is one flat loop over bytes, which LLVM
vectorizes.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from evafast.compositing import pixel

if TYPE_CHECKING:
    from evafast.assets.bank import Bank
    from evafast.sampling.recipe import Placements

_over = njit(inline="always")(pixel.over)
_RUN = np.uintp(64)  # bytes; a multiple of the vector width
_one_launch = threading.Lock()  # Numba's fallback thread pool does not allow two launches at once


@intrinsic
def _copy(typing: Any, target: Any, source: Any, count: Any) -> Any:
    """Copy `count` bytes from one address to another: memcpy."""

    def code(context, builder, signature, arguments):
        to, origin = (builder.inttoptr(a, cgutils.voidptr_t) for a in arguments[:2])
        cgutils.raw_memcpy(builder, to, origin, arguments[2], 1)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp, types.intp), code


@njit(inline="always")
def _blend(coverage, colour, source, target, fg, bg, begin, end):  # pragma: no cover - compiled
    """Blend bytes `begin` to `end` of a row, which starts at `fg` and `bg` in its arrays."""
    for i in range(begin, end):
        m, above, below = coverage[fg + i], colour[fg + i], source[bg + i]
        target[bg + i] = _over(m, above, below)


@njit(boundscheck=False)
def _paste(sample, bank, placements, image, mask):  # pragma: no cover - compiled
    """Write one sample."""
    backgrounds, colour, coverage, mattes, offsets = bank
    background, foreground, left, top, width, height = placements
    side = mask.shape[1]
    source, target, matte = backgrounds[background[sample]], image[sample], mask[sample]
    source_at, target_at = source.ctypes.data, target.ctypes.data
    matte_at, mattes_at = matte.ctypes.data, mattes.ctypes.data
    matte[:] = 0
    x, y, w, h = left[sample], top[sample], width[sample], height[sample]
    count = np.uintp(3 * w)  # unsigned: Numba checks signed indices for negative values
    whole = count // _RUN * _RUN
    tail = count - _RUN if count > _RUN else np.uintp(0)
    done = 0  # pixels of the image written so far
    for row in range(h):
        begin = (y + row) * side + x
        _copy(target_at + 3 * done, source_at + 3 * done, 3 * (begin - done))
        first = offsets[foreground[sample]] + row * w
        fg, bg = np.uintp(3 * first), np.uintp(3 * begin)
        _blend(coverage, colour, source, target, fg, bg, np.uintp(0), whole)
        if whole < count:  # one more full run, which blends some bytes twice
            _blend(coverage, colour, source, target, fg, bg, tail, count)
        _copy(matte_at + begin, mattes_at + first, w)
        done = begin + w
    _copy(target_at + 3 * done, source_at + 3 * done, 3 * (side * side - done))


@njit(parallel=True, nogil=True, cache=True, boundscheck=False)
def _on_all_threads(bank, placements, image, mask):  # pragma: no cover - compiled
    for sample in prange(image.shape[0]):
        _paste(sample, bank, placements, image, mask)


@njit(nogil=True, cache=True, boundscheck=False)
def _on_this_thread(bank, placements, image, mask):  # pragma: no cover - compiled
    for sample in range(image.shape[0]):
        _paste(sample, bank, placements, image, mask)


class Backend:
    """Numba on the CPU; see `evafast.compositing.backends.Backend`."""

    device_type = "cpu"

    def __init__(
        self, bank: Bank, device: torch.device, *, binary: bool, parallel: bool = True
    ) -> None:
        backgrounds = bank.backgrounds.reshape(bank.background_count, -1)
        colour = np.ascontiguousarray(bank.foreground_rgba[:, :3]).reshape(-1)
        coverage = np.ascontiguousarray(bank.foreground_rgba[:, 3])
        mattes = coverage
        if binary:
            mattes = pixel.binary(coverage).astype(np.uint8)
        self._bank = backgrounds, colour, np.repeat(coverage, 3), mattes, bank.foreground_offsets
        self._parallel = parallel
        for array in self._bank:
            array.setflags(write=False)  # all banks have the same type: one compiled kernel

    @staticmethod
    def why_unavailable() -> str | None:
        """Return None: Numba is a required dependency."""
        return None

    def composite(self, placements: Placements, image: torch.Tensor, mask: torch.Tensor) -> None:
        """Run the kernel over the batch, on all of Numba's threads or on this one."""
        count, side = mask.shape[:2]
        p = placements
        where = p.background, p.foreground, p.left, p.top, p.width, p.height
        arguments = self._bank, where, image.numpy().reshape(count, 3 * side * side), mask.numpy()
        if not self._parallel:
            _on_this_thread(*arguments)
            return
        with _one_launch:
            threads = torch.get_num_threads()
            _on_all_threads(*arguments)
            if torch.get_num_threads() != threads:  # Numba sets it where both use one OpenMP
                torch.set_num_threads(threads)
