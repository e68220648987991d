"""The stages of a run, each alone: what a whole run could reach if it cost nothing beside them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.inputs import first_samples
from benchmarks.limits import hash_all, write_and_flush
from benchmarks.race import Contender, Race
from evafast import Bank, Compositor
from evafast.storage.codec import Codec

CORES = os.cpu_count() or 1
SLICE = 32
COMPOSITE, ENCODE = "compositor alone", "encoders alone"
HASH, DISK = "SHA-256 alone", "disk alone"


def stages(
    bank: Bank, codec: Codec, folder: Path, samples: int, pool: ThreadPoolExecutor
) -> list[Contender]:
    """Return each stage as a contender that does `samples` a round.

    Parameters
    ----------
    bank : Bank
    codec : Codec
        Image and matte are encoded by it.
    folder : Path
        On the disk that the runs write to.
    samples : int
    pool : ThreadPoolExecutor
        A thread a core.
    """
    placements = first_samples(bank, samples)
    compositor = Compositor(bank, backend="numba", device="cpu")
    out = compositor.allocate(samples)
    compositor(placements, out)
    images, masks = out.image.numpy(), out.mask.numpy()
    joined = [
        codec.encode_image(image) + codec.encode_mask(mask)
        for image, mask in zip(images, masks, strict=True)
    ]
    pieces = [b"".join(joined[i : i + SLICE]) for i in range(0, samples, SLICE)]
    held = images.copy(), masks.copy()

    def encode(start: int) -> None:
        for row in range(start, min(start + SLICE, samples)):
            codec.encode_image(held[0][row])
            codec.encode_mask(held[1][row])

    size = float(np.mean([len(j) for j in joined]))
    return [
        Contender(COMPOSITE, "stage", lambda: compositor(placements, out), samples,
                  note=f"all {CORES} cores"),
        Contender(ENCODE, "stage", lambda: list(pool.map(encode, range(0, samples, SLICE))),
                  samples, note=f"image and matte, all {CORES} cores",
                  facts={"bytes_per_sample": size}),
        Contender(HASH, "stage", lambda: hash_all(pieces), samples,
                  note="one thread, as in the run"),
        Contender(DISK, "stage", lambda: write_and_flush(folder / "plain", pieces), samples,
                  note="the same bytes to one file, flushed"),
    ]  # fmt: skip


def allowed(race: Race) -> np.ndarray:
    """Return the rate that the stages allow, round by round.

    Compositing, encoding and hashing share the cores, so their times a sample add up (hashing is
    measured on one core and may use its share of all). The disk works beside them: it only bounds.
    """
    rate = {name: contender.rates for name, contender in race.contenders.items()}
    cores = 1 / (1 / rate[COMPOSITE] + 1 / rate[ENCODE] + 1 / (CORES * rate[HASH]))
    return np.minimum(cores, rate[DISK])
