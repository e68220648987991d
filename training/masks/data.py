"""Batches for training: made on the training device when they are needed, or read from disk.

There are no worker processes and no copies: a batch is composited, given depth by the teacher and
augmented where the network then learns from it.
"""

from __future__ import annotations

import hashlib
import os
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
from evafast.assets.preprocess import AssetConfig
from evafast.compositing import choose_backend
from evafast.sampling.permutation import ShuffledOrder
from training.masks.augment import AugmentConfig, Views, augmented, views_of
from training.masks.config import DataConfig, MaskTrainConfig
from training.masks.split import AssetSubset, PlacementSubset, split_assets

AVERAGED_SAMPLES = 256
"""Training samples over which means are taken."""


class Subset(Protocol):
    """Sample numbers of one side of the split, with random access."""

    def __len__(self) -> int: ...
    def __getitem__(self, positions: NDArray[np.int64]) -> NDArray[np.int64]: ...


@dataclass(frozen=True, kw_only=True)
class Source:
    """Samples and their split.

    Attributes
    ----------
    training, validation : Subset
        Numbers for `read`: sample indices of the recipe, or positions in the stored dataset.
    read : callable
        Returns the batch of some sample numbers.
    recipe : Recipe
        Recipe of all samples.
    teacher : DepthEstimator or None
        None without depth, or if the depth is read from disk.
    """

    training: Subset
    validation: Subset
    read: Callable[[ArrayLike], Batch]
    recipe: Recipe
    teacher: DepthEstimator | None = None


def open_source(config: DataConfig, device: str | torch.device) -> Source:
    """Load assets or open a dataset, and split it.

    Raises
    ------
    UsageError
        If the assets, the dataset or the teacher cannot be used, or a side is empty.
    """
    source = _stored(config) if config.dataset is not None else _live(config, device)
    for name in ("training", "validation"):
        if not len(getattr(source, name)):
            raise UsageError(
                f"{name} samples: expected at least 1, got 0 with --split {config.split}; give "
                f"more samples or assets, or another --validation-share"
            )
    return source


def _live(config: DataConfig, device: str | torch.device) -> Source:
    size = config.canvas * 150 // 224  # the default proportions, at any canvas
    smallest = (max(config.canvas * 40 // 224, 1), max(config.canvas * 50 // 224, 1))
    assets = AssetConfig(canvas=config.canvas, foreground_size=size, min_foreground=smallest)
    if config.backgrounds is None or config.foregrounds is None:
        bank = Bank.builtin(assets)
    else:
        bank = Bank.from_folders(config.backgrounds, config.foregrounds, assets)
    recipe = Recipe.for_bank(bank, placements=config.placements, seed=config.seed)
    teacher = None
    if config.depth != "none":
        teacher = DepthEstimator.load(config.depth, device=device, input_size=config.depth_input)
    pipeline = Pipeline(bank, recipe, Compositor(bank, device=device), teacher)
    training: Subset
    validation: Subset
    if config.split == "placement":
        held = _held_count(config, len(recipe))
        training = PlacementSubset(recipe=recipe, start=held, stop=len(recipe))
        validation = PlacementSubset(recipe=recipe, start=0, stop=held)
    else:
        split = split_assets(bank.hashes(), share=config.validation_share, seed=config.seed)
        training = AssetSubset(
            recipe=recipe, backgrounds=split.training_backgrounds,
            foregrounds=split.training_foregrounds,
        )  # fmt: skip
        validation = AssetSubset(
            recipe=recipe, backgrounds=split.validation_backgrounds,
            foregrounds=split.validation_foregrounds,
        )  # fmt: skip
    return Source(
        training=training, validation=validation, read=pipeline.batch, recipe=recipe,
        teacher=teacher,
    )  # fmt: skip


def _stored(config: DataConfig) -> Source:
    dataset = open_dataset(str(config.dataset))
    positions = np.arange(len(dataset))
    if config.split == "placement":
        held = _held_count(config, len(dataset))
        training, validation = positions[held:], positions[:held]
    else:
        plan = dataset.manifest.plan
        hashes = {
            "backgrounds": [asset.sha256 for asset in plan.backgrounds],
            "foregrounds": [asset.sha256 for asset in plan.foregrounds],
        }
        split = split_assets(hashes, share=config.validation_share, seed=config.seed)
        placements = dataset.placements_at(positions)
        training = positions[split.training_rows(placements)]
        validation = positions[split.validation_rows(placements)]
    return Source(
        training=training, validation=validation, read=dataset.__getitem__, recipe=dataset.recipe
    )


def _held_count(config: DataConfig, count: int) -> int:
    return min(max(round(config.validation_share * count), 1), count - 1)


def training_device(name: str) -> torch.device:
    """Return the device to composite and train on; with torchrun, each rank's own GPU."""
    device = choose_backend("auto", name).device
    if device.type == "cuda" and "LOCAL_RANK" in os.environ:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    return device


class TrainingStream:
    """Endless augmented training batches, in epochs of ``config.epoch_steps``, split by rank.

    Every pass over the training samples is another shuffle and takes each sample once. A step
    takes the next ``world_size`` batches in that order, one per rank; their augmentation depends
    only on seed, step and rank. So `state_dict` just counts steps.

    Parameters
    ----------
    config : MaskTrainConfig
    source : Source
    device : torch.device
    rank, world_size : int
    prefetch : bool, optional
        Make the next batch in a thread while this one is used; defaults to True on the CPU. A GPU
        queues both anyway.
    """

    def __init__(
        self, config: MaskTrainConfig, source: Source, device: torch.device, *, rank: int = 0,
        world_size: int = 1, prefetch: bool | None = None,
    ) -> None:  # fmt: skip
        self.config, self.source, self.device = config, source, device
        self.rank, self.world_size = rank, world_size
        self.prefetch = device.type == "cpu" if prefetch is None else prefetch
        self._epoch = self._done = 0

    def __len__(self) -> int:
        return self.config.epoch_steps

    def __iter__(self) -> Iterator[Views]:
        """Yield the rest of the epoch; after its end, the next one.

        Nothing is prefetched beyond the end of the epoch.
        """
        if self._done >= len(self):
            self._epoch, self._done = self._epoch + 1, 0
        steps = range(self._epoch * len(self) + self._done, (self._epoch + 1) * len(self))
        for views in _prefetched(self.views, steps) if self.prefetch else map(self.views, steps):
            self._done += 1
            yield views

    def views(self, step: int) -> Views:
        """Return this rank's batch of a step, counted from the start of the run."""
        batch = self.source.read(self.numbers(step))
        views = views_of(batch, self.config.data.size, self.device)
        seed = _seed(self.config.data.seed, "training", step, self.rank)
        return augmented(views, self.config.augment, seed)

    def numbers(self, step: int) -> NDArray[np.int64]:
        """Return the sample numbers of this rank's batch of a step."""
        count, batch_size = len(self.source.training), self.config.batch_size
        first = (step * self.world_size + self.rank) * batch_size
        passes, positions = np.divmod(np.arange(first, first + batch_size), count)
        shuffled = [
            ShuffledOrder(count, _seed(self.config.data.seed, "pass", int(p)))[
                positions[passes == p]
            ]
            for p in np.unique(passes)
        ]
        return self.source.training[np.concatenate(shuffled)]

    def state_dict(self) -> dict[str, int]:
        """Return the position in the stream; it is the same on every rank."""
        return {"epoch": self._epoch, "done": self._done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Resume at the position that `state_dict` returned."""
        self._epoch, self._done = state["epoch"], state["done"]


def _prefetched(make: Callable[[int], Views], steps: Iterable[int]) -> Iterator[Views]:
    """Yield ``make(step)`` for every step, made one step ahead in a thread."""
    with ThreadPoolExecutor(1, "training-data") as thread:
        ready: Future[Views] | None = None
        for step in steps:
            current, ready = ready, thread.submit(make, step)
            if current is not None:
                yield current.result()
        if ready is not None:
            yield ready.result()


class FixedBatches:
    """The same batches every time: for validation, comparison and means.

    Parameters
    ----------
    config : MaskTrainConfig
    source : Source
    device : torch.device
    side : {'validation', 'training'}
    samples : int, optional
        The first of a seeded shuffle, or fewer if there are fewer; defaults to
        ``config.validation_samples``.
    plain : bool
        Whether to leave out the augmentation.
    seed : int, optional
        Of shuffle and augmentation; defaults to ``config.data.seed``.
    rank, world_size : int
        Whole batches are dealt to the ranks, so a batch does not depend on their number. Batches
        left over are dropped: with DDP every rank must take part in each.

    Raises
    ------
    UsageError
        If there are fewer batches than ranks.
    """

    def __init__(
        self, config: MaskTrainConfig, source: Source, device: torch.device, *,
        side: str = "validation", samples: int | None = None, plain: bool = False,
        seed: int | None = None, rank: int = 0, world_size: int = 1,
    ) -> None:  # fmt: skip
        self.config, self.source, self.device, self.side = config, source, device, side
        self.augment = AugmentConfig.none() if plain else config.augment
        self.seed = config.data.seed if seed is None else seed
        subset: Subset = getattr(source, side)
        samples = min(samples or config.validation_samples, len(subset))
        order = ShuffledOrder(len(subset), _seed(self.seed, side, "order"))
        self.numbers = subset[order[np.arange(samples)]]
        batches = -(-samples // config.batch_size)
        if batches < world_size:
            raise UsageError(
                f"{side} samples: expected a batch of {config.batch_size} for each of {world_size} "
                f"ranks, got {samples} samples; give more, or a smaller batch size"
            )
        self._mine = range(rank, batches - batches % world_size, world_size)

    def __len__(self) -> int:
        return len(self._mine)

    def __iter__(self) -> Iterator[Views]:
        """Yield this rank's batches."""
        size = self.config.batch_size
        for number in self._mine:
            batch = self.source.read(self.numbers[number * size : (number + 1) * size])
            views = views_of(batch, self.config.data.size, self.device)
            yield augmented(views, self.augment, _seed(self.seed, self.side, number))


def mean_depth(batches: FixedBatches) -> float:
    """Return the mean of a side's depth, the unit to learn it in; 1 without depth."""
    depths = [v.depth.double().mean() for v in batches if v.depth is not None]
    return float(torch.stack(depths).mean()) if depths else 1.0


def _seed(*parts: object) -> int:
    digest = hashlib.sha256(" ".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
