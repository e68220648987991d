"""StoredStream: sequential batches, split evenly over ranks and workers.

Samples are stored in a seeded shuffle, so sequential reads give a random order. Each epoch takes
the shards in another order and starts at another sample. Every rank and worker gets the same number
of samples, so no rank runs out early.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from evafast.errors import UsageError, check_range, check_seed
from evafast.sampling.permutation import ShuffledOrder

if TYPE_CHECKING:
    from evafast.dataset.plan import Plan
    from evafast.pipeline import Batch


class BatchSource(Protocol):
    """Stored samples by position, as `StoredDataset` has them."""

    plan: Plan

    def __len__(self) -> int: ...
    def __getitem__(self, position: NDArray[np.int64]) -> Batch: ...


class StoredStream(IterableDataset[Any]):
    """An iterable dataset over stored samples; yields whole batches.

    Use it with ``DataLoader(stream, batch_size=None, num_workers=...)`` and call `set_epoch` before
    each epoch, as with torch's ``DistributedSampler``; persistent workers see it too. If the number
    of samples is not a multiple of ranks x workers, the remainder at the end of an epoch's order is
    left out; each epoch leaves out different samples.

    Parameters
    ----------
    dataset : StoredDataset
    batch_size : int
        Samples per batch; a worker's last batch of an epoch may be smaller, equally for all.
    rank, world_size : int
        Rank of this process, and number of processes that train together.
    seed : int
        Seed of the epochs' orders, 0 to 2**64-1.

    Raises
    ------
    UsageError
        If a number is out of range, or there are fewer samples than ranks.
    """

    def __init__(
        self, dataset: BatchSource, batch_size: int = 64, *, rank: int = 0, world_size: int = 1,
        seed: int = 0,
    ) -> None:  # fmt: skip
        check_range("batch size", batch_size, 1)
        check_seed(seed)
        if not 0 <= rank < world_size:
            raise UsageError(f"rank: expected 0 to {world_size - 1}, got {rank}; check world_size")
        if len(dataset) < world_size:
            raise UsageError(
                f"world size: expected at most {len(dataset)}, the number of samples, got "
                f"{world_size}; use fewer ranks"
            )
        self.dataset, self.batch_size, self.seed = dataset, batch_size, seed
        self.rank, self.world_size = rank, world_size
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()  # visible to workers
        self._start = self._done = 0

    @property
    def epoch(self) -> int:
        """The epoch of the next iteration."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, and with it the order of samples, of the next iteration."""
        self._epoch.fill_(epoch)
        self._start = self._done = 0

    def state_dict(self) -> dict[str, int]:
        """Return this worker's position: the epoch and how many samples it has yielded."""
        return {"epoch": self.epoch, "done": self._done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Resume from what `state_dict` returned, with the same ranks and workers."""
        self.set_epoch(state["epoch"])
        self._start = self._done = state["done"]

    def __iter__(self) -> Iterator[Batch]:
        """Yield this rank's and worker's batches of the epoch, from the resumed position."""
        positions = self._positions()
        # In a persistent worker, `_done` may be left over from an interrupted iteration.
        self._done, self._start = self._start, 0
        while self._done < len(positions):
            batch = self.dataset[positions[self._done : self._done + self.batch_size]]
            self._done += len(batch)
            yield batch
        self._done = 0

    def _positions(self) -> NDArray[np.int64]:
        """Return the positions of this rank and worker in this epoch, in order."""
        info = get_worker_info()
        workers = info.num_workers if info else 1
        consumer = self.rank * workers + (info.id if info else 0)
        count, size = len(self.dataset), self.dataset.plan.samples_per_shard
        each = count // (self.world_size * workers)
        if each == 0:
            raise UsageError(
                f"workers: expected at most {count // self.world_size} per rank for {count} "
                f"samples, got {workers}; use fewer"
            )
        key = (self.seed + self.epoch) % 2**64
        starts = ShuffledOrder(-(-count // size), key)[:] * size
        lengths = np.minimum(starts + size, count) - starts
        ends = np.cumsum(lengths)
        first = int(ShuffledOrder(count, key)[[0]][0])  # where in the row of shards it starts
        place = (np.arange(consumer * each, (consumer + 1) * each) + first) % count
        shard = np.searchsorted(ends, place, side="right")
        return np.asarray(starts[shard] + place - (ends - lengths)[shard])
