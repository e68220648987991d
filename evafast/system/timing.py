"""StageClock: how long each stage of a run works, so that a user sees what to buy."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class StageClock:
    """Adds up the working seconds of named stages over all threads.

    A stage's share is its working time over the time that its workers had: 1.0 means that it set
    the pace.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._workers: dict[str, int] = {}
        self._queued: list[tuple[str, Any, Any]] = []
        self._lock = threading.Lock()
        self._start = time.perf_counter()

    def workers(self, stage: str, count: int) -> None:
        """Say that a stage has `count` workers (one when nothing is said)."""
        self._workers[stage] = count

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count the time inside the ``with`` block as work of a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - start)

    @contextmanager
    def on(self, device: torch.device, stage: str) -> Iterator[None]:
        """Count work that the block does on the CPU, or queues on a CUDA device's current stream.

        Queued work is timed by events and counted in `shares`; nothing waits for it here.
        """
        if device.type != "cuda":
            with self(stage):
                yield
            return
        import torch

        stream = torch.cuda.current_stream(device)
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record(stream)
        yield
        end.record(stream)
        with self._lock:
            self._queued.append((stage, start, end))

    def add(self, stage: str, seconds: float) -> None:
        """Count seconds that were measured elsewhere."""
        with self._lock:
            self._seconds[stage] += seconds

    @property
    def elapsed(self) -> float:
        """Seconds since this clock was made."""
        return time.perf_counter() - self._start

    def shares(self) -> dict[str, float]:
        """Return each stage's busy share, 0..1, in the order in which stages first worked."""
        elapsed = self.elapsed
        queued, self._queued = self._queued, []
        for stage, start, end in queued:
            end.synchronize()
            self.add(stage, start.elapsed_time(end) / 1000)
        return {
            stage: seconds / (elapsed * self._workers.get(stage, 1))
            for stage, seconds in self._seconds.items()
        }
