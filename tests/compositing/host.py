"""Compile over.cu for the CPU and build its launches: shared by the tests that need no GPU."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np

from evafast.compositing.backends.cupy_cuda import LAUNCH, OPTIONS, SOURCE, TILE
from evafast.compositing.cuda import PackedBank

KERNEL = Path(__file__).with_name("host_kernel.cpp")
COMPILER = shutil.which("g++")


def build(library: Path, *options: str, source: Path = SOURCE) -> None:
    """Compile host_kernel.cpp, which includes over.cu, to a shared library."""
    ran = subprocess.run(
        [
            COMPILER, *OPTIONS, *options, "-O1", "-shared", "-fPIC",
            f"-I{source.parent}", str(KERNEL), "-o", str(library),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]


def launch_of(
    packed: PackedBank,
    side: int,
    rows: np.ndarray,
    image: np.ndarray,
    mask: np.ndarray,
    *,
    binary: bool = False,
) -> np.ndarray:
    """Return ``struct Launch`` for arrays in main memory, which the caller must keep alive."""
    launch = np.zeros(1, LAUNCH)
    for name, array in (
        ("backgrounds", packed.backgrounds), ("foregrounds", packed.foregrounds),
        ("table", packed.table), ("placements", rows), ("image", image), ("mask", mask),
    ):  # fmt: skip
        launch[name] = array.ctypes.data
    launch["background_chunks"] = packed.backgrounds.shape[1] // 16
    launch["samples"], launch["binary"] = len(rows), binary
    launch["side"], launch["tiles"] = side, -(-(side**2) // TILE)
    return launch
