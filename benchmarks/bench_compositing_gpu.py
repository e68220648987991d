"""Compositing on a GPU: time of the kernel and its share of the memory's speed, and the peers.

    PYTHONPATH=. python benchmarks/bench_compositing_gpu.py --out benchmarks/results

How bytes are counted. *Must move*: every output byte once (150,528 of image, 50,176 of mask and,
where made, the network's input), plus the part of the bank that the batch names, read once; the
second-level cache serves every further read. Rates are held against a device-to-device copy (bytes
read plus bytes written) and a fill (bytes written), measured in the same run.

What is timed. *kernel*: CUDA events around the one launch, placements on the device already.
*call*: events around the whole call, with the copy of the placements. *host*: the host's time for
the call, which overlaps. *wall*: twenty calls back to back by the host's clock. Outputs rotate
through at least 256 MB, and placements are random, so that no cache flatters.

``--dry-run`` runs every line on the CPU with small numbers; its times mean nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from compositing_peers import PEERS
from gpu_record import machine, spread, write

from evafast import Bank, Compositor, Recipe
from evafast.compositing.backends import load
from evafast.sampling.recipe import Placements

BATCHES = (1, 8, 64, 512, 4096, 8192)
PEER_BATCHES = (64, 512, 4096)
ROTATE_BYTES = 256 << 20


def bank_like_the_builtin(canvas: int, backgrounds: int, cutouts: int) -> Bank:
    """Return smooth backgrounds and soft discs of 50 to 150 px (scaled with the canvas)."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:canvas, 0:canvas] / canvas
    pictures, pieces = [], []
    for _ in range(backgrounds):
        waves = rng.uniform(1, 20, (3, 2))
        picture = np.stack([127.5 + 127.5 * np.sin(a * x + b * y) for a, b in waves], axis=-1)
        pictures.append(picture.astype(np.uint8))
    for _ in range(cutouts):
        height, width = (rng.integers(50, 151, 2) * canvas) // 224
        v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        soft = np.clip((1 - u * u - v * v) * 6, 0, 1) * 255
        shade = rng.integers(0, 256, (height, width, 3))
        pieces.append(np.dstack([shade, soft]).astype(np.uint8))
    return Bank.from_arrays(pictures, pieces)


class Clock:
    """Times calls on a device by events, or on the CPU by the clock."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"

    def wait(self) -> None:
        """Wait for the device."""
        if self.cuda:
            torch.cuda.synchronize()

    def each(self, call: Callable[[], Any], repeats: int, warm: int = 5) -> list[float]:
        """Return the device's seconds of every single call, measured one after the other."""
        for _ in range(warm):
            call()
        self.wait()
        if not self.cuda:
            return self.host(call, repeats)
        pairs = []
        for _ in range(repeats):
            begin = torch.cuda.Event(enable_timing=True)
            end = torch.cuda.Event(enable_timing=True)
            # Work ahead of the first event keeps the device busy while the host queues the call,
            # so that the events stand around the device's work and not around the host's.
            torch.cuda._sleep(400_000)
            begin.record()
            call()
            end.record()
            pairs.append((begin, end))
            if len(pairs) % 16 == 0:
                self.wait()
        self.wait()
        return [begin.elapsed_time(end) / 1e3 for begin, end in pairs]

    def host(self, call: Callable[[], Any], repeats: int) -> list[float]:
        """Return the host's seconds of every single call; the device is idle at its start."""
        times = []
        for _ in range(repeats):
            self.wait()
            begin = time.perf_counter()
            call()
            times.append(time.perf_counter() - begin)
        self.wait()
        return times

    def wall(self, call: Callable[[], Any], calls: int = 20) -> float:
        """Return the seconds a call takes when many are queued back to back."""
        self.wait()
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        self.wait()
        return (time.perf_counter() - begin) / calls


def ceilings(clock: Clock, device: torch.device, size: int, repeats: int) -> dict[str, Any]:
    """Return the GB/s of a device-to-device copy (read + written) and of a fill (written)."""
    source = torch.randint(0, 256, (size,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copy = spread(clock.each(lambda: target.copy_(source), repeats))
    fill = spread(clock.each(lambda: target.fill_(7), repeats))
    return {
        "bytes": size,
        "copy_seconds": copy,
        "fill_seconds": fill,
        "copy_gbps": 2 * size / copy["median"] / 1e9,
        "fill_gbps": size / fill["median"] / 1e9,
    }


def must_move(bank: Bank, placements: Placements, number_bytes: int) -> dict[str, int]:
    """Count the bytes of one batch: outputs written once, the bank's part in use read once."""
    area, count = bank.canvas**2, len(placements)
    backgrounds = len(np.unique(placements.background)) * 3 * area
    cutouts = np.unique(placements.foreground)
    pixels = int(bank.foreground_sizes[cutouts].prod(axis=1, dtype=np.int64).sum())
    return {"written": count * area * (4 + 3 * number_bytes), "read": backgrounds + 4 * pixels}


def rotating(compositor: Compositor, recipe: Recipe, batch: int, limit: int) -> list[Any]:
    """Return (placements, outputs) pairs that together fill more than the caches hold."""
    rng = np.random.default_rng(batch)
    one = batch * compositor.bank.canvas**2 * 4
    sets = int(np.clip(-(-limit // one), 2, 64))
    return [
        (recipe[rng.integers(0, len(recipe), batch)], compositor.allocate(batch))
        for _ in range(sets)
    ]


def ours(
    compositor: Compositor, recipe: Recipe, clock: Clock, batch: int, repeats: int, limit: int,
    copy_gbps: float,
) -> dict[str, Any]:
    """Measure one compositor at one batch size."""
    pairs = rotating(compositor, recipe, batch, limit)
    turn = [0]

    def call() -> None:
        turn[0] += 1
        placements, out = pairs[turn[0] % len(pairs)]
        compositor(placements, out)

    bytes_ = must_move(compositor.bank, pairs[0][0], _number_bytes(compositor))
    row: dict[str, Any] = {"batch": batch, "bytes": bytes_}
    row["call"] = spread(clock.each(call, repeats))
    row["host"] = spread(clock.host(call, repeats))
    row["wall_seconds"] = clock.wall(call)
    row["kernel"] = row["call"]
    backend: Any = compositor._backend
    if hasattr(backend, "launch"):  # CuPy's: the kernel can be launched alone
        uploaded = [backend._ring.upload(placements) for placements, _ in pairs]

        def kernel() -> None:
            turn[0] += 1
            at = turn[0] % len(pairs)
            out = pairs[at][1]
            backend.launch(uploaded[at], out.image, out.mask, out.network_input)

        row["kernel"] = spread(clock.each(kernel, repeats))
    seconds = row["kernel"]["median"]
    row["gbps"] = sum(bytes_.values()) / seconds / 1e9
    row["of_copy"] = row["gbps"] / copy_gbps
    row["samples_per_second"] = batch / seconds
    row["samples_per_second_wall"] = batch / row["wall_seconds"]
    return row


def _number_bytes(compositor: Compositor) -> int:
    network = compositor.allocate(1).network_input
    return 0 if network is None else network.element_size()


def peer(
    name: str, bank: Bank, placements: Placements, clock: Clock, device: torch.device,
    repeats: int, expected: tuple[torch.Tensor, torch.Tensor],
) -> dict[str, Any]:
    """Measure one peer on one batch, and say how far its bytes are from Pillow's rule."""
    row: dict[str, Any] = {"peer": name, "batch": len(placements)}
    try:
        other = PEERS[name](bank, device)
        other.prepare(placements)
        image, mask = other.run()
        pairs = ((image, expected[0]), (mask, expected[1]))
        row["largest_difference"] = max(
            int((a.cpu().int() - b.cpu().int()).abs().max()) for a, b in pairs
        )
        del image, mask, pairs
        timed = Clock(torch.device("cpu")) if name.startswith("Pillow") else clock
        row["seconds"] = spread(timed.each(other.run, repeats, warm=2))
        row["samples_per_second"] = len(placements) / row["seconds"]["median"]
    except Exception as error:  # no kornia, no compiler, no memory: said, not hidden
        row["missing"] = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return row


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run everything; return the record."""
    dry = options.dry_run
    device = torch.device("cpu" if dry else "cuda:0")
    clock, repeats = Clock(device), 3 if dry else options.repeats
    limit = 1 << 16 if dry else ROTATE_BYTES
    bank = bank_like_the_builtin(*((32, 3, 4) if dry else (224, 100, 100)))
    recipe = Recipe.for_bank(bank, placements=20)
    record: dict[str, Any] = {
        "benchmark": "compositing_gpu", "dry_run": dry, **machine(),
        "bank_bytes": bank.backgrounds.nbytes + bank.foreground_rgba.nbytes,
        "ceilings": ceilings(clock, device, 1 << (16 if dry else 30), repeats),
        "ours": [], "peers": [], "skipped": {},
    }
    copy_gbps = record["ceilings"]["copy_gbps"]
    for backend in ("numba", "pillow") if dry else ("cupy", "numba-cuda"):
        why = load(backend).why_unavailable()
        if why is not None:
            record["skipped"][backend] = why
            continue
        for layout, network in (("nhwc", None), ("nchw", None), ("nhwc", torch.bfloat16)):
            begin = time.perf_counter()
            compositor = Compositor(
                bank, backend=backend, device=device, layout=layout, network_input=network
            )
            compositor(recipe[0:1])
            clock.wait()
            first = time.perf_counter() - begin
            for batch in (1, 5) if dry else BATCHES:
                row = ours(compositor, recipe, clock, batch, repeats, limit, copy_gbps)
                row.update(
                    backend=backend, layout=layout, network=str(network), first_launch_seconds=first
                )
                record["ours"].append(row)
            del compositor
    rng = np.random.default_rng(1)
    for batch in (1, 5) if dry else PEER_BATCHES:
        placements = recipe[rng.integers(0, len(recipe), batch)]
        made = Compositor(bank, backend="numba", device="cpu")(placements)
        for name in PEERS:
            if dry and "compile" in name:
                continue
            some = 3 if name.startswith("Pillow") else max(3, repeats // 3)
            record["peers"].append(
                peer(name, bank, placements, clock, device, some, (made.image, made.mask))
            )
    return record


def table(record: dict[str, Any]) -> str:
    """Return the record as a few lines for a person."""
    ceiling = record["ceilings"]
    lines = [
        f"{record['device']['name']}: copy {ceiling['copy_gbps']:.0f} GB/s, "
        f"fill {ceiling['fill_gbps']:.0f} GB/s",
        f"{'backend':<12}{'layout':<7}{'network':<16}{'batch':>6}{'kernel us':>11}{'host us':>9}"
        f"{'GB/s':>7}{'of copy':>9}{'M/s':>8}{'M/s wall':>10}{'first s':>9}",
    ]
    lines += [
        f"{r['backend']:<12}{r['layout']:<7}{r['network'].removeprefix('torch.'):<16}"
        f"{r['batch']:>6}{r['kernel']['median'] * 1e6:>11.1f}{r['host']['median'] * 1e6:>9.0f}"
        f"{r['gbps']:>7.0f}{r['of_copy']:>9.2f}{r['samples_per_second'] / 1e6:>8.2f}"
        f"{r['samples_per_second_wall'] / 1e6:>10.2f}{r['first_launch_seconds']:>9.2f}"
        for r in record["ours"]
    ]
    for r in record["peers"]:
        said = r.get("missing") or (
            f"{r['seconds']['median'] * 1e6:>12.1f} us {r['samples_per_second'] / 1e6:>8.4f} M/s, "
            f"differs by at most {r['largest_difference']}"
        )
        lines.append(f"{r['peer']:<30}{r['batch']:>6} {said}")
    lines += [f"{name} skipped: {why}" for name, why in record["skipped"].items()]
    return "\n".join(lines)


def main() -> int:
    """Run the benchmark; 0 also when there is no GPU, which it says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--dry-run", action="store_true", help="small numbers on the CPU")
    options = parser.parse_args()
    if not options.dry_run and not torch.cuda.is_available():
        print(f"skipped: torch {torch.__version__} sees no CUDA device")
        return 0
    with tempfile.TemporaryDirectory() as cache:
        os.environ["CUPY_CACHE_DIR"] = cache  # so that the first launch compiles, as for a new user
        record = measure(options)
    if not options.dry_run:
        print(write(options.out, "compositing_gpu", record))
    print(table(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
