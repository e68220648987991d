"""Layouts and the network's input: what the CPU writes, and what the door refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from shapes import edge_placements, odd_bank, reference

from evafast import Compositor, UsageError
from evafast.compositing.backends.cupy_cuda import ALIGNED, ANY, kernel_for
from evafast.compositing.device_bank import PADDING, pack_bank

DTYPES = [torch.bfloat16, torch.float16, torch.float32]


@pytest.fixture(scope="module")
def odd():
    bank = odd_bank(33)
    return bank, edge_placements(bank)


@pytest.mark.parametrize("backend", ["numba", "pillow"])
@pytest.mark.parametrize("mask", ["matte", "binary"])
@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_layouts_hold_the_same_bytes(odd, layout, mask, backend):
    bank, placements = odd
    compositor = Compositor(bank, backend=backend, device="cpu", mask=mask, layout=layout)
    out = compositor.allocate(len(placements))
    out.image.fill_(0xAB)
    out.mask.fill_(0xAB)
    made = compositor(placements, out)
    assert made.network_input is None
    image, matte = reference(bank, placements, binary=mask == "binary")
    shown = made.image.permute(0, 2, 3, 1) if layout == "nchw" else made.image
    assert np.array_equal(shown.numpy(), image)
    assert np.array_equal(made.mask.numpy(), matte)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_network_input_is_the_image_over_255(odd, layout, dtype):
    bank, placements = odd
    made = Compositor(bank, device="cpu", layout=layout, network_input=dtype)(placements)
    image, _ = reference(bank, placements, binary=False)
    exact = torch.from_numpy(image.astype(np.float32) / np.float32(255)).to(dtype)
    assert made.network_input.shape == (len(placements), 3, 33, 33)
    assert made.network_input.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(made.network_input.permute(0, 2, 3, 1), exact)
    assert float(made.network_input.max()) == 1.0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"layout": "chw"}, "layout: expected nhwc or nchw, got 'chw'"),
        ({"network_input": torch.float64}, "network_input: expected None or one of torch.bfloat16"),
        ({"mask": "soft"}, "mask: expected matte or binary"),
    ],
)
def test_unknown_options(odd, options, named):
    with pytest.raises(UsageError, match=named):
        Compositor(odd[0], device="cpu", **options)


def test_outputs_that_do_not_fit(odd):
    bank, placements = odd
    compositor = Compositor(bank, device="cpu", layout="nchw", network_input=torch.float32)
    good = compositor.allocate(len(placements))
    wrong = {
        "out.image": replace(good, image=good.image.permute(0, 2, 3, 1)),
        "out.mask": replace(good, mask=good.mask[:-1]),
        "out.network_input: expected torch.float32, got None": replace(good, network_input=None),
        "out.network_input: expected channels_last torch.float32": replace(
            good, network_input=good.network_input.contiguous()
        ),
    }
    for named, out in wrong.items():
        with pytest.raises(UsageError, match=named):
            compositor(placements, out)
    plain = Compositor(bank, device="cpu", layout="nchw")
    with pytest.raises(UsageError, match=r"out\.network_input: expected None, got torch\.float32"):
        plain(placements, good)


@pytest.mark.parametrize("column", ["background", "foreground", "left", "top", "width", "height"])
@pytest.mark.parametrize("value", [-1, -(2**31), 2**31 - 1, 33])
def test_one_bad_number_in_a_batch_is_refused(odd, column, value):
    bank, placements = odd
    numbers = getattr(placements, column).copy()
    if numbers[7] == value:
        numbers[7] = 1
        value = 1
    numbers[7] = value
    bad = replace(placements, **{column: numbers})
    with pytest.raises(UsageError, match=rf"placements(\.{column}\[7\])?: expected"):
        Compositor(bank, device="cpu")(bad)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("canvas", [1, 7, 16])
def test_packed_bank(canvas, planar):
    bank = odd_bank(canvas)
    packed = pack_bank(bank, planar=planar)
    padded = -(-(canvas**2) // 16) * 16
    assert packed.background_chunks * 16 == 3 * padded
    shape = (-1, 3, padded) if planar else (-1, padded, 3)
    pixels = packed.backgrounds.reshape(shape)
    if planar:
        pixels = pixels.transpose(0, 2, 1)
    assert np.array_equal(pixels[:, : canvas**2].reshape(bank.backgrounds.shape), bank.backgrounds)
    assert not pixels[:, canvas**2 :].any()
    for which, row in enumerate(packed.table):
        size = row["width"] * row["height"]
        start = PADDING + row["first"]
        cutout = packed.cutouts[start : start + size].reshape(row["height"], row["width"], 4)
        assert np.array_equal(cutout, bank.foreground(which))


def test_a_canvas_too_large_for_the_kernels():
    class Wide:
        canvas = 40_000

    with pytest.raises(UsageError, match="canvas: expected at most 32768 px on a CUDA device"):
        pack_bank(Wide(), planar=False)


def test_kernel_for_an_address():
    assert kernel_for(224, 0, 4096, 16) == ALIGNED
    assert kernel_for(224, 0, 4096, 8) == ANY
    assert kernel_for(225, 0, 0) == ANY
