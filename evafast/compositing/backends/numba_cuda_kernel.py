# mypy: ignore-errors
# (what the kernel calls exists only on the device; mypy sees Numba's stubs)
"""The Numba CUDA kernel; importing this module imports numba.cuda.

A thread takes 8 bytes at a time, and goes byte by byte where they touch the foreground. The pixel
rule is `pixel.over` itself, compiled as a device function.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import cuda, int64  # at the top: Numba's simulator replaces a global named cuda

from evafast.compositing import pixel
from evafast.compositing.cuda import PADDING


@cache
def make_kernel(*, wide: bool) -> Any:
    """Return the kernel for backgrounds, images and masks as int64 words, or as bytes."""
    over = cuda.jit(device=True)(pixel.over)
    binary_of = cuda.jit(device=True)(pixel.binary)
    step = 8 if wide else 1
    reach = (step + 1) // 3  # pixels after the first that a word touches

    @cuda.jit
    def composite(
        backgrounds, foregrounds, table, placements, image, mask, background_words, side, binary
    ):
        area = side * side
        image_words, mask_words = 3 * area // step, area // step
        thread = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        threads = cuda.gridDim.x * cuda.blockDim.x
        for sample in range(cuda.blockIdx.y, placements.shape[0], cuda.gridDim.y):
            background = int64(placements[sample, 0]) * background_words
            foreground = placements[sample, 1]
            left, top = int64(placements[sample, 2]), int64(placements[sample, 3])
            first = (int64(table[foreground, 0]) & 0xFFFFFFFF) + PADDING
            first += int64(table[foreground, 1]) << 32
            width, height = int64(table[foreground, 2]), int64(table[foreground, 3])
            box_begin = top * side + left
            box_end = box_begin + (height - 1) * side + width

            for word in range(thread, image_words, threads):
                value = int64(backgrounds[background + word])
                begin = word * step // 3
                if begin < box_end and begin + reach >= box_begin:
                    channel = word * step - 3 * begin
                    y, x = begin // side - top, begin % side - left
                    blended = int64(0)
                    for i in range(step):
                        byte = (value >> (8 * i)) & 255
                        if x >= 0 and x < width and y >= 0 and y < height:
                            rgba = int64(foregrounds[first + y * width + x])
                            byte = over((rgba >> 24) & 255, (rgba >> (8 * channel)) & 255, byte)
                        blended |= byte << (8 * i)
                        channel += 1
                        if channel == 3:
                            channel = 0
                            x += 1
                        if x == side - left:
                            x = -left
                            y += 1
                    value = blended
                image[sample * image_words + word] = value

            for word in range(thread, mask_words, threads):
                begin = word * step
                value = int64(0)
                if begin < box_end and begin + step > box_begin:
                    y, x = begin // side - top, begin % side - left
                    for i in range(step):
                        if x >= 0 and x < width and y >= 0 and y < height:
                            coverage = (int64(foregrounds[first + y * width + x]) >> 24) & 255
                            if binary:
                                coverage = int64(binary_of(coverage))
                            value |= coverage << (8 * i)
                        x += 1
                        if x == side - left:
                            x = -left
                            y += 1
                mask[sample * mask_words + word] = value

    return composite
