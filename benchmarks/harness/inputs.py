"""Inputs: the same images for every suite, the same samples in the order of a real run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from evafast import Bank, Recipe
from evafast.sampling.recipe import Placements


@dataclass(frozen=True)
class Inputs:
    """Where images come from.

    Attributes
    ----------
    name : str
        As records state it.
    folders : dict of str to Path
        By the names of the command's options; empty for the built-in pack.
    """

    name: str
    folders: dict[str, Path]

    @classmethod
    def find(cls, folder: Path | None = None) -> Inputs:
        """Return the images of a folder with ``bg`` and ``fg``, by default the built-in pack."""
        if folder is None:
            return cls("built-in pack", {})
        return cls("photographs", {"backgrounds": folder / "bg", "foregrounds": folder / "fg"})

    @cached_property
    def bank(self) -> Bank:
        """The bank at 224 px."""
        return Bank.from_folders(*self.folders.values()) if self.folders else Bank.builtin()

    @property
    def arguments(self) -> list[str]:
        """Arguments of the command that name the folders."""
        return [word for key, path in self.folders.items() for word in (f"--{key}", str(path))]

    @property
    def described(self) -> dict[str, str | int]:
        """What records say of the images."""
        return {
            "pictures": self.name,
            "backgrounds": self.bank.background_count,
            "cutouts": self.bank.foreground_count,
            "canvas": self.bank.canvas,
        }

    def samples(self, count: int) -> Placements:
        """Return the first samples of the shuffled order."""
        return first_samples(self.bank, count)


def first_samples(bank: Bank, count: int) -> Placements:
    """Return the first samples of the shuffled order, as a run writes them."""
    recipe = Recipe.for_bank(bank)
    return recipe[recipe.order[np.arange(count) % len(recipe)]]


def synthetic_bank(canvas: int, backgrounds: int, foregrounds: int, *, mirror: bool = True) -> Bank:
    """Return smooth backgrounds and soft discs, sized as 50 to 150 px are to 224."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:canvas, 0:canvas].astype(np.float32) / canvas
    images, discs = [], []
    for _ in range(backgrounds):
        waves = rng.uniform(1, 20, (3, 2)).astype(np.float32)
        image = np.stack([127.5 + 127.5 * np.sin(a * x + b * y) for a, b in waves], axis=-1)
        images.append(image.astype(np.uint8))
    for _ in range(foregrounds):
        height, width = (rng.integers(50, 151, 2) * canvas) // 224
        v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        soft = np.clip((1 - u * u - v * v) * 6, 0, 1) * 255
        shade = rng.integers(0, 256, (height, width, 3))
        discs.append(np.dstack([shade, soft]).astype(np.uint8))
    return Bank.from_arrays(images, discs, mirror=mirror)
