"""over.cu itself, compiled by g++ and run lane by lane on the CPU, against Pillow byte for byte.

The shim (host_shim.h) restates the few CUDA names that the kernel uses. The library is built with
AddressSanitizer and UndefinedBehaviorSanitizer: reads and writes beside a buffer are fatal.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from evafast.compositing.backends import cupy_cuda
from evafast.compositing.output import write_network_input

HERE = Path(__file__).parent
COMPILER = shutil.which("g++")

pytestmark = pytest.mark.skipif(COMPILER is None, reason="g++ is not there to compile over.cu")


@pytest.fixture(scope="module")
def numbers(tmp_path_factory) -> Path:
    """Bits of the network's input for every byte, from the definition in torch."""
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 256, 1).expand(1, 1, 256, 3)
    bits = {}
    for name, dtype, integer in (
        ("bfloat16", torch.bfloat16, torch.int16),
        ("float16", torch.float16, torch.int16),
        ("float32", torch.float32, torch.int32),
    ):
        out = torch.empty((1, 3, 1, 256), dtype=dtype)
        write_network_input(every, "nhwc", out)
        bits[name] = out[0, 0, 0].contiguous().view(integer).numpy()
        assert len(np.unique(bits[name])) > 200  # bfloat16 keeps 8 bits of a number
    path = tmp_path_factory.mktemp("numbers") / "numbers.npz"
    np.savez(path, **bits)
    return path


@pytest.fixture(scope="module")
def sanitizer() -> str:
    """Path of the AddressSanitizer run time, which must be loaded before Python's own memory."""
    found = subprocess.run(
        [COMPILER, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(found).is_absolute():
        pytest.skip("g++ has no AddressSanitizer library")
    return found


@pytest.mark.parametrize("network", ["none", "bfloat16", "float16", "float32"])
@pytest.mark.parametrize("planar", [False, True], ids=["nhwc", "nchw"])
def test_equals_pillow_at_every_alignment(planar, network, numbers, sanitizer, tmp_path):
    library = tmp_path / "over.so"
    built = subprocess.run(
        [
            COMPILER, *cupy_cuda.compile_options(planar=planar, network=network),
            "-O1", "-g", "-ffp-contract=off", "-shared", "-fPIC",
            "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined",
            f"-I{cupy_cuda.SOURCE.parent}", str(HERE / "host_kernel.cpp"), "-o", str(library),
        ],
        capture_output=True, text=True, check=False,
    )
    assert built.returncode == 0, built.stderr[-3000:]
    ran = subprocess.run(
        [sys.executable, str(HERE / "host_worker.py"), str(library), str(int(planar)), network,
         str(numbers)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "LD_PRELOAD": sanitizer, "ASAN_OPTIONS": "detect_leaks=0"},
    )
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-3000:]
    assert "launches equal" in ran.stdout
