"""Run the Numba CUDA kernel in the simulator, against Pillow; needs NUMBA_ENABLE_CUDASIM=1.

A program of its own, for Numba reads the variable when it is imported. The simulator starts a
Python thread for each CUDA thread, so shapes are small and blocks few.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from numba import config, cuda
from shapes import edge_placements, odd_bank, reference

from evafast.compositing.backends.numba_cuda import KernelBank
from evafast.compositing.device_bank import fill_rows
from evafast.compositing.output import OutputFormat, write_network_input

POISON = 0xA5
CASES = [  # canvas, offset of the outputs in bytes, layout, network input, placements
    (1, 0, "nhwc", None, 4),
    (7, 1, "nhwc", torch.bfloat16, 6),
    (7, 0, "nchw", torch.float32, 6),
    (16, 0, "nhwc", torch.float16, 6),
    (16, 0, "nchw", torch.bfloat16, 6),
    (20, 0, "nhwc", torch.float32, 6),
    (20, 8, "nchw", None, 6),
    (16, 4, "nhwc", None, 6),
    (33, 3, "nhwc", None, 3),
]


def main() -> None:
    """Run every case, masks matte and binary in turn."""
    if not config.ENABLE_CUDASIM:
        sys.exit("set NUMBA_ENABLE_CUDASIM=1")
    rng = np.random.default_rng(7)
    widths = set()
    for number, (canvas, offset, layout, dtype, count) in enumerate(CASES):
        bank = odd_bank(canvas, backgrounds=2)
        every = edge_placements(bank, seed=number)
        placements = every[rng.choice(len(every), count, replace=False)]
        binary = number % 2 == 1
        cpu = torch.device("cpu")
        kernels = KernelBank(bank, cpu, binary=binary, layout=layout, network_input=dtype)
        form = OutputFormat(canvas=canvas, layout=layout, network_input=dtype, device=cpu)
        rows = np.empty((count, 4), np.int32)
        fill_rows(placements, rows)
        image = _poisoned(form.image_shape(count), offset)
        mask = _poisoned((count, canvas, canvas), offset)
        network = form.allocate(count, pin_memory=False).network_input
        if network is not None:
            network.fill_(float("nan"))
        kernel, words, arguments = kernels.call(torch.from_numpy(rows), image, mask, network)
        widths.add(words)
        kernel[(2, 2), 16](*(a.numpy() if isinstance(a, torch.Tensor) else a for a in arguments))
        expected, wanted_mask = reference(bank, placements, binary=binary)
        shown = image.permute(0, 2, 3, 1) if layout == "nchw" else image
        case = f"canvas {canvas}, offset {offset}, {layout}, {dtype}, binary {binary}"
        if not np.array_equal(shown.numpy(), expected):
            sys.exit(f"{case}: image differs")
        if not np.array_equal(mask.numpy(), wanted_mask):
            sys.exit(f"{case}: mask differs")
        if network is not None:
            defined = torch.empty_like(network)
            write_network_input(torch.from_numpy(expected), "nhwc", defined)
            if not torch.equal(network, defined):
                sys.exit(f"{case}: network input differs")
    print(f"{len(CASES)} cases equal on {cuda.__file__}")


def _poisoned(shape: tuple[int, ...], offset: int) -> torch.Tensor:
    size = int(np.prod(shape))
    return torch.full((size + offset,), POISON, dtype=torch.uint8)[offset:].reshape(shape)


if __name__ == "__main__":
    main()
