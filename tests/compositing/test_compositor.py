"""What `Compositor` accepts and refuses."""

from dataclasses import replace

import numpy as np
import pytest
from pictures import cutout, photograph
from shapes import edge_placements, odd_bank

from evafast import Bank, Compositor, Recipe, UsageError, composite
from evafast.compositing import Composite


def test_output_is_written_in_place(bank):
    compositor = Compositor(bank, backend="numba")
    out = compositor.allocate(2)
    assert compositor(Recipe.for_bank(bank)[:2], out) is out


def test_empty_batch(bank):
    assert composite(bank, Recipe.for_bank(bank)[0:0]).image.shape == (0, 64, 64, 3)


@pytest.mark.parametrize("column", ["background", "foreground", "left", "top", "width", "height"])
@pytest.mark.parametrize("value", [-1, -(2**31), 2**31 - 1, 33])
def test_one_bad_number_in_a_batch(column, value):
    bank = odd_bank(33)
    placements = edge_placements(bank)
    numbers = getattr(placements, column).copy()
    numbers[7] = value if numbers[7] != value else 1
    with pytest.raises(UsageError, match=rf"placements(\.{column}\[7\])?: expected"):
        Compositor(bank, device="cpu")(replace(placements, **{column: numbers}))


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("left", [0, -1], r"placements\.left\[1\]: expected 0 to \d+, got -1"),
        ("left", [0, 64], r"placements\.left\[1\]: expected 0 to \d+, got 64"),
        ("top", [64, 0], r"placements\.top\[0\]: expected 0 to \d+, got 64"),
        ("background", [0, 3], r"placements\.background\[1\]: expected 0 to 2, got 3"),
        ("foreground", [8, 0], r"placements\.foreground\[0\]: expected 0 to 7, got 8"),
        ("width", [2, 2], "expected the sizes of this bank's foregrounds"),
        ("left", [0], r"placements\.left: expected contiguous int32 of shape \(2,\)"),
    ],
)
def test_bad_placements(bank, column, values, message):
    bad = replace(Recipe.for_bank(bank)[[0, 1]], **{column: np.array(values, np.int32)})
    with pytest.raises(UsageError, match=message):
        composite(bank, bad)


def test_the_last_position_that_fits(bank):
    placements = Recipe.for_bank(bank)[[0, 1]]
    flush = replace(
        placements,
        left=(bank.canvas - placements.width).astype(np.int32),
        top=(bank.canvas - placements.height).astype(np.int32),
    )
    composite(bank, flush)
    for column in ("left", "top"):
        beyond = replace(flush, **{column: getattr(flush, column) + np.int32(1)})
        with pytest.raises(UsageError, match=rf"placements\.{column}\[0\]: expected 0 to "):
            composite(bank, beyond)


def test_a_foreground_larger_than_the_canvas_fits_nowhere():
    bank = Bank.from_arrays([photograph(8, 0)], [cutout(12, 4, 0)])
    too_wide = Recipe(background_count=1, foreground_sizes=bank.foreground_sizes, canvas=16)[:1]
    with pytest.raises(UsageError, match=r"placements\.left\[0\]: expected 0 to -4, got"):
        composite(bank, too_wide)


def test_bad_placement_dtype(bank):
    placements = Recipe.for_bank(bank)[[0, 1]]
    with pytest.raises(UsageError, match=r"left: expected contiguous int32.*got int64"):
        composite(bank, replace(placements, left=placements.left.astype(np.int64)))


@pytest.mark.parametrize(
    "change",
    [
        lambda o: Composite(o.image.float(), o.mask),
        lambda o: Composite(o.image[:1], o.mask),
        lambda o: Composite(o.image, o.mask[:, :, :5]),
        lambda o: Composite(o.image.permute(0, 2, 1, 3), o.mask),
    ],
)
def test_bad_outputs(bank, change):
    compositor = Compositor(bank, backend="numba")
    out = change(compositor.allocate(2))
    with pytest.raises(UsageError, match=r"out\.(image|mask): expected contiguous torch\.uint8"):
        compositor(Recipe.for_bank(bank)[[0, 1]], out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backend": "numpy"}, "backend: expected auto, cupy"),
        ({"device": "tpu"}, "device: expected auto, cpu"),
        ({"backend": "pillow", "device": "cuda:99"}, "device: expected"),
        ({"mask": "soft"}, "mask: expected matte or binary"),
    ],
)
def test_bad_options(bank, arguments, message):
    with pytest.raises(UsageError, match=message):
        Compositor(bank, **arguments)
