"""Which samples are for training and which for validation.

By asset: training never sees any of validation's backgrounds and foregrounds. By placement, as
in the original: validation has the same images, at other positions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evafast import Placements, Recipe, UsageError


@dataclass(frozen=True, kw_only=True)
class AssetSplit:
    """Assets by side; foregrounds include mirrors, which stay with their originals.

    Attributes
    ----------
    training_backgrounds, validation_backgrounds : ndarray of int64
    training_foregrounds, validation_foregrounds : ndarray of int64
    """

    training_backgrounds: NDArray[np.int64]
    validation_backgrounds: NDArray[np.int64]
    training_foregrounds: NDArray[np.int64]
    validation_foregrounds: NDArray[np.int64]

    def training_rows(self, placements: Placements) -> NDArray[np.bool_]:
        """Return which placements have a training foreground and a training background."""
        return np.isin(placements.background, self.training_backgrounds) & np.isin(
            placements.foreground, self.training_foregrounds
        )

    def validation_rows(self, placements: Placements) -> NDArray[np.bool_]:
        """Return which placements have a held-out foreground and a held-out background."""
        return np.isin(placements.background, self.validation_backgrounds) & np.isin(
            placements.foreground, self.validation_foregrounds
        )


def split_assets(
    hashes: Mapping[str, Sequence[str]], *, share: float = 0.2, seed: int = 0
) -> AssetSplit:
    """Split assets by their pixels.

    Equal pixels are always on the same side, whatever their file is called: neither a copy of a
    file nor a file that is another's mirror can leak.

    Parameters
    ----------
    hashes : mapping
        As returned by `evafast.Bank.hashes`: SHA-256 of ``backgrounds`` and ``foregrounds``,
        where foreground i of F originals has its mirror at F + i.
    share : float
        Share of the assets of each kind to hold out, at least one.
    seed : int

    Raises
    ------
    UsageError
        If there are fewer than two different assets of a kind.
    """
    backgrounds = [frozenset([h]) for h in hashes["backgrounds"]]
    originals = len(hashes["foregrounds"]) // 2
    foregrounds = [frozenset(hashes["foregrounds"][i::originals]) for i in range(originals)]
    held_bg = _held_out("background", backgrounds, share, seed)
    held_fg = np.tile(_held_out("foreground", foregrounds, share, seed), 2)
    return AssetSplit(
        training_backgrounds=np.flatnonzero(~held_bg),
        validation_backgrounds=np.flatnonzero(held_bg),
        training_foregrounds=np.flatnonzero(~held_fg),
        validation_foregrounds=np.flatnonzero(held_fg),
    )


def _held_out(
    kind: str, contents: Sequence[frozenset[str]], share: float, seed: int
) -> NDArray[np.bool_]:
    different = sorted({min(c) for c in contents}, key=lambda h: _sha256(f"{seed} {h}"))
    if len(different) < 2:
        raise UsageError(
            f"{kind}s: expected at least 2 different ones, so as to hold one out, got "
            f"{len(different)}; give more, or use --split placement"
        )
    count = min(max(round(share * len(different)), 1), len(different) - 1)
    held = set(different[:count])
    return np.array([min(c) in held for c in contents])


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class AssetSubset:
    """The samples of some of a recipe's assets, with random access and without listing them.

    Attributes
    ----------
    recipe : Recipe
    backgrounds, foregrounds : ndarray of int64
        Which of the recipe's assets.
    """

    recipe: Recipe
    backgrounds: NDArray[np.int64]
    foregrounds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.backgrounds) * len(self.foregrounds) * self.recipe.placements

    def __getitem__(self, positions: ArrayLike) -> NDArray[np.int64]:
        """Return the recipe's sample indices at these positions, ``0 .. len-1``."""
        pair, placement = np.divmod(np.asarray(positions, np.int64), self.recipe.placements)
        background, foreground = np.divmod(pair, len(self.foregrounds))
        pair = self.backgrounds[background] * self.recipe.foreground_count
        pair += self.foregrounds[foreground]
        return pair * self.recipe.placements + placement


@dataclass(frozen=True, kw_only=True)
class PlacementSubset:
    """Samples ``start`` to ``stop`` of a recipe's shuffled order."""

    recipe: Recipe
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, positions: ArrayLike) -> NDArray[np.int64]:
        """Return the recipe's sample indices at these positions, ``0 .. len-1``."""
        return self.recipe.order[np.asarray(positions, np.int64) + self.start]
