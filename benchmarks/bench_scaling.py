"""Scaling: how cost grows with batch, canvas, number of assets, samples planned and threads.

Where the cost per sample should not change, a ratio to the smallest or usual case shows it.
"""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.harness.inputs import first_samples, synthetic_bank
from benchmarks.harness.limits import CopyEach
from benchmarks.harness.machine import CORES, ROOT
from benchmarks.harness.race import Contender
from benchmarks.harness.stages import Packing, plan_of
from benchmarks.peers.compositing import composited


@pytest.mark.budget(8)
def test_batch(suite):
    sizes = (2048, 512, 64, 8, 1)[suite.quick :]
    contenders = []
    for n in sizes:
        contender, _ = composited(f"batch {n}", suite.inputs.bank, suite.inputs.samples(n))
        once, times = contender.call, sizes[0] // n  # one call is too short to time
        contender.call = lambda once=once, times=times: [once() for _ in range(times)]
        contender.work = sizes[0]
        contenders.append(contender)
    race = suite.race("Compositing by batch size", contenders, 9)
    suite.keep(
        "scaling-batch", race, unit="samples/s",
        ratios=[race.ratio(f"batch {n}", "batch 512") for n in sizes if n != 512],
        parameters={**suite.inputs.described, "samples_a_round": sizes[0]},
    )  # fmt: skip


@pytest.mark.budget(8)
def test_canvas(suite):
    sides, contenders = (224, 448, 896, 2048)[: suite.size(4, 2)], []
    for side in sides:
        count = max(2, suite.size(512, 32) * 224**2 // side**2)
        bank, megapixels = synthetic_bank(side, 4, 4), side * side / 1e6
        placements = first_samples(bank, count)
        contenders += [
            composited(f"{side} px", bank, placements, unit=megapixels)[0],
            Contender(f"memcpy + memset, {side} px", "limit", CopyEach(bank, placements),
                      count * megapixels),
        ]  # fmt: skip
    race = suite.race("Compositing by side of the canvas", contenders, 9)
    suite.keep(
        "scaling-canvas", race, unit="megapixels/s",
        ratios=[
            *(race.ratio(f"{side} px", "224 px") for side in sides[1:]),
            *(race.ratio(f"{side} px", f"memcpy + memset, {side} px") for side in sides),
        ],
        parameters={"pictures": "synthetic", "backgrounds": 4, "cutouts": 8},
    )  # fmt: skip


@pytest.mark.budget(12)
def test_assets(suite):
    batch, contenders = suite.size(512, 64), []
    for n in (10, 100, 1000)[: suite.size(3, 2)]:
        bank = synthetic_bank(224, n, n // 2)
        name = f"{n} backgrounds, {n} cut-outs"
        contenders.append(composited(name, bank, first_samples(bank, batch))[0])
    race = suite.race("Compositing by number of assets", contenders, 9)
    first, *others = race.contenders
    suite.keep(
        "scaling-assets", race, unit="samples/s",
        ratios=[race.ratio(name, first) for name in others],
        parameters={"pictures": "synthetic", "canvas": 224, "batch": batch},
    )  # fmt: skip


@pytest.mark.budget(8)
def test_samples_planned(suite):
    bank, contenders = suite.inputs.bank, []
    plan_of(bank, 1)  # imports
    for count in (1_000, 10_000, 100_000, 1_000_000):

        def call(count=count):
            recipe = plan_of(bank, count).recipe
            return recipe[recipe.order[0:250]]

        facts = {"peak_memory_bytes": peak_bytes(call)}
        contenders.append(Contender(f"{count:,} samples", "ours", call, 1, facts=facts))
    race = suite.race("Planning a run: from the bank to its first 250 placements", contenders, 9)
    first, *others = race.contenders
    suite.keep(
        "scaling-samples", race, unit="plans/s", parameters=suite.inputs.described,
        ratios=[race.ratio(name, first) for name in others],
    )  # fmt: skip
    peaks = [contender.facts["peak_memory_bytes"] for contender in contenders]
    assert max(peaks) < 1.2 * min(peaks), "memory grows with the number of samples"


def peak_bytes(call):
    """Return the most memory that Python and NumPy held at once during a call."""
    tracemalloc.start()
    call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return float(peak)


@pytest.mark.budget(8)
@pytest.mark.skipif(CORES < 2, reason="one core: nothing to compare")
def test_threads(suite):
    bank, batch = suite.inputs.bank, suite.size(512, 256)
    packing = Packing(bank, plan_of(bank, batch), ROOT)
    counts, contenders = sorted({1, 2, CORES}), []
    pools = {n: ThreadPoolExecutor(n) for n in counts}
    for n, pool in pools.items():
        name = f"compositing, threads: {n}"
        contenders += [
            composited(name, bank, suite.inputs.samples(batch), threads=n)[0],
            Contender(f"encoding, threads: {n}", "ours",
                      lambda pool=pool: list(pool.map(packing.encode, packing.starts)), batch),
        ]  # fmt: skip
    race = suite.race("Compositing and encoding by number of threads", contenders, 9)
    for pool in pools.values():
        pool.shutdown()
    suite.keep(
        "scaling-threads", race, unit="samples/s",
        parameters={**suite.inputs.described, "batch": batch},
        ratios=[
            race.ratio(f"{what}, threads: {n}", f"{what}, threads: 1")
            for what in ("compositing", "encoding") for n in counts[1:]
        ],
    )  # fmt: skip


@pytest.mark.budget(12)
def test_time_to_import(suite):
    def importing(line, role):
        program = f"from time import *; t = perf_counter(); {line}; print(perf_counter() - t)"
        words = [sys.executable, "-c", program]

        def call():
            return float(subprocess.run(words, capture_output=True, check=True, cwd=ROOT).stdout)

        return Contender(line, role, call, 1, self_timed=True)

    race = suite.race("Time to import, in a fresh interpreter", [
        importing("import evafast", "ours"), importing("import numpy", "limit"),
        importing("import torch", "peer"),
    ], 7)  # fmt: skip
    suite.keep(
        "scaling-import", race, unit="imports/s", parameters={},
        ratios=[race.ratio("import evafast", "import torch")],
    )  # fmt: skip
