# mypy: allow-untyped-calls
"""The bank and the placements in device memory, as the CUDA kernels read them; see over.cu."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evafast.errors import UsageError

if TYPE_CHECKING:
    import torch

    from evafast.assets.bank import Bank
    from evafast.sampling.recipe import Placements

UNIT = 16
"""Pixels per lane; every background is padded at its end to a multiple of it."""

PADDING = 32
"""Pixels before the first and after the last foreground, which wide loads may reach."""

LARGEST_CANVAS = 1 << 15
"""Side in pixels; the kernels count a canvas's pixels in 31 bits."""

FOREGROUND = np.dtype([("first", np.int64), ("width", np.int32), ("height", np.int32)])
"""One row of the table of foregrounds; ``first`` counts pixels after the padding."""

RING_SIZE = 8  # uploads in flight before the host waits for the oldest
RING_ROWS = 8192  # samples per buffer at first; a larger batch enlarges its buffer


class DeviceBank(NamedTuple):
    """A `PackedBank` as tensors on a device; the table as int32 of shape (foregrounds, 4)."""

    backgrounds: torch.Tensor
    foregrounds: torch.Tensor
    table: torch.Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedBank:
    """A bank's pixels in the kernels' layout: everything in whole 16-byte chunks.

    Attributes
    ----------
    backgrounds : ndarray of uint8, shape (backgrounds, 3 * padded)
        RGB; ``padded`` is canvas * canvas rounded up to a multiple of `UNIT`.
    foregrounds : ndarray of uint8, shape (PADDING + pixels + PADDING, 4)
        RGBA, straight alpha, zero in the padding.
    table : ndarray of `FOREGROUND`, shape (foregrounds,)
        Where each foreground begins, and its size.
    """

    backgrounds: NDArray[np.uint8]
    foregrounds: NDArray[np.uint8]
    table: NDArray[np.void]

    def to(self, device: torch.device) -> DeviceBank:
        """Copy to a device and wait, so that any stream may read the copy."""
        import torch

        table = self.table.view(np.int32).reshape(-1, 4)
        arrays = (self.backgrounds, self.foregrounds, table)
        bank = DeviceBank(*(torch.from_numpy(array).to(device) for array in arrays))
        if device.type == "cuda":
            torch.cuda.current_stream(device).synchronize()
        return bank


def pack_bank(bank: Bank) -> PackedBank:
    """Pack a bank for the CUDA kernels.

    Raises
    ------
    UsageError
        If the canvas is larger than `LARGEST_CANVAS`.
    """
    if bank.canvas > LARGEST_CANVAS:
        raise UsageError(
            f"canvas: expected at most {LARGEST_CANVAS} px on a CUDA device, got {bank.canvas}; "
            "use a smaller canvas or --device cpu"
        )
    count, area = bank.background_count, bank.canvas**2
    backgrounds = np.zeros((count, -(-area // UNIT) * UNIT * 3), np.uint8)
    backgrounds[:, : 3 * area] = bank.backgrounds.reshape(count, 3 * area)
    foregrounds = np.zeros((len(bank.foreground_rgba) + 2 * PADDING, 4), np.uint8)
    foregrounds[PADDING:-PADDING] = bank.foreground_rgba
    table = np.empty(bank.foreground_count, FOREGROUND)
    table["first"] = bank.foreground_offsets
    table["height"], table["width"] = bank.foreground_sizes.T
    return PackedBank(backgrounds=backgrounds, foregrounds=foregrounds, table=table)


def fill_rows(placements: Placements, rows: NDArray[np.int32]) -> None:
    """Write ``background, foreground, left, top`` to rows of shape (n, 4)."""
    for column, name in enumerate(("background", "foreground", "left", "top")):
        rows[:, column] = getattr(placements, name)


@dataclass
class _Slot:
    buffer: torch.Tensor
    copied: torch.cuda.Event


class PlacementRing:
    """Pinned buffers used in turn, from any thread and on any stream of one device.

    A copy from pageable memory would block the host until the device gets to it. An event per
    buffer records that its copy is done, so that no buffer is overwritten before.
    """

    def __init__(self, device: torch.device) -> None:
        import torch

        self._device = device
        with torch.cuda.device(device):
            # All at once and in advance: pinning memory may wait for the device.
            buffers = torch.empty((RING_SIZE, RING_ROWS, 4), dtype=torch.int32, pin_memory=True)
            self._slots = [_Slot(buffer, torch.cuda.Event()) for buffer in buffers]
        self._next = 0
        self._lock = threading.Lock()

    def upload(self, placements: Placements) -> torch.Tensor:
        """Queue a copy on the current stream and return its target on the device.

        Returns
        -------
        torch.Tensor of int32, shape (n, 4)
            ``background, foreground, left, top``; memory of the current stream, which torch reuses
            only for work queued later.
        """
        import torch

        count = len(placements)
        with self._lock:
            slot = self._slots[self._next]
            self._next = (self._next + 1) % RING_SIZE
            slot.copied.synchronize()
            if len(slot.buffer) < count:
                slot.buffer = torch.empty((count, 4), dtype=torch.int32, pin_memory=True)
            rows = slot.buffer[:count]
            fill_rows(placements, rows.numpy())
            target = torch.empty((count, 4), dtype=torch.int32, device=self._device)
            target.copy_(rows, non_blocking=True)
            slot.copied.record(torch.cuda.current_stream(self._device))
        return target
