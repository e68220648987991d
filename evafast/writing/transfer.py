"""HostTransfer: batches from the device to host memory, depth encoded on the way.

On the CPU nothing is copied, and without depth pixels are not even made before an encoder thread
takes them. On CUDA the copies go to pinned memory on a stream of their own while the next batch is
composited; encoder threads wait for the copy's event, never the main thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

import torch
from numpy.typing import NDArray

from evafast.dataset.sample import HostSlice
from evafast.errors import RunError
from evafast.pipeline import DeferredBatch

if TYPE_CHECKING:
    from evafast.compositing import Composite
    from evafast.dataset.naming import Names
    from evafast.pipeline import Batch
    from evafast.sampling.recipe import Placements
    from evafast.system.timing import StageClock


@dataclass(frozen=True)
class DepthEncoding:
    """Which code depth is stored in and the unit that it needs; see `evafast.depth.encoding`."""

    name: str
    metres_per_unit: float | None


@dataclass
class HostBatch:
    """A batch on its way to host memory, as encoder threads see it."""

    placements: Placements
    arrays: dict[str, NDArray]
    release: Callable[[], None]
    arrived: torch.cuda.Event | None = None

    def wait(self, start: int, stop: int, names: Names) -> HostSlice:
        """Return some samples once they have arrived.

        Raises
        ------
        RunError
            When a sample's depth is not finite; the text names it.
        """
        if self.arrived is not None:
            self.arrived.synchronize()
        part = {name: array[start:stop] for name, array in self.arrays.items()}
        finite = part.pop("finite", None)
        placements = self.placements[start:stop]
        if finite is not None and not finite.all():
            name = names.samples(placements)[int((~finite).argmax())]
            raise RunError(
                f"depth: expected finite values, got NaN or infinity in sample {name}; try "
                "--precision fp32, or another --depth"
            )
        return HostSlice(placements=placements, **part)


@dataclass
class DeferredHostBatch:
    """A batch that encoder threads composite, each the slice that it takes."""

    batch: DeferredBatch
    buffers: threading.local

    def release(self) -> None:
        """Do nothing: the buffers belong to the threads."""

    def wait(self, start: int, stop: int, names: Names) -> HostSlice:
        """Composite some samples; they hold until the same thread asks for more."""
        stop = min(stop, len(self.batch))
        out: Composite | None = getattr(self.buffers, "out", None)
        if out is None or len(out.mask) < stop - start:
            out = self.buffers.out = self.batch.compositor.allocate(stop - start)
        made = self.batch.composite(start, stop, out)
        placements = self.batch.placements[start:stop]
        return HostSlice(placements=placements, image=made.image.numpy(), mask=made.mask.numpy())


class HostTransfer:
    """Starts the way of batches to host memory.

    Parameters
    ----------
    depth : DepthEncoding, optional
        Needed where batches carry depth.
    clock : StageClock
    ahead : int
        Batches that may be on the way at once (on CUDA: sets of pinned buffers).
    """

    def __init__(
        self, depth: DepthEncoding | None = None, *, clock: StageClock, ahead: int = 3
    ) -> None:
        self._depth = depth
        self._clock = clock
        self._ahead = ahead
        self._free: SimpleQueue[dict[str, torch.Tensor]] | None = None
        self._stream: torch.cuda.Stream | None = None
        self._buffers = threading.local()

    def start(self, batch: Batch | DeferredBatch) -> HostBatch | DeferredHostBatch:
        """Start a batch's way; waits while too many are on theirs."""
        if isinstance(batch, DeferredBatch):
            return DeferredHostBatch(batch, self._buffers)
        tensors = {"image": batch.image.permute(0, 2, 3, 1), "mask": batch.mask[:, 0]}
        if batch.depth is not None:
            tensors |= self._encoded_depth(batch)
        if all(tensor.device.type == "cpu" for tensor in tensors.values()):
            return HostBatch(batch.placements, _arrays(tensors), batch.release)
        return self._start_copies(batch, tensors)

    def _encoded_depth(self, batch: Batch) -> dict[str, torch.Tensor]:
        from evafast.depth.encoding import encode

        assert self._depth is not None
        assert batch.depth is not None
        assert batch.finite is not None
        with self._clock.on(batch.depth.device, "depth"):
            encoded = encode(batch.depth[:, 0], self._depth.name, self._depth.metres_per_unit)
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
            for _ in range(self._ahead):
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
            with self._clock.on(device, "copy"):
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


def _arrays(tensors: dict[str, torch.Tensor]) -> dict[str, NDArray]:
    return {name: tensor.numpy() for name, tensor in tensors.items()}
