"""The host side of the CUDA backends, played on a CPU.

CuPy is a stand-in that compiles over.cu with g++ and runs it lane by lane; Numba-CUDA's part runs
in its simulator (simulator_worker.py). Torch's CUDA calls are stand-ins too. What is under test is
all between `Compositor.__call__` and the launch: struct, grid, choice of kernel, ring of buffers.
"""

from __future__ import annotations

import contextlib
import ctypes
import shutil
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from shapes import edge_placements, odd_bank, reference

from evafast import Compositor, RunError
from evafast.compositing import compositor as door
from evafast.compositing.backends import cupy_cuda
from evafast.compositing.device_bank import fill_rows, pack_bank
from evafast.compositing.dispatch import BackendChoice
from evafast.compositing.output import write_network_input

HERE = Path(__file__).parent
COMPILER = shutil.which("g++")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="g++ is not there to compile over.cu")


class Event:
    """An event of a device that is always done; counts how it was used."""

    waits = 0

    def synchronize(self):
        Event.waits += 1

    def record(self, stream):
        assert stream.cuda_stream == 77


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
    """cupy.cuda.Stream as CuPy 14 has it."""

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


@pytest.fixture
def played(monkeypatch, tmp_path):
    """Stand-ins for CuPy and for torch's view of a device with 2 multiprocessors."""

    class RawModule:
        def __init__(self, *, code, options):
            library = tmp_path / f"{abs(hash(options))}.so"
            subprocess.run(
                [COMPILER, *options, "-O1", "-ffp-contract=off", "-shared", "-fPIC",
                 f"-I{cupy_cuda.SOURCE.parent}", str(HERE / "host_kernel.cpp"), "-o", str(library)],
                check=True,
            )  # fmt: skip
            assert code == cupy_cuda.source()
            self.library = ctypes.CDLL(str(library))

        def get_function(self, name):
            return Kernel(self.library, name)

    cupy = types.ModuleType("cupy")
    cupy.RawModule = RawModule
    cupy.cuda = types.SimpleNamespace(
        Device=lambda index: contextlib.nullcontext(), Stream=Stream
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    Kernel.launches, Stream.current, Event.waits = [], [], 0
    plain = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *a, pin_memory=False, **k: plain(*a, **k))
    device = types.SimpleNamespace(multi_processor_count=2, major=9, minor=0)
    for name, stand_in in (
        ("Event", Event),
        ("device", lambda device: contextlib.nullcontext()),
        ("current_stream", lambda device: types.SimpleNamespace(cuda_stream=77)),
        ("get_device_capability", lambda device: (9, 0)),
        ("get_device_properties", lambda device: device_properties),
    ):
        monkeypatch.setattr(torch.cuda, name, stand_in)
    device_properties = device
    cupy_cuda._compiled.cache_clear()
    yield cupy
    cupy_cuda._compiled.cache_clear()


def played_compositor(monkeypatch, bank, **options):
    """Return a compositor that believes it has chosen CuPy, its outputs in main memory."""
    choice = BackendChoice("cupy", torch.device("cpu"), "played")
    monkeypatch.setattr(door, "choose_backend", lambda *_: choice)
    compositor = Compositor(bank, **options)
    monkeypatch.setattr(compositor, "_on_cpu", None)  # never the way of the CPU backends
    return compositor


@pytest.mark.parametrize(
    ("canvas", "layout", "dtype", "kernel"),
    [
        (64, "nhwc", None, cupy_cuda.ALIGNED),
        (64, "nchw", torch.bfloat16, cupy_cuda.ALIGNED),
        (33, "nhwc", torch.float32, cupy_cuda.ANY),
        (33, "nchw", None, cupy_cuda.ANY),
    ],
)
def test_composite_through_the_door(played, monkeypatch, canvas, layout, dtype, kernel):
    bank = odd_bank(canvas)
    every = edge_placements(bank)
    compositor = played_compositor(monkeypatch, bank, layout=layout, network_input=dtype)
    for turn in range(12):  # more than there are buffers
        placements = every[turn : turn + 5]
        out = compositor.allocate(5)
        out.image.fill_(0xA5)
        out.mask.fill_(0xA5)
        made = compositor(placements, out)
        image, mask = reference(bank, placements, binary=False)
        shown = made.image.permute(0, 2, 3, 1) if layout == "nchw" else made.image
        assert np.array_equal(shown.numpy(), image)
        assert np.array_equal(made.mask.numpy(), mask)
        if dtype is not None:
            defined = torch.empty_like(made.network_input)
            write_network_input(torch.from_numpy(image), "nhwc", defined)
            assert torch.equal(made.network_input, defined)
    assert {name for name, _ in Kernel.launches} == {kernel}
    tiles = 5 * -(-canvas * canvas // 512)
    blocks = 2 * cupy_cuda.blocks_per_multiprocessor(kernel, "none" if dtype is None else "any")
    assert {grid for _, grid in Kernel.launches} == {min(-(-tiles // 8), blocks)}
    assert Event.waits == 12  # each buffer's own event, before it is written again
    assert Stream.current == []


def test_a_batch_larger_than_a_buffer(played, monkeypatch):
    bank = odd_bank(1)
    one = edge_placements(bank)[:1]
    count = 9000
    many = replace(
        one, **{k: np.repeat(getattr(one, k), count) for k in one.__dataclass_fields__}
    )
    made = played_compositor(monkeypatch, bank, mask="binary")(many)
    image, mask = reference(bank, one, binary=True)
    assert (made.image.numpy() == image).all()
    assert (made.mask.numpy() == mask).all()


@pytest.mark.parametrize("offset", [0, 1])
def test_a_batch_of_many_gigabytes(played, offset, tmp_path):
    """The last samples of a batch whose outputs' positions do not fit in 32 bits, nor 33."""
    count, side = 90_000, 224
    bank = odd_bank(side, backgrounds=2)
    some = edge_placements(bank)[:6]
    packed = pack_bank(bank, planar=False)
    rows = np.zeros((count, 4), np.int32)
    fill_rows(some, rows[-6:])
    module = played.RawModule(
        code=cupy_cuda.source(),
        options=cupy_cuda.compile_options(planar=False, network="float16"),
    )
    launch = np.zeros(1, cupy_cuda.LAUNCH)
    for name, array in (
        ("backgrounds", packed.backgrounds), ("cutouts", packed.cutouts), ("table", packed.table),
        ("placements", rows),
    ):
        launch[name] = array.ctypes.data
    launch["background_chunks"], launch["samples"] = packed.background_chunks, count
    launch["side"], launch["tiles"] = side, 98
    outputs = {}
    for name, size in (("image", 3), ("mask", 1), ("network", 6)):
        # A sparse file: address space that takes no room until it is written.
        room = np.memmap(tmp_path / name, np.uint8, "w+", shape=count * side * side * size + 16)
        (tmp_path / name).unlink()
        outputs[name] = room[2 * offset :]
        launch[name] = outputs[name].ctypes.data
    blocks = count * 98 // 8  # a warp a tile
    pointer = ctypes.c_void_p(launch.ctypes.data)
    assert not module.library.run_last(pointer, int(not offset), blocks, 6 * 98 // 8 + 1, 0)
    image, mask = reference(bank, some, binary=False)
    end = count * side * side
    assert np.array_equal(outputs["image"][3 * end - image.size : 3 * end], image.ravel())
    assert np.array_equal(outputs["mask"][end - mask.size : end], mask.ravel())
    network = outputs["network"][6 * end - 2 * image.size : 6 * end].view(np.float16)
    assert np.array_equal(network, (image.ravel() / np.float32(255)).astype(np.float16))


def test_a_compiler_that_fails_is_one_line(played, monkeypatch):
    class RawModule:
        def __init__(self, **_):
            raise RuntimeError("over.cu(12): error:\n  expected a ;")

    played.RawModule = RawModule
    said = r"over\.cu: expected a kernel for cuda:.*expected a ;"
    with pytest.raises(RunError, match=said) as told:
        played_compositor(monkeypatch, odd_bank(16))
    assert "\n" not in str(told.value)
