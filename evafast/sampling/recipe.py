"""Recipe: sample index -> background, foreground and where to paste it.

A sample is a pure function of ``(recipe, index)``. The index runs row-major over
``(background, foreground, placement)``; the position is drawn by Philox keyed by the seed, with
the index as counter, so that any sample can be made alone, anywhere, in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evafast.errors import UsageError
from evafast.sampling.philox import below, key_of_seed, philox4x32

if TYPE_CHECKING:
    from evafast.assets.bank import Bank

_PLACEMENT_STREAM = 0  # counter word 2 tells independent uses of one seed apart
_ORDER_STREAM = 1


@dataclass(frozen=True, kw_only=True)
class Placements:
    """What is pasted where, one row a sample; struct of equally long 1-D arrays.

    Attributes
    ----------
    index : ndarray of int64, shape (n,)
        Sample index in its recipe.
    background, foreground : ndarray of int32, shape (n,)
        Which of the bank's backgrounds and foregrounds (0-based, mirrors included).
    placement : ndarray of int32, shape (n,)
        Which of the draws for this pair, 0-based.
    left, top : ndarray of int32, shape (n,)
        Top left pixel of the cut-out on the canvas.
    width, height : ndarray of int32, shape (n,)
        Size of the cut-out in pixels.
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
        """Return the chosen rows, as Placements again."""
        return Placements(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def checked_indices(which: int | slice | ArrayLike, count: int, name: str) -> NDArray[np.int64]:
    """Return indices into `count` things as int64, shape (n,); negative ones count from the end.

    Raises
    ------
    IndexError
        When they are not integers (bool is none) or out of range.
    """
    if isinstance(which, slice):
        return np.arange(*which.indices(count), dtype=np.int64)
    index = np.atleast_1d(np.asarray(which))
    if index.size == 0:
        return index.astype(np.int64).reshape(-1)
    if index.dtype.kind not in "iu" or index.ndim != 1:
        raise IndexError(f"{name}: expected integers in a row, got {index.dtype} {index.shape}")
    low, high = int(index.min()), int(index.max())
    if low < -count or high >= count:
        raise IndexError(f"{name}: expected {-count} to {count - 1}, got {low} to {high}")
    index = index.astype(np.int64)
    return np.where(index < 0, index + count, index)


@dataclass(frozen=True, kw_only=True, eq=False)
class Recipe:
    """All samples of a data set, none of them made yet.

    Parameters
    ----------
    background_count : int
        Number of backgrounds.
    foreground_sizes : array_like of int, shape (foregrounds, 2)
        ``(height, width)`` of every foreground, mirrors included, in pixels.
    placements : int
        Draws for each pair of background and foreground.
    seed : int
        0 .. 2**64-1.
    canvas : int
        Side of the square canvas in pixels.

    Raises
    ------
    UsageError
        When a count is below 1, the seed is out of range, or a foreground exceeds the canvas.

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
        len_ = self.background_count * len(sizes) * self.placements
        for name, value in (
            ("backgrounds", self.background_count),
            ("foregrounds", len(sizes)),
            ("placements", self.placements),
        ):
            if value < 1:
                raise UsageError(f"{name}: expected at least 1, got {value}; give more")
        if self.placements >= 2**31 or len_ >= 2**62:
            raise UsageError(
                f"placements: expected fewer than 2**31, and 2**62 samples in all, got "
                f"{self.placements:,} and {len_:,}; lower them"
            )
        if not 0 <= self.seed < 2**64:
            raise UsageError(f"seed: expected 0 to 2**64-1, got {self.seed}; choose another")
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
        return self.background_count * len(self._sizes) * self.placements

    @property
    def foreground_count(self) -> int:
        """Number of foregrounds, mirrors included."""
        return len(self._sizes)

    @property
    def _sizes(self) -> NDArray[np.int64]:
        return self.foreground_sizes  # type: ignore[return-value]

    @cached_property
    def order(self) -> ShuffledOrder:
        """The seeded shuffle in which samples are written, so that any prefix is a fair mix."""
        return ShuffledOrder(len(self), self.seed)

    def __getitem__(self, which: int | slice | ArrayLike) -> Placements:
        """Return the placements of one index, a slice or an array of indices.

        Raises
        ------
        IndexError
            When an index lies outside ``-len .. len-1``.
        """
        index = checked_indices(which, len(self), "recipe index")
        pair, placement = np.divmod(index, self.placements)
        background, foreground = np.divmod(pair, len(self._sizes))
        height, width = self._sizes[foreground].T
        words = index.astype(np.uint64)
        x, y, _, _ = philox4x32(
            (words & np.uint64(0xFFFFFFFF), words >> np.uint64(32), _PLACEMENT_STREAM, 0),
            key_of_seed(self.seed),
        )
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


@dataclass(frozen=True)
class ShuffledOrder:
    """A seeded permutation of ``range(count)`` by random access, without storing it.

    An unbalanced Feistel network over the smallest near-square rectangle that holds ``count``
    cells; the few cells beyond ``count`` are walked over. Start-up time and memory do not grow
    with the count.
    """

    count: int
    seed: int
    rounds: int = 6

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, positions: slice | ArrayLike) -> NDArray[np.int64]:
        """Return the sample indices at these positions of the shuffled order."""
        index = checked_indices(positions, self.count, "position")
        index = self._permute(index)
        outside = index >= self.count
        while outside.any():
            index[outside] = self._permute(index[outside])
            outside = index >= self.count
        return index

    def _permute(self, cell: NDArray[np.int64]) -> NDArray[np.int64]:
        columns = isqrt(self.count - 1) + 1
        rows = -(-self.count // columns)
        row, column = np.divmod(cell, columns)
        for turn in range(self.rounds):
            row = (row + self._draw(2 * turn, column, rows)) % rows
            column = (column + self._draw(2 * turn + 1, row, columns)) % columns
        return row * columns + column

    def _draw(self, turn: int, half: NDArray[np.int64], bound: int) -> NDArray[np.int64]:
        word, _, _, _ = philox4x32(
            (half.astype(np.uint64), turn, _ORDER_STREAM, 0), key_of_seed(self.seed)
        )
        return below(word, bound)
