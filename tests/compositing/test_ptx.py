"""over.cu through nvcc: it compiles everywhere, spills nowhere, and moves 16 bytes at a time."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from evafast.compositing.backends import cupy_cuda

NVCC = shutil.which("nvcc")
ARCHITECTURES = (75, 80, 90)

pytestmark = pytest.mark.skipif(NVCC is None, reason="nvcc is not installed")


def nvcc(*options):
    ran = subprocess.run(
        [NVCC, *cupy_cuda.OPTIONS, *map(str, options), str(cupy_cuda.SOURCE)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "warning" not in ran.stderr, ran.stderr
    return ran.stderr


def test_compiles_without_spills(tmp_path):
    codes = (f"-gencode=arch=compute_{a},code=sm_{a}" for a in ARCHITECTURES)
    report = nvcc("-fatbin", *codes, "-Xptxas", "-v", "-o", tmp_path / "over.fatbin")
    kernels = re.findall(r"Compiling entry function '(\w+)' for '(\w+)'", report)
    stacks = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes", report)
    registers = [int(count) for count in re.findall(r"Used (\d+) registers", report)]
    assert len(kernels) == len(stacks) == len(registers) == 2 * len(ARCHITECTURES), report
    for (name, _), stack, count in zip(kernels, stacks, registers, strict=True):
        assert stack == ("0", "0", "0"), report
        blocks = cupy_cuda.BLOCKS_PER_MULTIPROCESSOR[name]
        assert count * 32 * cupy_cuda.WARPS * blocks <= 65536, report


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_aligned_kernel_moves_sixteen_bytes_at_a_time(architecture, tmp_path):
    nvcc("-ptx", f"-arch=compute_{architecture}", "-o", tmp_path / "over.ptx")
    text = (tmp_path / "over.ptx").read_text()
    aligned = text.split(f".entry {cupy_cuda.ALIGNED}(", 1)[1].split(".entry", 1)[0]
    stores = re.findall(r"\bst\.(?!shared)(\S+)", aligned)
    loads = re.findall(r"\bld\.(?!shared|param)(\S+)", aligned)
    assert len(stores) == 4, stores  # three chunks of image, one of mask
    assert len(loads) == 2 + 3 + 5, loads  # placement, table; background; foreground
    assert all(re.match(r"global\.(nc|cs)\.v4\.[us]32", a) for a in stores + loads), stores + loads
    assert ".local" not in text
