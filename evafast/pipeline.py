"""Pipeline: indices -> batches of (image, mask, depth).

The same line feeds the disk and the training step::

    for batch in Pipeline(bank, recipe, compositor, depth).batches(indices):
        sink.write(batch)          # evafast.generate
        training_step(batch)       # training
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from evafast.compositing import Composite, Compositor
from evafast.errors import UsageError
from evafast.sampling.recipe import checked_indices
from evafast.system.timing import StageClock

if TYPE_CHECKING:
    from evafast.assets.bank import Bank
    from evafast.depth import DepthEstimator
    from evafast.sampling.recipe import Placements, Recipe

DEPTH_CHUNK = {"cpu": 16, "cuda": 250}
"""Samples the depth network takes at once, by device type; bounds its memory."""


@dataclass
class Batch:
    """A batch of samples, live or read back.

    Attributes
    ----------
    placements : Placements
        What was pasted where, one row a sample.
    image : torch.Tensor of uint8, shape (n, 3, canvas, canvas)
        RGB composites, channels_last.
    mask : torch.Tensor of uint8, shape (n, 1, canvas, canvas)
        Coverage 0..255, or 0 and 255.
    depth : torch.Tensor of float32, shape (n, 1, canvas, canvas), or None
        The estimator's depth in its own unit, or None with ``--depth none``.
    finite : torch.Tensor of bool, shape (n,), or None
        Whether every value of a sample's depth is finite; on the device, checked at the host.
    """

    placements: Placements
    image: torch.Tensor
    mask: torch.Tensor
    depth: torch.Tensor | None = None
    finite: torch.Tensor | None = None
    _backgrounds: torch.Tensor | None = field(default=None, repr=False)
    _buffers: tuple[BufferRing, Composite] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.placements)

    @property
    def index(self) -> NDArray[np.int64]:
        """Sample indices in the recipe, shape (n,)."""
        return self.placements.index

    @property
    def background(self) -> torch.Tensor:
        """The backgrounds alone, (n, 3, canvas, canvas) uint8 channels_last; gathered when read."""
        if self._backgrounds is None:
            raise AttributeError("batch.background: this batch carries no backgrounds")
        rows = torch.from_numpy(self.placements.background).to(self._backgrounds.device)
        return self._backgrounds[rows.long()].permute(0, 3, 1, 2)

    def release(self) -> None:
        """Hand recycled buffers back; the batch must not be read after this."""
        if self._buffers is not None:
            ring, composite = self._buffers
            self._buffers = None
            ring.give(composite)


@dataclass(frozen=True)
class DeferredBatch:
    """Placements that are composited when somebody asks, in the thread that asks.

    On the CPU without depth, encoder threads ask: what they composite is in their cache when they
    encode it, and nobody waits for another thread's work.

    Attributes
    ----------
    placements : Placements
    compositor : Compositor
        Not a parallel one.
    clock : StageClock
    """

    placements: Placements
    compositor: Compositor
    clock: StageClock

    def __len__(self) -> int:
        return len(self.placements)

    def composite(self, start: int, stop: int, out: Composite) -> Composite:
        """Composite samples `start` to `stop` into the first rows of `out`; return those."""
        placements = self.placements[start:stop]
        with self.clock("composite"):
            return self.compositor(placements, _first(out, len(placements)))


def _first(buffers: Composite, count: int) -> Composite:
    return Composite(buffers.image[:count], buffers.mask[:count])


class BufferRing:
    """A few preallocated outputs that go round between pipeline and consumer.

    Fresh memory costs the CPU a page fault every 4 KiB, about as much as compositing into it. The
    ring's size bounds how far the pipeline runs ahead: `take` waits until a batch is released.
    """

    def __init__(self, compositor: Compositor, batch_size: int, count: int) -> None:
        self._free: SimpleQueue[Composite] = SimpleQueue()
        for _ in range(count):
            self._free.put(compositor.allocate(batch_size))

    def take(self) -> Composite:
        """Return a free buffer, waiting for one."""
        return self._free.get()

    def give(self, composite: Composite) -> None:
        """Return a buffer to the ring."""
        self._free.put(composite)


class Pipeline:
    """Composites batches of a recipe and, with an estimator, adds their depth.

    Parameters
    ----------
    bank : Bank
    recipe : Recipe
        Of this bank.
    compositor : Compositor, optional
        ``Compositor(bank)`` when left out.
    depth : DepthEstimator, optional
        No depth when left out.
    clock : StageClock, optional
        Is told how long each stage works.
    """

    def __init__(
        self,
        bank: Bank,
        recipe: Recipe,
        compositor: Compositor | None = None,
        depth: DepthEstimator | None = None,
        *,
        clock: StageClock | None = None,
    ) -> None:
        self.bank = bank
        self.recipe = recipe
        self.compositor = compositor or Compositor(bank)
        self.depth = depth
        self.clock = clock or StageClock()
        self._backgrounds: torch.Tensor | None = None

    def batches(
        self,
        indices: slice | ArrayLike | None = None,
        batch_size: int = 256,
        *,
        ring: BufferRing | None = None,
    ) -> Iterator[Batch]:
        """Yield batches in the order of `indices`.

        Parameters
        ----------
        indices : slice or array_like of int, optional
            Sample indices of the recipe; the whole recipe, row-major, when left out.
        batch_size : int
            Samples a batch; the last may be smaller.
        ring : BufferRing, optional
            Recycle these buffers; every batch must then be released by whoever consumes it.
            Batches own their memory when left out.

        Raises
        ------
        UsageError
            When `batch_size` is below 1.
        IndexError
            When `indices` are not integers or out of range.
        """
        for expected in self._split(indices, batch_size):
            yield self.batch(expected, ring)

    def deferred_batches(
        self, indices: slice | ArrayLike | None = None, batch_size: int = 256
    ) -> Iterator[DeferredBatch]:
        """Yield batches, without depth, that are composited by whoever consumes them.

        Parameters and errors are those of `batches`.
        """
        for expected in self._split(indices, batch_size):
            yield DeferredBatch(self.recipe[expected], self.compositor, self.clock)

    def _split(
        self, indices: slice | ArrayLike | None, batch_size: int
    ) -> Iterator[range | NDArray[np.int64]]:
        if batch_size < 1:
            raise UsageError(f"batch size: expected at least 1, got {batch_size}; raise it")
        expected: range | NDArray[np.int64]
        if isinstance(indices, slice) or indices is None:  # not unrolled: it may be very long
            expected = range(*(indices or slice(None)).indices(len(self.recipe)))
        else:
            expected = checked_indices(indices, len(self.recipe), "recipe index")
        for start in range(0, len(expected), batch_size):
            yield expected[start : start + batch_size]

    def batch(self, indices: ArrayLike, ring: BufferRing | None = None) -> Batch:
        """Make one batch of these sample indices; see `batches`."""
        placements = self.recipe[indices]
        buffers = None
        out = None
        if ring is not None:
            whole = ring.take()
            buffers = (ring, whole)
            out = _first(whole, len(placements))
        with self.clock.on(self.compositor.device, "composite"):
            composite = self.compositor(placements, out)
        batch = Batch(
            placements=placements,
            image=composite.image.permute(0, 3, 1, 2),
            mask=composite.mask[:, None],
            _backgrounds=self._device_backgrounds(),
            _buffers=buffers,
        )
        if self.depth is not None:
            with self.clock.on(self.depth.device, "depth"):
                self._add_depth(batch, composite)
        return batch

    def _add_depth(self, batch: Batch, composite: Composite) -> None:
        assert self.depth is not None
        images = composite.image.to(self.depth.device, non_blocking=True)
        maps = [self.depth(chunk) for chunk in images.split(DEPTH_CHUNK[images.device.type])]
        batch.depth = torch.cat([m.depth for m in maps])[:, None]
        batch.finite = torch.cat([m.finite for m in maps])

    def _device_backgrounds(self) -> torch.Tensor:
        if self._backgrounds is None:
            self._backgrounds = torch.tensor(self.bank.backgrounds, device=self.compositor.device)
        return self._backgrounds
