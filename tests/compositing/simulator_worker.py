"""Run the Numba CUDA kernel in the simulator, against Pillow; needs NUMBA_ENABLE_CUDASIM=1.

A program of its own because Numba reads the variable when it is imported. The simulator starts a
Python thread per CUDA thread, so shapes are small and blocks few.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from numba import config, cuda
from shapes import edge_placements, odd_bank, reference

from evafast.compositing.backends.numba_cuda import prepare
from evafast.compositing.cuda import PackedBank, fill_rows, pack_bank

POISON = 0xA5
CASES = [  # canvas, offset of the outputs in bytes, placements
    (1, 0, 4),
    (7, 1, 6),
    (16, 0, 6),
    (20, 0, 6),
    (20, 8, 6),
    (16, 4, 6),
    (16, 0, 6),
    (33, 3, 3),
]


def main() -> None:
    """Run every case, masks matte and binary in turn."""
    if not config.ENABLE_CUDASIM:
        sys.exit("set NUMBA_ENABLE_CUDASIM=1")
    rng = np.random.default_rng(7)
    words = set()
    for number, (canvas, offset, count) in enumerate(CASES):
        bank = odd_bank(canvas, backgrounds=2)
        every = edge_placements(bank, seed=number)
        placements = every[rng.choice(len(every), count, replace=False)]
        binary = number % 2 == 1
        rows = np.empty((count, 4), np.int32)
        fill_rows(placements, rows)
        image = _poisoned((count, canvas, canvas, 3), offset)
        mask = _poisoned((count, canvas, canvas), offset)
        kernel, _, arguments = prepare(
            PackedBank(*map(torch.from_numpy, pack_bank(bank))), torch.from_numpy(rows), image,
            mask, binary=binary,
        )  # fmt: skip
        words.add(arguments[0].dtype)
        kernel[(2, 2), 16](*(a.numpy() if isinstance(a, torch.Tensor) else a for a in arguments))
        expected_image, expected_mask = reference(bank, placements, binary=binary)
        case = f"canvas {canvas}, offset {offset}, binary {binary}"
        if not np.array_equal(image.numpy(), expected_image):
            sys.exit(f"{case}: image differs")
        if not np.array_equal(mask.numpy(), expected_mask):
            sys.exit(f"{case}: mask differs")
    if words != {torch.uint8, torch.int64}:
        sys.exit(f"expected kernels for bytes and words, got {words}")
    print(f"{len(CASES)} cases equal on {cuda.__file__}")


def _poisoned(shape: tuple[int, ...], offset: int) -> torch.Tensor:
    size = int(np.prod(shape))
    return torch.full((size + offset,), POISON, dtype=torch.uint8)[offset:].reshape(shape)


if __name__ == "__main__":
    main()
