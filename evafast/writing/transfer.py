"""HostTransfer: copy batches to host memory, with their depth encoded on the device.

On the CPU nothing is copied. On CUDA the copies go to pinned memory on a separate stream while the
next batch is composited; encoder threads wait for the copy's event, but the main thread never does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray

from evafast.writing.encode import HostSamples

if TYPE_CHECKING:
    from evafast.dataset.plan import Plan
    from evafast.pipeline import Batch
    from evafast.sampling.recipe import Placements
    from evafast.system.timing import StepTimer

_PINNED = 3
"""Number of sets of pinned buffers, and so of batches in transfer at once."""


@dataclass
class HostBatch:
    """A batch being transferred to host memory, as encoder threads see it."""

    placements: Placements
    arrays: dict[str, NDArray[Any]]
    release: Callable[[], None]
    arrived: torch.cuda.Event | None = None

    def samples(self, start: int, stop: int) -> HostSamples:
        """Return some of the samples, waiting until they have arrived."""
        if self.arrived is not None:
            self.arrived.synchronize()
        chosen = slice(start, stop)
        arrays = {name: array[chosen] for name, array in self.arrays.items()}
        return HostSamples(placements=self.placements[chosen], **arrays)


class HostTransfer:
    """Transfers batches to host memory."""

    def __init__(self, plan: Plan, timer: StepTimer) -> None:
        self._plan, self._timer = plan, timer
        self._free: SimpleQueue[dict[str, torch.Tensor]] | None = None
        self._stream: torch.cuda.Stream | None = None

    def start(self, batch: Batch) -> HostBatch:
        """Start a batch's transfer; wait while too many are in progress."""
        tensors = {"image": batch.image.permute(0, 2, 3, 1), "mask": batch.mask[:, 0]}
        if batch.depth is not None:
            tensors |= self._encoded_depth(batch)
        if all(tensor.device.type == "cpu" for tensor in tensors.values()):
            return HostBatch(batch.placements, _arrays(tensors), batch.release)
        return self._start_copies(batch, tensors)

    def _encoded_depth(self, batch: Batch) -> dict[str, torch.Tensor]:
        from evafast.depth.encoding import encode

        plan = self._plan
        assert plan.depth is not None
        assert plan.depth_encoding is not None
        assert batch.depth is not None
        assert batch.finite is not None
        with self._timer.on(batch.depth.device, "depth"):
            encoded = encode(batch.depth[:, 0], plan.depth_encoding, plan.depth.metres_per_unit)
        return {
            "codes": encoded.codes, "low": encoded.low, "high": encoded.high,
            "finite": batch.finite,
        }  # fmt: skip

    def _start_copies(self, batch: Batch, tensors: dict[str, torch.Tensor]) -> HostBatch:
        count = len(batch)
        device = next(t.device for t in tensors.values() if t.is_cuda)
        if self._free is None:
            self._stream = torch.cuda.Stream(device)
            self._free = SimpleQueue()
            for _ in range(_PINNED):
                self._free.put({})
        pinned = self._free.get()
        for name, tensor in tensors.items():
            if name not in pinned or len(pinned[name]) < count:
                pinned[name] = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        host = {name: pinned[name][:count] for name in tensors}
        stream = self._stream
        assert stream is not None
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            with self._timer.on(device, "copy"):
                for name, tensor in tensors.items():
                    host[name].copy_(tensor, non_blocking=True)
                    if tensor.is_cuda:
                        tensor.record_stream(stream)
            arrived = torch.cuda.Event()
            arrived.record(stream)
        free = self._free

        def release() -> None:
            free.put(pinned)
            batch.release()

        return HostBatch(batch.placements, _arrays(host), release, arrived)


def _arrays(tensors: dict[str, torch.Tensor]) -> dict[str, NDArray[Any]]:
    return {name: tensor.numpy() for name, tensor in tensors.items()}
