"""Recipe: from a sample index to a background, a foreground and where to paste it.

The index is row-major over ``(background, foreground, placement)``. The position is drawn by Philox
with the seed as key and the index as counter, so any sample can be made on its own, in any order,
on any machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evafast.errors import UsageError, check_range, check_seed
from evafast.sampling.indexing import checked_indices
from evafast.sampling.permutation import ShuffledOrder
from evafast.sampling.philox import PLACEMENT_STREAM, below, key_of_seed, philox4x32

if TYPE_CHECKING:
    from evafast.assets.bank import Bank


@dataclass(frozen=True, kw_only=True)
class Placements:
    """What is pasted where: 1-D arrays of equal length, one row per sample.

    Attributes
    ----------
    index : ndarray of int64, shape (n,)
        Sample index in its recipe.
    background, foreground : ndarray of int32, shape (n,)
        Indices into the bank's backgrounds and foregrounds, mirrors included.
    placement : ndarray of int32, shape (n,)
        Number of the draw for this pair, from 0.
    left, top : ndarray of int32, shape (n,)
        Top left corner of the foreground on the canvas, in pixels.
    width, height : ndarray of int32, shape (n,)
        Size of the foreground in pixels.
    """

    index: NDArray[np.int64]
    background: NDArray[np.int32]
    foreground: NDArray[np.int32]
    placement: NDArray[np.int32]
    left: NDArray[np.int32]
    top: NDArray[np.int32]
    width: NDArray[np.int32]
    height: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: slice | NDArray[np.integer]) -> Placements:
        """Return the selected rows as Placements."""
        return Placements(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@dataclass(frozen=True, kw_only=True, eq=False)
class Recipe:
    """All samples of a dataset, as a sequence of `Placements`.

    Parameters
    ----------
    background_count : int
        Number of backgrounds.
    foreground_sizes : array_like of int, shape (foregrounds, 2)
        ``(height, width)`` of every foreground, mirrors included, in pixels.
    placements : int
        Draws per pair of background and foreground.
    seed : int
        0 to 2**64-1.
    canvas : int
        Side of the square canvas in pixels.

    Raises
    ------
    UsageError
        If a count is below 1, the seed is out of range, or a foreground exceeds the canvas.

    Examples
    --------
    >>> recipe = Recipe(background_count=2, foreground_sizes=[(50, 40)], placements=3)
    >>> len(recipe), recipe[4].background.tolist(), recipe[4].placement.tolist()
    (6, [1], [1])
    """

    background_count: int
    foreground_sizes: ArrayLike
    placements: int = 20
    seed: int = 0
    canvas: int = 224

    def __post_init__(self) -> None:
        sizes = np.array(self.foreground_sizes, dtype=np.int64).reshape(-1, 2)
        sizes.setflags(write=False)
        object.__setattr__(self, "foreground_sizes", sizes)
        counts = self.background_count, len(sizes), self.placements
        for name, count in zip(("backgrounds", "foregrounds", "placements"), counts, strict=True):
            check_range(name, count, 1)
        samples = math.prod(counts)
        if self.placements >= 2**31 or samples >= 2**62:
            raise UsageError(
                f"placements: expected fewer than 2**31, and 2**62 samples in all, got "
                f"{self.placements:,} and {samples:,}; lower them"
            )
        check_seed(self.seed)
        if sizes.min() < 1 or sizes.max() > self.canvas:
            raise UsageError(
                f"foreground size: expected 1 to {self.canvas} px (the canvas), got "
                f"{sizes.min()} to {sizes.max()} px; lower the foreground size or raise the canvas"
            )

    @classmethod
    def for_bank(cls, bank: Bank, *, placements: int = 20, seed: int = 0) -> Recipe:
        """Return the recipe over every background and foreground of a bank."""
        return cls(
            background_count=bank.background_count,
            foreground_sizes=bank.foreground_sizes,
            placements=placements,
            seed=seed,
            canvas=bank.canvas,
        )

    def __len__(self) -> int:
        return self.background_count * self.foreground_count * self.placements

    @property
    def foreground_count(self) -> int:
        """Number of foregrounds, mirrors included."""
        return len(np.asarray(self.foreground_sizes))

    @cached_property
    def order(self) -> ShuffledOrder:
        """The seeded order in which samples are written; any prefix of it is a fair mix."""
        return ShuffledOrder(len(self), self.seed)

    def __getitem__(self, which: int | slice | ArrayLike) -> Placements:
        """Return the placements of one index, a slice or an array of indices.

        Raises
        ------
        IndexError
            If an index is not an integer in ``-len .. len-1``.
        """
        index = checked_indices(which, len(self), "recipe index")
        pair, placement = np.divmod(index, self.placements)
        background, foreground = np.divmod(pair, self.foreground_count)
        height, width = np.asarray(self.foreground_sizes)[foreground].T
        words = index.astype(np.uint64)
        key = key_of_seed(self.seed)
        x, y, _, _ = philox4x32((words & 0xFFFFFFFF, words >> 32, PLACEMENT_STREAM, 0), key)
        return Placements(
            index=index,
            background=background.astype(np.int32),
            foreground=foreground.astype(np.int32),
            placement=placement.astype(np.int32),
            left=below(x, self.canvas - width + 1).astype(np.int32),
            top=below(y, self.canvas - height + 1).astype(np.int32),
            width=width.astype(np.int32),
            height=height.astype(np.int32),
        )
