"""Compositing: every backend and peer on the same samples, against a plain copy of the same bytes.

A sample is an RGB image and its 8-bit matte at 224 px: 200,704 bytes written. Outputs are
preallocated. On the CPU the limit is a memcpy and memset of the same bytes; aims (issue 2): Numba
at least 5 times Pillow's single thread and at least 0.6 of the copy.

On a GPU the limit is a device-to-device copy (bytes read plus bytes written) of as many bytes; see
`benchmarks.peers.on_device`.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.harness.inputs import synthetic_bank
from benchmarks.harness.limits import CopyEach
from benchmarks.harness.machine import CORES
from benchmarks.harness.race import Contender
from benchmarks.peers.compositing import CPU_PEERS, composited, same_pixels
from benchmarks.peers.on_device import PEER_BATCH, on_device

COPY = "memcpy + memset"


@pytest.mark.budget(25)
def test_compositing(suite):
    bank, batch, skipped = suite.inputs.bank, suite.size(512, 64), {}
    placements = suite.inputs.samples(batch)
    first, expected = f"evafast numba, {CORES} threads", None
    contenders = []
    backends = {first: ("numba", CORES), "evafast numba, 1 thread": ("numba", 1),
                "evafast pillow": ("pillow", 1)}  # fmt: skip
    for label, (backend, threads) in backends.items():
        some = placements if backend == "numba" else placements[: batch // 2]
        contender, out = composited(label, bank, some, backend=backend, threads=threads)
        contender.call()
        expected = expected or (out.image.numpy(), out.mask.numpy())
        contender.equal = same_pixels((out.image.numpy(), out.mask.numpy()), expected)
        contenders.append(contender)
    contenders[-1].note = "the reference backend: Pillow's paste, copied into arrays"
    for name, (kind, note, share) in CPU_PEERS.items():
        try:
            peer = kind(bank, placements[: max(8, batch // share)])
        except ImportError as error:
            skipped[name] = f"not installed: {error.name}"
            continue
        peer.run()
        role = "baseline" if name == "Pillow" else "peer"
        equal = same_pixels(peer.result(), expected)
        contenders.append(Contender(name, role, peer.run, max(8, batch // share), equal, note))
    contenders.append(Contender(
        COPY, "limit", CopyEach(bank, placements), batch,
        note=f"the same backgrounds to the same outputs, {CORES} threads",
    ))  # fmt: skip
    race = suite.race("Compositing on the CPU: image and matte at 224 px", contenders, 21, skipped)
    peers = [c.name for c in contenders if c.role in ("peer", "baseline") and c.equal]
    others = {race.fastest(peers)} - {"Pillow"}
    suite.keep(
        "compositing", race, unit="samples/s",
        parameters={**suite.inputs.described, "batch": batch, "bytes_per_sample": 4 * 224**2},
        ratios=[
            race.ratio(first, "Pillow", aim=5.0), race.ratio(first, COPY, aim=0.6),
            *(race.ratio(first, other) for other in others),
            race.ratio("evafast numba, 1 thread", "Pillow"),
        ],
    )  # fmt: skip
    assert all(c.equal for c in contenders if c.role == "ours")


@pytest.mark.gpu
@pytest.mark.budget(90)
def test_compositing_gpu(suite):
    bank = synthetic_bank(224, 100, 100)
    contenders, skipped = on_device(bank, torch.device("cuda:0"), ("cupy", "numba-cuda"))
    race = suite.race("Compositing on a GPU: image and matte", contenders, 50, skipped)
    for contender in contenders:
        moved = contender.facts.pop("bytes")
        per_second = moved / np.median(contender.seconds)
        contender.facts["gb_per_second"] = float(per_second / 1e9)
    ours = [c.name for c in contenders if c.role == "ours"]
    peers = [c.name for c in contenders if c.role in ("peer", "baseline")]
    suite.keep(
        "compositing-gpu", race, unit="samples/s",
        parameters={"pictures": "synthetic", "backgrounds": 100, "cutouts": 200, "canvas": 224},
        ratios=[
            *(race.ratio(name, f"device copy, {name.partition(', ')[2]}") for name in ours),
            *(race.ratio(name, peer) for name in ours for peer in peers
              if name.endswith(f"batch {PEER_BATCH}")),
        ],
    )  # fmt: skip
    assert all(c.equal for c in contenders if c.role == "ours")
