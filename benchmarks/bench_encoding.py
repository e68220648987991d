"""Encoding: JPEG, matte PNG and depth PNG by evafast's codec and by other encoders; the GIL's part.

All encoders take the same composites on one thread per core. ``equal`` says, for the lossless
kinds, whether decoding gives back the same pixels; a JPEG has its size and PSNR instead.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.harness.machine import CORES
from benchmarks.harness.race import Contender
from benchmarks.harness.stages import Packing, plan_of
from benchmarks.peers.encoders import ENCODERS, OURS, decoded, psnr
from evafast import Compositor, DepthEstimator
from evafast.dataset.codec import Codec
from evafast.dataset.manifest import Plan
from evafast.depth.encoding import encode

SLICE = 8
TITLES = {
    "jpeg": "RGB to JPEG, quality 90",
    "matte": "Matte to PNG, lossless",
    "depth8": "Depth to 8-bit PNG, lossless",
    "depth16": "Depth to 16-bit PNG, lossless",
}


def pixels_of(kind, made):
    """Return the images to encode and what they are."""
    if kind == "jpeg":
        return made.image.numpy(), "composites"
    if kind == "matte":
        return made.mask.numpy(), "mattes"
    estimator = DepthEstimator.load("compact", device="cpu")
    depth = torch.cat([estimator(images).depth for images in made.image.split(16)])
    name, unit = ("minmax8", None) if kind == "depth8" else ("metric16", 1.0)
    return encode(depth, name, unit).codes.numpy(), "depth maps of the built-in network"


@pytest.mark.budget(8)
@pytest.mark.parametrize("kind", list(ENCODERS))
def test_encoding(suite, kind):
    count = suite.size(256 if kind in ("jpeg", "matte") else 96, 24)
    made = Compositor(suite.inputs.bank, backend="numba", device="cpu")(suite.inputs.samples(count))
    pixels, what = pixels_of(kind, made)
    contenders, skipped = [], {}
    with ThreadPoolExecutor(CORES) as pool:
        for name, make in ENCODERS[kind].items():
            try:
                encoder = make()
            except ImportError as error:
                skipped[name] = f"not installed: {error.name}"
                continue
            contenders.append(contender(name, encoder, pixels, pool, lossy=kind == "jpeg"))
        race = suite.race(TITLES[kind], contenders, 11, skipped)
    suite.keep(
        f"encoding-{kind}", race, unit="images/s",
        ratios=[race.ratio(OURS, c.name) for c in contenders[1:]],
        parameters={
            **suite.inputs.described, "images": count, "threads": CORES, "content": what
        },
    )  # fmt: skip


def contender(name, encoder, pixels, pool, *, lossy):
    """Return a contender that encodes all pixels on all threads."""
    files = [encoder(image) for image in pixels]
    back = [decoded(data) for data in files[:16]]
    readable = all(b is not None for b in back)
    facts, equal = {"bytes_per_image": float(np.mean([len(data) for data in files]))}, None
    if lossy:
        facts["psnr_db"] = float(np.mean([psnr(a, b) for a, b in zip(pixels, back, strict=False)]))
    elif readable:
        equal = all(np.array_equal(a, b) for a, b in zip(pixels, back, strict=False))
    slices = [pixels[i : i + SLICE] for i in range(0, len(pixels), SLICE)]

    def some(images):
        for image in images:
            encoder(image)

    def call():
        list(pool.map(some, slices))

    role = "ours" if name == OURS else "peer"
    note = "" if readable else "a format that OpenCV does not read: not checked"
    return Contender(name, role, call, len(pixels), equal, note, facts=facts)


class ReadyCodec(Codec):
    """Encoders that take no time."""

    def encode_images(self, images) -> list[bytes]:
        """Return as many bytes as composites have as JPEG."""
        return [bytes(18_000) for _ in images]

    def encode_masks(self, masks) -> list[bytes]:
        """Return as many bytes as mattes have as PNG."""
        return [bytes(2_800) for _ in masks]


class ReadyPlan(Plan):
    """A plan whose codec takes no time."""

    codec = ReadyCodec()


@pytest.mark.budget(8)
def test_gil(suite):
    """One thread encodes and packs with and without the encoders.

    Without them only names, records, tar headers and bookkeeping are left, nearly all under the
    GIL: about as many samples per second as one process can encode on any number of cores.
    """
    count = suite.size(1024, 64)
    plan = plan_of(suite.inputs.bank, count)
    ready = ReadyPlan(**{field.name: getattr(plan, field.name) for field in fields(plan)})

    def encoding(plan):
        packing = Packing(suite.inputs.bank, plan, Path("nowhere"))
        return lambda: [packing(start) for start in packing.starts]

    race = suite.race("What holds the GIL while samples are encoded", [
        Contender("one thread, all of it", "ours", encoding(plan), count),
        Contender("one thread, encoders left out", "limit", encoding(ready), count,
                  note="nearly all of it under the GIL, except the pixel sums"),
    ], 11)  # fmt: skip
    suite.keep(
        "lock", race, unit="samples/s",
        parameters={**suite.inputs.described, "samples": count, "threads": 1},
        ratios=[race.ratio("one thread, encoders left out", "one thread, all of it")],
    )  # fmt: skip
