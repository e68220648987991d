"""Run over.cu, compiled for the host, over odd shapes and addresses; exit 1 with a line if it errs.

A program of its own, for AddressSanitizer must be loaded before anything else: outputs end exactly
where their memory ends, so that one byte too far is fatal. Called by test_over_on_host.py:

    python host_worker.py LIBRARY PLANAR NETWORK NUMBERS
"""

from __future__ import annotations

import ctypes
import sys

import numpy as np
from shapes import edge_placements, odd_bank, real_like_bank, reference

from evafast.compositing.backends.cupy_cuda import ALIGNED, LAUNCH, TILE, kernel_for
from evafast.compositing.device_bank import fill_rows, pack_bank

POISON = 0xA5


def main(library: str, planar: bool, network: str, numbers: str) -> None:
    """Run every case of one variant of the kernel."""
    kernel = ctypes.CDLL(library)
    if kernel.size_of_launch() != LAUNCH.itemsize:
        sys.exit(f"struct Launch: {kernel.size_of_launch()} bytes, LAUNCH {LAUNCH.itemsize}")
    if kernel.wrong_divisions():
        sys.exit(f"unit_interval: {kernel.wrong_divisions()} of 1024 values differ from x / 255")
    table = np.load(numbers)[network] if network != "none" else None
    launches = {"evafast_over_aligned": 0, "evafast_over_any": 0}
    for canvas in (1, 5, 7, 16, 20, 33, 48, 64, 224):
        bank = real_like_bank(canvas) if canvas == 224 else odd_bank(canvas)
        every = edge_placements(bank)
        packed = pack_bank(bank, planar=planar)
        for offset in (0, 5) if canvas == 224 else (0, 8) if canvas in (48, 64) else range(16):
            # 98 tiles a sample at 224: a few suffice. Else a third at each of 16 addresses.
            few = np.array([0, 9, 14, 24, 39]) if canvas == 224 else slice(offset % 3, None, 3)
            placements = every[few]
            rows = np.empty((len(placements), 4), np.int32)
            fill_rows(placements, rows)
            binary = offset % 2 == 1 or offset == 8
            image, mask = reference(bank, placements, binary=binary)
            expected = [image.transpose(0, 3, 1, 2) if planar else image, mask]
            if table is not None:
                expected.append(table[image])
            # Each output at another alignment; numbers only at multiples of their own size.
            offsets = [offset, 3 * offset % 16, offset % 4 * 4 % 16]
            outputs = [_poisoned(w, o) for w, o in zip(expected, offsets, strict=False)]
            name = kernel_for(canvas, *(view.ctypes.data for _, view in outputs))
            launch = np.zeros(1, LAUNCH)
            for field, array in (
                ("backgrounds", packed.backgrounds), ("cutouts", packed.cutouts),
                ("table", packed.table), ("placements", rows),
                *zip(("image", "mask", "network"), (view for _, view in outputs), strict=False),
            ):
                launch[field] = array.ctypes.data
            launch["background_chunks"] = packed.background_chunks
            launch["samples"], launch["side"] = len(placements), canvas
            launch["tiles"], launch["binary"] = -(-canvas * canvas // TILE), binary
            case = f"canvas {canvas}, offsets {offsets}, binary {binary}, {name}"
            if kernel.run(
                ctypes.c_void_p(launch.ctypes.data), int(name == ALIGNED),
                1 + offset % 3, int(offset % 4 > 1),
            ):
                sys.exit(f"{case}: the lanes of a warp part at a barrier")
            launches[name] += 1
            for what, want, (whole, got) in zip(
                ("image", "mask", "network"), expected, outputs, strict=False
            ):
                if (whole[: len(whole) - got.nbytes] != POISON).any():
                    sys.exit(f"{case}: {what} written before its first byte")
                wrong = np.flatnonzero(got != np.ravel(want))
                if len(wrong):
                    at = wrong[0]
                    sys.exit(
                        f"{case}: {what} differs at {len(wrong)} of {got.size}, first at {at}: "
                        f"expected {np.ravel(want)[at]}, got {got[at]}"
                    )
    if not all(launches.values()):
        sys.exit(f"a kernel was never run: {launches}")
    print(f"{sum(launches.values())} launches equal: {launches}")


def _poisoned(like: np.ndarray, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """Return memory full of poison, and an output in it that begins at `offset` past 16 bytes."""
    whole = np.full(offset + like.nbytes, POISON, np.uint8)
    assert whole.ctypes.data % 16 == 0
    return whole, np.frombuffer(whole, like.dtype, offset=offset)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] == "1", sys.argv[3], sys.argv[4])
