"""Batches for training: made on the training device as they are needed, or read from disk.

No worker processes and no copies: one line composites a batch, has the teacher add depth, and
augments it, where the network then learns from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from evafast import (
    Bank,
    Batch,
    Compositor,
    DepthEstimator,
    Pipeline,
    Recipe,
    UsageError,
    open_dataset,
)
from evafast.assets.loading import AssetConfig
from evafast.sampling.recipe import ShuffledOrder
from evafast.system.timing import StageClock
from training.masks.augment import Augmentation, Views, views_of
from training.masks.config import DataConfig
from training.masks.split import AssetSubset, PlacementSubset, split_assets

AVERAGED_SAMPLES = 256
"""Training samples from which means are taken."""


class Subset(Protocol):
    """Sample numbers of one side of the split, by random access."""

    def __len__(self) -> int: ...
    def __getitem__(self, positions: NDArray[np.int64]) -> NDArray[np.int64]: ...


@dataclass(frozen=True, kw_only=True)
class Source:
    """Samples and their split.

    Attributes
    ----------
    training, validation : Subset
        Numbers to give to `read`.
    live : Pipeline or None
        Makes the samples; its numbers are the recipe's sample indices.
    stored : StoredDataset or None
        Or reads them; its numbers are positions in the order they were written.
    """

    training: Subset
    validation: Subset
    live: Pipeline | None = None
    stored: object | None = None

    @property
    def recipe(self) -> Recipe:
        """The recipe of every sample."""
        return (self.live or self.stored).recipe  # type: ignore[union-attr]

    def read(self, numbers: ArrayLike) -> Batch:
        """Return the batch of these samples."""
        if self.live is not None:
            return self.live.batch(numbers)
        return self.stored.__getitems__(np.asarray(numbers).tolist())  # type: ignore[union-attr]


def open_source(config: DataConfig, device: str | torch.device) -> Source:
    """Load assets or open a data set, and split it.

    Raises
    ------
    UsageError
        When the assets, the data set or the teacher cannot be used, or a side is empty.
    """
    source = _stored(config) if config.dataset is not None else _live(config, device)
    for name in ("training", "validation"):
        if not len(getattr(source, name)):
            raise UsageError(
                f"{name} samples: expected at least 1, got 0 with --split {config.split}; give more "
                f"samples or assets, or another --validation-share"
            )
    return source


def _live(config: DataConfig, device: str | torch.device) -> Source:
    fg = config.canvas * 150 // 224  # the built-in proportions, at any canvas
    least = (max(config.canvas * 40 // 224, 1), max(config.canvas * 50 // 224, 1))
    assets = AssetConfig(canvas=config.canvas, foreground_size=fg, min_foreground=least)
    if config.backgrounds is None or config.foregrounds is None:
        bank = Bank.builtin(assets)
    else:
        bank = Bank.from_folders(config.backgrounds, config.foregrounds, assets)
    recipe = Recipe.for_bank(bank, placements=config.placements, seed=config.seed)
    teacher = None
    if config.depth != "none":
        teacher = DepthEstimator.load(config.depth, device=device, input_size=config.depth_input)
    pipeline = Pipeline(bank, recipe, Compositor(bank, device=device), teacher)
    if config.split == "placement":
        held = _held_count(config, len(recipe))
        return Source(
            training=PlacementSubset(recipe=recipe, start=held, stop=len(recipe)),
            validation=PlacementSubset(recipe=recipe, start=0, stop=held), live=pipeline,
        )  # fmt: skip
    split = split_assets(bank.hashes(), share=config.validation_share, seed=config.seed)
    return Source(
        training=AssetSubset(recipe=recipe, backgrounds=split.training_backgrounds,
                             foregrounds=split.training_foregrounds),
        validation=AssetSubset(recipe=recipe, backgrounds=split.validation_backgrounds,
                               foregrounds=split.validation_foregrounds),
        live=pipeline,
    )  # fmt: skip


def _stored(config: DataConfig) -> Source:
    dataset = open_dataset(str(config.dataset))
    positions = np.arange(len(dataset))
    if config.split == "placement":
        held = _held_count(config, len(dataset))
        return Source(training=positions[held:], validation=positions[:held], stored=dataset)
    hashes = {
        kind: [asset["sha256"] for asset in dataset.manifest[kind]]
        for kind in ("backgrounds", "foregrounds")
    }
    split = split_assets(hashes, share=config.validation_share, seed=config.seed)
    placements = dataset.placements_at(positions)
    return Source(
        training=positions[split.training_rows(placements)],
        validation=positions[split.validation_rows(placements)],
        stored=dataset,
    )


def _held_count(config: DataConfig, count: int) -> int:
    return min(max(round(config.validation_share * count), 1), count - 1)


class TrainingStream:
    """Augmented training batches without end, cut into epochs of `steps`, split by rank.

    Every pass over the subset is another shuffle and takes each sample once. A step's samples are
    ``world_size`` batches one after another in that order, one for each rank; their augmentation
    depends on seed, step and rank alone. So `state_dict` need only count steps.

    Parameters
    ----------
    source : Source
    augmentation : Augmentation
    size : int
        Side in pixels of the views.
    device : torch.device
    batch_size, steps : int
        Samples a batch on each rank, batches an epoch.
    seed, rank, world_size : int
    ahead : bool
        Make the next batch in a thread while this one is used; by default on the CPU.
    """

    def __init__(
        self, source: Source, augmentation: Augmentation, *, size: int, device: torch.device,
        batch_size: int, steps: int, seed: int = 0, rank: int = 0, world_size: int = 1,
        ahead: bool | None = None,
    ) -> None:  # fmt: skip
        self.ahead = device.type == "cpu" if ahead is None else ahead
        self.source, self.augmentation = source, augmentation
        self.size, self.device = size, device
        self.batch_size, self.steps = batch_size, steps
        self.seed, self.rank, self.world_size = seed, rank, world_size
        self.clock = StageClock()
        self._epoch = self._done = 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Views]:
        """Yield what is left of the epoch; after its end, the next one.

        On the CPU a thread makes the next batch while the network learns from this one, with its
        cores; a GPU queues both anyway. Nothing is made beyond the epoch's end.
        """
        if self._done >= self.steps:
            self._epoch, self._done = self._epoch + 1, 0
        left = range(self._epoch * self.steps + self._done, (self._epoch + 1) * self.steps)
        for views in _made_ahead(self.views, left) if self.ahead else map(self.views, left):
            self._done += 1
            yield views

    def views(self, step: int) -> Views:
        """Return this rank's batch of a step, counted from the run's start."""
        with self.clock("read"):
            views = views_of(self.source.read(self.numbers(step)), self.size, self.device)
        with self.clock("augment"):
            return self.augmentation(views, _seed(self.seed, "training", step, self.rank))

    def numbers(self, step: int) -> NDArray[np.int64]:
        """Return the sample numbers of this rank's batch of a step."""
        count = len(self.source.training)
        first = (step * self.world_size + self.rank) * self.batch_size
        passes, positions = np.divmod(np.arange(first, first + self.batch_size), count)
        order = [
            ShuffledOrder(count, _seed(self.seed, "pass", int(p)))[positions[passes == p]]
            for p in np.unique(passes)
        ]
        return self.source.training[np.concatenate(order)]

    def state_dict(self) -> dict[str, int]:
        """Return where this stream stands, for every rank alike."""
        return {"epoch": self._epoch, "done": self._done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where `state_dict` stood."""
        self._epoch, self._done = state["epoch"], state["done"]


def _made_ahead(make: Callable[[int], Views], steps: Iterable[int]) -> Iterator[Views]:
    """Yield what `make` makes of each step, one step ahead, in a thread."""
    with ThreadPoolExecutor(1, "training-data") as maker:
        coming: Future[Views] | None = None
        for step in steps:
            made, coming = coming, maker.submit(make, step)
            if made is not None:
                yield made.result()
        if coming is not None:
            yield coming.result()


class FixedBatches:
    """The same augmented batches each time: to validate, to compare, to average.

    Parameters
    ----------
    source, augmentation, size, device
        As for `TrainingStream`.
    side : {'validation', 'training'}
    samples : int
        How many, the first of a seeded shuffle; fewer where there are fewer.
    batch_size, seed : int
    rank, world_size : int
        Whole batches go round the ranks, so that a batch does not depend on their number. Batches
        that do not go round are left out: DDP waits for every rank at each.

    Raises
    ------
    UsageError
        When there are fewer batches than ranks.
    """

    def __init__(
        self, source: Source, augmentation: Augmentation, *, size: int, device: torch.device,
        side: str = "validation", samples: int = 256, batch_size: int = 32, seed: int = 0,
        rank: int = 0, world_size: int = 1,
    ) -> None:  # fmt: skip
        self.source, self.augmentation = source, augmentation
        self.size, self.device = size, device
        self.batch_size, self.seed, self.side = batch_size, seed, side
        subset: Subset = getattr(source, side)
        order = ShuffledOrder(len(subset), _seed(seed, side, "order"))
        self.numbers = subset[order[np.arange(min(samples, len(subset)))]]
        batches = -(-len(self.numbers) // batch_size)
        if batches < world_size:
            raise UsageError(
                f"{side} samples: expected a batch of {batch_size} for each of {world_size} ranks, "
                f"got {len(self.numbers)} samples; give more, or a smaller batch size"
            )
        self._mine = range(rank, batches - batches % world_size, world_size)

    def __len__(self) -> int:
        return len(self._mine)

    def __iter__(self) -> Iterator[Views]:
        """Yield this rank's batches."""
        for number in self._mine:
            rows = self.numbers[number * self.batch_size : (number + 1) * self.batch_size]
            views = views_of(self.source.read(rows), self.size, self.device)
            yield self.augmentation(views, _seed(self.seed, self.side, number))


def mean_depth(batches: FixedBatches) -> float:
    """Return the mean of a split's depth, 1 where there is none: the unit to learn it in."""
    depths = [v.depth.double().mean() for v in batches if v.depth is not None]
    return float(torch.stack(depths).mean()) if depths else 1.0


def _seed(*parts: object) -> int:
    digest = hashlib.sha256(" ".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
