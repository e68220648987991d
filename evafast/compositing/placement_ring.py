"""Placements to the device: one small asynchronous copy a batch, and never a wait for the device.

A copy from pageable memory would stop the host until the device takes it. Pinned buffers used in
turn do not; an event per buffer says when its copy has left, so that none is overwritten in flight.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evafast.compositing.device_bank import fill_rows

if TYPE_CHECKING:
    import torch

    from evafast.sampling.recipe import Placements

_DEPTH = 8  # batches in flight before the host waits for the oldest copy of 16 bytes a sample
_ROWS = 8192  # samples a buffer holds from the start; a larger batch makes its buffer grow


@dataclass
class _Slot:
    buffer: torch.Tensor
    left: torch.cuda.Event


class PlacementRing:
    """Pinned buffers, used in turn, from any thread and on any stream of one device."""

    def __init__(self, device: torch.device, depth: int = _DEPTH) -> None:
        import torch

        self._device = device
        # All at once and now: pinning memory may wait for the device.
        buffers = torch.empty((depth, _ROWS, 4), dtype=torch.int32, pin_memory=True)
        with torch.cuda.device(device):
            self._slots = [_Slot(buffer, torch.cuda.Event()) for buffer in buffers]
        self._turn = 0
        self._lock = threading.Lock()

    def upload(self, placements: Placements) -> torch.Tensor:
        """Queue the copy on the current stream and return its target.

        Returns
        -------
        torch.Tensor of int32, shape (n, 4)
            ``background, foreground, left, top`` on the device, of the current stream: the caching
            allocator gives its memory on only after what is queued there now.
        """
        import torch

        count = len(placements)
        with self._lock:
            slot = self._slots[self._turn]
            self._turn = (self._turn + 1) % len(self._slots)
            slot.left.synchronize()  # left long ago, unless all buffers are in flight
            if len(slot.buffer) < count:
                slot.buffer = torch.empty((count, 4), dtype=torch.int32, pin_memory=True)
            rows = slot.buffer[:count]
            fill_rows(placements, rows.numpy())
            target = torch.empty((count, 4), dtype=torch.int32, device=self._device)
            target.copy_(rows, non_blocking=True)
            slot.left.record(torch.cuda.current_stream(self._device))
        return target
