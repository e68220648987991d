"""The bank as the CUDA kernels want it: everything in whole 16-byte chunks.

Both CUDA backends read this layout. It is packed on the CPU, once per compositor, and carried to
the device as it stands; ``over.cu`` describes the same layout from the kernel's side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evafast.errors import UsageError

if TYPE_CHECKING:
    import torch

    from evafast.assets.bank import Bank
    from evafast.sampling.recipe import Placements

UNIT = 16
"""Pixels that one lane owns; the backgrounds' ends are padded to a whole number of them."""

PADDING = 32
"""Pixels before the first and after the last cut-out, so that wide loads may begin or end there."""

LARGEST_CANVAS = 1 << 15

CUTOUT = np.dtype([("first", np.int64), ("width", np.int32), ("height", np.int32)])
"""One row of the table of cut-outs; ``first`` counts pixels, the padding left out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedBank:
    """The bank's pixels in the kernels' layout.

    Attributes
    ----------
    backgrounds : ndarray of uint8, shape (backgrounds, 3 * padded)
        ``padded`` is canvas * canvas rounded up to whole units of 16 pixels. Interleaved by pixel,
        or three planes one after the other.
    cutouts : ndarray of uint8, shape (32 + pixels + 32, 4)
        RGBA, straight alpha, zero in the padding.
    table : ndarray of `CUTOUT`, shape (foregrounds,)
        Where each cut-out begins, and its size.
    """

    backgrounds: NDArray[np.uint8]
    cutouts: NDArray[np.uint8]
    table: NDArray[np.void]

    @property
    def background_chunks(self) -> int:
        """16-byte chunks from one background to the next."""
        return self.backgrounds.shape[1] // 16

    def on(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return ``backgrounds``, ``cutouts`` and ``table`` as uint8 tensors on a device.

        Waits until they are there, so that any stream may read them.
        """
        import torch

        flat = (a.view(np.uint8).reshape(-1) for a in (self.backgrounds, self.cutouts, self.table))
        backgrounds, cutouts, table = (torch.from_numpy(a).to(device) for a in flat)
        if device.type == "cuda":
            torch.cuda.current_stream(device).synchronize()
        return backgrounds, cutouts, table


def pack_bank(bank: Bank, *, planar: bool) -> PackedBank:
    """Pack a bank for the CUDA kernels.

    Parameters
    ----------
    bank : Bank
        The assets.
    planar : bool
        Keep the backgrounds as planes (for ``nchw`` images), else interleaved.

    Raises
    ------
    UsageError
        When the canvas is too large for the kernels, which count its pixels in 31 bits.
    """
    if bank.canvas > LARGEST_CANVAS:
        raise UsageError(
            f"canvas: expected at most {LARGEST_CANVAS} px on a CUDA device, got {bank.canvas}; make "
            "the bank smaller or use --device cpu"
        )
    count, area = bank.background_count, bank.canvas**2
    padded = -(-area // UNIT) * UNIT
    shape = (count, 3, padded) if planar else (count, padded, 3)
    backgrounds = np.zeros(shape, np.uint8)
    pixels = bank.backgrounds.reshape(count, area, 3)
    if planar:
        backgrounds[:, :, :area] = pixels.transpose(0, 2, 1)
    else:
        backgrounds[:, :area] = pixels
    cutouts = np.zeros((len(bank.foreground_rgba) + 2 * PADDING, 4), np.uint8)
    cutouts[PADDING:-PADDING] = bank.foreground_rgba
    table = np.empty(bank.foreground_count, CUTOUT)
    table["first"] = bank.foreground_offsets
    table["height"], table["width"] = bank.foreground_sizes.T
    return PackedBank(
        backgrounds=backgrounds.reshape(count, 3 * padded), cutouts=cutouts, table=table
    )


def fill_rows(placements: Placements, rows: NDArray[np.int32]) -> None:
    """Write ``background, foreground, left, top`` into rows of shape (n, 4), as a kernel reads."""
    for column, name in enumerate(("background", "foreground", "left", "top")):
        rows[:, column] = getattr(placements, name)
