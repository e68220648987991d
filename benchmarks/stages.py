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
from evafast.storage.codec import Codec, one_thread_a_picture
from evafast.storage.sample import GROUP

CORES = os.cpu_count() or 1
SLICE = 64
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
        image + mask
        for image, mask in zip(codec.encode_images(images), codec.encode_masks(masks), strict=True)
    ]
    pieces = [b"".join(joined[i : i + SLICE]) for i in range(0, samples, SLICE)]
    held = images.copy(), masks.copy()

    def encode(start: int) -> None:
        for row in range(start, min(start + SLICE, samples), GROUP):
            codec.encode_images(held[0][row : row + GROUP])
            codec.encode_masks(held[1][row : row + GROUP])

    def encode_all() -> None:
        with one_thread_a_picture():
            list(pool.map(encode, range(0, samples, SLICE)))

    size = float(np.mean([len(j) for j in joined]))
    return [
        Contender(COMPOSITE, "stage", lambda: compositor(placements, out), samples,
                  note=f"all {CORES} cores"),
        Contender(ENCODE, "stage", encode_all, samples,
                  note=f"image and matte, all {CORES} cores", facts={"bytes_per_sample": size}),
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
