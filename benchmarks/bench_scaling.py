"""Scaling: how cost grows with batch, canvas, number of assets, samples planned and threads.

Where the cost of one sample should not change, the record's ratio to the smallest or usual case
says whether it does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest

from benchmarks.inputs import described, first_samples, made_up_bank
from benchmarks.limits import CopyEach
from benchmarks.race import Contender, Race, ratio
from benchmarks.record import ROOT
from evafast import Compositor, Recipe
from evafast.dataset.codec import Codec, one_thread_a_picture
from evafast.dataset.sample import GROUP
from evafast.writing.plan import make_plan

CORES = os.cpu_count() or 1


def compositing(label, bank, placements, unit=1.0, threads=CORES):
    """Return a contender that composites these placements; `unit` is the work of a sample."""
    compositor = Compositor(bank, backend="numba", device="cpu")
    out = compositor.allocate(len(placements))

    def call():
        before = numba.get_num_threads()
        numba.set_num_threads(threads)
        compositor(placements, out)
        numba.set_num_threads(before)

    return Contender(label, "ours", call, len(placements) * unit)


def repeated(contender, times):
    """Return a contender that does its work several times a round: one call is too short."""
    call = contender.call
    contender.call = lambda: [call() for _ in range(times)]
    contender.work *= times
    return contender


def test_batch(benchmark, bank, pictures, scale, keep_race):
    sizes = (1, 8, 64, 512, 2048)[: scale(5, 4)]
    total = sizes[-1]
    race = Race([
        repeated(compositing(f"batch {n}", bank, first_samples(bank, n)), total // n)
        for n in reversed(sizes)
    ])  # fmt: skip
    race.run(benchmark, scale(9, 2))
    keep_race(
        "scaling-batch", race, title="Compositing by batch size", unit="samples/s",
        ratios=[race.ratio(f"batch {n}", "batch 512") for n in sizes if n != 512],
        parameters={**described(pictures), "samples_a_round": total},
    )  # fmt: skip


def test_canvas(benchmark, scale, keep_race):
    sides = (224, 448, 896, 2048)[: scale(4, 2)]
    contenders = []
    for side in sides:
        count = max(2, scale(512, 32) * 224**2 // side**2)
        bank = made_up_bank(side, 4, 4)
        placements, pixels = first_samples(bank, count), side * side / 1e6
        contenders.append(compositing(f"{side} px", bank, placements, pixels))
        contenders.append(Contender(f"memcpy + memset, {side} px", "limit",
                                    CopyEach(bank, placements), count * pixels))  # fmt: skip
    race = Race(contenders)
    race.run(benchmark, scale(9, 2))
    keep_race(
        "scaling-canvas", race, title="Compositing by side of the canvas", unit="megapixels/s",
        ratios=[
            *(race.ratio(f"{side} px", "224 px") for side in sides[1:]),
            *(race.ratio(f"{side} px", f"memcpy + memset, {side} px") for side in sides),
        ],
        parameters={"pictures": "made up", "backgrounds": 4, "cutouts": 8},
    )  # fmt: skip


def test_assets(benchmark, scale, keep_race):
    counts = (10, 100, 1000)[: scale(3, 2)]
    batch = scale(512, 64)
    race = Race([
        compositing(f"{n} backgrounds, {n} cut-outs", bank, first_samples(bank, batch))
        for n in counts for bank in [made_up_bank(224, n, n // 2)]
    ])  # fmt: skip
    race.run(benchmark, scale(9, 2))
    first, *others = race.contenders
    keep_race(
        "scaling-assets", race, title="Compositing by number of pictures", unit="samples/s",
        ratios=[race.ratio(name, first) for name in others],
        parameters={"pictures": "made up", "canvas": 224, "batch": batch},
    )  # fmt: skip


def plan(bank, samples):
    """Do what a run of so many samples does before its first batch; return that batch's numbers."""
    placements = -(-samples // (bank.background_count * bank.foreground_count))
    recipe = Recipe.for_bank(bank, placements=placements)
    make_plan(
        bank, recipe, Codec(), layout="webdataset", mask="matte", samples=samples,
        samples_per_part=4000, depth=None, depth_encoding=None, assets={},
    )  # fmt: skip
    return recipe[recipe.order[0:250]]


def peak_bytes(call):
    """Return the most memory that Python and NumPy held at once during a call."""
    tracemalloc.start()
    call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return float(peak)


@pytest.mark.parametrize("counts", [(1_000, 10_000, 100_000, 1_000_000)])
def test_samples_planned(benchmark, bank, pictures, counts, scale, keep_race):
    contenders = []
    for count in counts:
        call = lambda count=count: plan(bank, count)  # noqa: E731
        contender = Contender(f"{count:,} samples", "ours", call, 1)
        contender.facts["peak_memory_bytes"] = peak_bytes(call)
        contenders.append(contender)
    race = Race(contenders)
    race.run(benchmark, scale(9, 2))
    first, *others = race.contenders
    kept = keep_race(
        "scaling-samples", race, title="Planning a run: from the bank to its first 250 placements",
        unit="plans/s", ratios=[race.ratio(name, first) for name in others],
        parameters={**described(pictures)},
    )  # fmt: skip
    peaks = [row["facts"]["peak_memory_bytes"] for row in kept["rows"]]
    assert max(peaks) < 1.2 * min(peaks), "memory grows with the number of samples"


@pytest.mark.skipif(CORES < 2, reason="one core: nothing to compare")
def test_threads(benchmark, bank, pictures, scale, keep_race):
    batch, codec = scale(512, 64), Codec()
    placements = first_samples(bank, batch)
    made = Compositor(bank, backend="numba", device="cpu")(placements)
    images, masks = made.image.numpy(), made.mask.numpy()

    def encode(row):
        codec.encode_images(images[row : row + GROUP])
        codec.encode_masks(masks[row : row + GROUP])

    counts = sorted({1, 2, CORES})
    contenders = []
    pools = [ThreadPoolExecutor(n) for n in counts]
    for n, pool in zip(counts, pools, strict=True):
        contenders.append(compositing(f"compositing, threads: {n}", bank, placements, threads=n))
        contenders.append(Contender(
            f"encoding, threads: {n}", "ours",
            lambda pool=pool: list(pool.map(encode, range(0, batch, GROUP))), batch,
        ))  # fmt: skip
    race = Race(contenders)
    with one_thread_a_picture():
        race.run(benchmark, scale(9, 2))
    for pool in pools:
        pool.shutdown()
    ratios = [
        race.ratio(f"{what}, threads: {n}", f"{what}, threads: 1")
        for what in ("compositing", "encoding") for n in counts[1:]
    ]  # fmt: skip
    keep_race(
        "scaling-threads", race, title="Compositing and encoding by number of threads",
        unit="samples/s", ratios=ratios, parameters={**described(pictures), "batch": batch},
    )  # fmt: skip


def test_time_to_import(benchmark, scale, keep):
    """The first line of a script: what ``import evafast`` costs in a fresh interpreter."""
    lines = {"import evafast": "ours", "import numpy": "limit", "import torch": "peer"}
    taken = {line: [] for line in lines}
    for _ in range(scale(7, 1)):
        for line, seconds in taken.items():
            program = f"from time import *; t = perf_counter(); {line}; print(perf_counter() - t)"
            ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                                 check=True, cwd=ROOT)  # fmt: skip
            seconds.append(float(ran.stdout))
    benchmark.pedantic(time.perf_counter, rounds=1)  # the interpreters keep the time themselves
    race = Race([
        Contender(line, role, time.perf_counter, 1, seconds=taken[line])
        for line, role in lines.items()
    ])  # fmt: skip
    rates = {line: 1 / np.array(seconds) for line, seconds in taken.items()}
    keep(
        "scaling-import", title="Time to import, in a fresh interpreter", unit="imports/s",
        rows=race.rows(),
        ratios=[ratio("import evafast", "import torch",
                      rates["import evafast"] / rates["import torch"])],
        parameters={},
    )  # fmt: skip
