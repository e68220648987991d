"""Encoding: JPEG, matte PNG and depth PNG by what evafast uses and by the other encoders.

Every encoder takes the same composites by as many threads as there are cores. ``equal`` says, for
the lossless kinds, whether decoding gives back the very pixels; a JPEG carries its size and the
noise against the original pixels instead.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from benchmarks.encoders import ENCODERS, OURS, decoded, psnr
from benchmarks.inputs import described, first_samples
from benchmarks.limits import lossless
from benchmarks.race import Contender, Race
from evafast import Compositor
from evafast.depth.encoding import encode

THREADS = os.cpu_count() or 1
SLICE = 8
TITLES = {
    "jpeg": "RGB to JPEG, quality 90",
    "matte": "Matte to PNG, without loss",
    "depth8": "Depth to 8-bit PNG, without loss",
    "depth16": "Depth to 16-bit PNG, without loss",
}


@pytest.fixture(scope="module")
def pool():
    """Return as many threads as there are cores."""
    with ThreadPoolExecutor(THREADS) as threads:
        yield threads


def depth_of(images):
    """Return depth maps and where they are from: the built-in network, or a smooth stand-in."""
    from evafast import DepthEstimator
    from evafast.errors import UsageError

    try:
        estimator = DepthEstimator.load("compact", device="cpu")
    except UsageError:  # no built-in weights in this checkout
        grey = images.float().mean(dim=-1)[:, None]
        smooth = torch.nn.functional.interpolate(
            torch.nn.functional.avg_pool2d(grey, 8), scale_factor=8, mode="bilinear"
        )
        return 1 + smooth[:, 0] / 32, "smoothed brightness as a stand-in: no built-in weights"
    maps = [estimator(chunk).depth for chunk in images.split(16)]
    return torch.cat(maps), "the built-in network"


def pixels_of(kind, made, count):
    """Return the pictures to encode and what they are."""
    if kind == "jpeg":
        return made.image.numpy()[:count], "composites"
    if kind == "matte":
        return made.mask.numpy()[:count], "mattes"
    depth, origin = depth_of(made.image[:count])
    name, unit = ("minmax8", None) if kind == "depth8" else ("metric16", 1.0)
    return encode(depth, name, unit).codes.numpy(), f"depth maps of {origin}"


@pytest.mark.parametrize("kind", list(ENCODERS))
def test_encoding(benchmark, kind, bank, pictures, scale, pool, keep_race):
    count = scale(256 if kind in ("jpeg", "matte") else 96, 24)
    rounds = scale(11, 2)
    made = Compositor(bank, backend="numba", device="cpu")(first_samples(bank, count))
    pixels, what = pixels_of(kind, made, count)
    contenders, skipped = [], {}
    for name, make in ENCODERS[kind].items():
        try:
            encoder = make()
        except ImportError as error:
            skipped[name] = f"not installed: {error.name}"
            continue
        contenders.append(contender(name, encoder, pixels, pool, lossy=kind == "jpeg"))
    race = Race(contenders)
    race.run(benchmark, rounds)
    ratios = [race.ratio(OURS, c.name) for c in contenders[1:]]
    keep_race(
        f"encoding-{kind}", race, title=TITLES[kind], unit="images/s", ratios=ratios,
        skipped=skipped,
        parameters={**described(pictures), "images": count, "threads": THREADS, "content": what},
    )  # fmt: skip


def contender(name, encoder, pixels, pool, *, lossy):
    """Return a contender that encodes all pixels by all threads."""
    files = [encoder(image) for image in pixels]
    back = [decoded(data) for data in files[:16]]
    readable = all(b is not None for b in back)
    pairs = list(zip(pixels, back, strict=False))
    facts = {"bytes_per_image": float(np.mean([len(data) for data in files]))}
    if lossy:
        facts["psnr_db"] = float(np.mean([psnr(a, b) for a, b in pairs]))
    equal = None if lossy or not readable else all(lossless(a, b) for a, b in pairs)
    slices = [pixels[i : i + SLICE] for i in range(0, len(pixels), SLICE)]

    def some(images):
        for image in images:
            encoder(image)

    def call():
        list(pool.map(some, slices))

    role = "ours" if name == OURS else "peer"
    note = "" if readable else "a format that OpenCV does not read: not checked"
    return Contender(name, role, call, len(pixels), equal, note, facts=facts)
