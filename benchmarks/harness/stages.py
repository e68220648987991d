"""The stages of a run, each alone: what a whole run could reach if none disturbed another.

In a run without depth the main thread composites (serial kernel, GIL released), encoder threads
encode and pack, a writer hashes and writes. Two limits: what those stages allow, and, stricter,
what the libraries' calls in them allow (compositing, JPEG, PNG, SHA-256), as if all else were free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.limits import hash_all, write_and_flush
from benchmarks.harness.machine import CORES
from benchmarks.harness.race import Contender, Race
from evafast import Bank, Compositor, Pipeline, Recipe
from evafast.dataset.formats import open_format
from evafast.dataset.manifest import Plan
from evafast.dataset.store import LocalStore
from evafast.pipeline import BufferPool
from evafast.writing.config import GenerateConfig
from evafast.writing.encode import IN_CACHE, HostSamples, SampleEncoder
from evafast.writing.job import make_plan
from evafast.writing.sink import SLICE

COMPOSITE, MAKE, WRITE = "compositor alone", "encoder threads alone", "writer alone"
ENCODE, HASH, DISK = "encoders alone", "SHA-256 alone", "disk alone"
STAGES_ALLOW = "what the stages allow"
LIBRARIES_ALLOW = "what the libraries alone allow"
BATCH = 250


def plan_of(bank: Bank, samples: int, **options: Any) -> Plan:
    """Return the plan of a run without depth."""
    pairs = bank.background_count * bank.foreground_count
    recipe = Recipe.for_bank(bank, placements=-(-samples // pairs))
    config = GenerateConfig(depth="none", samples_per_shard=samples, **options)
    return make_plan(config, bank, recipe, None, samples=samples, batch_size=BATCH)


class Packing:
    """Encodes and packs slices of composited samples as encoder threads do.

    Parameters
    ----------
    bank : Bank
    plan : Plan
        Of one shard.
    folder : Path
        Where `write` puts the shard.
    """

    def __init__(self, bank: Bank, plan: Plan, folder: Path) -> None:
        self._placements = plan.recipe[plan.recipe.order[: plan.samples]]
        made = Compositor(bank, backend="numba", device="cpu")(self._placements)
        self._images, self._masks = made.image.numpy(), made.mask.numpy()
        self._codec, self._encoder = plan.codec, SampleEncoder(plan)
        self._format, self._shard = open_format(LocalStore(folder), plan), plan.shard(0)
        self.starts = range(0, plan.samples, SLICE)

    def __call__(self, start: int) -> bytes:
        """Return the tar blocks of the slice that begins at a sample."""
        rows = slice(start, start + SLICE)
        encoded, _ = self._encoder(HostSamples(
            placements=self._placements[rows], image=self._images[rows], mask=self._masks[rows]
        ))  # fmt: skip
        return self._format.pack(self._shard, encoded)

    def encode(self, start: int) -> None:
        """Do nothing but the libraries' calls for a slice."""
        for row in range(start, min(start + SLICE, len(self._images)), IN_CACHE):
            self._codec.encode_images(self._images[row : row + IN_CACHE])
            self._codec.encode_masks(self._masks[row : row + IN_CACHE])

    def write(self, blocks: list[bytes]) -> None:
        """Write a shard as the writer does."""
        shard = self._format.create(self._shard)
        for block in blocks:
            shard.append(block)
        shard.finish()
        shard.commit()


def stages(bank: Bank, folder: Path, samples: int) -> list[Contender]:
    """Return each stage as a contender that does `samples` per round.

    Parameters
    ----------
    bank : Bank
    folder : Path
        On the disk that the runs write to.
    samples : int
    """
    plan = plan_of(bank, samples)
    packing = Packing(bank, plan, folder / "stages")
    pipeline = Pipeline(bank, plan.recipe, Compositor(bank, device="cpu", parallel=False))
    indices = plan.recipe.order[:samples]
    pool = BufferPool(pipeline.compositor, BATCH, 1)

    def composite() -> None:
        for batch in pipeline.batches(indices, BATCH, pool=pool):
            batch.release()

    def on_all_cores(work: Callable[[int], Any], items: Iterable[int]) -> Callable[[], list]:
        def call() -> list:
            with ThreadPoolExecutor(CORES) as threads:
                return list(threads.map(work, items))

        return call

    make = on_all_cores(packing, packing.starts)
    blocks = make()
    size = {"bytes_per_sample": sum(map(len, blocks)) / samples}
    return [
        Contender(name, "stage", call, samples, note=note, facts=size if name == ENCODE else {})
        for name, call, note in (
            (COMPOSITE, composite, "one thread, as in the run"),
            (MAKE, make, f"pixel sums, files, records, tar headers; all {CORES} cores"),
            (WRITE, lambda: packing.write(blocks),
             "SHA-256, shard, flush; one thread, as in the run"),
            (ENCODE, on_all_cores(packing.encode, packing.starts),
             f"the libraries' calls for image and matte, all {CORES} cores"),
            (HASH, lambda: hash_all(blocks), "one thread, as in the run"),
            (DISK, lambda: write_and_flush(folder / "plain", blocks),
             "the same bytes to one file, flushed"),
        )
    ]  # fmt: skip


def allowed(race: Race) -> np.ndarray:
    """Return the rate that the run's stages allow, round by round.

    Compositing, encoding and hashing share the cores, so their core seconds per sample add up;
    compositing and hashing are measured on one core. The writer's other time is mostly the disk's.
    No run is faster than its main thread or its writer.
    """
    rate = {name: contender.rates for name, contender in race.contenders.items()}
    cores = 1 / (1 / rate[MAKE] + (1 / rate[COMPOSITE] + 1 / rate[HASH]) / CORES)
    return np.minimum(cores, np.minimum(rate[COMPOSITE], rate[WRITE]))


def allowed_by_libraries(race: Race) -> np.ndarray:
    """Return the rate that compositing, encoding and hashing alone allow, round by round.

    They share the cores as the stages do. The disk works beside them and only bounds.
    """
    rate = {name: contender.rates for name, contender in race.contenders.items()}
    cores = 1 / (1 / rate[ENCODE] + (1 / rate[COMPOSITE] + 1 / rate[HASH]) / CORES)
    return np.minimum(cores, np.minimum(rate[COMPOSITE], rate[DISK]))
