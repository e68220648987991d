"""The stages of a run, each alone: what a whole run could reach if they did not disturb each other.

Two limits: by the run's own stages, as its threads work through them, and, stricter, by nothing but
the libraries' calls inside them (compositing, JPEG, PNG, SHA-256), as if all else cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.limits import hash_all, write_and_flush
from benchmarks.race import Contender, Race
from evafast import Bank, Compositor, Pipeline, Recipe
from evafast.dataset.codec import Codec, one_thread_a_picture
from evafast.dataset.formats.webdataset import WebDatasetLayout
from evafast.dataset.naming import Names
from evafast.dataset.sample import GROUP, BankNames, Part, encode_slice
from evafast.dataset.store import LocalStore
from evafast.generate import rarer_collections
from evafast.system.threads import Seats, usable_cores
from evafast.system.timing import StageClock
from evafast.writing.sink import SLICE
from evafast.writing.transfer import HostTransfer

CORES = usable_cores()
MAKE, WRITE = "encoder threads alone", "writer alone"
COMPOSITE, ENCODE = "compositor alone", "encoders alone"
HASH, DISK = "SHA-256 alone", "disk alone"


def encoder_pool() -> ThreadPoolExecutor:
    """Return a thread a core, as a run has them."""
    return ThreadPoolExecutor(CORES, initializer=Seats(CORES).take)


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
        See `encoder_pool`.
    """
    recipe = Recipe.for_bank(bank)
    names, files = Names.of(recipe), BankNames(bank.background_names, bank.foreground_names)
    pipeline = Pipeline(bank, recipe, Compositor(bank, device="cpu", parallel=False))
    transfer = HostTransfer(clock=StageClock())
    layout, part = WebDatasetLayout(LocalStore(folder / "stages"), "jpg"), Part(0, 0, samples)
    hosts = [
        transfer.start(batch)
        for batch in pipeline.deferred_batches(recipe.order[:samples], SLICE)
    ]  # fmt: skip
    held = pipeline.compositor(recipe[recipe.order[:samples]])
    images, masks = held.image.numpy(), held.mask.numpy()

    def make(host) -> bytes:
        piece = host.wait(0, SLICE, names)
        return layout.pack(part, encode_slice(piece, codec, names, files))

    def encode(start: int) -> None:
        for row in range(start, min(start + SLICE, samples), GROUP):
            codec.encode_images(images[row : row + GROUP])
            codec.encode_masks(masks[row : row + GROUP])

    def shared(work: Callable, items) -> Callable[[], list]:
        def call() -> list:
            with rarer_collections(), one_thread_a_picture():
                return list(pool.map(work, items))

        return call

    pieces = shared(make, hosts)()

    def write() -> None:
        shard = layout.begin(part)
        for piece in pieces:
            shard.append(piece)
        shard.pieces()
        shard.commit()

    size = sum(map(len, pieces)) / samples
    return [
        Contender(MAKE, "stage", shared(make, hosts), samples,
                  note=f"compositing, sums, files, records, tar headers; all {CORES} cores"),
        Contender(WRITE, "stage", write, samples,
                  note="SHA-256, shard and its flush; one thread, as in the run"),
        Contender(COMPOSITE, "stage", shared(lambda host: host.wait(0, SLICE, names), hosts),
                  samples, note=f"all {CORES} cores"),
        Contender(ENCODE, "stage", shared(encode, range(0, samples, SLICE)), samples,
                  note=f"the libraries' calls for image and matte, all {CORES} cores",
                  facts={"bytes_per_sample": size}),
        Contender(HASH, "stage", lambda: hash_all(pieces), samples,
                  note="one thread, as in the run"),
        Contender(DISK, "stage", lambda: write_and_flush(folder / "plain", pieces), samples,
                  note="the same bytes to one file, flushed"),
    ]  # fmt: skip


def allowed(race: Race) -> np.ndarray:
    """Return the rate that the run's stages allow, round by round.

    What the encoder threads do and the writer's hashing share the cores, so their times a sample
    add up (hashing is measured on one core and may use its share of all). The writer's other time
    is mostly the disk's; no run is faster than its writer.
    """
    rate = {name: contender.rates for name, contender in race.contenders.items()}
    return np.minimum(1 / (1 / rate[MAKE] + 1 / (CORES * rate[HASH])), rate[WRITE])


def allowed_by_libraries(race: Race) -> np.ndarray:
    """Return the rate that compositing, encoding and hashing alone allow, round by round.

    They share the cores as the stages do. The disk works beside them: it only bounds.
    """
    rate = {name: contender.rates for name, contender in race.contenders.items()}
    cores = 1 / (1 / rate[COMPOSITE] + 1 / rate[ENCODE] + 1 / (CORES * rate[HASH]))
    return np.minimum(cores, rate[DISK])
