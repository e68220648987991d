"""The CPU backends: byte for byte what Pillow pastes, on every value and every odd shape."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pictures import cutout, photograph
from PIL import Image
from shapes import all_triples

from evafast import Bank, Compositor, Recipe, composite
from evafast.compositing import pixel

CPU = ["numba", "pillow"]


def paste(background, rgba, left, top):
    """Return image and matte as one would make them with Pillow, independent of evafast."""
    image = Image.fromarray(background.copy())
    foreground = Image.fromarray(rgba)
    image.paste(foreground, (left, top), foreground)
    matte = Image.new("L", image.size)
    matte.paste(foreground.getchannel("A"), (left, top))
    return np.asarray(image), np.asarray(matte)


def check(bank, placements, backend):
    compositor = Compositor(bank, backend=backend)
    out = compositor.allocate(len(placements))
    out.image.fill_(0xAB)
    out.mask.fill_(0xAB)
    compositor(placements, out)
    for row in range(len(placements)):
        image, matte = paste(
            bank.backgrounds[placements.background[row]],
            bank.foreground(placements.foreground[row]),
            int(placements.left[row]), int(placements.top[row]),
        )  # fmt: skip
        assert np.array_equal(out.image[row].numpy(), image), row
        assert np.array_equal(out.mask[row].numpy(), matte), row


def test_rule_equals_pillow_on_all_triples():
    """All 256^3 of (coverage, foreground, background), one coverage per image."""
    foreground, background = np.mgrid[0:256, 0:256].astype(np.uint8)
    f, b = foreground.astype(np.int32), background.astype(np.int32)
    for coverage in range(256):
        image = Image.fromarray(background)
        mask = Image.new("L", (256, 256), coverage)
        image.paste(Image.fromarray(foreground), (0, 0), mask)
        assert np.array_equal(pixel.over(coverage, f, b), np.asarray(image)), coverage


def test_numba_equals_the_rule_on_all_triples():
    bank, f, b = all_triples()
    compositor = Compositor(bank, backend="numba")
    recipe = Recipe.for_bank(bank, placements=1)
    for start in range(0, 256, 32):
        image = compositor(recipe[start : start + 32]).image.numpy()
        for row in range(32):
            expected = pixel.over(start + row, f, b)
            assert (image[row] == expected[..., None]).all(), start + row


@pytest.mark.parametrize("backend", CPU)
def test_odd_shapes_everywhere(bank, backend):
    """1x1 to the whole canvas, at every corner and at random."""
    check(bank, Recipe.for_bank(bank, placements=12, seed=5)[:], backend)


@pytest.mark.parametrize("backend", CPU)
@pytest.mark.parametrize("side", [1, 7, 33, 224])
def test_canvases(backend, side):
    sizes = {(1, 1), (side, side), (max(1, side // 2), 1), (1, max(1, side - 1))}
    bank = Bank.from_arrays(
        [photograph(side, 3)], [cutout(w, h, 4) for w, h in sorted(sizes)], mirror=False
    )
    placements = Recipe.for_bank(bank, placements=6, seed=2)[:]
    check(bank, placements, backend)
    flush = replace(
        placements,
        left=(side - placements.width).astype(np.int32),
        top=(side - placements.height).astype(np.int32),
    )
    check(bank, flush, backend)


@pytest.mark.parametrize("backend", CPU)
def test_zero_and_full_coverage(backend):
    rgba = np.full((6, 9, 4), 200, np.uint8)
    clear, solid = rgba.copy(), rgba.copy()
    clear[..., 3], solid[..., 3] = 0, 255
    bank = Bank.from_arrays([photograph(16, 1)], [clear, solid], mirror=False)
    check(bank, Recipe.for_bank(bank, placements=3)[:], backend)


@pytest.mark.parametrize("backend", CPU)
def test_binary_mask_cuts_at_one_half(backend):
    rgba = np.zeros((16, 16, 4), np.uint8)
    rgba[..., 3] = np.arange(256).reshape(16, 16)
    bank = Bank.from_arrays([photograph(16, 1)], [rgba], mirror=False)
    placements = Recipe.for_bank(bank, placements=1)[:]
    soft = Compositor(bank, backend=backend)(placements)
    hard = Compositor(bank, backend=backend, mask="binary")(placements)
    assert np.array_equal(hard.mask[0].numpy().ravel(), [0] * 128 + [255] * 128)
    assert torch.equal(soft.image, hard.image), "the kind of mask must not change the image"


@pytest.mark.parametrize("parallel", [True, False])
def test_batches_of_any_size_are_equal(bank, parallel):
    recipe = Recipe.for_bank(bank, placements=3)
    whole = composite(bank, recipe[:])
    compositor = Compositor(bank, backend="numba", parallel=parallel)
    for size in (1, 5, len(recipe)):
        for start in range(0, len(recipe), size):
            some = compositor(recipe[start : start + size])
            assert torch.equal(some.image, whole.image[start : start + size])
            assert torch.equal(some.mask, whole.mask[start : start + size])


def test_torch_keeps_its_threads(bank):
    """Numba may share torch's OpenMP and would set its thread count."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        composite(bank, Recipe.for_bank(bank)[:8], backend="numba")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
