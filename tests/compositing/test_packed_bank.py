"""The bank as the CUDA kernels read it, and the choice of kernel."""

from types import SimpleNamespace

import numpy as np
import pytest
from shapes import odd_bank

from evafast import UsageError
from evafast.compositing.backends.cupy_cuda import ALIGNED, ANY, kernel_for
from evafast.compositing.cuda import PADDING, pack_bank


@pytest.mark.parametrize("canvas", [1, 7, 16])
def test_packed_bank(canvas):
    bank = odd_bank(canvas)
    packed = pack_bank(bank)
    size = 3 * canvas**2
    assert packed.backgrounds.shape[1] == -(-(canvas**2) // 16) * 48
    pixels = packed.backgrounds[:, :size].reshape(bank.backgrounds.shape)
    assert np.array_equal(pixels, bank.backgrounds)
    assert not packed.backgrounds[:, size:].any()
    for which, row in enumerate(packed.table):
        (start,), (width, height) = PADDING + row[:2].view(np.int64), row[2:]
        rgba = packed.foregrounds[start : start + width * height].reshape(height, width, 4)
        assert np.array_equal(rgba, bank.foreground(which))


def test_canvas_too_large_for_the_kernels():
    with pytest.raises(UsageError, match="canvas: expected at most 32768 px on a CUDA device"):
        pack_bank(SimpleNamespace(canvas=40_000))


def test_kernel_for_an_address():
    assert kernel_for(224, 0, 4096, 16) == ALIGNED
    assert kernel_for(224, 0, 4096, 8) == ANY
    assert kernel_for(225, 0, 0) == ANY
