"""What every suite measures on: the same pictures, the same samples in the order of a real run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.record import ROOT
from evafast import Bank, Recipe
from evafast.sampling.recipe import Placements

PHOTOGRAPHS = ROOT.parent / "shared" / "data" / "real"


@dataclass(frozen=True)
class Pictures:
    """Where pictures come from; folders are None for the built-in pack."""

    name: str
    backgrounds: Path | None
    foregrounds: Path | None


def pictures(folder: Path | None = None) -> Pictures:
    """Return a folder with ``bg`` and ``fg``: as given, else photographs where there, else ours."""
    folder = folder or (PHOTOGRAPHS if PHOTOGRAPHS.is_dir() else None)
    if folder is None:
        return Pictures("built-in pack", None, None)
    return Pictures("photographs", folder / "bg", folder / "fg")


@cache
def load(source: Pictures) -> Bank:
    """Return the bank of these pictures at 224 px."""
    if source.backgrounds is None or source.foregrounds is None:
        return Bank.builtin()
    return Bank.from_folders(source.backgrounds, source.foregrounds)


def described(source: Pictures) -> dict[str, str | int]:
    """Return what a record says of the pictures."""
    bank = load(source)
    return {
        "pictures": source.name,
        "backgrounds": bank.background_count,
        "cutouts": bank.foreground_count,
        "canvas": bank.canvas,
    }


def first_samples(bank: Bank, count: int) -> Placements:
    """Return the first samples of the shuffled order, as a run writes them."""
    recipe = Recipe.for_bank(bank)
    return recipe[recipe.order[np.arange(count) % len(recipe)]]


def made_up_bank(canvas: int, backgrounds: int, cutouts: int, *, mirror: bool = True) -> Bank:
    """Return smooth backgrounds and soft discs, cut-outs scaled as 50 to 150 px are to 224."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:canvas, 0:canvas].astype(np.float32) / canvas
    pictures_, pieces = [], []
    for _ in range(backgrounds):
        waves = rng.uniform(1, 20, (3, 2)).astype(np.float32)
        picture = np.stack([127.5 + 127.5 * np.sin(a * x + b * y) for a, b in waves], axis=-1)
        pictures_.append(picture.astype(np.uint8))
    for _ in range(cutouts):
        height, width = (rng.integers(50, 151, 2) * canvas) // 224
        v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        soft = np.clip((1 - u * u - v * v) * 6, 0, 1) * 255
        shade = rng.integers(0, 256, (height, width, 3))
        pieces.append(np.dstack([shade, soft]).astype(np.uint8))
    return Bank.from_arrays(pictures_, pieces, mirror=mirror)
