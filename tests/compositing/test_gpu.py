"""The CUDA backends on a real device: byte for byte what Pillow pastes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from shapes import all_triples, edge_placements, odd_bank, real_like_bank, reference

from evafast import Compositor, Recipe
from evafast.compositing import Composite, pixel
from evafast.compositing.backends import load

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]
POISON = 0xA5


@pytest.fixture(params=["cupy", "numba-cuda"])
def backend(request):
    """Each CUDA backend that this machine can run."""
    why = load(request.param).why_unavailable()
    if why is not None:
        pytest.skip(why)
    return request.param


def poisoned(compositor, count, offset=0):
    """Return poisoned outputs that begin `offset` bytes past an aligned address."""

    def like(tensor):
        flat = torch.full((tensor.numel() + offset,), POISON, dtype=torch.uint8, device="cuda")
        return flat[offset:].reshape(tensor.shape)

    out = compositor.allocate(count)
    return Composite(like(out.image), like(out.mask))


def check(compositor, placements, out):
    """Compare a batch with Pillow's."""
    image, mask = reference(compositor.bank, placements, binary=compositor.mask == "binary")
    assert np.array_equal(out.image.cpu().numpy(), image)
    assert np.array_equal(out.mask.cpu().numpy(), mask)


@pytest.mark.parametrize("canvas", [1, 5, 7, 16, 20, 33, 64])
def test_small_odd_shapes(backend, canvas):
    bank = odd_bank(canvas)
    placements = edge_placements(bank)
    for mask, offset in (("matte", 0), ("binary", 0), ("matte", 5), ("matte", 8)):
        compositor = Compositor(bank, backend=backend, device="cuda", mask=mask)
        out = poisoned(compositor, len(placements), offset)
        check(compositor, placements, compositor(placements, out))


@pytest.mark.parametrize("make", [odd_bank, real_like_bank])
def test_full_canvas_size(backend, make):
    bank = make(224)
    placements = Recipe.for_bank(bank, placements=9, seed=3)[:]
    compositor = Compositor(bank, backend=backend, device="cuda")
    out = poisoned(compositor, len(placements))
    check(compositor, placements, compositor(placements, out))


def test_small_every_coverage_and_colour(backend):
    """All 256^3 triples of (coverage, foreground, background)."""
    bank, f, b = all_triples()
    made = Compositor(bank, backend=backend, device="cuda")(Recipe.for_bank(bank, placements=1)[:])
    image = made.image.cpu().numpy()
    for coverage in range(256):
        assert (image[coverage] == pixel.over(coverage, f, b)[..., None]).all(), coverage


def test_two_streams_and_many_batches_in_flight(backend):
    """Many batches, alternating between two streams, without a wait."""
    bank = real_like_bank(224)
    recipe = Recipe.for_bank(bank, placements=50, seed=1)
    compositor = Compositor(bank, backend=backend, device="cuda")
    streams = [torch.cuda.Stream(), torch.cuda.Stream()]
    rng = np.random.default_rng(0)
    made = []
    for step in range(24):
        placements = recipe[rng.integers(0, len(recipe), 40)]
        with torch.cuda.stream(streams[step % 2]):
            made.append((placements, compositor(placements)))
    torch.cuda.synchronize()
    for placements, out in made:
        check(compositor, placements, out)


def test_work_is_queued_on_the_stream(backend):
    """What is queued on torch's current stream before and after sees the right bytes."""
    bank = real_like_bank(224)
    placements = Recipe.for_bank(bank, placements=64)[:512]
    compositor = Compositor(bank, backend=backend, device="cuda")
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        out = compositor(placements)  # compiles and allocates: both may wait
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(20_000_000)
        out.image.fill_(POISON)
        compositor(placements, out)
        assert not stream.query(), "the call waited for the device"
        copy = out.image.clone()
    stream.synchronize()
    check(compositor, placements, out)
    assert torch.equal(copy, out.image)


def test_a_batch_over_four_gigabytes(backend):
    """Byte positions in the images beyond 2**32."""
    free, _ = torch.cuda.mem_get_info()
    count = 30_000  # 4.5 GB of images, 1.5 GB of masks
    if free < 9e9:
        pytest.skip(f"needs 9 GB of device memory, {free / 1e9:.1f} GB are free")
    bank = real_like_bank(224)
    recipe = Recipe.for_bank(bank, placements=1000, seed=9)
    placements = recipe[np.random.default_rng(1).integers(0, len(recipe), count)]
    compositor = Compositor(bank, backend=backend, device="cuda")
    out = poisoned(compositor, count)
    compositor(placements, out)
    some = np.r_[0:4, 14_200:14_330:13, 28_500:28_600:13, count - 4 : count]
    rows = torch.from_numpy(some).cuda()
    check(compositor, placements[some], Composite(out.image[rows], out.mask[rows]))
    cpu = Compositor(bank, backend="numba", device="cpu")
    for start in range(0, count, 3000):
        rows = slice(start, start + 3000)
        expected = cpu(placements[rows])
        assert torch.equal(out.image[rows].cpu(), expected.image)
        assert torch.equal(out.mask[rows].cpu(), expected.mask)


def test_auto_takes_the_gpu():
    compositor = Compositor(real_like_bank(64))
    assert compositor.device.type == "cuda", compositor.choice.reason
