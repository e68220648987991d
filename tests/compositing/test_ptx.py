"""over.cu through nvcc: it compiles everywhere, spills nowhere, and moves 16 bytes at a time."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from evafast.compositing.backends import cupy_cuda
from evafast.compositing.backends.cupy_cuda import NETWORK, SOURCE, compile_options

NVCC = shutil.which("nvcc")
DISASSEMBLER = shutil.which("nvdisasm")

pytestmark = pytest.mark.skipif(NVCC is None, reason="nvcc is not there to compile over.cu")


ARCHITECTURES = (75, 80, 90)


def compiled(tmp_path, planar, network):
    """Return the machine code for all architectures and the assembler's report on its resources."""
    fatbin = tmp_path / "over.fatbin"
    options = compile_options(planar=planar, network=network)
    built = subprocess.run(
        [NVCC, "-fatbin", *(f"-gencode=arch=compute_{a},code=sm_{a}" for a in ARCHITECTURES),
         "--keep", f"--keep-dir={tmp_path}", *options, "-Xptxas", "-v", "-o", str(fatbin),
         str(SOURCE)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr[-3000:]
    assert "warning" not in built.stderr, built.stderr
    return built.stderr


def resources(report):
    """Return the registers and the spilled or stacked bytes by kernel and architecture."""
    kernels = re.findall(r"Compiling entry function '(\w+)' for '(\w+)'", report)
    stacks = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes", report)
    registers = re.findall(r"Used (\d+) registers", report)
    assert len(kernels) == len(stacks) == len(registers) == 6, report
    return {
        name: (int(count), sum(map(int, stack)))
        for name, count, stack in zip(kernels, registers, stacks, strict=True)
    }


@pytest.mark.parametrize(
    ("planar", "network"),
    [(False, "none"), (False, "bfloat16"), (False, "float32"), (True, "none"), (True, "float16")],
)
def test_compiles_without_spills(planar, network, tmp_path):
    report = compiled(tmp_path, planar, network)
    assert set(NETWORK) == {"none", "bfloat16", "float16", "float32"}
    for (name, arch), (registers, spilled) in resources(report).items():
        assert spilled == 0, f"{name} on {arch}: {report}"
        blocks = cupy_cuda.blocks_per_multiprocessor(name, network)
        assert registers * 32 * cupy_cuda.WARPS * blocks <= 65536, f"{name} on {arch}"


def function(assembly, name):
    """Return one kernel's lines of a disassembly."""
    return assembly.split(f".text.{name}:", 1)[1].split("\n.text.", 1)[0]


@pytest.mark.skipif(DISASSEMBLER is None, reason="nvdisasm is not there to read machine code")
def test_moves_sixteen_bytes_at_a_time(tmp_path):
    compiled(tmp_path, planar=False, network="none")
    cubins = list(tmp_path.glob("*.cubin"))
    assert len(cubins) == len(ARCHITECTURES)
    for cubin in cubins:
        check_accesses(cubin)


def check_accesses(cubin):
    """Hold the aligned kernel's loads and stores against what over.cu means them to be."""
    assembly = subprocess.run(
        [DISASSEMBLER, str(cubin)], capture_output=True, text=True, check=True
    ).stdout
    aligned = function(assembly, cupy_cuda.ALIGNED)
    stores = re.findall(r"\bSTG\.(\S+)", aligned)
    loads = re.findall(r"\bLDG\.(\S+)", aligned)
    assert len(stores) == 4, stores  # three chunks of image, one of mask
    assert len(loads) >= 2 + 3 + 5, loads  # placement, cut-out; background; window
    assert all(".128" in access for access in stores + loads), (stores, loads)
    assert not re.search(r"\b(LDL|STL)\b", assembly), "local memory"
