"""StoredStream: batches one after another, split evenly over ranks and workers.

Samples are stored in a seeded shuffle, so that reading on is already reading at random; every epoch
takes the parts in another order and begins elsewhere. Every rank and worker gets exactly as many
samples as any other: nobody waits for a rank that has run out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from evafast.errors import UsageError
from evafast.sampling.recipe import ShuffledOrder

if TYPE_CHECKING:
    from evafast.dataset.reader import StoredDataset
    from evafast.pipeline import Batch


class StoredStream(IterableDataset):
    """An iterable dataset over a stored data set; yields whole batches.

    Use with ``DataLoader(stream, batch_size=None, num_workers=...)`` and call `set_epoch` before
    each epoch, as with torch's ``DistributedSampler``; it reaches persistent workers too. Where the
    count does not divide by ranks x workers, the last few samples of an epoch's order are left out
    of it (fewer than ranks x workers); another epoch leaves out others.

    Parameters
    ----------
    dataset : StoredDataset
    batch_size : int
        Samples a batch; a worker's last batch of an epoch may be smaller, alike for all.
    rank, world_size : int
        Of this process among all that train together.
    seed : int
        Of the epochs' orders, 0 to 2**64-1.

    Raises
    ------
    UsageError
        When a number is out of range, or there are fewer samples than ranks.
    """

    def __init__(
        self, dataset: StoredDataset, batch_size: int, *, rank: int = 0, world_size: int = 1,
        seed: int = 0,
    ) -> None:  # fmt: skip
        if batch_size < 1:
            raise UsageError(f"batch size: expected at least 1, got {batch_size}; raise it")
        if not 0 <= rank < world_size:
            raise UsageError(f"rank: expected 0 to {world_size - 1}, got {rank}; check world_size")
        if not 0 <= seed < 2**64:
            raise UsageError(f"seed: expected 0 to 2**64-1, got {seed}; choose another")
        if len(dataset) < world_size:
            raise UsageError(
                f"world size: expected at most {len(dataset)}, the number of samples, got "
                f"{world_size}; use fewer ranks"
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.rank, self.world_size = rank, world_size
        self.seed = seed
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()  # workers see it change
        self._done = 0

    @property
    def epoch(self) -> int:
        """The epoch that the next iteration reads."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, and with it the order of samples, of the next iteration."""
        self._epoch.fill_(epoch)
        self._done = 0

    def state_dict(self) -> dict[str, int]:
        """Return where this worker stands: its epoch and the samples it has yielded in it."""
        return {"epoch": self.epoch, "done": self._done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where `state_dict` stood, with the same ranks and workers."""
        self.set_epoch(state["epoch"])
        self._done = state["done"]

    def __iter__(self) -> Iterator[Batch]:
        """Yield this rank's and worker's batches of the epoch, from where it stood if resumed."""
        mine = self._positions()
        while self._done < len(mine):
            batch = self.dataset[mine[self._done : self._done + self.batch_size]]
            self._done += len(batch)
            yield batch
        self._done = 0

    def _positions(self) -> np.ndarray:
        """Return the positions of this rank and worker in this epoch, in order."""
        info = get_worker_info()
        workers = info.num_workers if info else 1
        consumer = self.rank * workers + (info.id if info else 0)
        count, size = len(self.dataset), self.dataset.manifest["samples_per_part"]
        each = count // (self.world_size * workers)
        if each == 0:
            raise UsageError(
                f"workers: expected at most {count // self.world_size} a rank for {count} samples, "
                f"got {workers}; use fewer"
            )
        key = (self.seed + self.epoch) % 2**64
        parts = ShuffledOrder(-(-count // size), key)[:]
        starts = parts * size
        lengths = np.minimum(starts + size, count) - starts
        ends = np.cumsum(lengths)
        first = int(ShuffledOrder(count, key)[[0]][0])  # where in the row of parts it begins
        expected = (np.arange(consumer * each, (consumer + 1) * each) + first) % count
        which = np.searchsorted(ends, expected, side="right")
        return starts[which] + expected - (ends - lengths)[which]
