"""Validation shows nothing that training has seen."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("lightning")
pytest.importorskip("kornia")

from evafast import Bank, Recipe, UsageError
from training.masks.split import AssetSubset, PlacementSubset, split_assets


@pytest.fixture(scope="module")
def bank():
    rng = np.random.default_rng(0)
    backgrounds = [rng.integers(0, 256, (16, 16, 3), dtype=np.uint8) for _ in range(9)]
    foregrounds = [rng.integers(0, 256, (4, 5, 4), dtype=np.uint8) for _ in range(7)]
    return Bank.from_arrays(backgrounds, foregrounds)


def pixels_of(bank, recipe, numbers):
    """Return the bytes of every background and original foreground of some samples."""
    placements = recipe[numbers]
    originals = len(bank.foreground_names)
    return (
        {bank.backgrounds[b].tobytes() for b in np.unique(placements.background)},
        {bank.foreground(f % originals).tobytes() for f in np.unique(placements.foreground)},
    )


@pytest.mark.parametrize("seed", range(5))
def test_no_asset_on_both_sides_nor_its_mirror(bank, seed):
    recipe = Recipe.for_bank(bank, placements=3)
    split = split_assets(bank.hashes(), share=0.3, seed=seed)
    training = AssetSubset(
        recipe=recipe, backgrounds=split.training_backgrounds,
        foregrounds=split.training_foregrounds,
    )  # fmt: skip
    held = AssetSubset(
        recipe=recipe, backgrounds=split.validation_backgrounds,
        foregrounds=split.validation_foregrounds,
    )  # fmt: skip
    mine, theirs = (pixels_of(bank, recipe, s[np.arange(len(s))]) for s in (training, held))
    assert not mine[0] & theirs[0]
    assert not mine[1] & theirs[1]
    assert len(mine[0]) + len(theirs[0]) == 9
    assert len(mine[1]) + len(theirs[1]) == 7
    assert len(theirs[0]) == 3
    assert len(theirs[1]) == 2


def test_subset_lists_exactly_its_samples(bank):
    recipe = Recipe.for_bank(bank, placements=3)
    split = split_assets(bank.hashes(), share=0.3)
    held = AssetSubset(
        recipe=recipe, backgrounds=split.validation_backgrounds,
        foregrounds=split.validation_foregrounds,
    )  # fmt: skip
    every = np.arange(len(recipe))
    assert held[np.arange(len(held))].tolist() == every[split.validation_rows(recipe[:])].tolist()
    assert not (split.validation_rows(recipe[:]) & split.training_rows(recipe[:])).any()


def test_copies_and_mirror_files_stay_together():
    rng = np.random.default_rng(1)
    foregrounds = [rng.integers(0, 256, (4, 5, 4), dtype=np.uint8) for _ in range(6)]
    foregrounds += [foregrounds[0].copy(), np.ascontiguousarray(foregrounds[1][:, ::-1])]
    backgrounds = [rng.integers(0, 256, (16, 16, 3), dtype=np.uint8) for _ in range(4)]
    bank = Bank.from_arrays([*backgrounds, backgrounds[2]], foregrounds)
    for seed in range(12):
        split = split_assets(bank.hashes(), share=0.4, seed=seed)
        held_fg, held_bg = split.validation_foregrounds, split.validation_backgrounds
        assert (0 in held_fg) == (6 in held_fg) == (14 in held_fg)
        assert (1 in held_fg) == (7 in held_fg) == (15 in held_fg)
        assert (2 in held_bg) == (4 in held_bg)


def test_split_does_not_depend_on_names_or_order(bank):
    hashes = bank.hashes()
    turned = {"backgrounds": hashes["backgrounds"][::-1], "foregrounds": hashes["foregrounds"]}
    one, other = split_assets(hashes), split_assets(turned)
    assert (8 - one.validation_backgrounds)[::-1].tolist() == other.validation_backgrounds.tolist()


def test_placement_split_covers_all_without_overlap(bank):
    recipe = Recipe.for_bank(bank, placements=3)
    held = PlacementSubset(recipe=recipe, start=0, stop=50)
    rest = PlacementSubset(recipe=recipe, start=50, stop=len(recipe))
    both = np.concatenate([s[np.arange(len(s))] for s in (held, rest)])
    assert np.sort(both).tolist() == list(range(len(recipe)))


def test_one_asset_cannot_be_split():
    hashes = {"backgrounds": ["a", "b"], "foregrounds": ["c", "d"]}
    with pytest.raises(UsageError, match=r"foregrounds: expected at least 2 .* --split placement"):
        split_assets(hashes)
