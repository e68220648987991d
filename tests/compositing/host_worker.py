"""Run over.cu, compiled for the host, over odd shapes and addresses; exit 1 with a line if it errs.

A program of its own because AddressSanitizer must be loaded first: outputs end exactly where their
memory ends, so one byte too far is fatal. Run by test_over_on_host.py:

    python host_worker.py LIBRARY
"""

from __future__ import annotations

import ctypes
import sys

import numpy as np
from host import launch_of
from shapes import edge_placements, odd_bank, real_like_bank, reference

from evafast.compositing.backends.cupy_cuda import ALIGNED, ANY, LAUNCH, kernel_for
from evafast.compositing.cuda import fill_rows, pack_bank

POISON = 0xA5


def main(library: str) -> None:
    """Run every case."""
    kernel = ctypes.CDLL(library)
    if kernel.size_of_launch() != LAUNCH.itemsize:
        sys.exit(f"struct Launch: {kernel.size_of_launch()} bytes, LAUNCH {LAUNCH.itemsize}")
    launches = {ALIGNED: 0, ANY: 0}
    for canvas in (1, 5, 7, 16, 20, 33, 48, 64, 224):
        bank = real_like_bank(canvas) if canvas == 224 else odd_bank(canvas)
        every = edge_placements(bank)
        packed = pack_bank(bank)
        for offset in (0, 5) if canvas == 224 else (0, 8) if canvas in (48, 64) else range(16):
            # 98 tiles per sample at 224: a few suffice. Otherwise a third at each of 16 addresses.
            few = np.array([0, 9, 14, 24, 39]) if canvas == 224 else slice(offset % 3, None, 3)
            placements = every[few]
            rows = np.empty((len(placements), 4), np.int32)
            fill_rows(placements, rows)
            binary = offset % 2 == 1 or offset == 8
            expected = reference(bank, placements, binary=binary)
            offsets = offset, 3 * offset % 16
            outputs = [_poisoned(e.size, o) for e, o in zip(expected, offsets, strict=True)]
            name = kernel_for(canvas, *(view.ctypes.data for _, view in outputs))
            launch = launch_of(packed, canvas, rows, *(v for _, v in outputs), binary=binary)
            case = f"canvas {canvas}, offsets {offsets}, binary {binary}, {name}"
            if kernel.run(
                ctypes.c_void_p(launch.ctypes.data), int(name == ALIGNED),
                1 + offset % 3, int(offset % 4 > 1),
            ):  # fmt: skip
                sys.exit(f"{case}: the lanes of a warp diverge at a barrier")
            launches[name] += 1
            for what, want, (whole, got) in zip(("image", "mask"), expected, outputs, strict=True):
                if (whole[: len(whole) - got.nbytes] != POISON).any():
                    sys.exit(f"{case}: {what} written before its first byte")
                wrong = np.flatnonzero(got != want.ravel())
                if len(wrong):
                    at = wrong[0]
                    sys.exit(
                        f"{case}: {what} differs at {len(wrong)} of {got.size}, first at {at}: "
                        f"expected {want.ravel()[at]}, got {got[at]}"
                    )
    if not all(launches.values()):
        sys.exit(f"a kernel was never run: {launches}")
    print(f"{sum(launches.values())} launches equal: {launches}")


def _poisoned(size: int, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """Return poisoned memory and an output in it, `offset` bytes past an aligned address."""
    whole = np.full(offset + size, POISON, np.uint8)
    assert whole.ctypes.data % 16 == 0
    return whole, whole[offset:]


if __name__ == "__main__":
    main(sys.argv[1])
