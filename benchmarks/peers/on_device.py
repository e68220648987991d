"""Compositing on a GPU: our backends, the peers and a copy of as many bytes.

Times are the device's, by events around the whole call, the copy of the placements included.
Outputs rotate through at least 256 MB and samples are random, so that no cache flatters.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.harness.limits import bytes_to_move, timed_on
from benchmarks.harness.race import Contender
from benchmarks.peers.compositing import CPU, GPU_PEERS, Pillow, same_pixels
from evafast import Bank, Compositor, Recipe
from evafast.compositing.backends import load
from evafast.sampling.recipe import Placements

BATCHES, PEER_BATCH = (1, 64, 512, 4096), 512
ROTATE_BYTES, COPY_BYTES = 256 << 20, 1 << 30


def on_device(
    bank: Bank, device: torch.device, backends: tuple[str, ...],
    batches: tuple[int, ...] = BATCHES, peer_batch: int = PEER_BATCH, copy_bytes: int = COPY_BYTES,
) -> tuple[list[Contender], dict[str, str]]:  # fmt: skip
    """Return the contenders of a device, each with the bytes that it must move, and the skipped."""
    contenders: list[Contender] = []
    skipped: dict[str, str] = {}
    recipe = Recipe.for_bank(bank, placements=20)
    reference = Compositor(bank, backend="numba", device="cpu")
    rng = np.random.default_rng(0)
    source = torch.ones(copy_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)

    def add(
        name: str, role: str, call: Callable[[], Any], placements: Placements,
        clock: torch.device = device, **more: Any,
    ) -> Contender:  # fmt: skip
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


def host_seconds(device: torch.device, call: Callable[[], Any], calls: int = 20) -> float:
    """Return the host's median seconds for a call that starts on an idle device."""
    taken = []
    for _ in range(calls):
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))
