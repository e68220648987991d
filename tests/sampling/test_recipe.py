"""Recipe: random access, stored positions, uniform draws over all of them."""

import numpy as np
import pytest

from evafast import Recipe, UsageError


def recipe(**changes):
    settings = {"background_count": 4, "foreground_sizes": [(9, 5), (16, 16), (1, 1)], "canvas": 16}
    return Recipe(**{**settings, "placements": 5, "seed": 7, **changes})


def rows(placements):
    return np.stack(
        [placements.index, placements.background, placements.foreground, placements.placement,
         placements.left, placements.top, placements.width, placements.height], axis=1
    )  # fmt: skip


def test_index_is_row_major():
    r = recipe()
    assert len(r) == 4 * 3 * 5
    one = r[1 * 15 + 2 * 5 + 3]
    assert (one.background[0], one.foreground[0], one.placement[0]) == (1, 2, 3)


def test_random_access_equals_sequential_access():
    r = recipe()
    whole = rows(r[:])
    shuffled = np.random.default_rng(0).permutation(len(r))
    assert (rows(r[shuffled]) == whole[shuffled]).all()
    assert (np.concatenate([rows(r[i]) for i in range(len(r))]) == whole).all()
    assert (rows(r[10:50:7]) == whole[10:50:7]).all()
    assert (rows(r[-1]) == whole[-1:]).all()


def test_the_seed_changes_positions_only():
    a, b = recipe()[:], recipe(seed=8)[:]
    assert (a.background == b.background).all()
    assert (a.foreground == b.foreground).all()
    movable = a.width < 16
    assert (a.left[movable] != b.left[movable]).mean() > 0.8


def test_seeds_and_indices_beyond_32_bits_draw_differently():
    low, high = recipe(seed=1, placements=99), recipe(seed=1 + 2**32, placements=99)
    assert (low[:].left != high[:].left).any()
    huge = Recipe(background_count=2**20, foreground_sizes=[(3, 3)], placements=2**14, canvas=224)
    assert (huge[:64].left != huge[2**32 : 2**32 + 64].left).any()


def test_known_positions_of_seed_0():
    """Existing datasets have these positions: they must never change."""
    r = Recipe(background_count=100, foreground_sizes=[(150, 100)] * 200, placements=20)
    p = r[[0, 1, 19, 20, 399_999]]
    assert p.left.tolist() == [49, 121, 78, 40, 9]
    assert p.top.tolist() == [66, 27, 16, 47, 70]


@pytest.mark.parametrize("size", [(9, 5), (16, 16), (1, 1)])
def test_uniform_over_all_positions(size):
    """Chi-square over every (left, top), the last row and column included."""
    draws = 200_000
    r = Recipe(background_count=1, foreground_sizes=[size], placements=draws, canvas=16, seed=3)
    p = r[:]
    across, down = 16 - size[1] + 1, 16 - size[0] + 1
    counts = np.bincount(p.top * across + p.left, minlength=across * down)
    assert len(counts) == across * down
    expected = draws / len(counts)
    freedom = len(counts) - 1
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi2 - freedom) <= 5 * np.sqrt(2 * max(freedom, 1))


def test_a_recipe_of_10_to_the_12_samples_costs_nothing():
    huge = Recipe(background_count=10**6, foreground_sizes=[(3, 3)], placements=10**6, canvas=224)
    assert len(huge) == 10**12
    assert huge.order[[0, 10**12 - 1]].shape == (2,)
    assert huge[[10**12 - 1]].background.tolist() == [10**6 - 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"background_count": 0}, "backgrounds: expected at least 1"),
        ({"foreground_sizes": []}, "foregrounds: expected at least 1"),
        ({"placements": 0}, "placements: expected at least 1"),
        ({"seed": -1}, "seed: expected 0 to"),
        ({"seed": 2**64}, "seed: expected 0 to"),
        ({"foreground_sizes": [(17, 5)]}, "foreground size: expected 1 to 16"),
        ({"foreground_sizes": [(0, 5)]}, "foreground size: expected 1 to 16"),
        ({"placements": 2**31}, "placements: expected fewer than"),
        ({"background_count": 2**40, "placements": 2**30}, "2\\*\\*62 samples in all"),
    ],
)
def test_settings_out_of_range_are_an_error(changes, message):
    with pytest.raises(UsageError, match=message):
        recipe(**changes)


@pytest.mark.parametrize("index", [60, -61, [0, 60], [0.5], [True, False], "3", [[0, 1]]])
def test_invalid_indices_raise_index_error(index):
    with pytest.raises(IndexError, match="recipe index: expected"):
        recipe()[index]
    with pytest.raises(IndexError, match="position: expected"):
        recipe().order[index]
