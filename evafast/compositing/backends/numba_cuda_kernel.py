# mypy: ignore-errors
# (what the kernel calls exists on the device only; mypy sees Numba's stubs of it)
"""The Numba CUDA kernel, and nothing else: importing this module imports numba.cuda.

A thread takes 8 bytes at a time, and looks pixel by pixel where these touch the cut-out. The pixel
rule is `pixel.over` itself, compiled as device function.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import cuda, int64  # at the top: Numba's simulator replaces a global named cuda

from evafast.compositing import pixel
from evafast.compositing.device_bank import PADDING


@cache
def make_kernel(*, wide: bool, planar: bool, numbers_size: int) -> Any:
    """Return the kernel for one kind of access.

    Parameters
    ----------
    wide : bool
        Outputs and backgrounds are int64, 8 bytes an access; else uint8.
    planar : bool
        Images are (n, 3, side, side), and so are the backgrounds.
    numbers_size : {0, 2, 4}
        Bytes of one number of the network's input; 0 for none.
    """
    over = cuda.jit(device=True)(pixel.over)
    binary_of = cuda.jit(device=True)(pixel.binary)
    step = 8 if wide else 1
    packed = wide and not planar and numbers_size > 0  # whole words of network input
    per_word = 8 // numbers_size if numbers_size else 1
    number_bits = 8 * numbers_size
    number_mask = (1 << number_bits) - 1
    reach = step - 1 if planar else (step + 1) // 3  # pixels after the first that a word touches

    @cuda.jit
    def composite(
        backgrounds, cutouts, table, placements, image, mask, network, numbers, side, padded, binary
    ):
        area = side * side
        image_words = 3 * area // step
        mask_words = area // step
        background_words = 3 * padded // step
        thread = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        threads = cuda.gridDim.x * cuda.blockDim.x
        for sample in range(cuda.blockIdx.y, placements.shape[0], cuda.gridDim.y):
            background = int64(placements[sample, 0]) * background_words
            foreground = placements[sample, 1]
            left = int64(placements[sample, 2])
            top = int64(placements[sample, 3])
            first = (int64(table[foreground, 0]) & 0xFFFFFFFF) + PADDING
            first += int64(table[foreground, 1]) << 32
            width = int64(table[foreground, 2])
            height = int64(table[foreground, 3])
            box_begin = top * side + left
            box_end = box_begin + (height - 1) * side + width

            for word in range(thread, image_words, threads):
                if planar:
                    channel = word * step // area
                    begin = word * step - channel * area
                    source = (channel * padded + begin) // step
                else:
                    begin = word * step // 3
                    channel = word * step - 3 * begin
                    source = word
                value = int64(backgrounds[background + source])
                plane = channel
                if begin < box_end and begin + reach >= box_begin:
                    y = begin // side - top
                    x = begin % side - left
                    blended = int64(0)
                    for i in range(step):
                        byte = (value >> (8 * i)) & 255
                        if x >= 0 and x < width and y >= 0 and y < height:
                            rgba = int64(cutouts[first + y * width + x])
                            byte = over((rgba >> 24) & 255, (rgba >> (8 * channel)) & 255, byte)
                        blended |= byte << (8 * i)
                        if planar:
                            x += 1
                        else:
                            channel += 1
                            if channel == 3:
                                channel = 0
                                x += 1
                        if x == side - left:
                            x = -left
                            y += 1
                    value = blended
                image[sample * image_words + word] = value
                if packed:
                    for part in range(step // per_word):
                        several = int64(0)
                        for i in range(per_word):
                            byte = (value >> (8 * (part * per_word + i))) & 255
                            several |= (numbers[byte] & number_mask) << (number_bits * i)
                        at = (sample * image_words + word) * (step // per_word) + part
                        network[at] = several
                elif numbers_size > 0:
                    for i in range(step):
                        byte = (value >> (8 * i)) & 255
                        at = 3 * (begin + i) + plane if planar else word * step + i
                        network[sample * 3 * area + at] = numbers[byte]

            for word in range(thread, mask_words, threads):
                begin = word * step
                value = int64(0)
                if begin < box_end and begin + step > box_begin:
                    y = begin // side - top
                    x = begin % side - left
                    for i in range(step):
                        if x >= 0 and x < width and y >= 0 and y < height:
                            coverage = (int64(cutouts[first + y * width + x]) >> 24) & 255
                            if binary:
                                coverage = int64(binary_of(coverage))
                            value |= coverage << (8 * i)
                        x += 1
                        if x == side - left:
                            x = -left
                            y += 1
                mask[sample * mask_words + word] = value

    return composite
