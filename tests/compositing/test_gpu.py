"""The CUDA backends on a real device: byte for byte what Pillow pastes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from shapes import edge_placements, odd_bank, real_like_bank, reference

from evafast import Compositor, Recipe
from evafast.compositing import Composite
from evafast.compositing.backends import load
from evafast.compositing.output import write_network_input

THERE = torch.cuda.is_available()
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not THERE, reason="torch sees no CUDA device here"),
]
POISON = 0xA5
DTYPES = [None, torch.bfloat16, torch.float16, torch.float32]


@pytest.fixture(params=["cupy", "numba-cuda"])
def backend(request):
    """Each CUDA backend that this machine can run."""
    why = load(request.param).why_unavailable()
    if why is not None:
        pytest.skip(why)
    return request.param


def poisoned(compositor, count, offset=0):
    """Return outputs full of poison that begin `offset` bytes past an aligned address."""
    shapes = compositor.allocate(count)

    def at(tensor):
        flat = torch.full((tensor.numel() + offset,), POISON, dtype=torch.uint8, device="cuda")
        return flat[offset:].reshape(tensor.shape)

    network = shapes.network_input
    if network is not None:
        network.fill_(float("nan"))
    return Composite(at(shapes.image), at(shapes.mask), network)


def check(compositor, bank, placements, out):
    """Hold a batch against Pillow, and its network input against torch's own expression."""
    image, mask = reference(bank, placements, binary=compositor.mask == "binary")
    shown = out.image.permute(0, 2, 3, 1) if compositor.layout == "nchw" else out.image
    assert np.array_equal(shown.cpu().numpy(), image)
    assert np.array_equal(out.mask.cpu().numpy(), mask)
    if out.network_input is not None:
        defined = torch.empty_like(out.network_input, device="cpu")
        write_network_input(torch.from_numpy(image), "nhwc", defined)
        assert torch.equal(out.network_input.cpu(), defined)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize("canvas", [1, 5, 7, 16, 20, 33, 64])
def test_small_odd_shapes(backend, canvas, layout, dtype):
    bank = odd_bank(canvas)
    placements = edge_placements(bank)
    for mask, offset in (("matte", 0), ("binary", 0), ("matte", 5), ("matte", 8)):
        compositor = Compositor(
            bank, backend=backend, device="cuda", mask=mask, layout=layout, network_input=dtype
        )
        out = poisoned(compositor, len(placements), offset)
        check(compositor, bank, placements, compositor(placements, out))


@pytest.mark.parametrize("make", [odd_bank, real_like_bank])
@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize("dtype", [None, torch.bfloat16], ids=str)
def test_full_canvas_size(backend, make, layout, dtype):
    bank = make(224)
    placements = Recipe.for_bank(bank, placements=9, seed=3)[:]
    compositor = Compositor(
        bank, backend=backend, device="cuda", layout=layout, network_input=dtype
    )
    out = poisoned(compositor, len(placements))
    check(compositor, bank, placements, compositor(placements, out))


def test_small_every_coverage_and_colour(backend):
    """All 256^3 triples of (coverage, foreground, background), one coverage a cut-out."""
    from evafast import Bank
    from evafast.compositing import pixel

    foreground, background = np.mgrid[0:256, 0:256].astype(np.uint8)
    cutouts = []
    for coverage in range(256):
        rgba = np.repeat(foreground[..., None], 4, axis=2)
        rgba[..., 3] = coverage
        cutouts.append(rgba)
    bank = Bank.from_arrays([np.repeat(background[..., None], 3, axis=2)], cutouts, mirror=False)
    made = Compositor(bank, backend=backend, device="cuda")(Recipe.for_bank(bank, placements=1)[:])
    f, b = foreground.astype(np.int32), background.astype(np.int32)
    for coverage in range(256):
        expected = pixel.over(coverage, f, b)
        for channel in range(3):
            assert np.array_equal(made.image[coverage, ..., channel].cpu().numpy(), expected)


def test_two_streams_and_many_batches_in_flight(backend):
    """More batches than pinned buffers, on two streams in turn, without a wait between them."""
    bank = real_like_bank(224)
    recipe = Recipe.for_bank(bank, placements=50, seed=1)
    compositor = Compositor(bank, backend=backend, device="cuda")
    streams = [torch.cuda.Stream(), torch.cuda.Stream()]
    rng = np.random.default_rng(0)
    made = []
    for turn in range(24):
        placements = recipe[rng.integers(0, len(recipe), 40)]
        with torch.cuda.stream(streams[turn % 2]):
            made.append((placements, compositor(placements)))
    torch.cuda.synchronize()
    for placements, out in made:
        check(compositor, bank, placements, out)


def test_work_is_queued_behind_the_stream(backend):
    """What is queued on torch's current stream before and after sees the right bytes."""
    bank = real_like_bank(224)
    placements = Recipe.for_bank(bank, placements=64)[:512]
    compositor = Compositor(bank, backend=backend, device="cuda")
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        out = compositor(placements)  # compiled, and its memory allocated: both may wait
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(20_000_000)
        out.image.fill_(POISON)
        compositor(placements, out)
        assert not stream.query(), "the call waited for the device"
        copy = out.image.clone()
    stream.synchronize()
    check(compositor, bank, placements, out)
    assert torch.equal(copy, out.image)


def test_a_batch_over_two_gigabytes(backend):
    """Offsets beyond 2**31 and, of the network's input, beyond 2**32 bytes."""
    free, _ = torch.cuda.mem_get_info()
    count = 15_000  # 2.26 GB of images, 4.5 GB of bfloat16
    if free < 9e9:
        pytest.skip(f"wants 9 GB of device memory, {free / 1e9:.1f} GB are free")
    bank = real_like_bank(224)
    recipe = Recipe.for_bank(bank, placements=1000, seed=9)
    placements = recipe[np.random.default_rng(1).integers(0, len(recipe), count)]
    compositor = Compositor(bank, backend=backend, device="cuda", network_input=torch.bfloat16)
    out = poisoned(compositor, count)
    compositor(placements, out)
    some = np.r_[0:4, 14_200:14_330:13, count - 4 : count]
    rows = torch.from_numpy(some).cuda()
    part = Composite(out.image[rows], out.mask[rows], out.network_input[rows])
    check(compositor, bank, placements[some], part)
    assert not torch.isnan(out.network_input).any()
    # The bytes between, by sums that the CPU makes of the same samples.
    cpu = Compositor(bank, backend="numba", device="cpu")
    for start in range(0, count, 3000):
        rows = slice(start, start + 3000)
        expected = cpu(placements[rows])
        assert torch.equal(out.image[rows].cpu(), expected.image)
        assert torch.equal(out.mask[rows].cpu(), expected.mask)


def test_auto_takes_the_gpu():
    compositor = Compositor(real_like_bank(64))
    assert compositor.device.type == "cuda", compositor.choice.reason
