"""Compositing on the CPU: every backend and peer on the same samples, against a plain memcpy.

A sample is an RGB image and its 8-bit matte at 224 px: 200,704 bytes written. Rates are samples a
second into memory that is there already. Aims (issue 2): Numba at least 5 times Pillow's single
thread, and at least 0.6 of a memcpy and memset of the same bytes.
"""

from __future__ import annotations

import os

import numba
import numpy as np
import pytest

from benchmarks.cpu_peers import PEERS
from benchmarks.inputs import described, first_samples
from benchmarks.limits import CopyAll, CopyEach
from benchmarks.race import Contender, Race
from evafast import Compositor
from evafast.compositing.backends import load

CORES = os.cpu_count() or 1
COPY, LONG_COPY = "memcpy + memset", "memcpy + memset, one long"


def composited(name, bank, placements, *, threads=CORES):
    """Return a contender that runs one of our CPU backends into outputs that are there already."""
    compositor = Compositor(bank, backend=name, device="cpu")
    out = compositor.allocate(len(placements))

    def call():
        before = numba.get_num_threads()
        numba.set_num_threads(threads)
        compositor(placements, out)
        numba.set_num_threads(before)

    label = f"evafast {name}" if name != "numba" else f"evafast numba, {threads} threads"
    note = "the reference backend: Pillow's paste, copied into arrays" if name == "pillow" else ""
    return Contender(
        label.replace("1 threads", "1 thread"), "ours", call, len(placements), note=note
    ), out


def same_pixels(result, expected):
    """Tell whether images and masks equal ours, as far as the peer made them."""
    return all(
        np.array_equal(got, ours[: len(got)]) for got, ours in zip(result, expected, strict=True)
    )


def test_compositing_224(benchmark, bank, pictures, scale, keep_race):
    batch, rounds = scale(512, 64), scale(21, 3)
    placements = first_samples(bank, batch)
    skipped = {}
    ours, out = composited("numba", bank, placements)
    ours.call()
    expected = out.image.numpy().copy(), out.mask.numpy().copy()
    ours.equal = True
    contenders = [ours]
    others = [("numba", 1)] * (CORES > 1) + [("pillow", 1)]
    for name, threads in others:
        some = placements if name == "numba" else placements[: batch // 2]
        contender, made = composited(name, bank, some, threads=threads)
        contender.call()
        contender.equal = same_pixels((made.image.numpy(), made.mask.numpy()), expected)
        contenders.append(contender)
    for name, (kind, note, part) in PEERS.items():
        try:
            peer = kind(bank, placements[: max(8, batch // part)])
            peer.run()
        except ImportError as error:
            skipped[name] = f"not installed: {error.name}"
            continue
        equal = same_pixels(peer.result(), expected)
        role = "baseline" if name == "Pillow" else "peer"
        contenders.append(Contender(name, role, peer.run, len(peer.rows), equal, note))
    contenders += [
        Contender(COPY, "limit", CopyEach(bank, placements), batch,
                  note=f"the same backgrounds to the same outputs, {CORES} threads"),
        Contender(LONG_COPY, "limit", CopyAll(batch, bank.canvas, CORES), batch,
                  note=f"as many bytes in one piece a thread, from memory, {CORES} threads"),
    ]  # fmt: skip
    race = Race(contenders)
    race.run(benchmark, rounds)
    peers = [c.name for c in contenders if c.role in ("peer", "baseline") and c.equal]
    fastest = max(peers, key=lambda n: float(np.median(race.contenders[n].rates)))
    ratios = [
        race.ratio(ours.name, "Pillow", aim=5.0),
        race.ratio(ours.name, COPY, aim=0.6),
        race.ratio(ours.name, LONG_COPY),
        *([race.ratio(ours.name, fastest)] if fastest != "Pillow" else []),
        *(race.ratio(c.name, "Pillow") for c in contenders[1 : 1 + (CORES > 1)]),
    ]
    kept = keep_race(
        "compositing", race, title="Compositing on the CPU: image and matte at 224 px",
        unit="samples/s", ratios=ratios, skipped=skipped,
        parameters={**described(pictures), "batch": batch, "bytes_per_sample": 4 * bank.canvas**2},
    )  # fmt: skip
    assert all(row["equal"] for row in kept["rows"] if row["role"] == "ours")


@pytest.mark.parametrize("backend", ["numba-cuda", "cupy"])
def test_gpu_backends_are_measured_elsewhere(backend):
    if why := load(backend).why_unavailable():
        pytest.skip(why)
    pytest.skip("a GPU is here: run benchmarks/run_gpu.py, which measures it by events")
