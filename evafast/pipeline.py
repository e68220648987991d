"""Pipeline: from sample indices to batches of images, masks and depth maps.

The same loop writes a dataset or feeds a training step:

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

from evafast.compositing.compositor import Composite, Compositor
from evafast.errors import check_range
from evafast.sampling.indexing import checked_indices
from evafast.system.timing import StepTimer

if TYPE_CHECKING:
    from evafast.assets.bank import Bank
    from evafast.depth.estimator import DepthEstimator
    from evafast.sampling.recipe import Placements, Recipe


@dataclass
class Batch:
    """A batch of samples, made by the pipeline or read from disk.

    Attributes
    ----------
    placements : Placements
        What was pasted where, one row per sample.
    image : torch.Tensor of uint8, shape (n, 3, canvas, canvas)
        RGB composites, channels_last.
    mask : torch.Tensor of uint8, shape (n, 1, canvas, canvas)
        Coverage 0..255, or 0 and 255.
    depth : torch.Tensor of float32, shape (n, 1, canvas, canvas), or None
        In the estimator's own unit; None if there is no depth.
    finite : torch.Tensor of bool, shape (n,), or None
        Whether each sample's depth is finite everywhere; the sink checks it on the host.
    backgrounds : torch.Tensor of uint8, shape (backgrounds, canvas, canvas, 3)
        Every background of the bank.
    """

    placements: Placements
    image: torch.Tensor
    mask: torch.Tensor
    backgrounds: torch.Tensor = field(repr=False)
    depth: torch.Tensor | None = None
    finite: torch.Tensor | None = None
    _pooled: tuple[BufferPool, Composite] | None = field(default=None, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.placements)

    @property
    def index(self) -> NDArray[np.int64]:
        """Sample indices in the recipe, shape (n,)."""
        return self.placements.index

    @property
    def background(self) -> torch.Tensor:
        """A copy of each sample's background, (n, 3, canvas, canvas) uint8, channels_last."""
        rows = torch.from_numpy(self.placements.background).to(self.backgrounds.device)
        return self.backgrounds[rows.long()].permute(0, 3, 1, 2)

    def release(self) -> None:
        """Return pooled buffers to their pool; the batch must not be read after this."""
        if self._pooled is not None:
            pool, buffers = self._pooled
            self._pooled = None
            pool.release(buffers)


class BufferPool:
    """Preallocated outputs that circulate between the pipeline and its consumer.

    Its size bounds how far the pipeline runs ahead: `acquire` waits until a batch is released.
    """

    def __init__(self, compositor: Compositor, batch_size: int, count: int) -> None:
        self._free: SimpleQueue[Composite] = SimpleQueue()
        for _ in range(count):
            self._free.put(compositor.allocate(batch_size))

    def acquire(self) -> Composite:
        """Return free buffers, waiting until there are some."""
        return self._free.get()

    def release(self, buffers: Composite) -> None:
        """Return buffers to the pool."""
        self._free.put(buffers)


class Pipeline:
    """Composites batches of a recipe and, with an estimator, adds their depth.

    Parameters
    ----------
    bank : Bank
    recipe : Recipe
        A recipe for this bank.
    compositor : Compositor, optional
        Defaults to ``Compositor(bank)``.
    depth : DepthEstimator, optional
        If omitted, batches have no depth.
    timer : StepTimer, optional
        Measures the time of each step.
    """

    def __init__(
        self,
        bank: Bank,
        recipe: Recipe,
        compositor: Compositor | None = None,
        depth: DepthEstimator | None = None,
        *,
        timer: StepTimer | None = None,
    ) -> None:
        self.bank = bank
        self.recipe = recipe
        self.compositor = compositor or Compositor(bank)
        self.depth = depth
        self.timer = timer or StepTimer()
        self._backgrounds: torch.Tensor | None = None

    def batches(
        self,
        indices: slice | ArrayLike | None = None,
        batch_size: int = 256,
        *,
        pool: BufferPool | None = None,
    ) -> Iterator[Batch]:
        """Yield batches in the order of `indices`.

        Parameters
        ----------
        indices : slice or array_like of int, optional
            Sample indices of the recipe; defaults to all, row-major.
        batch_size : int
            Samples per batch; the last may be smaller.
        pool : BufferPool, optional
            Reuse its buffers; the consumer must then release every batch. By default, each batch
            owns its memory.

        Raises
        ------
        UsageError
            If `batch_size` is below 1.
        IndexError
            If `indices` are not integers, or one is out of range.
        """
        check_range("batch size", batch_size, 1)
        chosen: range | NDArray[np.int64]
        if isinstance(indices, slice) or indices is None:  # not unrolled: it may be very long
            chosen = range(*(indices or slice(None)).indices(len(self.recipe)))
        else:
            chosen = checked_indices(indices, len(self.recipe), "recipe index")
        for start in range(0, len(chosen), batch_size):
            yield self.batch(chosen[start : start + batch_size], pool=pool)

    def batch(self, indices: ArrayLike, *, pool: BufferPool | None = None) -> Batch:
        """Make one batch from these sample indices; see `batches`."""
        placements = self.recipe[indices]
        pooled, out = None, None
        if pool is not None:
            buffers = pool.acquire()
            pooled = pool, buffers
            count = len(placements)
            out = Composite(buffers.image[:count], buffers.mask[:count])
        with self.timer.on(self.compositor.device, "composite"):
            composite = self.compositor(placements, out)
        batch = Batch(
            placements=placements,
            image=composite.image.permute(0, 3, 1, 2),
            mask=composite.mask[:, None],
            backgrounds=self._device_backgrounds(),
        )
        batch._pooled = pooled
        if self.depth is not None:
            with self.timer.on(self.depth.device, "depth"):
                maps = self.depth(composite.image.to(self.depth.device, non_blocking=True))
            batch.depth, batch.finite = maps.depth[:, None], maps.finite
        return batch

    def _device_backgrounds(self) -> torch.Tensor:
        if self._backgrounds is None:
            self._backgrounds = torch.tensor(self.bank.backgrounds, device=self.compositor.device)
        return self._backgrounds
