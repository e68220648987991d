"""The host side of the CuPy backend, run on a CPU.

A fake CuPy compiles over.cu with g++ and runs it lane by lane; torch's CUDA calls are fakes too.
Under test is everything from `Compositor.__call__` to the launch: the struct, the grid, the choice
of kernel, the stream and the upload.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
from host import COMPILER, build, launch_of
from shapes import edge_placements, odd_bank, reference

from evafast import Compositor, RunError
from evafast.compositing import compositor as compositor_module
from evafast.compositing.backends import cupy_cuda
from evafast.compositing.cuda import fill_rows, pack_bank
from evafast.compositing.dispatch import BackendChoice

pytestmark = pytest.mark.skipif(COMPILER is None, reason="g++ is not installed")
TORCH_STREAM = types.SimpleNamespace(cuda_stream=77, __cuda_stream__=lambda: (0, 77))


class Kernel:
    """One kernel of the library, launched as CuPy launches."""

    launches: list[tuple[str, int]]

    def __init__(self, library, name):
        self.library, self.name = library, name

    def compile(self):
        pass

    def __call__(self, grid, block, arguments):
        (launch,) = arguments
        assert block == (256,)
        assert launch.dtype == cupy_cuda.LAUNCH
        assert launch.size == 1  # CuPy passes a NumPy array of one element by value
        assert Stream.current == [77]
        Kernel.launches.append((self.name, grid[0]))
        pointer = ctypes.c_void_p(launch.ctypes.data)
        assert not self.library.run(pointer, int(self.name == cupy_cuda.ALIGNED), grid[0], 0)


class Stream:
    """cupy.cuda.Stream as in CuPy 14."""

    current: list[int]

    def __init__(self, pointer):
        self.pointer = pointer

    @classmethod
    def from_external(cls, other):
        version, pointer = other.__cuda_stream__()
        assert version == 0
        return cls(pointer)

    def __enter__(self):
        Stream.current.append(self.pointer)

    def __exit__(self, *_):
        Stream.current.pop()


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("host") / "over.so"
    build(path)
    return ctypes.CDLL(str(path))


@pytest.fixture
def cupy(monkeypatch, library):
    """Fakes of CuPy and of a device with 2 multiprocessors."""

    class RawModule:
        def __init__(self, *, code, options):
            assert code == cupy_cuda.SOURCE.read_text(encoding="utf-8")
            assert options == cupy_cuda.OPTIONS

        def get_function(self, name):
            return Kernel(library, name)

    fake = types.ModuleType("cupy")
    fake.RawModule = RawModule
    fake.cuda = types.SimpleNamespace(Device=lambda index: contextlib.nullcontext(), Stream=Stream)
    monkeypatch.setitem(sys.modules, "cupy", fake)
    Kernel.launches, Stream.current = [], []
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *a, pin_memory=False, **k: empty(*a, **k))
    properties = types.SimpleNamespace(multi_processor_count=2)
    for name, value in (
        ("device", lambda device: contextlib.nullcontext()),
        ("current_stream", lambda device: TORCH_STREAM),
        ("get_device_capability", lambda device: (9, 0)),
        ("get_device_properties", lambda device: properties),
    ):
        monkeypatch.setattr(torch.cuda, name, value)
    choice = BackendChoice("cupy", torch.device("cpu"), "fake")
    monkeypatch.setattr(compositor_module, "choose_backend", lambda *_: choice)
    cupy_cuda._compiled.cache_clear()
    yield fake
    cupy_cuda._compiled.cache_clear()


@pytest.mark.parametrize(("canvas", "kernel"), [(64, cupy_cuda.ALIGNED), (33, cupy_cuda.ANY)])
def test_composite(cupy, canvas, kernel):
    bank = odd_bank(canvas)
    every = edge_placements(bank)
    compositor = Compositor(bank)
    for step in range(4):
        placements = every[step : step + 5]
        out = compositor.allocate(5)
        out.image.fill_(0xA5)
        out.mask.fill_(0xA5)
        made = compositor(placements, out)
        image, mask = reference(bank, placements, binary=False)
        assert np.array_equal(made.image.numpy(), image)
        assert np.array_equal(made.mask.numpy(), mask)
    assert {name for name, _ in Kernel.launches} == {kernel}
    tiles = 5 * -(-canvas * canvas // 512)
    blocks = 2 * cupy_cuda.BLOCKS_PER_MULTIPROCESSOR[kernel]
    assert {grid for _, grid in Kernel.launches} == {min(-(-tiles // 8), blocks)}
    assert Stream.current == []


def test_a_large_batch_of_tiny_samples(cupy):
    bank = odd_bank(1)
    one = edge_placements(bank)[:1]
    count = 9000
    many = replace(one, **{k: np.repeat(getattr(one, k), count) for k in one.__dataclass_fields__})
    made = Compositor(bank, mask="binary")(many)
    image, mask = reference(bank, one, binary=True)
    assert (made.image.numpy() == image).all()
    assert (made.mask.numpy() == mask).all()


@pytest.mark.parametrize("offset", [0, 1])
def test_a_batch_of_many_gigabytes(library, offset, tmp_path):
    """The last samples of a batch whose byte positions do not fit in 32 bits, nor 33."""
    count, side = 90_000, 224
    bank = odd_bank(side, backgrounds=2)
    some = edge_placements(bank)[:6]
    rows = np.zeros((count, 4), np.int32)
    fill_rows(some, rows[-6:])
    outputs = []
    for name, size in (("image", 3), ("mask", 1)):
        # A sparse file takes no disk space until it is written.
        space = np.memmap(tmp_path / name, np.uint8, "w+", shape=count * side * side * size + 16)
        (tmp_path / name).unlink()
        outputs.append(space[offset : offset + count * side * side * size])
    packed = pack_bank(bank)
    launch = launch_of(packed, side, rows, *outputs)
    blocks = count * 98 // 8  # one tile per warp
    pointer = ctypes.c_void_p(launch.ctypes.data)
    assert not library.run_last(pointer, int(not offset), blocks, 6 * 98 // 8 + 1, 0)
    for output, expected in zip(outputs, reference(bank, some, binary=False), strict=True):
        assert np.array_equal(output[-expected.size :], expected.ravel())


def test_a_compiler_error_is_one_line(cupy):
    class RawModule:
        def __init__(self, **_):
            raise RuntimeError("over.cu(12): error:\n  expected a ;")

    cupy.RawModule = RawModule
    with pytest.raises(RunError, match=r"cupy: expected a kernel for .*expected a ;") as error:
        Compositor(odd_bank(16))
    assert "\n" not in str(error.value)
