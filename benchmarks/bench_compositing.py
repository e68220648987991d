"""Compositing: every backend and peer on the same samples, against a plain copy of the same bytes.

A sample is an RGB image and its 8-bit matte at 224 px: 200,704 bytes written. Outputs are
preallocated. On the CPU the limit is a memcpy and memset of the same bytes; aims (issue 2): Numba
at least 5 times Pillow's single thread and at least 0.6 of the copy.

On a GPU, times are the device's, by events around the whole call, the copy of the placements
included. Outputs rotate through at least 256 MB and samples are random, so that no cache flatters.
The limit is a device-to-device copy (bytes read plus bytes written) of as many bytes.
"""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
import torch

from benchmarks.harness.inputs import synthetic_bank
from benchmarks.harness.limits import CopyAll, CopyEach, bytes_to_move, timed_on
from benchmarks.harness.machine import CORES
from benchmarks.harness.race import Contender
from benchmarks.peers.compositing import CPU, CPU_PEERS, GPU_PEERS, Pillow, composited
from evafast import Compositor, Recipe
from evafast.compositing.backends import load

COPY, LONG_COPY = "memcpy + memset", "memcpy + memset, one long"
GPU_BATCHES, PEER_BATCH = (1, 64, 512, 4096), 512
ROTATE_BYTES, COPY_BYTES = 256 << 20, 1 << 30


def same_pixels(result, expected):
    """Return whether images and masks equal the expected ones, as far as the peer made them."""
    return all(
        np.array_equal(got, ours[: len(got)]) for got, ours in zip(result, expected, strict=True)
    )


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
        contenders.append(
            Contender(name, role, peer.run, max(8, batch // share), equal, note)
        )
    contenders += [
        Contender(COPY, "limit", CopyEach(bank, placements), batch,
                  note=f"the same backgrounds to the same outputs, {CORES} threads"),
        Contender(LONG_COPY, "limit", CopyAll(batch, bank.canvas, CORES), batch,
                  note=f"as many bytes, one long copy per thread, {CORES} threads"),
    ]  # fmt: skip
    race = suite.race("Compositing on the CPU: image and matte at 224 px", contenders, 21, skipped)
    peers = [c.name for c in contenders if c.role in ("peer", "baseline") and c.equal]
    others = sorted({LONG_COPY, race.fastest(peers)} - {"Pillow"})
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
@pytest.mark.budget(60)
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


def on_device(bank, device, backends, batches=GPU_BATCHES, peer_batch=PEER_BATCH,
              copy_bytes=COPY_BYTES):  # fmt: skip
    """Return the contenders of a device, each with the bytes that it must move, and the skipped."""
    contenders, skipped = [], {}
    recipe = Recipe.for_bank(bank, placements=20)
    reference = Compositor(bank, backend="numba", device="cpu")
    rng = np.random.default_rng(0)
    source = torch.ones(copy_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)

    def add(name, role, call, placements, clock=device, **more):
        contenders.append(Contender(
            name, role, timed_on(clock, call), len(placements), self_timed=True,
            facts={"bytes": bytes_to_move(bank, placements)}, **more,
        ))  # fmt: skip
        return contenders[-1]

    for batch in batches:
        sets = int(np.clip(ROTATE_BYTES // (4 * batch * bank.canvas**2), 2, 64))
        samples = [recipe[rng.integers(0, len(recipe), batch)] for _ in range(sets)]
        made = reference(samples[0])
        expected = made.image.numpy(), made.mask.numpy()
        for backend in backends:
            if why := load(backend).why_unavailable():
                skipped[backend] = why
                continue
            compositor = Compositor(bank, backend=backend, device=device)
            pairs = [(placements, compositor.allocate(batch)) for placements in samples]
            out = compositor(*pairs[0])
            equal = same_pixels((out.image.cpu().numpy(), out.mask.cpu().numpy()), expected)
            turns = itertools.cycle(pairs)
            call = lambda compositor=compositor, turns=turns: compositor(*next(turns))  # noqa: E731
            added = add(f"evafast {backend}, batch {batch}", "ours", call, samples[0], equal=equal)
            added.facts["host_seconds"] = host_seconds(device, call)
        copy = add(f"device copy, batch {batch}", "limit", lambda: target.copy_(source), samples[0])
        copy.work = batch * 2 * copy_bytes / copy.facts["bytes"]
        copy.facts["bytes"] = 2 * copy_bytes
        if batch == peer_batch:
            for name, (kind, note) in GPU_PEERS.items():
                try:
                    peer = kind(bank, samples[0], device)
                    peer.run()
                except Exception as error:  # not installed, no compiler, no memory: reported
                    skipped[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
                    continue
                equal = same_pixels(peer.result(), expected)
                role, clock = ("baseline", CPU) if kind is Pillow else ("peer", device)
                add(name, role, peer.run, samples[0], clock, equal=equal, note=note)
    return contenders, skipped


def host_seconds(device, call, calls=20):
    """Return the host's median seconds for a call that starts on an idle device."""
    taken = []
    for _ in range(calls):
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))
