"""The CPU backends: byte for byte what Pillow pastes, on every value and every odd shape."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pictures import cutout, photograph
from PIL import Image

from evafast import Bank, Compositor, Recipe, UsageError, composite
from evafast.compositing import Composite, pixel

CPU = ["numba", "pillow"]


def paste(background, cutout_rgba, left, top):
    """Return image and matte as a person would make them with Pillow, independent of evafast."""
    image = Image.fromarray(background.copy())
    piece = Image.fromarray(cutout_rgba)
    image.paste(piece, (left, top), piece)
    matte = Image.new("L", image.size)
    matte.paste(piece.getchannel("A"), (left, top))
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
    """All 256^3 of (coverage, foreground, background), one coverage an image."""
    foreground, background = np.mgrid[0:256, 0:256].astype(np.uint8)
    cutout, canvas_picture = Image.fromarray(foreground), Image.fromarray(background)
    f, b = foreground.astype(np.int32), background.astype(np.int32)
    for coverage in range(256):
        canvas = canvas_picture.copy()
        canvas.paste(cutout, (0, 0), Image.new("L", (256, 256), coverage))
        assert np.array_equal(pixel.over(coverage, f, b), np.asarray(canvas)), coverage


def test_numba_equals_the_rule_on_all_triples():
    """The compiled kernel over the same triples: one cut-out a coverage."""
    foreground, background = np.mgrid[0:256, 0:256].astype(np.uint8)
    canvas = np.repeat(background[..., None], 3, axis=2)
    cutouts = []
    for coverage in range(256):
        rgba = np.repeat(foreground[..., None], 4, axis=2)
        rgba[..., 3] = coverage
        cutouts.append(rgba)
    bank = Bank.from_arrays([canvas], cutouts, mirror=False)
    compositor = Compositor(bank, backend="numba")
    recipe = Recipe.for_bank(bank, placements=1)
    f, b = foreground.astype(np.int32), background.astype(np.int32)
    for start in range(0, 256, 32):
        made = compositor(recipe[start : start + 32])
        for row in range(32):
            expected = pixel.over(start + row, f, b)
            for channel in range(3):
                assert np.array_equal(made.image[row, ..., channel].numpy(), expected)


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
    recipe = Recipe.for_bank(bank, placements=6, seed=2)
    check(bank, recipe[:], backend)
    placements = recipe[:]
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
    mask = Compositor(bank, backend=backend, mask="binary")(placements).mask[0].numpy()
    assert np.array_equal(mask.ravel(), [0] * 128 + [255] * 128)
    soft = Compositor(bank, backend=backend)(placements)
    hard = Compositor(bank, backend=backend, mask="binary")(placements)
    assert torch.equal(soft.image, hard.image), "the mask's kind must not touch the image"


def test_batches_of_any_size_are_equal(bank):
    recipe = Recipe.for_bank(bank, placements=3)
    whole = composite(bank, recipe[:])
    for size in (1, 5, len(recipe)):
        for start in range(0, len(recipe), size):
            part = composite(bank, recipe[start : start + size])
            assert torch.equal(part.image, whole.image[start : start + size])
            assert torch.equal(part.mask, whole.mask[start : start + size])
    assert composite(bank, recipe[0:0]).image.shape == (0, 64, 64, 3)


def test_output_is_written_in_place(bank):
    compositor = Compositor(bank, backend="numba")
    placements = Recipe.for_bank(bank)[:2]
    out = compositor.allocate(2)
    assert compositor(placements, out) is out


def wrong(placements, **columns):
    return replace(placements, **{k: np.array(v, dtype=np.int32) for k, v in columns.items()})


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("left", [0, -1], r"placements\.left\[1\]: expected 0 to \d+, got -1"),
        ("left", [0, 64], r"placements\.left\[1\]: expected 0 to \d+, got 64"),
        ("top", [64, 0], r"placements\.top\[0\]: expected 0 to \d+, got 64"),
        ("background", [0, 3], r"placements\.background\[1\]: expected 0 to 2, got 3"),
        ("foreground", [8, 0], r"placements\.foreground\[0\]: expected 0 to 7, got 8"),
        ("width", [2, 2], "expected the sizes of this bank's cut-outs"),
        ("left", [0], r"placements\.left: expected contiguous int32 of shape \(2,\)"),
    ],
)
def test_bad_placements_are_refused_at_the_door(bank, column, values, said):
    placements = Recipe.for_bank(bank)[[0, 1]]
    with pytest.raises(UsageError, match=said):
        composite(bank, wrong(placements, **{column: values}))


def test_bad_dtypes_are_refused_at_the_door(bank):
    placements = Recipe.for_bank(bank)[[0, 1]]
    with pytest.raises(UsageError, match=r"left: expected contiguous int32.*got int64"):
        composite(bank, replace(placements, left=placements.left.astype(np.int64)))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda o: Composite(o.image.float(), o.mask),
        lambda o: Composite(o.image[:1], o.mask),
        lambda o: Composite(o.image, o.mask[:, :, :5]),
        lambda o: Composite(o.image.permute(0, 2, 1, 3), o.mask),
    ],
)
def test_bad_outputs_are_refused_at_the_door(bank, spoil):
    compositor = Compositor(bank, backend="numba")
    out = spoil(compositor.allocate(2))
    with pytest.raises(UsageError, match=r"out\.(image|mask): expected contiguous (torch\.)?uint8"):
        compositor(Recipe.for_bank(bank)[[0, 1]], out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"backend": "numpy"}, "backend: expected auto, cupy"),
        ({"device": "tpu"}, "device: expected auto, cpu"),
        ({"backend": "pillow", "device": "cuda:99"}, "device|backend"),
        ({"mask": "soft"}, "mask: expected matte or binary"),
    ],
)
def test_bad_choices_are_refused(bank, arguments, said):
    with pytest.raises(UsageError, match=said):
        Compositor(bank, **arguments)


def test_auto_says_what_it_chose_and_why():
    if torch.cuda.is_available():
        pytest.skip("a GPU is here: auto chooses it")
    choice = Compositor(Bank.from_arrays([photograph(8, 0)], [cutout(4, 4, 0)])).choice
    assert choice.backend == "numba"
    assert "cupy" in choice.reason
    assert "numba-cuda: " in choice.reason


def test_torch_keeps_its_threads(bank):
    """Numba may share torch's OpenMP and would set its thread count."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        composite(bank, Recipe.for_bank(bank)[:8], backend="numba")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
